//! Requests of dream-orchestrator: their ids, how long those count, and callers whose tokens end soon.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use domain::Kind;
use domain::access::Secret;
use proto::dream as dpb;
use proto::memory as pb;
use reverie_tests::faulty::Fault;

use crate::calls::{create_dream, ended, get_dream, new_dream, watched};
use crate::cluster::answer;
use crate::dreamt::{STORE, forks, oncall_parts, to_the_end};
use crate::parts::{Journal, LONG, SetClock};

const REQUEST: u8 = 0x07;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_id_counts_for_a_day_and_is_then_swept_up() -> Result<()> {
    let mut parts = oncall_parts().await?;
    let (clock, journal) = (Arc::new(SetClock::default()), Journal::new()?);
    parts.clock = clock.clone();
    let orchestrator = parts.orchestrator(&journal).await?;
    let dream = to_the_end(&orchestrator, "monday").await?;
    let other = dpb::CreateDreamRequest { instructions: "else".into(), ..new_dream(STORE, "monday") };
    let refused = create_dream(&orchestrator.client, other.clone()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.reason()), (Kind::Invalid, "REQUEST_ID_REUSED"));

    clock.advance_h(23);
    assert_eq!(create_dream(&orchestrator.client, new_dream(STORE, "monday")).await?, dream);
    clock.advance_h(2);
    let fresh = create_dream(&orchestrator.client, other).await?;
    assert_ne!(fresh.id, dream.id, "after a day the id is free, swept up or not");
    ended(&orchestrator.client, &fresh.id).await?;
    assert_eq!(journal.rows(REQUEST).await?.len(), 1);

    clock.advance_h(25);
    orchestrator.process.kill();
    let _sweeps = parts.orchestrator(&journal).await?;
    let swept = async {
        while !journal.rows(REQUEST).await?.is_empty() {
            tokio::task::yield_now().await;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(Duration::from_secs(60), swept).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dream_whose_maker_never_comes_back_is_given_up() -> Result<()> {
    let mut parts = oncall_parts().await?;
    let (clock, journal) = (Arc::new(SetClock::default()), Journal::new()?);
    parts.clock = clock.clone();
    let first = parts.orchestrator(&journal).await?;
    // The second step gives it its token.
    first.engine.arm(2, Fault::Crash);
    tokio::select! {
        made = create_dream(&first.client, new_dream(STORE, "")) => panic!("{made:?}"),
        () = first.engine.reached() => {}
    }
    first.process.kill();
    journal.clock.advance(LONG);
    let second = parts.orchestrator(&journal).await?;
    let request = dpb::ListDreamsRequest::default();
    let dreams = answer(second.client.dreams().list_dreams(request).await)?.dreams;
    assert_eq!(dreams.iter().map(dpb::Dream::state).collect::<Vec<_>>(), [dpb::DreamState::Pending]);
    let refused = create_dream(&second.client, new_dream(STORE, "")).await.unwrap_err();
    assert_eq!(refused.reason(), "DREAM_RUNNING");

    clock.advance_h(1);
    let dream = watched(&second.client, &dreams[0].id, |d| d.state() == dpb::DreamState::Failed).await?;
    assert_eq!(dream.error.clone().unwrap_or_default().reason, "NOT_BEGUN", "{dream:?}");
    let again = create_dream(&second.client, new_dream(STORE, "")).await?;
    ended(&second.client, &again.id).await?;

    let before = forks(&parts).await?.len();
    answer(second.client.dreams().discard_dream(dpb::DiscardDreamRequest { dream: dream.id }).await)?;
    assert_eq!(forks(&parts).await?.len(), before - 1, "the fork that it had got is discarded with it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_token_for_half_an_hour_can_dream_and_adopt() -> Result<()> {
    let parts = oncall_parts().await?;
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    let scope = pb::Scope { role: pb::Role::Curator.into(), all_stores: true, ..Default::default() };
    for minutes in [30, 5] {
        let ttl = Some(proto::convert::time::from_duration(Duration::from_secs(minutes * 60)));
        let request = pb::CreateTokenRequest { scope: Some(scope.clone()), ttl, ..Default::default() };
        let token = answer(parts.stores()?.access().create_token(request).await)?.secret;
        let agent = orchestrator.client.with_secret(Secret::new(token));
        let dream = create_dream(&agent, new_dream(STORE, "")).await?;
        let dream = ended(&agent, &dream.id).await?;
        assert!(dream.report.is_some(), "{dream:?}");
        answer(agent.dreams().adopt_dream(dpb::AdoptDreamRequest { dream: dream.id, ..Default::default() }).await)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dream_that_cannot_begin_leaves_nothing() -> Result<()> {
    let parts = oncall_parts().await?;
    let journal = Journal::new()?;
    let orchestrator = parts.orchestrator(&journal).await?;
    let before = forks(&parts).await?.len();
    // Who sees a part of a store may not fork it.
    let grant = pb::Grant { store: STORE.into(), access: pb::Access::ReadWrite.into(), path_prefix: "/a/".into() };
    let scope = pb::Scope { role: pb::Role::Writer.into(), grants: vec![grant], all_stores: false };
    let request = pb::CreateTokenRequest { scope: Some(scope), ..Default::default() };
    let token = answer(parts.stores()?.access().create_token(request).await)?.secret;
    let agent = orchestrator.client.with_secret(Secret::new(token));
    for request_id in ["", "again", "again"] {
        let refused = create_dream(&agent, new_dream(STORE, request_id)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Denied, "{refused:?}");
    }
    for kind in [0x01, 0x02, REQUEST] {
        assert!(journal.rows(kind).await?.is_empty(), "rows of kind {kind} are left");
    }
    assert_eq!(forks(&parts).await?.len(), before);
    let dream = to_the_end(&orchestrator, "again").await?;
    assert_eq!(get_dream(&orchestrator.client, &dream.id).await?, dream);
    Ok(())
}
