//! Leases: which process runs a dream.
//!
//! Two rows. The fence changes with each claim and is a condition of every journal write, so that a
//! process that was taken for dead writes nothing more. The term says until when the claim holds
//! unless it is renewed; after that anybody may claim. Clocks decide only how soon somebody else goes
//! on: a wrong clock costs time, the fence keeps the journal right.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::{DreamId, StoreId, WorkspaceId};
use domain::{Error, Kind, Result, Timestamp};
use storage::engine;
use storage::{Record, Vault, VaultBatch};

use crate::key;
use crate::ledger::fault;
use crate::record::{Fence, Term, decode, encode};

/// A renewal comes this often in one term.
const RENEWALS: u32 = 3;

/// A claim on a dream. Not released when dropped: see `release`.
pub struct Lease {
    vault: Vault,
    lasts: Duration,
    fence: (Vec<u8>, Record),
    term_key: Vec<u8>,
    term: Mutex<Record>,
}

impl Lease {
    /// Takes the dream that runs on a store over if nobody has it, or whoever had it has not renewed the
    /// lease in time. None where another has it, or the dream has ended.
    pub async fn claim(
        vault: &Vault,
        (workspace, store): (WorkspaceId, StoreId),
        dream: DreamId,
        lasts: Duration,
    ) -> Result<Option<Lease>> {
        let running_key = key::running(workspace, store);
        let running = vault.get(&running_key).await.map_err(fault)?;
        let Some(running) = running.filter(|row| decode(row.value()).is_ok_and(|id: DreamId| id == dream)) else {
            return Ok(None);
        };
        let (fence_key, term_key) = (key::fence(workspace, dream), key::term(workspace, dream));
        let old_fence = vault.get(&fence_key).await.map_err(fault)?;
        let old_term = vault.get(&term_key).await.map_err(fault)?;
        if let Some(term) = &old_term
            && !has_run_out(decode::<Term>(term.value())?.until, vault.now(), lasts)
        {
            return Ok(None);
        }
        let epoch = match &old_fence {
            Some(fence) => decode::<Fence>(fence.value())?.epoch + 1,
            None => 1,
        };
        let mut batch = vault.batch();
        batch.require(running_key, &running);
        let fence = put(&mut batch, &fence_key, old_fence.as_ref(), &encode(&Fence { epoch })?)?;
        let term = put(&mut batch, &term_key, old_term.as_ref(), &encode(&Term { until: end(vault, lasts) })?)?;
        match vault.commit(batch).await {
            // Another claimed it, or the one that has it renewed it after all, or it has ended.
            Err(engine::Error::Conflict(_)) => Ok(None),
            done => {
                done.map_err(fault)?;
                let (vault, term) = (vault.clone(), Mutex::new(term));
                Ok(Some(Lease { vault, lasts, fence: (fence_key, fence), term_key, term }))
            }
        }
    }

    /// Makes a batch fail where another has the dream, or it has ended.
    pub fn guard(&self, batch: &mut VaultBatch) {
        batch.require(self.fence.0.clone(), &self.fence.1);
    }

    pub fn is_at(&self, key: &[u8]) -> bool {
        self.fence.0 == key
    }

    /// Renews the lease in time, until it is lost.
    pub async fn keep(&self) -> Error {
        loop {
            tokio::time::sleep(self.lasts / RENEWALS).await;
            match self.renew().await {
                Ok(()) => {}
                Err(error) if error.reason() == LOST => return error,
                Err(error) => tracing::warn!(?error, "a lease was not renewed; trying again"),
            }
        }
    }

    async fn renew(&self) -> Result<()> {
        let old = self.term.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut batch = self.vault.batch();
        self.guard(&mut batch);
        let until = encode(&Term { until: end(&self.vault, self.lasts) })?;
        let new = batch.replace(self.term_key.clone(), &old, &until).map_err(fault)?;
        let Err(error) = self.vault.commit(batch).await else {
            *self.term.lock().unwrap_or_else(PoisonError::into_inner) = new;
            return Ok(());
        };
        match error {
            engine::Error::Conflict(failed) if failed.iter().any(|(key, _)| self.is_at(key)) => Err(lost()),
            // A renewal whose outcome was unknown has been written: nobody else may under this fence.
            engine::Error::Conflict(_) => {
                let term = self.vault.get(&self.term_key).await.map_err(fault)?.ok_or_else(lost)?;
                *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term;
                Ok(())
            }
            error => Err(fault(error)),
        }
    }

    /// Gives the dream up, so that the next who looks for one need not wait for the lease to run out.
    pub async fn release(&self) {
        let mut batch = self.vault.batch();
        self.guard(&mut batch);
        batch.delete(self.term_key.clone());
        if let Err(error) = self.vault.commit(batch).await {
            tracing::debug!(?error, "a lease was not released; it runs out");
        }
    }

    /// Ends every claim on a dream, as part of its end: whoever has it writes nothing more.
    pub fn end(batch: &mut VaultBatch, workspace: WorkspaceId, dream: DreamId) {
        batch.delete(key::fence(workspace, dream));
        batch.delete(key::term(workspace, dream));
    }
}

/// Why a write under a lease was refused.
pub const LOST: &str = "LEASE_LOST";

pub fn lost() -> Error {
    Error::new(Kind::Unavailable, LOST, "another process has taken this dream over, or it has ended")
}

/// A term that ends later than any claim of today would is of a clock that has since been set back.
fn has_run_out(until: Timestamp, now: Timestamp, lasts: Duration) -> bool {
    until <= now || now.checked_add(lasts * 2).is_ok_and(|latest| until > latest)
}

fn end(vault: &Vault, lasts: Duration) -> Timestamp {
    vault.now().checked_add(lasts).unwrap_or(Timestamp::MAX)
}

fn put(batch: &mut VaultBatch, key: &[u8], old: Option<&Record>, plain: &[u8]) -> Result<Record> {
    match old {
        Some(old) => batch.replace(key.to_vec(), old, plain),
        None => {
            batch.require_absent(key.to_vec());
            batch.put(key.to_vec(), plain)
        }
    }
    .map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(3_600);
    const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([1; 16]);
    const DREAM: DreamId = DreamId::from_bytes([2; 16]);
    const STORE: StoreId = StoreId::from_bytes([3; 16]);

    /// A vault with a dream that runs.
    async fn vault() -> Vault {
        let vault = storage::volatile_vault().await.unwrap();
        let mut batch = vault.batch();
        batch.put(key::running(WORKSPACE, STORE), &encode(&DREAM).unwrap()).unwrap();
        vault.commit(batch).await.unwrap();
        vault
    }

    async fn claim(vault: &Vault, lasts: Duration) -> Option<Lease> {
        Lease::claim(vault, (WORKSPACE, STORE), DREAM, lasts).await.unwrap()
    }

    async fn write(vault: &Vault, lease: &Lease) -> engine::Result<()> {
        let mut batch = vault.batch();
        lease.guard(&mut batch);
        batch.put(vec![0x7f], b"written").unwrap();
        vault.commit(batch).await
    }

    #[tokio::test]
    async fn a_lease_that_holds_is_not_taken() {
        let vault = vault().await;
        let held = claim(&vault, LASTS).await.unwrap();
        assert!(claim(&vault, LASTS).await.is_none());
        write(&vault, &held).await.unwrap();
        held.release().await;
        assert!(claim(&vault, LASTS).await.is_some());
    }

    #[tokio::test]
    async fn who_claims_a_dream_fences_off_who_had_it() {
        let vault = vault().await;
        let old = claim(&vault, Duration::ZERO).await.unwrap();
        let new = claim(&vault, LASTS).await.unwrap();
        assert!(matches!(write(&vault, &old).await, Err(engine::Error::Conflict(_))));
        assert!(vault.get(&[0x7f]).await.unwrap().is_none());
        assert_eq!(old.renew().await.unwrap_err().reason(), LOST);
        old.release().await;
        assert!(claim(&vault, LASTS).await.is_none(), "what is not one's own cannot be released");
        write(&vault, &new).await.unwrap();
    }

    #[tokio::test]
    async fn renewing_leaves_the_fence_as_it_is() {
        let vault = vault().await;
        let lease = claim(&vault, LASTS).await.unwrap();
        let before = vault.get(&lease.term_key).await.unwrap().unwrap();
        lease.renew().await.unwrap();
        assert_ne!(vault.get(&lease.term_key).await.unwrap().unwrap().value(), before.value());
        write(&vault, &lease).await.unwrap();
        // As after a renewal whose acknowledgement was lost.
        *lease.term.lock().unwrap() = before;
        lease.renew().await.unwrap();
        lease.renew().await.unwrap();
    }

    #[tokio::test]
    async fn a_dream_that_has_ended_is_fenced_off_too() {
        let vault = vault().await;
        let lease = claim(&vault, LASTS).await.unwrap();
        let mut batch = vault.batch();
        batch.delete(key::running(WORKSPACE, STORE));
        Lease::end(&mut batch, WORKSPACE, DREAM);
        vault.commit(batch).await.unwrap();
        assert!(claim(&vault, LASTS).await.is_none());
        assert!(write(&vault, &lease).await.is_err());
        assert_eq!(lease.renew().await.unwrap_err().reason(), LOST);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting() {
        let (now, second) = (Timestamp::UNIX_EPOCH, Duration::from_secs(1));
        assert!(!has_run_out(now + second, now, second));
        assert!(has_run_out(now, now, second));
        assert!(has_run_out(now + second * 3_600, now, second));
    }
}
