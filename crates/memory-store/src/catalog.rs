//! The catalog: making, forking, finding and changing stores.

use std::sync::Arc;

use domain::access::{Action, Permit, StorePermit};
use domain::error::Result;
use domain::id::{StoreId, WorkspaceId};
use domain::page::{Page, Paged};
use domain::store::{Change, Filter, NewFork, NewStore, Retention, Snapshot, Store, StoreRef};
use domain::{Actor, Error, Handle, Kind, limits};
use storage::VaultBatch;
use storage::engine::{self, Direction, Range};

use crate::access::ResolveStore;
use crate::change::{free_handle, suffixed, take_handle, taken};
use crate::governance::audit::Done;
use crate::key::Family;
use crate::outcome::{Asker, Claim};
use crate::record::{self, OutcomeResult, Profile, StoreRow};
use crate::sequencer::Alteration;
use crate::stores::OpenStore;
use crate::{MemoryStore, check, fault, key, load, outcome, page_token};

/// A store that is to be, and what it begins with.
pub(crate) struct Birth {
    pub id: StoreId,
    pub row: StoreRow,
    pub profile: Profile,
    /// The caller's own choice, which is refused where it is taken.
    pub chosen: bool,
}

impl MemoryStore {
    /// Makes an empty store.
    ///
    /// # Errors
    /// Exists where the handle is taken, Invalid where a field is wrong or the request id was used.
    pub async fn create_store(&self, permit: &Permit, new: NewStore, request_id: &str) -> Result<Store> {
        check::new_store(&new, request_id)?;
        let workspace = permit.workspace();
        let asker = Asker { workspace, subject: &permit.actor().principal, store: &[] };
        let claim = match outcome::claim(self.context(), asker, request_id, "CreateStore", &new).await? {
            Some((_, Some(result))) => return self.born(workspace, result).await,
            claim => claim.map(|(claim, _)| claim),
        };
        let birth = self.birth(StoreId::from_bytes(self.context().ids.fresh()), new)?;
        let batch = self.recording(workspace, permit.actor(), Action::StoreCreate, birth.id, "created".to_owned())?;
        self.bear(workspace, birth, claim, batch).await
    }

    /// An empty store.
    pub(crate) fn birth(&self, id: StoreId, new: NewStore) -> Result<Birth> {
        let chosen = new.handle.is_some();
        let handle = new.handle.or_else(|| Handle::from_name(&new.name));
        let handle = handle.map_or_else(|| suffixed(&"store".parse()?, id), Ok)?;
        let now = self.context().clock.now().into();
        let row = StoreRow {
            family: Family::from(id),
            forked_from: None,
            depth: 0,
            profile: 1,
            head: 0,
            chain: record::chain(&[0; 32], id.as_bytes()),
            memory_count: 0,
            content_bytes: 0,
            create_time: now,
            update_time: now,
            archive_time: None,
            delete_time: None,
        };
        let profile = Profile {
            handle: handle.to_string(),
            name: new.name,
            description: new.description,
            metadata: new.metadata.into_iter().collect(),
            retention: Retention::default(),
        };
        Ok(Birth { id, row, profile, chosen })
    }

    /// Makes a store that starts at a snapshot of another: see `lineage`.
    ///
    /// # Errors
    /// As create_store; also NotFound for a revision that is not, Exhausted for too deep a fork.
    pub async fn fork_store(&self, permit: &StorePermit, new: NewFork, request_id: &str) -> Result<Store> {
        check::new_fork(&new, request_id)?;
        permit.check_reads_all()?;
        let (workspace, parent) = (permit.workspace(), permit.store());
        let asker = Asker { workspace, subject: &permit.actor().principal, store: parent.as_bytes() };
        let claim = match outcome::claim(self.context(), asker, request_id, "ForkStore", &new).await? {
            Some((_, Some(result))) => return self.born(workspace, result).await,
            claim => claim.map(|(claim, _)| claim),
        };
        let parent = self.stores().open(workspace, permit.store()).await?;
        let (start, parent_row) = self.fork_point(&parent, new.revision).await?;
        let depth = parent_row.depth + 1;
        if usize::from(depth) > limits::FORK_DEPTH_MAX {
            let message = format!("forks of forks may be {} deep, not deeper", limits::FORK_DEPTH_MAX);
            return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
        }
        let id = StoreId::from_bytes(self.context().ids.fresh());
        let now = self.context().clock.now().into();
        let row = StoreRow {
            forked_from: Some(start),
            depth,
            profile: 1,
            head: start.revision,
            chain: record::chain(&parent_row.chain, &record::birth(id, start)),
            create_time: now,
            update_time: now,
            archive_time: None,
            delete_time: None,
            ..parent_row
        };
        let parent_profile = parent.head().profile.clone();
        let chosen = new.handle.is_some();
        let handle = match new.handle {
            Some(handle) => handle,
            None => suffixed(&parent_profile.handle.parse().map_err(Error::corrupt)?, id)?,
        };
        let profile = Profile {
            handle: handle.to_string(),
            name: if new.name.is_empty() { parent_profile.name.clone() } else { new.name },
            description: parent_profile.description.clone(),
            metadata: parent_profile.metadata.clone(),
            // A hold is on the parent: what the fork has of it is the parent's.
            retention: Retention { legal_hold: false, ..parent_profile.retention },
        };
        let forked = format!("forked from {}@{}", start.store, start.revision);
        let batch = self.recording(workspace, permit.actor(), Action::StoreFork, id, forked)?;
        self.bear(workspace, Birth { id, row, profile, chosen }, claim, batch).await
    }

    pub async fn store(&self, permit: &StorePermit) -> Result<Store> {
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        described(&open)
    }

    /// The stores that `sees` holds for, in the order of their making.
    pub async fn list_stores(
        &self,
        permit: &Permit,
        sees: impl Fn(StoreId) -> bool + Send,
        filter: &Filter,
        page: &Page,
    ) -> Result<Paged<Store>> {
        let workspace = permit.workspace();
        let question = ("ListStores", filter);
        let size = page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let direction = if filter.newest_first { Direction::Descending } else { Direction::Ascending };
        let beyond = |range: Range, key| if filter.newest_first { range.before(key) } else { range.after(key) };
        let mut range = Range::prefix(&key::stores(workspace));
        if let Some(last) = page_token::decode::<StoreId>(&question, &page.token)? {
            range = beyond(range, key::store(workspace, last));
        }
        let mut items: Vec<Store> = Vec::new();
        loop {
            let rows = self.context().vault.scan(range.clone(), limits::LOG_SCAN_MAX, direction).await;
            let rows = rows.map_err(fault::of)?;
            let Some((last, _)) = rows.last() else { break };
            range = beyond(range, last.clone());
            for (key, record) in &rows {
                let id = key::store_of(key).ok_or_else(|| fault::damaged("a store's key"))?;
                let row: StoreRow = record::decode(record.value())?;
                let listed = row.delete_time.is_none()
                    && (filter.include_archived || row.archive_time.is_none())
                    && (filter.include_forks || row.forked_from.is_none())
                    && filter.time.contains(row.create_time.into());
                if !listed || !sees(id) {
                    continue;
                }
                // It may have been changed, or purged, since the scan.
                let Some((row, _, profile)) = load::row(self.context(), workspace, id).await? else { continue };
                let store = load::describe(id, &row, &profile)?;
                if filter.metadata.iter().any(|(k, v)| store.metadata.get(k) != Some(v)) {
                    continue;
                }
                if let Some(last) = items.last().filter(|_| items.len() == size) {
                    let next_page_token = page_token::encode(&question, &last.id)?;
                    return Ok(Paged { items, next_page_token });
                }
                items.push(store);
            }
        }
        Ok(Paged { items, next_page_token: String::new() })
    }

    /// Changes a store itself. A store that is so already stays as it is.
    pub async fn change_store(&self, permit: &StorePermit, change: Change, request_id: &str) -> Result<Store> {
        check::change(&change, request_id)?;
        let (workspace, id) = (permit.workspace(), permit.store());
        let asker = Asker { workspace, subject: &permit.actor().principal, store: id.as_bytes() };
        let claimed = outcome::claim(self.context(), asker, request_id, "ChangeStore", &change).await?;
        let open = self.stores().open_any(workspace, id).await?;
        let claim = match claimed {
            Some((_, Some(_))) => return described(&open),
            claim => claim.map(|(claim, _)| claim),
        };
        let done = Done {
            workspace,
            actor: permit.actor().clone(),
            action: match change {
                Change::Delete | Change::Undelete => Action::StoreDelete,
                Change::Update { .. } | Change::Archive | Change::Unarchive => Action::StoreAdminister,
            },
            store: Some(id),
            description: change.to_string(),
        };
        let event = Some(done.row(self.context())?);
        open.sequencer.change(&open, Alteration { change, claim, event }).await?;
        described(&open)
    }

    /// The snapshot that a fork starts at, and the parent's row as it was then.
    async fn fork_point(&self, parent: &Arc<OpenStore>, revision: u64) -> Result<(Snapshot, StoreRow)> {
        let view = self.stores().view(parent.clone(), revision).await?;
        let head = parent.head();
        let start = Snapshot { store: parent.id, revision: view.revision };
        let (mut row, at) = (head.row.clone(), view.revision);
        if at == head.revision() && at > parent.lineage.start(u64::MAX) {
            return Ok((start, row));
        }
        // What the chain goes on from is the commit, whichever store has it.
        row.chain = record::chain(&[0; 32], parent.lineage.owner(0).as_bytes());
        (row.memory_count, row.content_bytes) = (0, 0);
        if at > 0 {
            let commit = self.context().log.row(parent.lineage.owner(at), at).await?;
            row.chain = commit.chain;
            (row.memory_count, row.content_bytes) = (commit.record.memory_count, commit.record.content_bytes);
        }
        Ok((start, row))
    }

    /// A batch that records what is done by it.
    pub(crate) fn recording(
        &self,
        workspace: WorkspaceId,
        actor: &Actor,
        action: Action,
        store: StoreId,
        description: String,
    ) -> Result<VaultBatch> {
        let done = Done { workspace, actor: actor.clone(), action, store: Some(store), description };
        let (key, row) = done.row(self.context())?;
        let mut batch = self.context().vault.batch();
        batch.put(key, &row).map_err(fault::of)?;
        Ok(batch)
    }

    /// Makes a store, with what the batch holds already.
    pub(crate) async fn bear(
        &self,
        workspace: WorkspaceId,
        mut birth: Birth,
        claim: Option<Claim>,
        mut batch: VaultBatch,
    ) -> Result<Store> {
        let context = self.context();
        let wanted: Handle = birth.profile.handle.parse().map_err(Error::corrupt)?;
        let handle =
            if birth.chosen { wanted.clone() } else { free_handle(context, workspace, birth.id, &wanted).await? };
        birth.profile.handle = handle.to_string();

        let row_key = key::store(workspace, birth.id);
        batch.require_absent(row_key.clone());
        batch.put(row_key, &record::encode(&birth.row)?).map_err(fault::of)?;
        let profile = record::encode(&birth.profile)?;
        batch.put(key::profile(birth.id, birth.row.profile), &profile).map_err(fault::of)?;
        take_handle(context, workspace, birth.id, &handle, &mut batch)?;
        if let Some(claim) = &claim {
            let now = context.clock.now();
            claim.put(&mut batch, &claim.outcome(now, OutcomeResult::Store(birth.id))?)?;
        }
        match context.vault.commit(batch).await {
            Ok(()) => load::describe(birth.id, &birth.row, &birth.profile),
            Err(engine::Error::Conflict(_)) => {
                // The same request came first, or another took the handle.
                if let Some(mut claim) = claim
                    && let Some(result) = outcome::look_up(context, &mut claim).await?
                {
                    return self.born(workspace, result).await;
                }
                Err(taken("handle", &handle))
            }
            Err(e) => Err(fault::of(e)),
        }
    }

    /// The store that an earlier request made.
    pub(crate) async fn born(&self, workspace: WorkspaceId, result: OutcomeResult) -> Result<Store> {
        match result {
            OutcomeResult::Store(id) => described(&*self.stores().open(workspace, id).await?),
            OutcomeResult::Commit { .. } | OutcomeResult::Redaction(_) => {
                Err(fault::damaged("the outcome of a request that makes a store"))
            }
        }
    }
}

fn described(open: &OpenStore) -> Result<Store> {
    let head = open.head();
    load::describe(open.id, &head.row, &head.profile)
}

#[async_trait::async_trait]
impl ResolveStore for MemoryStore {
    async fn resolve_store(&self, workspace: WorkspaceId, store: &StoreRef) -> Result<(StoreId, Handle)> {
        let id = self.stores().resolve(workspace, store).await?;
        let open = self.stores().open(workspace, id).await?;
        let handle = open.head().profile.handle.parse().map_err(Error::corrupt)?;
        Ok((id, handle))
    }
}
