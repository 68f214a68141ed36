//! Staging: the rows of a store that is being built. Nobody sees them, for the store has no row of its
//! own yet; that one comes with the last batch.
//!
//! A row of its own says that an import is at it, and until when. Each batch is on condition of that
//! row and renews it, so that whoever finds it expired, after a crash, may take what is there away.

use bytes::Bytes;
use domain::id::StoreId;
use domain::{Error, Result, Timestamp, limits};
use storage::engine::{self, Direction, Range};
use storage::{Record, Vault, VaultBatch};

use crate::record::{self, ImportRow};
use crate::{fault, key};

pub struct Staging {
    vault: Vault,
    store: StoreId,
    held: Record,
    batch: VaultBatch,
    bytes: usize,
}

impl Staging {
    pub async fn begin(vault: &Vault, store: StoreId) -> Result<Staging> {
        let mut batch = vault.batch();
        batch.require_absent(key::import(store));
        let held = batch.put(key::import(store), &lease(vault)?).map_err(fault::of)?;
        vault.commit(batch).await.map_err(fault::of)?;
        Ok(Staging { vault: vault.clone(), store, held, batch: vault.batch(), bytes: 0 })
    }

    /// Adds a row; writes what there is once it is enough.
    pub async fn put(&mut self, key: Bytes, plain: &[u8]) -> Result<()> {
        self.batch.put(key, plain).map_err(fault::of)?;
        self.bytes += plain.len();
        if self.batch.len() >= limits::STORE_IMPORT_BATCH_ROWS_MAX || self.bytes >= limits::STORE_IMPORT_BATCH_BYTES_MAX
        {
            self.flush().await?;
        }
        Ok(())
    }

    pub fn delete(&mut self, key: Bytes) {
        self.batch.delete(key);
    }

    /// Writes what there is, and holds on for longer.
    pub async fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::replace(&mut self.batch, self.vault.batch());
        self.bytes = 0;
        self.held = batch.replace(key::import(self.store), &self.held, &lease(&self.vault)?).map_err(fault::of)?;
        match self.vault.commit(batch).await {
            Err(engine::Error::Conflict(_)) => Err(Error::unavailable("the import took too long: try again")),
            done => done.map_err(fault::of),
        }
    }

    /// What is left to write, on condition that nobody took the rest away: to be completed by what
    /// makes the store visible.
    pub async fn last_batch(&mut self) -> Result<VaultBatch> {
        self.flush().await?;
        let mut batch = self.vault.batch();
        batch.require(key::import(self.store), &self.held);
        batch.delete(key::import(self.store));
        Ok(batch)
    }

    /// Takes all away, unless the store was made after all.
    pub async fn abandon(self) -> Result<()> {
        take_away(&self.vault, self.store, &self.held).await
    }
}

/// Takes away what imports have left that ended without an end.
pub async fn sweep(vault: &Vault) -> Result<usize> {
    let rows = vault.scan(Range::prefix(&[key::IMPORT]), limits::LOG_SCAN_MAX, Direction::Ascending).await;
    let mut swept = 0;
    for (key, row) in rows.map_err(fault::of)? {
        let store = key::import_of(&key).ok_or_else(|| fault::damaged("an import's key"))?;
        let expire_time: Timestamp = record::decode::<ImportRow>(row.value())?.expire_time.into();
        if expire_time <= vault.now() {
            tracing::info!(%store, "an import that did not end is taken away");
            take_away(vault, store, &row).await?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn lease(vault: &Vault) -> Result<Vec<u8>> {
    let expire_time = vault.now() + jiff::SignedDuration::from_secs(limits::STORE_IMPORT_LEASE_S);
    record::encode(&ImportRow { expire_time: expire_time.into() })
}

/// First the row of the import is made ours: an import that goes on meanwhile fails with its next
/// batch, and one that has made its store has no row any more.
async fn take_away(vault: &Vault, store: StoreId, held: &Record) -> Result<()> {
    let own = key::import(store);
    let mut batch = vault.batch();
    let held = batch.replace(own.clone(), held, &lease(vault)?).map_err(fault::of)?;
    match vault.commit(batch).await {
        Err(engine::Error::Conflict(_)) => return Ok(()),
        done => done.map_err(fault::of)?,
    }
    for kind in [key::COMMIT, key::DETAIL, key::VERSION, key::CONTENT, key::CHECKPOINT, key::CHECKPOINT_PAGE] {
        loop {
            let range = Range::prefix(&key::of_store(kind, store));
            let rows = vault.scan(range, limits::LOG_SCAN_MAX, Direction::Ascending).await.map_err(fault::of)?;
            if rows.is_empty() {
                break;
            }
            let mut batch = vault.batch();
            for (key, _) in rows {
                batch.delete(key);
            }
            vault.commit(batch).await.map_err(fault::of)?;
        }
    }
    let mut batch = vault.batch();
    batch.require(own.clone(), &held);
    batch.delete(own);
    vault.commit(batch).await.map_err(fault::of)
}
