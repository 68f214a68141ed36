//! Housekeeping: what has to be done from time to time, and is asked for by nobody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use domain::error::Result;
use domain::id::WorkspaceId;
use domain::{Timestamp, limits};
use runtime::task::{self, Task};
use serde::de::DeserializeOwned;
use storage::engine::{Direction, Range};
use tokio_util::sync::CancellationToken;

use crate::access;
use crate::context::Context;
use crate::governance::audit;
use crate::key::{self, Family};
use crate::record::{self, OutcomeRow, StoreRow, Time};
use crate::{Inner, MemoryStore, fault};

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Deleted stores that are gone for good.
    pub stores: usize,
    /// Contents that the stores' retention had erased.
    pub contents: usize,
    /// Outcomes of requests that nobody may repeat any more.
    pub outcomes: usize,
    /// Recorded refusals.
    pub refusals: usize,
}

impl MemoryStore {
    /// One round: finishes erasures that were cut short, purges deleted stores, applies retention, and
    /// lets outcomes and refusals expire.
    pub async fn housekeep(&self) -> Result<Round> {
        self.resume_erasures().await?;
        let mut round = Round::default();
        {
            let _pen = self.governance().pen.lock().await;
            for (workspace, family) in self.all_families().await? {
                round.stores += self.purge(workspace, family).await?;
                round.contents += self.retain(workspace, family).await?;
            }
        }
        let context = self.context();
        let now = context.clock.now();
        let before = before(now, jiff::SignedDuration::from_secs(limits::REQUEST_ID_TTL_S));
        round.outcomes = expire(context, key::OUTCOME, |row: OutcomeRow| row.time < before).await?
            + expire(context, access::OUTCOME, |row: access::OutcomeRow| row.time < before).await?;
        round.refusals =
            audit::expire(context, now - jiff::SignedDuration::from_hours(24 * limits::AUDIT_REFUSAL_DAYS)).await?;
        Ok(round)
    }

    async fn all_families(&self) -> Result<BTreeSet<(WorkspaceId, Family)>> {
        let mut families = BTreeSet::new();
        let mut range = Range::prefix(&[key::STORE]);
        loop {
            let rows = self.context().vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
            let rows = rows.map_err(fault::of)?;
            let Some((last, _)) = rows.last() else { return Ok(families) };
            range = range.after(last.clone());
            for (found, row) in &rows {
                let workspace = key::workspace_of(found).ok_or_else(|| fault::damaged("a store's key"))?;
                families.insert((workspace, record::decode::<StoreRow>(row.value())?.family));
            }
        }
    }
}

/// Does a round at every interval, for as long as the service is there.
pub fn start(service: &Arc<Inner>, interval: Duration, shutdown: CancellationToken) -> Task {
    let service = Arc::downgrade(service);
    task::spawn("housekeeping", async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = shutdown.cancelled() => return,
            }
            let Some(service) = service.upgrade() else { return };
            match MemoryStore(service).housekeep().await {
                Ok(round) if round == Round::default() => {}
                Ok(round) => tracing::info!(?round, "housekeeping"),
                Err(e) => tracing::error!(error = ?e, "housekeeping is not done; the next round will try again"),
            }
        }
    })
}

fn before(now: Timestamp, age: jiff::SignedDuration) -> Time {
    now.checked_sub(age).unwrap_or(Timestamp::MIN).into()
}

/// Deletes the rows of a kind that are over.
async fn expire<T: DeserializeOwned>(context: &Context, kind: u8, is_over: impl Fn(T) -> bool) -> Result<usize> {
    let (mut expired, mut range) = (0, Range::prefix(&[kind]));
    loop {
        let rows = context.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
        let rows = rows.map_err(fault::of)?;
        let Some((last, _)) = rows.last() else { return Ok(expired) };
        range = range.after(last.clone());
        let mut batch = context.vault.batch();
        for (found, row) in rows {
            if is_over(record::decode(row.value())?) {
                // Not one that was written anew meanwhile.
                batch.require(found.clone(), &row);
                batch.delete(found);
            }
        }
        if !batch.is_empty() {
            let count = batch.len();
            batch.makes_room();
            match context.vault.commit(batch).await {
                Ok(()) => expired += count,
                Err(storage::engine::Error::Conflict(_)) => {}
                Err(e) => return Err(fault::of(e)),
            }
        }
        tokio::task::yield_now().await;
    }
}
