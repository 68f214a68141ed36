//! Loading: a store's head, and any of its snapshots, from disk.

use std::sync::Arc;

use domain::commit::Revision;
use domain::error::Result;
use domain::id::{StoreId, WorkspaceId};
use domain::store::{Snapshot, Store};
use domain::{Error, limits};
use storage::Record;

use crate::context::Context;
use crate::index::{self, Map};
use crate::lineage::Lineage;
use crate::record::{self, Profile, StoreRow};
use crate::{checkpoint, fault, key};

/// The newest durable state of a store.
#[derive(Clone)]
pub struct Head {
    pub row: StoreRow,
    /// The row as it is on disk: the condition of the next commit.
    pub record: Record,
    pub profile: Arc<Profile>,
    pub map: Map,
}

impl Head {
    pub fn revision(&self) -> Revision {
        self.row.head
    }

    /// A store that is deleted is absent to all but its forks.
    pub fn check_visible(&self, store: StoreId) -> Result<()> {
        if self.row.delete_time.is_none() { Ok(()) } else { Err(Error::not_found(format_args!("store {store}"))) }
    }
}

/// What callers are told of a store.
pub fn describe(id: StoreId, row: &StoreRow, profile: &Profile) -> Result<Store> {
    let etag = blake3::hash(&record::encode(row)?).to_hex();
    Ok(Store {
        id,
        handle: profile.handle.parse().map_err(Error::corrupt)?,
        name: profile.name.clone(),
        description: profile.description.clone(),
        metadata: profile.metadata.iter().cloned().collect(),
        head_revision: row.head,
        memory_count: row.memory_count,
        content_bytes: row.content_bytes,
        forked_from: row.forked_from,
        create_time: row.create_time.into(),
        update_time: row.update_time.into(),
        archive_time: row.archive_time.map(Into::into),
        delete_time: row.delete_time.map(Into::into),
        retention: profile.retention,
        etag: etag[..16].to_owned(),
    })
}

/// A store's row and profile, without its paths. None where there is no such store in the workspace.
pub async fn row(
    context: &Context,
    workspace: WorkspaceId,
    store: StoreId,
) -> Result<Option<(StoreRow, Record, Profile)>> {
    let Some(record) = context.vault.get(&key::store(workspace, store)).await.map_err(fault::of)? else {
        return Ok(None);
    };
    let row: StoreRow = record::decode(record.value())?;
    let profile = context.vault.get(&key::profile(store, row.profile)).await.map_err(fault::of)?;
    let profile = profile.ok_or_else(|| fault::damaged(format_args!("store {store} lacks its profile")))?;
    Ok(Some((row, record, record::decode(profile.value())?)))
}

/// A store's head and lineage. None where there is no such store in the workspace.
pub async fn head(context: &Context, workspace: WorkspaceId, store: StoreId) -> Result<Option<(Head, Lineage)>> {
    let Some((row, record, profile)) = row(context, workspace, store).await? else { return Ok(None) };
    let lineage = lineage(context, workspace, store, &row).await?;
    let map = map(context, &lineage, row.head).await?;
    if map.len() as u64 != row.memory_count {
        return Err(fault::damaged(format_args!("the log of {store} does not lead to its head")));
    }
    Ok(Some((Head { row, record, profile: Arc::new(profile), map }, lineage)))
}

async fn lineage(context: &Context, workspace: WorkspaceId, store: StoreId, row: &StoreRow) -> Result<Lineage> {
    let mut ancestors: Vec<Snapshot> = Vec::new();
    let mut next = row.forked_from;
    while let Some(ancestor) = next {
        ancestors.push(ancestor);
        let record = context.vault.get(&key::store(workspace, ancestor.store)).await.map_err(fault::of)?;
        let record = record.ok_or_else(|| fault::damaged(format_args!("{store} lacks its base {}", ancestor.store)))?;
        next = record::decode::<StoreRow>(record.value())?.forked_from;
        if ancestors.len() > limits::FORK_DEPTH_MAX {
            return Err(fault::damaged(format_args!("the forks above {store} are too deep")));
        }
    }
    Ok(Lineage::new(store, &ancestors))
}

/// All paths at a revision: the nearest snapshot in memory or checkpoint, and the commits since.
pub async fn map(context: &Context, lineage: &Lineage, revision: Revision) -> Result<Map> {
    let (era, mut map) = (context.eras.now(), Map::new());
    let mut at = revision;
    while at > 0 {
        let (owner, start) = (lineage.owner(at), lineage.start(at));
        if let Some(found) = context.snapshots.get(&(era, owner, at)) {
            map = found;
            break;
        }
        if let Some((found, checkpoint)) = checkpoint::newest(&context.vault, owner, start, at).await? {
            (at, map) = (found, checkpoint);
            break;
        }
        // Nothing in this store's log: go on from where it was forked, or from nothing.
        at = start;
    }
    while at < revision {
        let to = revision.min(at + limits::LOG_SCAN_MAX as u64);
        for segment in lineage.segments(at, to) {
            for row in context.log.rows(segment).await? {
                index::apply(&mut map, &row.record, &row.detail);
            }
        }
        at = to;
    }
    if revision > 0 {
        context.snapshots.insert((era, lineage.owner(revision), revision), map.clone());
    }
    Ok(map)
}
