//! The ledger: the one place that reads and writes dreams on disk.

use domain::id::{DreamId, StoreId, WorkspaceId};
use domain::transcript::Digest;
use domain::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::engine::{self, Direction, Key};
use storage::{Record, Vault, VaultBatch};
use tokio::sync::broadcast;

use crate::key;
use crate::lease::Lease;
use crate::record::{ChangeRow, Dream, Outcome, Review, decode, encode};

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
    row: Record,
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
    pub async fn unfinished(&self) -> Result<Vec<Dream>> {
        let (mut found, mut range) = (Vec::new(), key::all_dreams());
        loop {
            let rows = self.vault.scan(range.clone(), PAGE, Direction::Ascending).await.map_err(fault)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            range = range.after(last.clone());
            for (_, row) in &rows {
                let dream: Dream = decode(row.value())?;
                if !dream.state.is_final() {
                    found.push(dream);
                }
            }
        }
    }

    /// Writes a new dream; a second one that runs on the same store is refused, and named.
    pub async fn create(&self, dream: &Dream, outcome: Option<([u8; 32], Outcome)>) -> Result<()> {
        let running = key::running(dream.workspace, dream.store);
        if let Some(id) = self.row::<DreamId>(&running).await? {
            return Err(already_running(id));
        }
        let mut batch = self.vault.batch();
        batch.require_absent(running.clone());
        batch.put(running, &encode(&dream.id)?).map_err(fault)?;
        batch.put(key::dream(dream.workspace, dream.id), &encode(dream)?).map_err(fault)?;
        if let Some((hash, outcome)) = outcome {
            let key = key::request(dream.workspace, &hash);
            batch.require_absent(key.clone());
            batch.put(key, &encode(&outcome)?).map_err(fault)?;
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

    /// Changes a dream's row, on top of whatever it is now. `change` may refuse.
    pub async fn update(
        &self,
        workspace: WorkspaceId,
        id: DreamId,
        lease: Option<&Lease>,
        mut change: impl FnMut(&mut Dream) -> Result<()>,
    ) -> Result<Dream> {
        loop {
            let held = self.dream(workspace, id).await?;
            let mut dream = held.dream.clone();
            change(&mut dream)?;
            let mut batch = self.vault.batch();
            batch.replace(key::dream(workspace, id), &held.row, &encode(&dream)?).map_err(fault)?;
            if let Some(lease) = lease {
                lease.guard(&mut batch);
            }
            if dream.state.is_final() && !held.dream.state.is_final() {
                batch.delete(key::running(workspace, dream.store));
            }
            match self.vault.commit(batch).await {
                Ok(()) => {
                    self.tell(id);
                    return Ok(dream);
                }
                // Somebody else changed the row: on top of that, then. A lost lease ends it.
                Err(engine::Error::Conflict(failed)) => {
                    if lease.is_some_and(|lease| failed.iter().any(|(key, _)| lease.is_at(key))) {
                        return Err(lost_lease());
                    }
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// Writes one row under a lease.
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
            Err(engine::Error::Conflict(_)) => Err(lost_lease()),
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

    /// A dream's changes in the order of the report.
    pub async fn changes(&self, workspace: WorkspaceId, dream: DreamId) -> Result<Vec<(ChangeRow, Option<Review>)>> {
        let rows = self
            .vault
            .scan(key::changes(workspace, dream), domain::limits::DREAM_CHANGES_MAX, Direction::Ascending)
            .await
            .map_err(fault)?;
        let reviews = self
            .vault
            .scan(key::reviews(workspace, dream), domain::limits::DREAM_CHANGES_MAX, Direction::Ascending)
            .await
            .map_err(fault)?;
        let review_of = |key: &Key| {
            let found = reviews.iter().find(|(r, _)| key::number(r) == key::number(key));
            found.map(|(_, row)| decode::<Review>(row.value())).transpose()
        };
        rows.iter().map(|(key, row)| Ok((decode(row.value())?, review_of(key)?))).collect()
    }

    pub async fn review(&self, workspace: WorkspaceId, dream: DreamId, number: u32, review: &Review) -> Result<()> {
        let mut batch = self.vault.batch();
        batch.put(key::review(workspace, dream, number), &encode(review)?).map_err(fault)?;
        self.vault.commit(batch).await.map_err(fault)?;
        self.tell(dream);
        Ok(())
    }

    pub async fn outcome(&self, workspace: WorkspaceId, hash: &[u8; 32]) -> Result<Option<Outcome>> {
        self.row(&key::request(workspace, hash)).await
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

fn lost_lease() -> Error {
    Error::new(Kind::Unavailable, "LEASE_LOST", "another process has taken this dream over")
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
