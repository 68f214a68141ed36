//! Stores: proto/reverie/memory/v1/store.proto.

use domain::Handle;
use domain::limits::RETENTION_DAYS_MAX;
use domain::store::{Change, Filter, NewFork, NewStore, Retention, Store};
use domain::{Error, Result};

use crate::convert::history::to_time_range;
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
            retention: Some(s.retention.into()),
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

pub fn to_filter(r: &pb::ListStoresRequest) -> Result<Filter> {
    Ok(Filter {
        include_archived: r.include_archived,
        include_forks: r.include_forks,
        metadata: r.metadata.clone().into_iter().collect(),
        newest_first: r.newest_first,
        time: to_time_range(r.start_time, r.end_time)?,
    })
}

/// The fields that the mask names. Naming none, or one that cannot be changed, is refused.
pub fn to_update(r: pb::UpdateStoreRequest) -> Result<Change> {
    let paths = r.update_mask.map(|m| m.paths).unwrap_or_default();
    let mut violations = Violations::default();
    if paths.is_empty() {
        violations.add("update_mask", "name the fields to change: handle, name, description, metadata, retention");
    }
    let (mut handle, mut name, mut description, mut metadata, mut retention) = (None, None, None, None, None);
    for path in &paths {
        match path.as_str() {
            "handle" => handle = violations.take(r.handle.parse::<Handle>().map_err(|e| e.within("handle"))),
            "name" => name = Some(r.name.clone()),
            "description" => description = Some(r.description.clone()),
            "metadata" => metadata = Some(r.metadata.clone().into_iter().collect()),
            "retention" => retention = violations.take(to_retention(r.retention.unwrap_or_default())),
            other => violations.add(
                "update_mask",
                format!("{other} cannot be changed: handle, name, description, metadata and retention can"),
            ),
        }
    }
    violations.finish(Some(Change::Update { handle, name, description, metadata, retention }))
}

impl From<Retention> for pb::Retention {
    fn from(r: Retention) -> pb::Retention {
        pb::Retention { versions_min: r.versions_min, max_age_days: r.days_max, legal_hold: r.legal_hold }
    }
}

fn to_retention(r: pb::Retention) -> Result<Retention> {
    if r.max_age_days > RETENTION_DAYS_MAX {
        return Err(Error::invalid("retention.max_age_days", format!("must be at most {RETENTION_DAYS_MAX}")));
    }
    Ok(Retention { versions_min: r.versions_min, days_max: r.max_age_days, legal_hold: r.legal_hold })
}

fn to_optional_handle(handle: &str) -> Result<Option<Handle>> {
    if handle.is_empty() { Ok(None) } else { handle.parse().map(Some).map_err(|e: Error| e.within("handle")) }
}
