//! History: what can be asked of a store's past, and of two snapshots.

use jiff::Timestamp;
use serde::Serialize;

use crate::actor::{Actor, ActorFilter};
use crate::commit::{ChangeKind, Outcome, Revision, Version};
use crate::diff::{FileDiff, Stats};
use crate::id::{MemoryId, RedactionId};
use crate::memory::MemoryRef;
use crate::page::Page;
use crate::path::{MemoryPath, PathGlob, Prefix};
use crate::store::Snapshot;

/// From `start` up to, and without, `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TimeRange {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl TimeRange {
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time < end)
    }
}

/// Which commits a listing is about; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commits {
    /// Those that touch a path at or below it.
    pub prefix: Prefix,
    pub memory: Option<MemoryId>,
    pub actor: ActorFilter,
    pub time: TimeRange,
    /// The newest to list; 0 for the head.
    pub revision: Revision,
    pub page: Page,
}

/// Which versions a listing is about; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// None for those of every memory.
    pub memory: Option<MemoryRef>,
    /// Empty for any.
    pub kinds: Vec<ChangeKind>,
    pub actor: ActorFilter,
    pub time: TimeRange,
    pub page: Page,
}

/// A version, and what is known of the redaction that took its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub version: Version,
    pub redaction: Option<VersionRedaction>,
}

/// Which redaction took a version's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRedaction {
    pub id: RedactionId,
    pub create_time: Timestamp,
    /// Who asked for it.
    pub actor: Actor,
}

/// How two snapshots are to be compared.
#[derive(Debug, Clone)]
pub struct Compare {
    pub glob: Option<PathGlob>,
    pub context_lines: u32,
}

/// How two snapshots differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// In path order.
    pub files: Vec<FileChange>,
    pub stats: Stats,
    pub base_revision: Revision,
    pub target_revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    pub kind: ChangeKind,
    pub path: MemoryPath,
    /// For Renamed.
    pub previous_path: Option<MemoryPath>,
    pub diff: FileDiff,
    /// The whole file as a unified diff.
    pub unified: String,
    /// A side's content is erased: there are no hunks, and no unified diff.
    pub erased: bool,
}

/// What a merge is to bring in, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Merge {
    /// Empty for all.
    pub include: Vec<Prefix>,
    pub exclude: Vec<Prefix>,
    /// The head of the target that is expected, where the caller says.
    pub expected_revision: Option<Revision>,
    pub dry_run: bool,
    pub message: String,
    pub request_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub outcome: Outcome,
    /// The common snapshot that was used.
    pub base: Snapshot,
}

/// What is to be as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restore {
    pub to_revision: Revision,
    /// Paths, and all below them; the root for the whole store.
    pub paths: Vec<Prefix>,
    /// The head that is expected, where the caller says.
    pub expected_revision: Option<Revision>,
    pub message: String,
    pub request_id: String,
}

/// A run of lines that one commit brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameRange {
    /// From 1.
    pub start_line: u32,
    /// Inclusive.
    pub end_line: u32,
    /// The commit of the store that was asked: for lines that a merge brought in, the merge.
    pub revision: Revision,
    /// Who wrote the lines: for lines that a merge brought in, whoever wrote them in its source.
    pub actor: Actor,
    pub time: Timestamp,
    pub message: String,
    /// Where the lines came from, where that is known.
    pub sources: Vec<String>,
    /// Without line ends.
    pub lines: Vec<String>,
    /// The lines came in with the commit or with a version before it whose content is erased: who
    /// wrote them cannot be told.
    pub erased: bool,
}
