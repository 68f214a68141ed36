//! What every part of memory-store works with: the vault, time, ids, and what is kept in memory.

use std::sync::Arc;

use domain::commit::Revision;
use domain::id::StoreId;
use domain::{Clock, Ids, limits};
use storage::Vault;

use crate::content::Contents;
use crate::era::{Era, Eras};
use crate::governance::family::{Families, Stopped};
use crate::index::Map;
use crate::log::Log;

pub struct Context {
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub eras: Eras,
    pub families: Families,
    pub contents: Contents,
    pub log: Log,
    /// By the store whose log has the revision's commit.
    pub snapshots: moka::sync::Cache<(Era, StoreId, Revision), Map>,
}

impl Context {
    pub fn new(vault: Vault, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Context {
        let (eras, stopped) = (Eras::default(), Stopped::default());
        Context {
            families: Families::new(vault.clone(), eras.clone(), stopped.clone()),
            contents: Contents::new(vault.clone(), eras.clone(), stopped),
            log: Log::new(vault.clone(), eras.clone()),
            snapshots: moka::sync::Cache::new(limits::SNAPSHOTS_CACHED_MAX),
            vault,
            clock,
            ids,
            eras,
        }
    }

    /// Forgets what was read before an erasure. Open stores read their heads again when they are next
    /// asked for.
    pub fn forget(&self) {
        self.eras.next();
        self.contents.forget();
        self.log.forget();
        self.snapshots.invalidate_all();
    }
}
