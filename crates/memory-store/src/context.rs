//! What every part of memory-store works with: the vault, time, ids, and what is kept in memory.

use std::sync::Arc;

use domain::commit::Revision;
use domain::id::StoreId;
use domain::{Clock, Ids, limits};
use storage::Vault;

use crate::content::Contents;
use crate::index::Map;
use crate::log::Log;

pub struct Context {
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub contents: Contents,
    pub log: Log,
    /// By the store whose log has the revision's commit.
    pub snapshots: moka::sync::Cache<(StoreId, Revision), Map>,
}

impl Context {
    pub fn new(vault: Vault, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Context {
        Context {
            contents: Contents::new(vault.clone()),
            log: Log::new(vault.clone()),
            snapshots: moka::sync::Cache::new(limits::SNAPSHOTS_CACHED_MAX),
            vault,
            clock,
            ids,
        }
    }
}
