//! CancelDream at every durable step: the dream ends there, its fork is gone, and nothing is written
//! after it.

use anyhow::{Context as _, Result, ensure};
use client::Client;
use domain::Kind;
use proto::dream as dpb;
use proto::memory as pb;
use reverie_tests::faulty::Fault;

use crate::calls::{create_dream, ended, get_dream, new_dream};
use crate::cluster::answer;
use crate::crash::check_tidy;
use crate::dreamt::{Outcome, STORE, check, forks, oncall_parts, store, to_the_end};
use crate::parts::{Journal, Orchestrator, Parts};

const STEPS_MAX: u64 = 500;

async fn cancel(client: &Client, dream: &str) -> domain::Result<dpb::Dream> {
    let request = dpb::CancelDreamRequest { dream: dream.into() };
    Ok(answer(client.dreams().cancel_dream(request).await)?.dream.unwrap_or_default())
}

async fn only_dream(client: &Client) -> Result<dpb::Dream> {
    let dreams = answer(client.dreams().list_dreams(dpb::ListDreamsRequest::default()).await)?.dreams;
    ensure!(dreams.len() == 1, "{dreams:?}");
    dreams.into_iter().next().context("there is one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canceled_at_any_durable_step_a_dream_ends_there_and_the_store_can_dream_again() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    // The first step is the one that makes the dream: before it there is nothing to cancel.
    for n in 2..STEPS_MAX {
        let orchestrator = parts.orchestrator(&Journal::new()?).await?;
        orchestrator.engine.arm(n, Fault::Hold);
        let dreaming = to_the_end(&orchestrator, "");
        tokio::pin!(dreaming);
        tokio::select! {
            dream = &mut dreaming => {
                check(&parts, &orchestrator.client, &dream?, &undisturbed).await?;
                println!("canceled at each of {} durable steps", n - 2);
                return Ok(());
            }
            () = orchestrator.engine.reached() => {}
        }
        canceled(&parts, &orchestrator, dreaming).await.with_context(|| format!("canceled at step {n}"))?;
        again(&parts, &orchestrator, &undisturbed).await.with_context(|| format!("after canceling at step {n}"))?;
    }
    panic!("a dream has no end of steps");
}

async fn canceled(
    parts: &Parts,
    orchestrator: &Orchestrator,
    dreaming: impl Future<Output = Result<dpb::Dream>>,
) -> Result<()> {
    let before = forks(parts).await?.len();
    let dream = only_dream(&orchestrator.client).await?;
    let canceled = cancel(&orchestrator.client, &dream.id).await?;
    ensure!(canceled.state() == dpb::DreamState::Canceled, "{canceled:?}");
    let adoption = canceled.adoption.clone().unwrap_or_default();
    ensure!(adoption.state() == dpb::AdoptionState::Discarded, "{canceled:?}");
    ensure!(forks(parts).await?.len() == before - 1, "the fork is still there");

    orchestrator.engine.release();
    let (_, written) = orchestrator.engine.settled().await;
    ensure!(written == 0, "{written} writes after it was canceled");
    match dreaming.await {
        Ok(seen) => ensure!(seen.state() == dpb::DreamState::Canceled, "{seen:?}"),
        // The call that was making it.
        Err(error) => ensure!(error.to_string().contains("has ended"), "{error:?}"),
    }
    Ok(())
}

/// The store can dream again, and the canceled dream stays as it was.
async fn again(parts: &Parts, orchestrator: &Orchestrator, undisturbed: &Outcome) -> Result<()> {
    let canceled = only_dream(&orchestrator.client).await?;
    let dream = to_the_end(orchestrator, "").await?;
    check(parts, &orchestrator.client, &dream, undisturbed).await?;
    ensure!(get_dream(&orchestrator.client, &canceled.id).await? == canceled, "it changed after it was canceled");
    let gone = store(&parts.stores()?, &format!("dream-{}", canceled.id.trim_start_matches("drm_"))).await;
    ensure!(gone.is_err_and(|e| e.kind() == Kind::NotFound), "its fork came back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_delete_stores_cancels_and_leaves_the_fork_to_who_may() -> Result<()> {
    let parts = oncall_parts().await?;
    let journal = Journal::new()?;
    let orchestrator = parts.orchestrator(&journal).await?;
    let scope = pb::Scope { role: pb::Role::Writer.into(), all_stores: true, ..Default::default() };
    let request = pb::CreateTokenRequest { scope: Some(scope), ..Default::default() };
    let writer = answer(parts.stores()?.access().create_token(request).await)?.secret;
    let writer = orchestrator.client.with_secret(domain::access::Secret::new(writer));
    orchestrator.engine.arm(12, Fault::Hold);
    let dream = create_dream(&writer, new_dream(STORE, "")).await?;
    orchestrator.engine.reached().await;

    let canceled = cancel(&writer, &dream.id).await?;
    assert_eq!(canceled.state(), dpb::DreamState::Canceled);
    assert_eq!(cancel(&writer, &dream.id).await?, canceled, "canceling twice is canceling once");
    check_tidy(&journal).await?;
    assert!(store(&parts.stores()?, &canceled.output_store).await.is_ok());
    let request = dpb::DiscardDreamRequest { dream: dream.id.clone() };
    answer(orchestrator.client.dreams().discard_dream(request).await)?;
    assert_eq!(store(&parts.stores()?, &canceled.output_store).await.unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dream_that_has_ended_is_not_canceled() -> Result<()> {
    let parts = oncall_parts().await?;
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    let dream = to_the_end(&orchestrator, "").await?;
    let refused = cancel(&orchestrator.client, &dream.id).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Precondition);
    assert_eq!(ended(&orchestrator.client, &dream.id).await?, dream);
    assert!(store(&parts.stores()?, &dream.output_store).await.is_ok(), "its proposal stays");
    Ok(())
}
