//! Adoption: a part of a proposal, of a store that has moved, asked for twice, cut short: one commit,
//! of the person and the dream, whose lines lead back to the events.

use anyhow::{Context as _, Result, ensure};
use client::Client;
use domain::Kind;
use domain::dream::Change;
use proto::dream as dpb;
use proto::memory as pb;
use reverie_tests::faulty::Fault;
use storage::engine::{Direction, Range};

use crate::calls::{changes, get_dream, memories, open_evidence};
use crate::cluster::{answer, write};
use crate::dreamt::{STORE, commits_of, forks, oncall_parts, store, to_the_end};
use crate::parts::{Journal, Orchestrator, Parts};

const CHANGE: u8 = 0x05;
/// The line of the store that the sessions correct.
const CORRECTED: &str = "db-3.prod";

struct Dreamt {
    parts: Parts,
    journal: Journal,
    orchestrator: Orchestrator,
    dream: dpb::Dream,
    changes: Vec<dpb::Change>,
}

impl Dreamt {
    async fn new() -> Result<Dreamt> {
        let (parts, journal) = (oncall_parts().await?, Journal::new()?);
        let orchestrator = parts.orchestrator(&journal).await?;
        let dream = to_the_end(&orchestrator, "").await?;
        let changes = changes(&orchestrator.client, &dream.id).await?;
        Ok(Dreamt { parts, journal, orchestrator, dream, changes })
    }

    fn all(&self) -> dpb::AdoptDreamRequest {
        dpb::AdoptDreamRequest { dream: self.dream.id.clone(), ..Default::default() }
    }

    fn accepted(&self) -> dpb::AdoptDreamRequest {
        dpb::AdoptDreamRequest { changes: dpb::AdoptSelection::Accepted.into(), ..self.all() }
    }

    async fn adopt(&self, request: dpb::AdoptDreamRequest) -> domain::Result<dpb::AdoptDreamResponse> {
        adopt(&self.orchestrator.client, request).await
    }

    async fn review(&self, change: &str, decision: dpb::ReviewDecision) -> Result<()> {
        let request = dpb::ReviewChangeRequest {
            dream: self.dream.id.clone(),
            change: change.to_owned(),
            decision: decision.into(),
            note: String::new(),
        };
        answer(self.orchestrator.client.dreams().review_change(request).await)?;
        Ok(())
    }

    async fn head(&self) -> Result<u64> {
        Ok(store(&self.parts.stores()?, STORE).await?.head_revision)
    }

    /// The changes that add files, in the order of the report.
    fn notes(&self) -> Vec<&dpb::Change> {
        let adds = self.changes.iter().filter(|c| c.operation() == dpb::ChangeOperation::Add);
        adds.filter(|c| c.reason != "index").collect()
    }

    /// Makes a change depend on another, as an engine with deeper changes would.
    async fn depend(&self, change: &str, on: &str) -> Result<()> {
        let vault = &self.orchestrator.vault;
        for (key, row) in vault.scan(Range::prefix(&[CHANGE]), usize::MAX, Direction::Ascending).await? {
            let (format, plain) = row.value().split_first().context("a row has a format")?;
            let (mut held, diff): (Change, String) = postcard::from_bytes(plain)?;
            if held.id == change {
                held.depends_on.push(on.to_owned());
                let mut batch = vault.batch();
                let mut plain = vec![*format];
                plain.extend(postcard::to_stdvec(&(held, diff))?);
                batch.replace(key, &row, &plain)?;
                return Ok(vault.commit(batch).await?);
            }
        }
        anyhow::bail!("there is no change {change}")
    }
}

async fn adopt(client: &Client, request: dpb::AdoptDreamRequest) -> domain::Result<dpb::AdoptDreamResponse> {
    answer(client.dreams().adopt_dream(request).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_a_change_adopts_it_with_what_it_depends_on_and_nothing_else() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let notes = dreamt.notes();
    let [needed, accepted] = [notes[0], notes[1]];
    dreamt.depend(&accepted.id, &needed.id).await?;
    let head = dreamt.head().await?;
    let refused = dreamt.adopt(dreamt.accepted()).await.unwrap_err();
    assert_eq!((refused.kind(), dreamt.head().await?), (Kind::Precondition, head), "nobody accepted anything");

    dreamt.review(&accepted.id, dpb::ReviewDecision::Accept).await?;
    let dry = dpb::AdoptDreamRequest { dry_run: true, ..dreamt.accepted() };
    assert_eq!(dreamt.adopt(dry).await?.adopted_changes, [needed.id.clone(), accepted.id.clone()]);
    assert_eq!(dreamt.head().await?, head, "a dry run changes nothing");
    let adopted = dreamt.adopt(dreamt.accepted()).await?;
    assert_eq!(adopted.adopted_changes, [needed.id.clone(), accepted.id.clone()]);
    assert_eq!((adopted.revision, dreamt.head().await?), (head + 1, head + 1), "one commit");
    let mut paths: Vec<String> = memories(&dreamt.parts.stores()?, STORE).await?.into_keys().collect();
    paths.retain(|p| p != "/INDEX.md" && p != "/checkout-db.md");
    assert_eq!(paths, [needed.paths.clone(), accepted.paths.clone()].concat());
    assert_eq!(forks(&dreamt.parts).await?.len(), 1, "only the proposal itself is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejecting_a_change_keeps_out_what_depends_on_it() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let notes = dreamt.notes();
    let [rejected, dependent] = [notes[0], notes[1]];
    dreamt.depend(&dependent.id, &rejected.id).await?;
    dreamt.review(&rejected.id, dpb::ReviewDecision::Reject).await?;
    dreamt.review(&dependent.id, dpb::ReviewDecision::Accept).await?;
    let refused = dreamt.adopt(dreamt.accepted()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Precondition, "what was accepted cannot stand alone: {refused:?}");

    let adopted = dreamt.adopt(dreamt.all()).await?;
    let kept = dreamt.changes.iter().map(|c| c.id.clone()).filter(|id| *id != rejected.id && *id != dependent.id);
    assert_eq!(adopted.adopted_changes, kept.collect::<Vec<_>>());
    let after = memories(&dreamt.parts.stores()?, STORE).await?;
    assert!(after["/checkout-db.md"].contains(CORRECTED), "{after:?}");
    for path in rejected.paths.iter().chain(&dependent.paths) {
        assert!(!after.contains_key(path) && !after["/INDEX.md"].contains(path.as_str()), "{path} came along");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_has_moved_is_adopted_onto_and_keeps_its_own() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let stores = dreamt.parts.stores()?;
    write(&stores, STORE, "/checkout-db.md", &format!("{}\nowner: ana\n", corrected_base())).await?;
    let head = dreamt.head().await?;
    let stale = dpb::AdoptDreamRequest { expected_target_revision: Some(head - 1), ..dreamt.all() };
    let refused = dreamt.adopt(stale).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(refused.details().conflicts[0].actual_revision, head, "{refused:?} says the head");
    assert_eq!(dreamt.head().await?, head);

    let expected = dpb::AdoptDreamRequest { expected_target_revision: Some(head), ..dreamt.all() };
    assert_eq!(dreamt.adopt(expected).await?.revision, head + 1);
    let after = memories(&stores, STORE).await?;
    assert!(
        after["/checkout-db.md"].contains(CORRECTED) && after["/checkout-db.md"].contains("owner: ana"),
        "{after:?}"
    );
    Ok(())
}

/// The corrected file as it was before anybody dreamt.
fn corrected_base() -> &'static str {
    "# checkout-db\n\ncheckout-db primary: db-1.prod\ncheckout-db replicas: 2\n"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_both_sides_changed_a_line_nothing_is_applied_and_both_are_shown() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let stores = dreamt.parts.stores()?;
    let theirs = corrected_base().replace("db-1.prod", "db-7.prod");
    write(&stores, STORE, "/checkout-db.md", &theirs).await?;
    let (head, before) = (dreamt.head().await?, memories(&stores, STORE).await?);
    let refused = dreamt.adopt(dreamt.all()).await.unwrap_err();
    assert_eq!(refused.reason(), "MERGE_CONFLICT");
    let conflict = &refused.details().merge_conflicts[0];
    assert_eq!((conflict.path.as_str(), conflict.base.as_deref()), ("/checkout-db.md", Some(corrected_base())));
    assert_eq!(conflict.ours.as_deref(), Some(theirs.as_str()));
    assert!(conflict.theirs.as_deref().is_some_and(|t| t.contains(CORRECTED)), "{conflict:?}");
    assert_eq!((dreamt.head().await?, memories(&stores, STORE).await?), (head, before));
    assert_eq!(forks(&dreamt.parts).await?.len(), 1, "no scratch fork is left");

    // Rejecting the change that clashes lets the rest in.
    let clash = dreamt.changes.iter().find(|c| c.diff.contains(CORRECTED)).context("it is there")?;
    dreamt.review(&clash.id, dpb::ReviewDecision::Reject).await?;
    let adopted = dreamt.adopt(dreamt.all()).await?;
    assert_eq!(adopted.adopted_changes.len(), dreamt.changes.len() - 1);
    assert_eq!(memories(&stores, STORE).await?["/checkout-db.md"], theirs);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopting_twice_is_adopting_once() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let head = dreamt.head().await?;
    let request = dpb::AdoptDreamRequest { request_id: "once".into(), message: "yes".into(), ..dreamt.all() };
    let adopted = dreamt.adopt(request.clone()).await?;
    assert!(!adopted.no_op && adopted.revision == head + 1, "{adopted:?}");
    assert_eq!(dreamt.adopt(request.clone()).await?, adopted, "same id, same outcome");
    let anew = dreamt.adopt(dreamt.all()).await?;
    assert!(anew.no_op && anew.revision == adopted.revision, "{anew:?}");
    let other = dpb::AdoptDreamRequest { message: "no".into(), ..request };
    assert_eq!(dreamt.adopt(other).await.unwrap_err().reason(), "REQUEST_ID_REUSED");
    assert_eq!(dreamt.head().await?, head + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_adopt_at_the_same_moment_make_one_commit() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let head = dreamt.head().await?;
    let all = futures_util::future::try_join_all((0..4).map(|_| dreamt.adopt(dreamt.all()))).await?;
    assert!(all.iter().all(|a| a.revision == head + 1), "{all:?}");
    assert_eq!(dreamt.head().await?, head + 1);
    assert_eq!(commits_of(&dreamt.parts, STORE, &dreamt.dream.id).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_that_is_killed_at_any_durable_step_and_asked_for_again_is_one_commit() -> Result<()> {
    for n in 1..10 {
        let dreamt = Dreamt::new().await?;
        if !adopted_after(dreamt, n, Fault::Crash).await.with_context(|| format!("killed at step {n}"))? {
            println!("an adoption has {} durable steps", n - 1);
            return Ok(());
        }
    }
    panic!("an adoption has no end of steps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_whose_answer_is_lost_is_one_commit() -> Result<()> {
    for n in 1..10 {
        let dreamt = Dreamt::new().await?;
        if !adopted_after(dreamt, n, Fault::LoseAnswer).await.with_context(|| format!("lost at step {n}"))? {
            return Ok(());
        }
    }
    panic!("an adoption has no end of steps");
}

/// Adopts with a fault, then again. Meanwhile people go on with what they find. False where the fault
/// did not come.
async fn adopted_after(dreamt: Dreamt, n: u64, fault: Fault) -> Result<bool> {
    let head = dreamt.head().await?;
    let request =
        dpb::AdoptDreamRequest { request_id: "once".into(), expected_target_revision: Some(head), ..dreamt.all() };
    dreamt.orchestrator.engine.arm(n, fault);
    let is_hit = tokio::select! {
        biased;
        () = dreamt.orchestrator.engine.reached() => true,
        done = dreamt.adopt(request.clone()) => fault == Fault::LoseAnswer && done.is_err(),
    };
    if !is_hit {
        return Ok(false);
    }
    let stores = dreamt.parts.stores()?;
    let has_landed = dreamt.head().await? > head;
    if has_landed {
        // What was adopted is edited: merging once more would clash with it.
        let text = memories(&stores, STORE).await?["/checkout-db.md"].replace(CORRECTED, "db-9.prod");
        write(&stores, STORE, "/checkout-db.md", &text).await?;
    }
    let Dreamt { parts, journal, orchestrator, dream, .. } = dreamt;
    orchestrator.process.kill();
    let second = parts.orchestrator(&journal).await?;
    let adopted = adopt(&second.client, request).await?;
    ensure!(adopted.revision == head + 1, "{adopted:?}");
    ensure!(commits_of(&parts, STORE, &dream.id).await?.len() == 1, "one commit");
    let settled = get_dream(&second.client, &dream.id).await?.adoption.unwrap_or_default();
    ensure!(settled.state() == dpb::AdoptionState::Adopted && settled.revision == head + 1, "{settled:?}");
    let text = memories(&stores, STORE).await?["/checkout-db.md"].clone();
    ensure!(text.contains(if has_landed { "db-9.prod" } else { CORRECTED }), "{text}");
    Ok(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_line_leads_back_to_its_events() -> Result<()> {
    let dreamt = Dreamt::new().await?;
    let stores = dreamt.parts.stores()?;
    let adopted = dreamt.adopt(dreamt.all()).await?;
    let request = pb::GetCommitRequest { store: STORE.into(), revision: adopted.revision };
    let actor =
        answer(stores.history().get_commit(request).await)?.commit.unwrap_or_default().actor.unwrap_or_default();
    assert_eq!((actor.principal.as_str(), actor.dream.as_str()), ("admin", dreamt.dream.id.as_str()));

    let blame = pb::BlameRequest { store: STORE.into(), path: "/checkout-db.md".into(), revision: 0 };
    let ranges = answer(stores.history().blame(blame).await)?.ranges;
    let line = ranges.iter().find(|r| r.lines.iter().any(|l| l.contains(CORRECTED))).context("the line is blamed")?;
    let source = line.sources.first().context("and has a source")?;
    let (dream, change) = source.split_once("/change/").context("which is a change")?;
    assert_eq!(dream, format!("reverie:dream/{}", dreamt.dream.id));
    let change: Vec<dpb::Change> = dreamt.changes.iter().filter(|c| c.id == change).cloned().collect();
    assert_eq!(change.len(), 1, "{source}");
    let events = change[0].evidence.iter().filter(|e| matches!(e.source, Some(dpb::evidence::Source::Event(_))));
    assert!(events.count() > 0, "{change:?}");
    assert!(open_evidence(&dreamt.orchestrator.client, &dreamt.dream.id, &change).await? > 0);
    Ok(())
}
