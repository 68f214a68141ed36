//! Governance: taking content out for good, showing that the past was not changed, and who did what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actor::{Actor, ActorFilter};
use crate::commit::Revision;
use crate::id::{EventId, MemoryId, RedactionId, StoreId, VersionId};
use crate::path::Prefix;
use crate::store::Snapshot;

/// What stands where redacted text stood.
pub const NOTICE: &str = "[redacted]";

/// What a redaction is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    Versions(Vec<VersionId>),
    /// All that ever was at a path or below it.
    Path(Prefix),
    /// Versions whose content matches.
    Regex(String),
    /// Versions that a session wrote.
    Session(String),
    /// Versions that an actor wrote.
    Actor(ActorFilter),
    /// Versions with an origin in a session.
    DerivedFromSession(String),
}

/// A request to redact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redact {
    pub selector: Selector,
    /// Kept in the receipt.
    pub reason: String,
    pub dry_run: bool,
    pub request_id: String,
}

/// A redaction's receipt. It says nothing of what was redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// None for a dry run.
    pub id: Option<RedactionId>,
    pub store: StoreId,
    pub reason: String,
    pub actor: Actor,
    pub create_time: Timestamp,
    /// None while it runs.
    pub finish_time: Option<Timestamp>,
    pub counts: RedactionCounts,
    pub versions: Vec<RedactedVersion>,
    /// The commits that took memories out of heads.
    pub commits: Vec<Snapshot>,
    /// The keys of all earlier epochs are destroyed; 0 while it runs.
    pub key_epoch: u64,
}

impl Redaction {
    /// Sets the counts that follow from the versions.
    pub fn count_versions(&mut self) {
        let distinct = |of: &dyn Fn(&RedactedVersion) -> [u8; 16]| {
            self.versions.iter().map(of).collect::<std::collections::HashSet<_>>().len() as u64
        };
        let (stores, memories) = (distinct(&|v| *v.store.as_bytes()), distinct(&|v| *v.memory.as_bytes()));
        (self.counts.stores, self.counts.memories) = (stores, memories);
        self.counts.versions = self.versions.len() as u64;
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactionCounts {
    pub stores: u64,
    pub memories: u64,
    pub versions: u64,
    pub contents: u64,
    pub content_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RedactedVersion {
    pub store: StoreId,
    pub revision: Revision,
    pub version: VersionId,
    pub memory: MemoryId,
}

/// What a check of a store's history came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    pub commits: u64,
    pub head: Revision,
    pub chain_hash: [u8; 32],
    /// Commitments that were opened and hold.
    pub opened: u64,
    /// Versions whose content was erased.
    pub redacted: u64,
    /// None where all is well; at most limits::HISTORY_PROBLEMS_MAX.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub store: StoreId,
    /// 0 for the store itself.
    pub revision: Revision,
    pub description: String,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub id: EventId,
    pub time: Timestamp,
    pub actor: Actor,
    /// For example StoreAdminister.
    pub action: String,
    pub store: Option<StoreId>,
    pub allowed: bool,
    /// Never content, nor a path.
    pub description: String,
}

/// Which events a listing is about; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub store: Option<StoreId>,
    /// Empty for any.
    pub principal: String,
    /// Empty for any.
    pub action: String,
    pub refused_only: bool,
    pub time: crate::history::TimeRange,
}
