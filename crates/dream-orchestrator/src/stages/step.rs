//! One step of a dream: what every stage has at hand, and how stages begin and end.

use std::time::Instant;

use domain::dream::State;
use domain::{Error, Kind, Result};
use dreamer::Config;

use crate::lease::{LOST, Lease};
use crate::record::{Dream, Stage, Usage};
use crate::{Context, recording};

pub struct Step<'a> {
    pub context: &'a Context,
    pub lease: &'a Lease,
    pub config: Config,
}

/// Miners and verifier take processor time: off the threads that serve requests.
pub async fn pure<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

impl Step<'_> {
    pub async fn begin(&self, dream: Dream) -> Result<Dream> {
        let now = self.context.clock.now();
        let dream = self.update(&dream, |dream| {
            dream.state = State::Running;
            dream.start_time.get_or_insert(now);
        });
        let dream = dream.await?;
        recording::begin(self.context, self.lease, dream).await
    }

    /// A dream that goes on passes through stages that it has been in before: those it does not show.
    pub async fn enter(&self, dream: Dream, stage: Stage) -> Result<(Dream, Instant)> {
        let started = Instant::now();
        if dream.stage > stage {
            return Ok((dream, started));
        }
        let dream = self.update(&dream, |dream| {
            dream.stage = stage;
            (dream.done, dream.total) = (0, 0);
        });
        Ok((dream.await?, started))
    }

    /// Counts the time on top of what earlier tries took.
    pub async fn leave(&self, dream: Dream, stage: Stage, started: Instant, items: u64) -> Result<Dream> {
        let took_ms = started.elapsed().as_millis() as u64;
        let dream = self.update(&dream, |dream| match dream.usage.iter_mut().find(|u| u.stage == stage) {
            Some(usage) => (usage.wall_time_ms, usage.items) = (usage.wall_time_ms + took_ms, items),
            None => dream.usage.push(Usage { stage, wall_time_ms: took_ms, items }),
        });
        let dream = dream.await?;
        recording::note(self.context, &dream, stage, items, took_ms).await;
        Ok(dream)
    }

    pub async fn progress(&self, dream: &Dream, done: u64, total: u64) -> Result<()> {
        self.update(dream, |dream| (dream.done, dream.total) = (done, total)).await.map(drop)
    }

    pub async fn update(&self, dream: &Dream, mut change: impl FnMut(&mut Dream)) -> Result<Dream> {
        let changed = self.context.ledger.update(dream.workspace, dream.id, Some(self.lease), |dream| {
            if dream.state.is_final() {
                return Err(Error::new(Kind::Cancelled, LOST, "the dream has ended"));
            }
            change(dream);
            Ok(())
        });
        changed.await
    }
}
