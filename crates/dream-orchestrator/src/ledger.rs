//! The ledger: the one place that reads and writes dreams on disk.

use std::collections::BTreeMap;

use domain::id::{DreamId, StoreId, WorkspaceId};
use domain::transcript::Digest;
use domain::{Error, Kind, Result, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::engine::{self, Direction, Key};
use storage::{Record, Vault, VaultBatch};
use tokio::sync::broadcast;

use crate::key;
use crate::lease::{self, Lease};
use crate::record::{ChangeRow, Dream, Outcome, Review, decode, encode};
use crate::request::Claim;

/// Dreams that may change before a slow watcher has read of the first; it then reads them afresh.
const NEWS_MAX: usize = 256;
const PAGE: usize = 256;

pub struct Ledger {
    vault: Vault,
    news: broadcast::Sender<DreamId>,
}

/// A dream, and the row that it was read from.
#[derive(Debug, Clone)]
pub struct Held {
    pub dream: Dream,
    pub row: Record,
}

impl Ledger {
    pub fn new(vault: Vault) -> Ledger {
        Ledger { vault, news: broadcast::channel(NEWS_MAX).0 }
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The ids of dreams as they change.
    pub fn news(&self) -> broadcast::Receiver<DreamId> {
        self.news.subscribe()
    }

    pub async fn dream(&self, workspace: WorkspaceId, id: DreamId) -> Result<Held> {
        let row = self.vault.get(&key::dream(workspace, id)).await.map_err(fault)?;
        let row = row.ok_or_else(|| Error::not_found(format_args!("dream {id}")))?;
        Ok(Held { dream: decode(row.value())?, row })
    }

    /// Dreams of a workspace, newest first, from before one on.
    pub async fn page(&self, workspace: WorkspaceId, before: Option<DreamId>, limit: usize) -> Result<Vec<Dream>> {
        let mut range = key::dreams(workspace);
        if let Some(id) = before {
            range.end = std::ops::Bound::Excluded(key::dream(workspace, id).into());
        }
        let rows = self.vault.scan(range, limit, Direction::Descending).await.map_err(fault)?;
        rows.iter().map(|(_, row)| decode(row.value())).collect()
    }

    /// Every dream that has not ended, of every workspace.
    pub async fn unfinished(&self) -> Result<Vec<(WorkspaceId, DreamId)>> {
        let (mut found, mut range) = (Vec::new(), key::all_running());
        loop {
            let rows = self.vault.scan(range.clone(), PAGE, Direction::Ascending).await.map_err(fault)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            range = range.after(last.clone());
            for (key, row) in &rows {
                let workspace = key::workspace(key).ok_or_else(|| Error::corrupt("the key of a running dream"))?;
                found.push((workspace, decode(row.value())?));
            }
        }
    }

    /// Writes a new dream; a second one that runs on the same store is refused, and named.
    pub async fn create(&self, dream: &Dream, claim: Option<&Claim>) -> Result<()> {
        if let Some(id) = self.running(dream.workspace, dream.store).await? {
            return Err(already_running(id));
        }
        let running = key::running(dream.workspace, dream.store);
        let mut batch = self.vault.batch();
        batch.require_absent(running.clone());
        batch.put(running, &encode(&dream.id)?).map_err(fault)?;
        batch.put(key::dream(dream.workspace, dream.id), &encode(dream)?).map_err(fault)?;
        if let Some(claim) = claim {
            claim.put(&mut batch, dream.id, dream.create_time)?;
        }
        match self.vault.commit(batch).await {
            Err(engine::Error::Conflict(_)) => Err(Error::new(
                Kind::Precondition,
                "DREAM_RUNNING",
                "another dream of this store began at the same moment; watch that one, or try again",
            )),
            done => done.map_err(fault),
        }?;
        self.tell(dream.id);
        Ok(())
    }

    /// Takes back a dream that never began, with what its request came to. False where it has begun
    /// after all.
    pub async fn forget(&self, dream: &Dream, claim: Option<&Claim>) -> Result<bool> {
        let held = self.dream(dream.workspace, dream.id).await?;
        if held.dream.has_begun() || held.dream.state.is_final() {
            return Ok(!held.dream.has_begun());
        }
        let row = key::dream(dream.workspace, dream.id);
        let mut batch = self.vault.batch();
        batch.require(row.clone(), &held.row);
        batch.delete(row);
        batch.delete(key::running(dream.workspace, dream.store));
        if let Some(claim) = claim {
            batch.delete(claim.key.clone());
        }
        match self.vault.commit(batch).await {
            Err(engine::Error::Conflict(_)) => Ok(false),
            done => done.map(|()| true).map_err(fault),
        }
    }

    /// Changes a dream's row, on top of whatever it is now. `change` may refuse, or leave it as it is:
    /// then nothing is written. The end of a dream ends every lease of it.
    pub async fn update(
        &self,
        workspace: WorkspaceId,
        id: DreamId,
        lease: Option<&Lease>,
        change: impl FnMut(&mut Dream) -> Result<()>,
    ) -> Result<Dream> {
        self.update_with(workspace, id, lease, change, |_| Ok(())).await
    }

    /// The same, with further writes that stand or fall with it.
    pub async fn update_with(
        &self,
        workspace: WorkspaceId,
        id: DreamId,
        lease: Option<&Lease>,
        mut change: impl FnMut(&mut Dream) -> Result<()>,
        further: impl Fn(&mut VaultBatch) -> Result<()>,
    ) -> Result<Dream> {
        let key = key::dream(workspace, id);
        loop {
            let held = self.dream(workspace, id).await?;
            let mut dream = held.dream.clone();
            change(&mut dream)?;
            let mut batch = self.vault.batch();
            further(&mut batch)?;
            let row = encode(&dream)?;
            if batch.is_empty() && held.row.value()[..] == row[..] {
                return Ok(dream);
            }
            batch.replace(key.clone(), &held.row, &row).map_err(fault)?;
            if let Some(lease) = lease {
                lease.guard(&mut batch);
            }
            if dream.state.is_final() && !held.dream.state.is_final() {
                batch.delete(key::running(workspace, dream.store));
                Lease::end(&mut batch, workspace, id);
            }
            match self.vault.commit(batch).await {
                Ok(()) => {
                    self.tell(id);
                    return Ok(dream);
                }
                // Somebody else changed the row: on top of that, then. A lost lease ends it.
                Err(engine::Error::Conflict(failed)) => {
                    if lease.is_some_and(|lease| failed.iter().any(|(key, _)| lease.is_at(key))) {
                        return Err(lease::lost());
                    }
                    if failed.iter().all(|(at, _)| **at != key) {
                        return Err(Error::unavailable("the same request is answered already: ask again"));
                    }
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// Writes rows under a lease.
    pub async fn journal<T: Serialize>(&self, lease: &Lease, rows: Vec<(Vec<u8>, T)>) -> Result<()> {
        let mut batch = self.vault.batch();
        lease.guard(&mut batch);
        for (key, row) in rows {
            batch.put(key, &encode(&row)?).map_err(fault)?;
        }
        self.commit_guarded(batch).await
    }

    async fn commit_guarded(&self, batch: VaultBatch) -> Result<()> {
        match self.vault.commit(batch).await {
            Err(engine::Error::Conflict(_)) => Err(lease::lost()),
            done => done.map_err(fault),
        }
    }

    pub async fn analysis<T: DeserializeOwned>(
        &self,
        workspace: WorkspaceId,
        dream: DreamId,
        session: Digest,
    ) -> Result<Option<T>> {
        self.row(&key::analysis(workspace, dream, session)).await
    }

    /// Drops what the sessions of a dream showed: once there is a proposal, nobody reads it again.
    /// Without a lease only where the dream has ended.
    pub async fn drop_analyses(&self, workspace: WorkspaceId, dream: DreamId, lease: Option<&Lease>) -> Result<()> {
        let range = key::analyses(workspace, dream);
        loop {
            let rows = self.vault.scan(range.clone(), PAGE, Direction::Ascending).await.map_err(fault)?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = self.vault.batch();
            if let Some(lease) = lease {
                lease.guard(&mut batch);
            }
            rows.into_iter().for_each(|(key, _)| batch.delete(key));
            self.commit_guarded(batch).await?;
        }
    }

    /// Drops what requests came to that were made before a time.
    pub async fn drop_outcomes(&self, before: Timestamp) -> Result<()> {
        let mut range = key::all_requests();
        loop {
            let rows = self.vault.scan(range.clone(), PAGE, Direction::Ascending).await.map_err(fault)?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            range = range.after(last.clone());
            let mut batch = self.vault.batch();
            for (key, row) in rows {
                if decode::<Outcome>(row.value())?.time < before {
                    // One that is written anew meanwhile stays, and this is done again at the next sweep.
                    batch.require(key.clone(), &row);
                    batch.delete(key);
                }
            }
            if batch.is_empty() {
                continue;
            }
            match self.vault.commit(batch).await {
                Ok(()) | Err(engine::Error::Conflict(_)) => {}
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// What a dream proposes, in the order of the report: nothing before it is whole.
    pub async fn changes(&self, dream: &Dream) -> Result<Vec<(ChangeRow, Option<Review>)>> {
        let Some(report) = &dream.report else { return Ok(Vec::new()) };
        let count = usize::try_from(report.verified).map_err(Error::internal)?;
        let read = async |range| self.vault.scan(range, count, Direction::Ascending).await.map_err(fault);
        // Rows beyond the count are of a try that was cut short, and that proposed more.
        let rows = read(key::changes(dream.workspace, dream.id)).await?;
        if rows.len() < count {
            return Err(Error::corrupt(format!("{}: {} of {count} changes are there", dream.id, rows.len())));
        }
        let reviews = read(key::reviews(dream.workspace, dream.id)).await?;
        let reviews: BTreeMap<u32, &Record> = reviews.iter().map(|(key, row)| (key::number(key), row)).collect();
        let review_of = |key: &Key| reviews.get(&key::number(key)).map(|row| decode(row.value())).transpose();
        rows.iter().map(|(key, row)| Ok((decode(row.value())?, review_of(key)?))).collect()
    }

    pub async fn review(&self, workspace: WorkspaceId, dream: DreamId, number: u32, review: &Review) -> Result<()> {
        let mut batch = self.vault.batch();
        batch.put(key::review(workspace, dream, number), &encode(review)?).map_err(fault)?;
        self.vault.commit(batch).await.map_err(fault)?;
        self.tell(dream);
        Ok(())
    }

    pub async fn running(&self, workspace: WorkspaceId, store: StoreId) -> Result<Option<DreamId>> {
        self.row(&key::running(workspace, store)).await
    }

    async fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        let row = self.vault.get(key).await.map_err(fault)?;
        row.map(|row| decode(row.value())).transpose()
    }

    fn tell(&self, dream: DreamId) {
        // Fails where nobody listens: then there is nobody to tell.
        let _ = self.news.send(dream);
    }
}

pub fn already_running(id: DreamId) -> Error {
    let message = format!("{id} runs on this store already: wait for it, or cancel it");
    Error::new(Kind::Precondition, "DREAM_RUNNING", message).with("dream", id)
}

/// What storage says, in words for callers, its own words for operators.
pub fn fault(error: engine::Error) -> Error {
    match error {
        engine::Error::Full(why) => {
            Error::new(Kind::Exhausted, "LIMIT_REACHED", "storage is full; an operator must make room").because(why)
        }
        engine::Error::Corrupt(why) => Error::corrupt(why),
        engine::Error::Closed => Error::unavailable("the service is stopping"),
        other => Error::unavailable("storage did not answer; ask again with the same request_id").because(other),
    }
}
