//! How requests name stores and their snapshots.

use domain::commit::Revision;
use domain::store::{Snapshot, StoreRef};
use domain::{Error, Result};

use crate::memory as pb;

/// A store's id or handle.
pub fn to_store_ref(field: &str, store: &str) -> Result<StoreRef> {
    if store.is_empty() {
        return Err(Error::invalid(field, "must be a store's id or handle"));
    }
    store.parse().map_err(|e: Error| e.within(field))
}

/// A store, and a revision of which 0 is the head.
pub fn to_snapshot_ref(field: &str, snapshot: Option<pb::StoreSnapshot>) -> Result<(StoreRef, Revision)> {
    let snapshot = snapshot.ok_or_else(|| Error::invalid(field, "must be set"))?;
    Ok((to_store_ref(&format!("{field}.store"), &snapshot.store)?, snapshot.revision))
}

impl From<Snapshot> for pb::StoreSnapshot {
    fn from(snapshot: Snapshot) -> pb::StoreSnapshot {
        pb::StoreSnapshot { store: snapshot.store.to_string(), revision: snapshot.revision }
    }
}
