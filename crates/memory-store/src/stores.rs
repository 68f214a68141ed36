//! Open stores: each with its head in memory and one sequencer, under a bound.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::commit::Revision;
use domain::id::{StoreId, WorkspaceId};
use domain::store::StoreRef;
use domain::{Error, Handle, Result, limits};
use tokio::sync::{OnceCell, watch};

use crate::context::Context;
use crate::era::ReadIn;
use crate::index::Map;
use crate::key::{self, Family};
use crate::lineage::Lineage;
use crate::load::{self, Head};
use crate::sequencer::Sequencer;
use crate::{fault, record};

#[cfg(test)]
mod tests;

/// One store with its head in memory.
pub struct OpenStore {
    pub id: StoreId,
    pub workspace: WorkspaceId,
    pub lineage: Lineage,
    head: watch::Receiver<Arc<Head>>,
    /// When the head was read.
    read_in: Arc<ReadIn>,
    pub sequencer: Sequencer,
}

impl OpenStore {
    /// What is durable: nobody reads what is not.
    pub fn head(&self) -> Arc<Head> {
        self.head.borrow().clone()
    }

    /// Tells when the head changes.
    pub fn heads(&self) -> watch::Receiver<Arc<Head>> {
        self.head.clone()
    }

    pub fn family(&self) -> Family {
        self.head.borrow().row.family
    }
}

/// All paths of a store at one revision.
#[derive(Clone)]
pub struct View {
    pub store: Arc<OpenStore>,
    pub revision: Revision,
    pub map: Map,
}

pub struct Stores {
    context: Arc<Context>,
    open: Mutex<Open>,
    /// Hints: each is checked against the store that it names.
    handles: moka::sync::Cache<(WorkspaceId, Handle), StoreId>,
}

struct Open {
    slots: HashMap<StoreId, Slot>,
    uses: u64,
    stores_max: usize,
    memories_max: usize,
}

struct Slot {
    store: Arc<OnceCell<Arc<OpenStore>>>,
    last_use: u64,
}

impl Stores {
    pub fn new(context: Arc<Context>) -> Stores {
        let handles = moka::sync::Cache::new(4 * limits::OPEN_STORES_MAX as u64);
        let (stores_max, memories_max) = (limits::OPEN_STORES_MAX, limits::OPEN_MEMORIES_MAX);
        let open = Open { slots: HashMap::new(), uses: 0, stores_max, memories_max };
        Stores { context, open: Mutex::new(open), handles }
    }

    /// The store that a request names. An id is taken at its word: opening the store tells.
    pub async fn resolve(&self, workspace: WorkspaceId, store: &StoreRef) -> Result<StoreId> {
        let handle = match store {
            StoreRef::Id(id) => return Ok(*id),
            StoreRef::Handle(handle) => handle,
        };
        let hint = (workspace, handle.clone());
        if let Some(id) = self.handles.get(&hint)
            && let Ok(open) = self.open(workspace, id).await
            && open.head().profile.handle == handle.as_str()
        {
            return Ok(id);
        }
        let record = self.context.vault.get(&handle_key(&self.context, workspace, handle)).await.map_err(fault::of)?;
        let record = record.ok_or_else(|| Error::not_found(format_args!("store {handle}")))?;
        let id: StoreId = record::decode(record.value())?;
        self.handles.insert(hint, id);
        Ok(id)
    }

    /// A store that callers may see.
    pub async fn open(&self, workspace: WorkspaceId, store: StoreId) -> Result<Arc<OpenStore>> {
        let open = self.open_any(workspace, store).await?;
        open.head().check_visible(store)?;
        Ok(open)
    }

    /// A store, even one that is deleted.
    pub async fn open_any(&self, workspace: WorkspaceId, store: StoreId) -> Result<Arc<OpenStore>> {
        let cell = self.cell(store);
        let opened = cell.get_or_try_init(|| self.load(workspace, store)).await;
        match opened {
            Ok(open) if open.workspace == workspace => {
                if open.read_in.era() < self.context.eras.now() {
                    open.sequencer.reload(open).await?;
                }
                Ok(open.clone())
            }
            Ok(_) => Err(Error::not_found(format_args!("store {store}"))),
            Err(e) => {
                self.forget_failed(store);
                Err(e)
            }
        }
    }

    /// A store's paths at a revision; 0 is the head.
    pub async fn view(&self, store: Arc<OpenStore>, revision: Revision) -> Result<View> {
        let head = store.head();
        let revision = check_revision(&store, head.revision(), revision)?;
        let map = match revision == head.revision() {
            true => head.map.clone(),
            false => load::map(&self.context, &store.lineage, revision).await?,
        };
        Ok(View { store, revision, map })
    }

    /// The revision that a request means by its number; 0 is the head.
    pub fn view_revision(&self, store: &OpenStore, revision: Revision) -> Result<Revision> {
        check_revision(store, store.head().revision(), revision)
    }

    async fn load(&self, workspace: WorkspaceId, store: StoreId) -> Result<Arc<OpenStore>> {
        let read_in = Arc::new(ReadIn::new(self.context.eras.now()));
        let loaded = load::head(&self.context, workspace, store).await?;
        let (head, lineage) = loaded.ok_or_else(|| Error::not_found(format_args!("store {store}")))?;
        let (sequencer, head) =
            Sequencer::start(self.context.clone(), workspace, lineage.clone(), head, read_in.clone());
        Ok(Arc::new(OpenStore { id: store, workspace, lineage, head, read_in, sequencer }))
    }

    /// Lets go of a store that is no more.
    pub fn close(&self, store: StoreId) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).slots.remove(&store);
    }

    fn cell(&self, store: StoreId) -> Arc<OnceCell<Arc<OpenStore>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let last_use = open.uses;
        if let Some(slot) = open.slots.get_mut(&store) {
            slot.last_use = last_use;
            return slot.store.clone();
        }
        open.make_room();
        let cell = Arc::new(OnceCell::new());
        open.slots.insert(store, Slot { store: cell.clone(), last_use });
        cell
    }

    /// Drops the slot of a store that could not be opened, unless another caller is at it.
    fn forget_failed(&self, store: StoreId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's reference and the caller's.
        let alone = |slot: &Slot| !slot.store.initialized() && Arc::strong_count(&slot.store) <= 2;
        if open.slots.get(&store).is_some_and(alone) {
            open.slots.remove(&store);
        }
    }
}

impl Open {
    /// Closes the stores that were not used for longest. One that a request, a watcher or a queued
    /// commit holds stays open: the count of its references tells.
    fn make_room(&mut self) {
        let memories = |slot: &Slot| slot.store.get().map_or(0, |s| s.head.borrow().map.len());
        let mut held: usize = self.slots.values().map(memories).sum();
        if self.slots.len() < self.stores_max && held < self.memories_max {
            return;
        }
        let idle = |slot: &Slot| {
            Arc::strong_count(&slot.store) == 1 && slot.store.get().is_none_or(|s| Arc::strong_count(s) == 1)
        };
        let mut candidates: Vec<(u64, StoreId)> =
            self.slots.iter().filter(|(_, slot)| idle(slot)).map(|(id, slot)| (slot.last_use, *id)).collect();
        candidates.sort_unstable();
        for (_, id) in candidates {
            if self.slots.len() < self.stores_max && held < self.memories_max {
                break;
            }
            held -= self.slots.remove(&id).map_or(0, |slot| memories(&slot));
        }
    }
}

fn check_revision(store: &OpenStore, head: Revision, revision: Revision) -> Result<Revision> {
    match revision {
        0 => Ok(head),
        past if past <= head => Ok(past),
        _ => Err(Error::not_found(format_args!("revision {revision} of store {}, whose head is {head}", store.id))),
    }
}

pub fn handle_key(context: &Context, workspace: WorkspaceId, handle: &Handle) -> bytes::Bytes {
    let named = [workspace.as_bytes().as_slice(), handle.as_str().as_bytes()].concat();
    key::handle(workspace, &context.vault.keyed_hash("reverie store handle", &named))
}
