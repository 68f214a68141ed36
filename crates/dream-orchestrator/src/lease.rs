//! Leases: which process runs a dream. The epoch rises with each claim and is a condition of every
//! journal write, so that a process that was taken for dead writes nothing more.

use domain::Result;
use domain::id::{DreamId, WorkspaceId};
use storage::engine;
use storage::{Record, Vault, VaultBatch};

use crate::key;
use crate::ledger::fault;
use crate::record::{LeaseRow, decode, encode};

#[derive(Debug, Clone)]
pub struct Lease {
    key: Vec<u8>,
    row: Record,
}

impl Lease {
    /// Takes the dream over. One process owns the database, so that whoever asks is entitled; the
    /// epoch fences off what the process before it, or an earlier try, may still have in flight.
    pub async fn claim(vault: &Vault, workspace: WorkspaceId, dream: DreamId) -> Result<Lease> {
        let key = key::lease(workspace, dream);
        loop {
            let held = vault.get(&key).await.map_err(fault)?;
            let mut batch = vault.batch();
            let row = match &held {
                None => {
                    batch.require_absent(key.clone());
                    batch.put(key.clone(), &encode(&LeaseRow { epoch: 1 })?)
                }
                Some(old) => {
                    let epoch = decode::<LeaseRow>(old.value())?.epoch + 1;
                    batch.replace(key.clone(), old, &encode(&LeaseRow { epoch })?)
                }
            };
            let row = row.map_err(fault)?;
            match vault.commit(batch).await {
                Ok(()) => return Ok(Lease { key, row }),
                Err(engine::Error::Conflict(_)) => {}
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// Makes a batch fail where the lease has been taken over.
    pub fn guard(&self, batch: &mut VaultBatch) {
        batch.require(self.key.clone(), &self.row);
    }

    pub fn is_at(&self, key: &[u8]) -> bool {
        self.key == key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_claims_a_dream_fences_off_who_had_it() {
        let vault = storage::volatile_vault().await.unwrap();
        let (workspace, dream) = (WorkspaceId::from_bytes([1; 16]), DreamId::from_bytes([2; 16]));
        let old = Lease::claim(&vault, workspace, dream).await.unwrap();
        let new = Lease::claim(&vault, workspace, dream).await.unwrap();
        let write = |lease: &Lease| {
            let mut batch = vault.batch();
            lease.guard(&mut batch);
            batch.put(vec![0x7f], b"written").unwrap();
            batch
        };
        let refused = vault.commit(write(&old)).await;
        assert!(matches!(refused, Err(engine::Error::Conflict(_))));
        assert!(vault.get(&[0x7f]).await.unwrap().is_none());
        vault.commit(write(&new)).await.unwrap();
    }
}
