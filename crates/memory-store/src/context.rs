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
use crate::search::indexes::Indexes;

pub struct Context {
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub eras: Eras,
    pub families: Families,
    pub contents: Contents,
    pub log: Log,
    pub indexes: Indexes,
    /// By the store whose log has the revision's commit.
    pub snapshots: moka::sync::Cache<(Era, StoreId, Revision), Map>,
}

/// A snapshot weighs as if it shared nothing with its neighbours: those of stores that are closed do not.
fn snapshots() -> moka::sync::Cache<(Era, StoreId, Revision), Map> {
    let weight = |map: &Map| map.len().max(limits::SNAPSHOT_MEMORIES_MIN);
    moka::sync::Cache::builder()
        .weigher(move |_, map| u32::try_from(weight(map)).unwrap_or(u32::MAX))
        .max_capacity(limits::SNAPSHOTS_MEMORIES_MAX)
        .build()
}

impl Context {
    pub fn new(vault: Vault, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Context {
        let (eras, stopped) = (Eras::default(), Stopped::default());
        Context {
            families: Families::new(vault.clone(), eras.clone(), stopped.clone()),
            contents: Contents::new(vault.clone(), eras.clone(), stopped),
            log: Log::new(vault.clone(), eras.clone()),
            indexes: Indexes::default(),
            snapshots: snapshots(),
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
        self.indexes.forget();
        self.snapshots.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::map;

    #[test]
    fn snapshots_of_many_stores_do_not_pile_up() {
        let snapshots = snapshots();
        let large = map(&(0..10_000).map(|n| format!("/{n}")).collect::<Vec<_>>());
        let small = map(&["/a".to_owned()]);
        for n in 0..2_000u16 {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&n.to_be_bytes());
            let map = if n % 2 == 0 { large.clone() } else { small.clone() };
            snapshots.insert((crate::era::Eras::default().now(), StoreId::from_bytes(id), 1), map);
        }
        snapshots.run_pending_tasks();
        let held: usize = snapshots.iter().map(|(_, map)| map.len()).sum();
        assert!(held > 100_000, "{held} memories are held");
        assert!(held as u64 <= limits::SNAPSHOTS_MEMORIES_MAX, "{held} memories are held");
        assert!(snapshots.entry_count() <= limits::SNAPSHOTS_MEMORIES_MAX / limits::SNAPSHOT_MEMORIES_MIN as u64);
    }
}
