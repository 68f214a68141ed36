//! Changes of a store itself, apart from its memories. It judges; `sequencer` makes them real.

use domain::error::Result;
use domain::id::{StoreId, WorkspaceId};
use domain::store::Change;
use domain::{Error, Handle, Kind, Timestamp, limits};
use storage::VaultBatch;

use crate::context::Context;
use crate::load::Head;
use crate::record::{self, Profile, StoreRow};
use crate::stores::handle_key;
use crate::{fault, key};

pub struct Changed {
    pub row: StoreRow,
    pub profile: Profile,
}

/// Judges a change against the head, and adds what it writes besides the store's row. None where
/// the store is so already.
pub async fn judge(
    context: &Context,
    workspace: WorkspaceId,
    store: StoreId,
    head: &Head,
    change: Change,
    batch: &mut VaultBatch,
) -> Result<Option<Changed>> {
    let now: record::Time = context.clock.now().max(head.row.update_time.into()).into();
    let mut changed = Changed { row: head.row.clone(), profile: Profile::clone(&head.profile) };
    let (row, profile) = (&mut changed.row, &mut changed.profile);
    if !matches!(change, Change::Undelete) {
        head.check_visible(store)?;
    }
    match change {
        Change::Update { handle, name, description, metadata, retention } => {
            if let Some(handle) = handle.filter(|h| h.as_str() != profile.handle) {
                if is_taken(context, workspace, &handle).await? {
                    return Err(taken("handle", &handle));
                }
                batch.delete(handle_key(context, workspace, &parse(&profile.handle)?));
                take_handle(context, workspace, store, &handle, batch)?;
                profile.handle = handle.to_string();
            }
            profile.name = name.unwrap_or_else(|| std::mem::take(&mut profile.name));
            profile.description = description.unwrap_or_else(|| std::mem::take(&mut profile.description));
            if let Some(metadata) = metadata {
                profile.metadata = metadata.into_iter().collect();
            }
            profile.retention = retention.unwrap_or(profile.retention);
        }
        Change::Archive => {
            row.archive_time = row.archive_time.or(Some(now));
        }
        Change::Unarchive => row.archive_time = None,
        Change::Delete => {
            row.delete_time = Some(now);
            batch.delete(handle_key(context, workspace, &parse(&profile.handle)?));
        }
        Change::Undelete => {
            let Some(deleted) = row.delete_time else { return Ok(None) };
            check_purge_window(store, deleted.into(), now.into())?;
            row.delete_time = None;
            let handle = free_handle(context, workspace, store, &parse(&profile.handle)?).await?;
            take_handle(context, workspace, store, &handle, batch)?;
            profile.handle = handle.to_string();
        }
    }
    if changed.row == head.row && changed.profile == *head.profile {
        return Ok(None);
    }
    if changed.profile != *head.profile {
        batch.delete(key::profile(store, head.row.profile));
        changed.row.profile += 1;
        let profile = record::encode(&changed.profile)?;
        batch.put(key::profile(store, changed.row.profile), &profile).map_err(fault::of)?;
    }
    changed.row.update_time = now;
    Ok(Some(changed))
}

/// Makes a handle name a store, on condition that it names none.
pub fn take_handle(
    context: &Context,
    workspace: WorkspaceId,
    store: StoreId,
    handle: &Handle,
    batch: &mut VaultBatch,
) -> Result<()> {
    let key = handle_key(context, workspace, handle);
    batch.require_absent(key.clone());
    batch.put(key, &record::encode(&store)?).map(drop).map_err(fault::of)
}

pub async fn is_taken(context: &Context, workspace: WorkspaceId, handle: &Handle) -> Result<bool> {
    let found = context.vault.get(&handle_key(context, workspace, handle)).await.map_err(fault::of)?;
    Ok(found.is_some())
}

/// The handle, or where it is taken, one made from it and the store's id.
pub async fn free_handle(context: &Context, workspace: WorkspaceId, store: StoreId, wanted: &Handle) -> Result<Handle> {
    if !is_taken(context, workspace, wanted).await? {
        return Ok(wanted.clone());
    }
    suffixed(wanted, store)
}

/// A handle that no other store is given: it ends as the store's id does.
pub fn suffixed(handle: &Handle, store: StoreId) -> Result<Handle> {
    let id = store.to_string();
    let suffix = &id[id.len() - 8..];
    let stem = &handle.as_str()[..handle.as_str().len().min(limits::HANDLE_BYTES_MAX - 1 - suffix.len())];
    format!("{}-{suffix}", stem.trim_end_matches('-')).parse()
}

pub fn taken(field: &str, handle: &Handle) -> Error {
    let description = format!("there is a store with the handle {handle} already");
    let violation = domain::error::Violation { field: field.to_owned(), description: description.clone() };
    let details = domain::error::Details { violations: vec![violation], ..Default::default() };
    Error::new(Kind::Exists, "ALREADY_EXISTS", description).with_details(details)
}

fn parse(handle: &str) -> Result<Handle> {
    handle.parse().map_err(Error::corrupt)
}

fn check_purge_window(store: StoreId, deleted: Timestamp, now: Timestamp) -> Result<()> {
    let days = deleted.duration_until(now).as_hours() / 24;
    if days < limits::STORE_PURGE_DAYS { Ok(()) } else { Err(Error::not_found(format_args!("store {store}"))) }
}
