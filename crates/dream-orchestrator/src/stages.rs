//! The stages of a dream, one verb a file. Types make this order the only one that compiles: what is
//! published has been verified, what is verified was curated, and so on back to the snapshot.
//!
//! What is dear (a session's analysis) is journaled, and a dream that goes on pays only for what is
//! missing; what is cheap and pure (reduce, curate, verify) is done again and comes out the same;
//! effects on other services carry request ids made from the dream's, and happen once.

pub mod analyse;
pub mod publish;
pub mod report;
pub mod snapshot;

use std::time::Instant;

use domain::dream::State;
use domain::{Error, Result};
use dreamer::Config;

use crate::Context;
use crate::lease::Lease;
use crate::record::{Dream, Stage, Usage};
use crate::recording;

/// What every stage has at hand.
pub struct Step<'a> {
    pub context: &'a Context,
    pub lease: &'a Lease,
    pub config: Config,
}

pub async fn run(context: &Context, lease: &Lease, dream: Dream) -> Result<()> {
    let step = Step { context, lease, config: Config::default() };
    let dream = step.begin(dream).await?;

    let (dream, started) = step.enter(dream, Stage::Snapshot).await?;
    let (dream, snapshot) = snapshot::run(&step, dream).await?;
    let memories = snapshot.memories.len() as u64;
    let dream = step.leave(dream, Stage::Snapshot, started, memories).await?;

    let (dream, started) = step.enter(dream, Stage::Analyse).await?;
    let read = analyse::run(&step, &dream).await?;
    let sessions = read.analyses.len() as u64;
    let dream = step.leave(dream, Stage::Analyse, started, sessions).await?;

    let (dream, started) = step.enter(dream, Stage::Reduce).await?;
    let (config, analyses) = (step.config.clone(), read.analyses);
    let candidates = pure(move || dreamer::reduce(&analyses, &config)).await?;
    let dream = step.leave(dream, Stage::Reduce, started, candidates.len() as u64).await?;

    let (dream, started) = step.enter(dream, Stage::Curate).await?;
    let (config, pinned) = (step.config.clone(), snapshot.clone());
    let draft = pure(move || dreamer::curate(&pinned, candidates, &config)).await?;
    let proposed = draft.changes.len() as u64;
    let dream = step.leave(dream, Stage::Curate, started, proposed).await?;

    let (dream, started) = step.enter(dream, Stage::Verify).await?;
    let (config, pinned, transcripts) = (step.config.clone(), snapshot.clone(), read.transcripts);
    let verified = pure(move || {
        let verified = dreamer::verify(draft, &pinned, &transcripts, &config);
        verified.map(|v| (v, transcripts.iter().map(|t| t.events.len() as u64).sum::<u64>()))
    });
    let (verified, events) = verified
        .await?
        .map_err(|unverified| Error::new(domain::Kind::Internal, "NOT_VERIFIED", unverified.to_string()))?;
    let dream = step.leave(dream, Stage::Verify, started, verified.changes().len() as u64).await?;

    let (dream, started) = step.enter(dream, Stage::Publish).await?;
    publish::run(&step, &dream, &snapshot, &verified).await?;
    let dream = step.leave(dream, Stage::Publish, started, verified.changes().len() as u64).await?;

    let (dream, _) = step.enter(dream, Stage::Report).await?;
    let dream = report::run(&step, &dream, &snapshot, &verified, proposed, events).await?;
    recording::end(context, &dream).await;
    Ok(())
}

/// Miners and verifier take processor time: off the threads that serve requests.
pub async fn pure<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

impl Step<'_> {
    async fn begin(&self, dream: Dream) -> Result<Dream> {
        let now = self.context.clock.now();
        let dream = self.update(&dream, |dream| {
            dream.state = State::Running;
            dream.start_time.get_or_insert(now);
        });
        let dream = dream.await?;
        recording::begin(self.context, self.lease, dream).await
    }

    async fn enter(&self, dream: Dream, stage: Stage) -> Result<(Dream, Instant)> {
        let dream = self.update(&dream, |dream| {
            dream.stage = stage;
            (dream.done, dream.total) = (0, 0);
        });
        Ok((dream.await?, Instant::now()))
    }

    async fn leave(&self, dream: Dream, stage: Stage, started: Instant, items: u64) -> Result<Dream> {
        let wall_time_ms = started.elapsed().as_millis() as u64;
        let dream = self.update(&dream, |dream| {
            dream.usage.retain(|u| u.stage != stage);
            dream.usage.push(Usage { stage, wall_time_ms, items });
        });
        let dream = dream.await?;
        recording::note(self.context, &dream, stage, items, wall_time_ms).await;
        Ok(dream)
    }

    pub async fn progress(&self, dream: &Dream, done: u64, total: u64) -> Result<()> {
        self.update(dream, |dream| (dream.done, dream.total) = (done, total)).await.map(drop)
    }

    pub async fn update(&self, dream: &Dream, mut change: impl FnMut(&mut Dream)) -> Result<Dream> {
        let changed = self.context.ledger.update(dream.workspace, dream.id, Some(self.lease), |dream| {
            if dream.state == State::Canceled {
                return Err(Error::new(domain::Kind::Cancelled, "LEASE_LOST", "the dream was canceled"));
            }
            change(dream);
            Ok(())
        });
        changed.await
    }
}
