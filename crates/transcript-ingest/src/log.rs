//! The log of what happens to a workspace's sessions: one sequencer per workspace numbers it without
//! gaps, and the row of what happened is in the batch that makes it happen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::{SessionId, WorkspaceId};
use domain::transcript::request::Notice;
use domain::{Result, Timestamp};
use storage::engine::{self, Direction, Key};
use storage::{Vault, VaultBatch};
use tokio::sync::{OwnedMutexGuard, watch};

use crate::record::{Kind, Noticed};
use crate::{fault, key, record};

/// The sequencers of the workspaces that were written to, or are watched.
pub struct Logs {
    vault: Vault,
    workspaces: Mutex<HashMap<WorkspaceId, Arc<Log>>>,
}

struct Log {
    workspace: WorkspaceId,
    /// The newest cursor, where it is known.
    head: Arc<tokio::sync::Mutex<Option<u64>>>,
    /// Wakes watchers. It may lag where another process writes.
    written: watch::Sender<u64>,
}

impl Logs {
    pub fn new(vault: Vault) -> Logs {
        Logs { vault, workspaces: Mutex::default() }
    }

    /// Waits for the turn to write. The turn is held across one commit to the own storage, never
    /// across a call to anybody else.
    pub async fn turn(&self, workspace: WorkspaceId) -> Result<Turn> {
        let log = self.log(workspace);
        let mut head = Arc::clone(&log.head).lock_owned().await;
        let cursor = match *head {
            Some(cursor) => cursor,
            None => self.head(workspace).await?,
        };
        *head = None; // Unknown until this turn's commit has succeeded.
        Ok(Turn { vault: self.vault.clone(), log, head, before: cursor, cursor })
    }

    /// The newest cursor; 0 where nothing has happened yet.
    pub async fn head(&self, workspace: WorkspaceId) -> Result<u64> {
        let newest = self.vault.scan(key::notices(workspace), 1, Direction::Descending).await.map_err(fault::of)?;
        Ok(newest.first().and_then(|(key, _)| key::cursor(key)).unwrap_or_default())
    }

    /// Up to `limit` notices after a cursor, in order.
    pub async fn after(&self, workspace: WorkspaceId, cursor: u64, limit: usize) -> Result<Vec<Notice>> {
        let range = key::notices(workspace).after(key::notice(workspace, cursor));
        let rows = self.vault.scan(range, limit, Direction::Ascending).await.map_err(fault::of)?;
        rows.iter().map(|(key, row)| notice(key, row.value())).collect()
    }

    /// Changes whenever something has been written.
    pub fn written(&self, workspace: WorkspaceId) -> watch::Receiver<u64> {
        self.log(workspace).written.subscribe()
    }

    fn log(&self, workspace: WorkspaceId) -> Arc<Log> {
        let mut workspaces = self.workspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let log = || Arc::new(Log { workspace, head: Arc::default(), written: watch::Sender::new(0) });
        Arc::clone(workspaces.entry(workspace).or_insert_with(log))
    }
}

fn notice(key: &Key, row: &[u8]) -> Result<Notice> {
    let noticed: Noticed = record::decode(row)?;
    let cursor = key::cursor(key).ok_or_else(|| domain::Error::corrupt("a notice's key is too short"))?;
    Ok(Notice { cursor, kind: noticed.kind.into(), session: Some(noticed.session), time: noticed.time })
}

/// The right to write the next rows of a workspace's log.
pub struct Turn {
    vault: Vault,
    log: Arc<Log>,
    head: OwnedMutexGuard<Option<u64>>,
    before: u64,
    cursor: u64,
}

impl Turn {
    /// Adds the next row to a batch.
    pub fn note(&mut self, batch: &mut VaultBatch, kind: Kind, session: SessionId, time: Timestamp) -> Result<()> {
        self.cursor += 1;
        let key = key::notice(self.log.workspace, self.cursor);
        batch.require_absent(key.clone());
        batch.put(key, &record::encode(&Noticed { kind, session, time })?).map_err(fault::of)?;
        Ok(())
    }

    /// Commits the batch that the rows were added to. After an error the next turn asks the storage
    /// how far the log goes.
    pub async fn commit(mut self, batch: VaultBatch) -> engine::Result<()> {
        self.vault.commit(batch).await?;
        *self.head = Some(self.cursor);
        self.log.written.send_replace(self.cursor);
        Ok(())
    }

    /// Gives the turn back unused.
    pub fn release(mut self) {
        *self.head = Some(self.before);
    }
}
