//! Indexes: the words of stores in which somebody searches, under a bound.
//!
//! Nothing of them is ever on disk: an index is read from the head of its store when it is first asked
//! for, and again after an erasure, which forgets all of them. Whoever searches brings an index up to
//! the head; what others commit meanwhile is read in the background now and then, so that little is
//! left to do. A whole store is let go where memory runs out, or where nobody searches any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::commit::Revision;
use domain::id::StoreId;
use domain::{Error, Kind, Result, limits};
use runtime::task::{self, Task};
use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tracing::{Instrument as _, warn};

use super::words::Words;
use crate::context::Context;
use crate::era::Era;
use crate::load::Head;
use crate::stores::OpenStore;

/// The words of one store.
#[derive(Default)]
pub struct Index {
    words: RwLock<Words>,
    size_bytes: AtomicUsize,
    /// How often somebody has searched in it.
    uses: AtomicU64,
    /// Bytes of contents that are too many for it; 0 while that is not known.
    refused: AtomicU64,
}

pub struct Indexes {
    slots: Mutex<Slots>,
    size_bytes_max: usize,
}

#[derive(Default)]
struct Slots {
    by_store: HashMap<StoreId, Slot>,
    uses: u64,
}

struct Slot {
    index: Arc<Index>,
    era: Era,
    last_use: u64,
    follower: Option<Task>,
}

impl Default for Indexes {
    fn default() -> Indexes {
        Indexes::new(limits::SEARCH_INDEX_BYTES_MAX)
    }
}

impl Indexes {
    pub fn new(size_bytes_max: usize) -> Indexes {
        Indexes { slots: Mutex::default(), size_bytes_max }
    }

    /// A store's index, which may have to be read yet.
    pub fn index(&self, context: &Arc<Context>, store: &OpenStore) -> Arc<Index> {
        let era = context.eras.now();
        let mut slots = self.lock();
        slots.uses += 1;
        let last_use = slots.uses;
        let fresh = || Slot { index: Arc::default(), era, last_use, follower: None };
        let slot = slots.by_store.entry(store.id).or_insert_with(fresh);
        if slot.era < era {
            *slot = fresh();
        }
        slot.last_use = last_use;
        slot.index.uses.fetch_add(1, Ordering::Relaxed);
        if slot.follower.as_ref().is_none_or(Task::is_finished) {
            let following = follow(context.clone(), store.id, store.heads(), slot.index.clone());
            let span = tracing::info_span!("search index", store = %store.id);
            slot.follower = Some(task::spawn("search index", following.instrument(span)));
        }
        slot.index.clone()
    }

    /// Forgets all. Who is searching at this moment reads each text that it shows, and is refused.
    pub fn forget(&self) {
        self.lock().by_store.clear();
    }

    /// Lets a store go.
    pub fn forget_store(&self, store: StoreId) {
        self.lock().by_store.remove(&store);
    }

    /// Lets go of stores in which nobody has searched for longest, other than this one.
    fn make_room(&self, for_store: StoreId) {
        let mut slots = self.lock();
        let size = |slot: &Slot| slot.index.size_bytes.load(Ordering::Relaxed);
        let mut held: usize = slots.by_store.values().map(size).sum();
        while held > self.size_bytes_max {
            let others = slots.by_store.iter().filter(|(store, _)| **store != for_store);
            let Some(oldest) = others.min_by_key(|(_, slot)| slot.last_use).map(|(store, _)| *store) else { return };
            held -= slots.by_store.remove(&oldest).map_or(0, |slot| size(&slot));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn held(&self) -> Vec<StoreId> {
        let mut held: Vec<StoreId> = self.lock().by_store.keys().copied().collect();
        held.sort_unstable();
        held
    }
}

impl Index {
    /// The words of a store's head, or of a later one.
    ///
    /// # Errors
    /// Exhausted where they are more than may be kept in memory.
    pub async fn at(&self, context: &Context, store: StoreId, head: &Head) -> Result<RwLockReadGuard<'_, Words>> {
        let words = self.words.read().await;
        if words.revision().is_some_and(|revision| revision >= head.revision()) {
            return Ok(words);
        }
        drop(words);
        let mut words = self.words.write().await;
        if words.revision().is_none_or(|revision| revision < head.revision()) {
            self.follow(context, store, head, &mut words).await?;
        }
        Ok(words.downgrade())
    }

    pub fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Relaxed)
    }

    async fn follow(&self, context: &Context, store: StoreId, head: &Head, words: &mut Words) -> Result<()> {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused > 0 && head.row.content_bytes >= refused {
            return Err(too_many(store));
        }
        let most = context.indexes.size_bytes_max;
        let grown = |size_bytes| {
            self.size_bytes.store(size_bytes, Ordering::Relaxed);
            if size_bytes > most { Err(too_many(store)) } else { Ok(()) }
        };
        let followed = words.follow(&context.contents, head.row.family, head, grown).await;
        if words.size_bytes() > most {
            self.refused.store(head.row.content_bytes.max(1), Ordering::Relaxed);
            *words = Words::default();
        }
        self.size_bytes.store(words.size_bytes(), Ordering::Relaxed);
        context.indexes.make_room(store);
        followed
    }

    pub async fn revision(&self) -> Revision {
        self.words.read().await.revision().unwrap_or(0)
    }
}

fn too_many(store: StoreId) -> Error {
    let message =
        format!("store {store} has more words than are kept in memory for searches: use Grep, or divide the store");
    Error::new(Kind::Exhausted, "LIMIT_REACHED", message)
}

/// Reads what is committed, now and then, for as long as the store is open and somebody searches in it.
async fn follow(context: Arc<Context>, store: StoreId, mut heads: watch::Receiver<Arc<Head>>, index: Arc<Index>) {
    let (mut uses, mut idle) = (0, 0);
    while heads.changed().await.is_ok() {
        let head = heads.borrow_and_update().clone();
        if head.revision() < index.revision().await + limits::SEARCH_LAG_COMMITS_MAX {
            continue;
        }
        let used = index.uses.load(Ordering::Relaxed);
        idle = if used == uses { idle + 1 } else { 0 };
        uses = used;
        if idle > limits::SEARCH_IDLE_FOLLOWS_MAX {
            context.indexes.forget_store(store);
            return;
        }
        if let Err(e) = index.at(&context, store, &head).await.map(drop) {
            warn!(error = ?e, "the words of a store were not read; the next search will");
        }
    }
}
