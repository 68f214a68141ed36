//! Outages: a peer that is away for a while is waited for, one that stays away fails the dream, in
//! words; a session that is gone is named, and what was read in part never passes for the whole.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::id::SessionId;
use proto::dream as dpb;
use proto::dream::session_selector::Selector;
use proto::transcript as tpb;
use reverie_tests::faulty::Fault;
use storage::engine::{Batch, Direction, Range, Write};

use crate::calls::{create_dream, ended, get_dream, last, new_dream, watch};
use crate::cluster::answer;
use crate::crash::RUNNING;
use crate::dreamt::{Outcome, SESSIONS, STORE, check, oncall_parts, store};
use crate::parts::{Journal, Parts, listen_at};

/// The durable steps of a dream before its sessions are pinned, and before they are read.
const SNAPSHOT: u64 = 5;
const ANALYSE: u64 = 8;

/// Takes calls at an address and hangs up on each: as many times as asked.
fn hang_up(listener: &TcpListener, times: usize) -> Result<()> {
    for _ in 0..times {
        drop(listener.accept()?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_away_for_a_while_is_waited_for() -> Result<()> {
    let mut parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    let journal = Journal::new()?;
    let orchestrator = parts.orchestrator(&journal).await?;
    orchestrator.engine.arm(SNAPSHOT, Fault::Hold);
    let dream = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    orchestrator.engine.reached().await;
    parts.memory.take().context("it runs")?.kill();
    let listener = listen_at(parts.memory_address).await?;
    orchestrator.engine.release();
    // By the sixth call the dream has been refused more than once, and waits.
    tokio::task::spawn_blocking(move || hang_up(&listener, 6)).await??;
    assert_eq!(journal.rows(RUNNING).await?.len(), 1, "it has not given up");

    parts.restart_memory().await?;
    let dream = ended(&orchestrator.client, &dream.id).await?;
    check(&parts, &orchestrator.client, &dream, &undisturbed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stays_away_fails_the_dream_and_the_store_can_dream_again() -> Result<()> {
    let mut parts = oncall_parts().await?;
    parts.timing.patience = Duration::from_millis(300);
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    orchestrator.engine.arm(SNAPSHOT, Fault::Hold);
    let dream = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    orchestrator.engine.reached().await;
    let watching = watch(&orchestrator.client, &dream.id).await?;
    parts.memory.take().context("it runs")?.kill();
    orchestrator.engine.release();
    let failed = last(watching, |_| false).await?;
    assert_eq!(failed.state(), dpb::DreamState::Failed);
    let error = failed.error.clone().unwrap_or_default();
    assert_eq!(error.reason, "UNAVAILABLE");
    assert!(error.message.starts_with("memory-store did not answer for "), "{error:?}");
    assert!(failed.report.is_none(), "{failed:?}");

    parts.restart_memory().await?;
    let again = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    let again = ended(&orchestrator.client, &again.id).await?;
    assert!(again.report.is_some(), "{again:?}");
    Ok(())
}

async fn sessions(parts: &Parts) -> Result<Vec<String>> {
    let request = tpb::ListSessionsRequest { page_size: 100, ..Default::default() };
    let sessions = answer(parts.sessions()?.transcripts().list_sessions(request).await)?.sessions;
    Ok(sessions.into_iter().map(|s| s.id).collect())
}

/// Takes a session away below transcript-ingest, as deleting it will.
async fn delete(parts: &Parts, session: &str) -> Result<()> {
    let id: SessionId = session.parse()?;
    let rows = parts.transcript_rows.scan(Range::prefix(&[]), usize::MAX, Direction::Ascending).await?;
    let its = rows.into_iter().filter(|(key, _)| key.windows(16).any(|w| w == id.as_bytes()));
    let writes: Vec<_> = its.map(|(key, _)| Write::Delete(key)).collect();
    assert!(writes.len() >= 2, "a session is a row and its events");
    Ok(parts.transcript_rows.commit(Batch { writes, ..Batch::default() }).await?)
}

fn of_ids(ids: Vec<String>) -> dpb::CreateDreamRequest {
    let selector = Some(Selector::Ids(dpb::SessionIds { ids }));
    dpb::CreateDreamRequest { sessions: Some(dpb::SessionSelector { selector }), ..new_dream(STORE, "") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_gone_is_named_and_the_dream_needs_review() -> Result<()> {
    let parts = oncall_parts().await?;
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    let all = sessions(&parts).await?;
    let open = tpb::CreateSessionRequest {
        agent: Some(tpb::Agent { name: "pager-a".into(), version: String::new() }),
        ..Default::default()
    };
    let open = answer(parts.sessions()?.transcripts().create_session(open).await)?.session.unwrap_or_default().id;
    let never = SessionId::from_bytes([7; 16]).to_string();
    let mut asked = all.clone();
    asked.extend([never.clone(), open.clone()]);
    orchestrator.engine.arm(ANALYSE, Fault::Hold);
    let dream = create_dream(&orchestrator.client, of_ids(asked)).await?;
    orchestrator.engine.reached().await;
    let pinned = get_dream(&orchestrator.client, &dream.id).await?;
    assert_eq!((pinned.stage.as_str(), pinned.input.unwrap_or_default().sessions.len()), ("snapshot", SESSIONS));
    delete(&parts, &all[0]).await?;
    orchestrator.engine.release();

    let dream = ended(&orchestrator.client, &dream.id).await?;
    assert_eq!(dream.state(), dpb::DreamState::NeedsReview, "a part is not the whole: {dream:?}");
    let report = dream.report.unwrap_or_default();
    let skipped: Vec<_> = report.skipped_sessions.iter().map(|s| (s.session.as_str(), s.reason.as_str())).collect();
    assert_eq!(skipped, [(never.as_str(), "gone"), (open.as_str(), "open"), (all[0].as_str(), "gone")]);
    assert_eq!(report.sessions_read, SESSIONS as u64 - 1);
    let why = format!("3 of {} sessions were not read", SESSIONS + 2);
    assert!(report.review_reasons.contains(&why), "{:?}", report.review_reasons);
    for named in [&never, &open, &all[0], &why] {
        assert!(report.markdown.contains(named.as_str()), "{named} is not in\n{}", report.markdown);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dream_of_which_every_session_is_gone_fails() -> Result<()> {
    let parts = oncall_parts().await?;
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    let never = SessionId::from_bytes([7; 16]).to_string();
    let dream = create_dream(&orchestrator.client, of_ids(vec![never.clone()])).await?;
    let failed = ended(&orchestrator.client, &dream.id).await?;
    let error = failed.error.clone().unwrap_or_default();
    assert_eq!((failed.state(), error.reason.as_str()), (dpb::DreamState::Failed, "NO_SESSIONS"), "{failed:?}");
    assert!(error.message.contains(&never), "{error:?}");
    assert!(store(&parts.stores()?, &failed.output_store).await.is_ok(), "its fork is for DiscardDream");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_proposed_is_published_though_a_session_is_gone_since() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    let all = sessions(&parts).await?;
    let journal = Journal::new()?;
    let first = parts.orchestrator(&journal).await?;
    let dream = publishing(&parts, &first).await?;
    first.process.kill();
    delete(&parts, &all[0]).await?;
    journal.clock.advance(crate::parts::LONG);
    let second = parts.orchestrator(&journal).await?;
    let dream = ended(&second.client, &dream.id).await?;
    check(&parts, &second.client, &dream, &undisturbed).await
}

/// A dream that was stopped after it has published, before it could say so.
async fn publishing(parts: &Parts, orchestrator: &crate::parts::Orchestrator) -> Result<dpb::Dream> {
    orchestrator.engine.arm(u64::MAX, Fault::Crash);
    let whole = crate::dreamt::to_the_end(orchestrator, "").await?;
    let steps = orchestrator.engine.commits();
    let request = dpb::DiscardDreamRequest { dream: whole.id };
    answer(orchestrator.client.dreams().discard_dream(request).await)?;
    // Its last steps: published, enters the report, ends.
    orchestrator.engine.arm(steps - 2, Fault::Crash);
    let dream = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    orchestrator.engine.reached().await;
    let fork = store(&parts.stores()?, &dream.output_store).await?;
    assert_eq!(fork.head_revision, fork.forked_from.unwrap_or_default().revision + 1, "it is published");
    Ok(dream)
}
