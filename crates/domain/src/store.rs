//! Stores: named sets of memories with one gapless revision counter each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::commit::Revision;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::history::TimeRange;
use crate::id::StoreId;

/// One store at one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    pub store: StoreId,
    pub revision: Revision,
}

/// How a request names a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoreRef {
    Id(StoreId),
    Handle(Handle),
}

impl FromStr for StoreRef {
    type Err = Error;

    /// No handle holds an underscore, so that an id is never taken for one.
    fn from_str(text: &str) -> Result<StoreRef> {
        if text.starts_with(StoreId::PREFIX) {
            text.parse().map(StoreRef::Id)
        } else {
            text.parse().map(StoreRef::Handle)
        }
    }
}

impl fmt::Display for StoreRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreRef::Id(id) => id.fmt(f),
            StoreRef::Handle(handle) => handle.fmt(f),
        }
    }
}

/// As its text.
impl Serialize for StoreRef {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// A store, without its memories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub id: StoreId,
    pub handle: Handle,
    pub name: String,
    pub description: String,
    pub metadata: BTreeMap<String, String>,
    pub head_revision: Revision,
    pub memory_count: u64,
    pub content_bytes: u64,
    pub forked_from: Option<Snapshot>,
    pub create_time: Timestamp,
    pub update_time: Timestamp,
    pub archive_time: Option<Timestamp>,
    pub delete_time: Option<Timestamp>,
    pub retention: Retention,
    /// Changes whenever anything of the above does.
    pub etag: String,
}

/// How long contents of the past are kept. The newest of each memory always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Versions of each memory that are kept whatever their age.
    pub versions_min: u32,
    /// Days for which contents are kept after they were replaced; 0 for ever.
    pub days_max: u32,
    /// Nothing is erased: no retention, no redaction, no purge.
    pub legal_hold: bool,
}

/// What a new store is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewStore {
    /// Made from the name where None.
    pub handle: Option<Handle>,
    pub name: String,
    pub description: String,
    pub metadata: BTreeMap<String, String>,
}

/// What a new fork is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewFork {
    /// 0 for the head.
    pub revision: Revision,
    /// Made from the parent's where None.
    pub handle: Option<Handle>,
    /// The parent's where empty.
    pub name: String,
}

/// One change of a store itself, apart from its memories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Change {
    /// The fields that are Some.
    Update {
        handle: Option<Handle>,
        name: Option<String>,
        description: Option<String>,
        metadata: Option<BTreeMap<String, String>>,
        retention: Option<Retention>,
    },
    Archive,
    Unarchive,
    Delete,
    Undelete,
}

/// What it does, without what it says: names and descriptions are not for an audit trail.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Update { handle, name, description, metadata, retention } => {
                let fields = [
                    ("handle", handle.is_some()),
                    ("name", name.is_some()),
                    ("description", description.is_some()),
                    ("metadata", metadata.is_some()),
                    ("retention", retention.is_some()),
                ];
                let fields: Vec<&str> = fields.into_iter().filter(|(_, set)| *set).map(|(field, _)| field).collect();
                write!(f, "updated {}", fields.join(", "))?;
                match retention {
                    Some(retention) => write!(f, ": {retention:?}"),
                    None => Ok(()),
                }
            }
            Change::Archive => f.write_str("archived"),
            Change::Unarchive => f.write_str("unarchived"),
            Change::Delete => f.write_str("deleted"),
            Change::Undelete => f.write_str("undeleted"),
        }
    }
}

/// Which stores a listing is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    pub include_archived: bool,
    pub include_forks: bool,
    /// Pairs that a store must have, all of them.
    pub metadata: BTreeMap<String, String>,
    /// The newest first, and not the oldest.
    pub newest_first: bool,
    /// When they were made.
    pub time: TimeRange,
}
