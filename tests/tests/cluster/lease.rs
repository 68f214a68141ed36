//! Leases: one process runs a dream. Another takes over once the lease has run out, and whatever the
//! first then still tries to write is refused.

use anyhow::{Context as _, Result, ensure};
use proto::dream as dpb;
use reverie_tests::faulty::Fault;

use crate::calls::{create_dream, ended, get_dream, new_dream, watched};
use crate::crash::check_tidy;
use crate::dreamt::{Outcome, STORE, check, fill, forks, oncall_parts, to_the_end};
use crate::parts::{Journal, LONG, Parts};

const DREAM: u8 = 0x01;
const STEPS_MAX: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_at_any_durable_step_a_process_is_taken_over_from_and_writes_nothing_more() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    for n in 1..STEPS_MAX {
        if !taken_over(&parts, &undisturbed, n).await.with_context(|| format!("stopped at step {n}"))? {
            println!("taken over at each of {} durable steps", n - 1);
            return Ok(());
        }
    }
    panic!("a dream has no end of steps");
}

/// False where the dream has no such step.
async fn taken_over(parts: &Parts, undisturbed: &Outcome, n: u64) -> Result<bool> {
    let (journal, before) = (Journal::new()?, forks(parts).await?.len());
    let zombie = parts.orchestrator(&journal).await?;
    zombie.engine.arm(n, Fault::Stall);
    let request_id = format!("zombie-{n}");
    let stuck = to_the_end(&zombie, &request_id);
    tokio::pin!(stuck);
    tokio::select! {
        dream = &mut stuck => {
            check(parts, &zombie.client, &dream?, undisturbed).await?;
            return Ok(false);
        }
        () = zombie.engine.reached() => {}
    }
    journal.clock.advance(LONG);
    let heir = parts.orchestrator(&journal).await?;
    let dream = to_the_end(&heir, &request_id).await?;
    let rows = journal.rows(DREAM).await?;

    zombie.engine.release();
    let told = stuck.await.context("the caller of the stopped process")?;
    let (refused, written) = zombie.engine.settled().await;
    ensure!(written == 0, "{written} writes of the stopped process were made, {refused} refused");
    ensure!(told.id == dream.id && told.state == dream.state, "{told:?} was told, it is {dream:?}");
    ensure!(journal.rows(DREAM).await? == rows, "the dream changed after its end");
    check(parts, &heir.client, &dream, undisturbed).await?;
    check_tidy(&journal).await?;
    ensure!(forks(parts).await?.len() == before + 1, "one dream, one fork");
    Ok(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_holds_is_respected_and_a_watch_elsewhere_sees_the_end() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    let journal = Journal::new()?;
    let (first, second) = (parts.orchestrator(&journal).await?, parts.orchestrator(&journal).await?);
    first.engine.arm(12, Fault::Hold);
    second.engine.arm(1, Fault::Hold);
    let dream = create_dream(&first.client, new_dream(STORE, "")).await?;
    first.engine.reached().await;
    let here = watched(&second.client, &dream.id, |d| d.state() == dpb::DreamState::Running);
    assert_eq!(here.await?.state(), dpb::DreamState::Running);
    first.engine.release();
    let dream = ended(&second.client, &dream.id).await?;
    check(&parts, &second.client, &dream, &undisturbed).await?;
    assert_eq!(second.engine.commits(), 0, "the second process has written nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_told_to_stop_hands_its_dreams_over_at_once() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    let journal = Journal::new()?;
    let first = parts.orchestrator(&journal).await?;
    first.engine.arm(12, Fault::Hold);
    let dream = create_dream(&first.client, new_dream(STORE, "")).await?;
    first.engine.reached().await;
    first.process.stop();
    // The engine's clock stands still: no lease runs out.
    let second = parts.orchestrator(&journal).await?;
    let dream = ended(&second.client, &dream.id).await?;
    check(&parts, &second.client, &dream, &undisturbed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_has_one_dream_at_a_time_and_two_stores_dream_at_once() -> Result<()> {
    let parts = oncall_parts().await?;
    fill(&parts, "team-web", 8).await?;
    let orchestrator = parts.orchestrator(&Journal::new()?).await?;
    orchestrator.engine.arm(12, Fault::Hold);
    let first = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    orchestrator.engine.reached().await;

    let before = forks(&parts).await?.len();
    let refused = create_dream(&orchestrator.client, new_dream(STORE, "")).await.unwrap_err();
    assert_eq!((refused.reason(), refused.kind()), ("DREAM_RUNNING", domain::Kind::Precondition));
    assert!(refused.details().metadata.contains(&("dream", first.id.clone())), "{refused:?} names the one that runs");
    assert_eq!(forks(&parts).await?.len(), before, "a dream that is refused leaves no fork");

    let other = create_dream(&orchestrator.client, new_dream("team-web", "")).await?;
    let other = ended(&orchestrator.client, &other.id).await?;
    assert!(matches!(other.state(), dpb::DreamState::Succeeded | dpb::DreamState::NeedsReview), "{other:?}");
    assert_eq!(get_dream(&orchestrator.client, &first.id).await?.state(), dpb::DreamState::Running);

    orchestrator.engine.release();
    let first = ended(&orchestrator.client, &first.id).await?;
    assert!(first.report.is_some(), "{first:?}");
    let again = create_dream(&orchestrator.client, new_dream(STORE, "")).await?;
    assert_ne!(again.id, first.id);
    Ok(())
}
