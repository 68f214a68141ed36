//! Stores: proto/reverie/memory/v1/store.proto.

use domain::Handle;
use domain::store::{Change, Filter, NewFork, NewStore, Store};
use domain::{Error, Result};

use crate::convert::time::from_time;
use crate::convert::violations::Violations;
use crate::memory as pb;

impl From<Store> for pb::Store {
    fn from(s: Store) -> pb::Store {
        pb::Store {
            id: s.id.to_string(),
            handle: s.handle.to_string(),
            name: s.name,
            description: s.description,
            metadata: s.metadata.into_iter().collect(),
            head_revision: s.head_revision,
            memory_count: s.memory_count,
            content_bytes: s.content_bytes,
            forked_from: s.forked_from.map(Into::into),
            create_time: Some(from_time(s.create_time)),
            update_time: Some(from_time(s.update_time)),
            archive_time: s.archive_time.map(from_time),
            delete_time: s.delete_time.map(from_time),
            etag: s.etag,
        }
    }
}

pub fn to_new_store(r: pb::CreateStoreRequest) -> Result<(NewStore, String)> {
    let handle = to_optional_handle(&r.handle)?;
    if handle.is_none() && r.name.is_empty() {
        return Err(Error::invalid("handle", "give the store a handle, or a name to make one from"));
    }
    let new = NewStore { handle, name: r.name, description: r.description, metadata: r.metadata.into_iter().collect() };
    Ok((new, r.request_id))
}

/// The fork, its request id; the store is parsed by the caller.
pub fn to_new_fork(r: &pb::ForkStoreRequest) -> Result<NewFork> {
    Ok(NewFork { revision: r.revision, handle: to_optional_handle(&r.handle)?, name: r.name.clone() })
}

pub fn to_filter(r: &pb::ListStoresRequest) -> Filter {
    Filter {
        include_archived: r.include_archived,
        include_forks: r.include_forks,
        metadata: r.metadata.clone().into_iter().collect(),
    }
}

/// The fields that the mask names. Naming none, or one that cannot be changed, is refused.
pub fn to_update(r: pb::UpdateStoreRequest) -> Result<Change> {
    let paths = r.update_mask.map(|m| m.paths).unwrap_or_default();
    let mut violations = Violations::default();
    if paths.is_empty() {
        violations.add("update_mask", "name the fields to change: handle, name, description, metadata");
    }
    let (mut handle, mut name, mut description, mut metadata) = (None, None, None, None);
    for path in &paths {
        match path.as_str() {
            "handle" => handle = violations.take(r.handle.parse::<Handle>().map_err(|e| e.within("handle"))),
            "name" => name = Some(r.name.clone()),
            "description" => description = Some(r.description.clone()),
            "metadata" => metadata = Some(r.metadata.clone().into_iter().collect()),
            other => violations
                .add("update_mask", format!("{other} cannot be changed: handle, name, description and metadata can")),
        }
    }
    violations.finish(Some(Change::Update { handle, name, description, metadata }))
}

fn to_optional_handle(handle: &str) -> Result<Option<Handle>> {
    if handle.is_empty() { Ok(None) } else { handle.parse().map(Some).map_err(|e: Error| e.within("handle")) }
}
