//! Failures of dream-orchestrator and its database at every durable step of a dream: it completes, as
//! if nothing had happened, and publishes once.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use proto::dream as dpb;
use reverie_tests::faulty::Fault;

use crate::calls::{create_dream, ended, new_dream};
use crate::dreamt::{Outcome, SESSIONS, STORE, check, forks, oncall_parts, to_the_end};
use crate::parts::{Journal, LONG, Orchestrator, Parts};

/// Kinds of rows in the journal.
pub const RUNNING: u8 = 0x02;
const FENCE: u8 = 0x03;
const ANALYSIS: u8 = 0x04;
const TERM: u8 = 0x08;

/// More steps than a dream has.
const STEPS_MAX: u64 = 500;

/// The dream of the request, or None where the fault came first.
async fn unless_faulty(orchestrator: &Orchestrator, request_id: &str) -> Result<Option<dpb::Dream>> {
    tokio::select! {
        dream = to_the_end(orchestrator, request_id) => dream.map(Some),
        () = orchestrator.engine.reached() => Ok(None),
    }
}

/// Nothing of a dream stays in the journal that only its run needed.
pub async fn check_tidy(journal: &Journal) -> Result<()> {
    for kind in [RUNNING, FENCE, ANALYSIS, TERM] {
        let rows = journal.rows(kind).await?;
        ensure!(rows.is_empty(), "{} rows of kind {kind} are left", rows.len());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_durable_step_a_dream_goes_on_and_pays_for_nothing_twice() -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    for n in 1..STEPS_MAX {
        let (journal, before) = (Journal::new()?, forks(&parts).await?.len());
        let first = parts.orchestrator(&journal).await?;
        first.engine.arm(n, Fault::Crash);
        let request_id = format!("crash-{n}");
        if let Some(dream) = unless_faulty(&first, &request_id).await? {
            check(&parts, &first.client, &dream, &undisturbed).await?;
            println!("a dream of {SESSIONS} sessions has {} durable steps", n - 1);
            return Ok(());
        }
        let mut analyses = first.engine.put(ANALYSIS);
        first.process.kill();
        journal.clock.advance(LONG);
        let second = parts.orchestrator(&journal).await?;
        let dream = to_the_end(&second, &request_id).await.with_context(|| format!("killed at step {n}"))?;
        check(&parts, &second.client, &dream, &undisturbed).await.with_context(|| format!("killed at step {n}"))?;
        check_tidy(&journal).await.with_context(|| format!("killed at step {n}"))?;
        analyses.extend(second.engine.put(ANALYSIS));
        let distinct: BTreeSet<_> = analyses.iter().collect();
        assert_eq!((analyses.len(), distinct.len()), (SESSIONS, SESSIONS), "killed at step {n}: analyses done again");
        assert_eq!(forks(&parts).await?.len(), before + 1, "killed at step {n}: one dream, one fork");
    }
    panic!("a dream has no end of steps");
}

/// The fault at each durable step in turn, in a process that goes on.
async fn survives(fault: Fault) -> Result<()> {
    let parts = oncall_parts().await?;
    let undisturbed = Outcome::undisturbed(&parts).await?;
    for n in 1..STEPS_MAX {
        let (journal, before) = (Journal::new()?, forks(&parts).await?.len());
        let orchestrator = parts.orchestrator(&journal).await?;
        orchestrator.engine.arm(n, fault);
        let (dream, is_hit) = through(&parts, &journal, &orchestrator, &format!("{fault:?}-{n}"))
            .await
            .with_context(|| format!("{fault:?} at step {n}"))?;
        check(&parts, &orchestrator.client, &dream, &undisturbed).await.with_context(|| format!("{fault:?} at {n}"))?;
        check_tidy(&journal).await.with_context(|| format!("{fault:?} at step {n}"))?;
        assert_eq!(forks(&parts).await?.len(), before + 1, "{fault:?} at step {n}: one dream, one fork");
        if !is_hit {
            println!("{fault:?} at each of {} durable steps", n - 1);
            return Ok(());
        }
    }
    panic!("a dream has no end of steps");
}

/// The dream to its end, the request made again where its outcome was unknown. Also whether the fault came.
async fn through(
    parts: &Parts,
    journal: &Journal,
    orchestrator: &Orchestrator,
    request_id: &str,
) -> Result<(dpb::Dream, bool)> {
    let dream = loop {
        match create_dream(&orchestrator.client, new_dream(STORE, request_id)).await {
            Ok(dream) => break dream,
            Err(error) if client::retry::may_pass(&error) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let dream = ended(&orchestrator.client, &dream.id);
    tokio::pin!(dream);
    let is_hit = tokio::select! {
        biased;
        () = orchestrator.engine.reached() => true,
        dream = &mut dream => return Ok((dream?, false)),
    };
    // A lease whose claim was not acknowledged is nobody's: it runs out.
    journal.clock.advance(parts.timing.lease * 2);
    Ok((dream.await?, is_hit))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_refused_at_any_durable_step_is_made_again() -> Result<()> {
    survives(Fault::Refuse).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_is_lost_at_any_durable_step_is_made_once() -> Result<()> {
    survives(Fault::LoseAnswer).await
}
