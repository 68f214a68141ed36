//! Commits: the one way a store changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::id::{MemoryId, StoreId, VersionId};
use crate::path::MemoryPath;

/// A store's commit number: 0 for the empty store, gapless, one more with each commit.
pub type Revision = u64;

/// What a caller asks of a store: all of it, durably, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Applied in order.
    pub steps: Vec<Step>,
    /// Judged against the head before any step; may name paths that are not written.
    pub preconditions: Vec<(MemoryPath, Precondition)>,
    /// The head that is expected, where the caller says.
    pub store_revision: Option<Revision>,
    pub message: String,
    /// Same id, same outcome; empty for no replay protection.
    pub request_id: String,
    /// Judge and answer, write nothing.
    pub dry_run: bool,
    /// The caller's word for what it was doing, kept in the actor.
    pub tool_call: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub operation: Operation,
    /// About the operation's path, at the head before any step.
    pub precondition: Option<Precondition>,
}

impl From<Operation> for Step {
    fn from(operation: Operation) -> Step {
        Step { operation, precondition: None }
    }
}

/// What a commit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The new head, or the current one for a no-op.
    pub revision: Revision,
    /// What the commit made, in path order.
    pub versions: Vec<Version>,
    /// Nothing differed: no revision was made.
    pub no_op: bool,
}

/// One step of a commit. See `proto/reverie/memory/v1/memory.proto` for each one's promise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Operation {
    Write { path: MemoryPath, content: String, origins: Vec<Origin> },
    Create { path: MemoryPath, content: String, origins: Vec<Origin> },
    ReplaceText { path: MemoryPath, old_text: String, new_text: String },
    InsertLines { path: MemoryPath, after_line: u32, text: String },
    Append { path: MemoryPath, text: String },
    Move { from: MemoryPath, to: MemoryPath },
    Delete { path: MemoryPath, recursive: bool },
}

impl Operation {
    /// The path that a precondition on this operation is about.
    pub fn path(&self) -> &MemoryPath {
        match self {
            Operation::Write { path, .. }
            | Operation::Create { path, .. }
            | Operation::ReplaceText { path, .. }
            | Operation::InsertLines { path, .. }
            | Operation::Append { path, .. }
            | Operation::Delete { path, .. } => path,
            Operation::Move { from, .. } => from,
        }
    }

    /// As the proto names it, for example replace_text.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Write { .. } => "write",
            Operation::Create { .. } => "create",
            Operation::ReplaceText { .. } => "replace_text",
            Operation::InsertLines { .. } => "insert_lines",
            Operation::Append { .. } => "append",
            Operation::Move { .. } => "move",
            Operation::Delete { .. } => "delete",
        }
    }
}

/// What must hold of one path at the head before any operation of the request is applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Precondition {
    Absent,
    Revision(Revision),
    ContentSha256([u8; 32]),
    VersionId(VersionId),
}

/// One failed precondition, with what the caller needs to rebase at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// None for a precondition on the whole store.
    pub path: Option<MemoryPath>,
    /// None for a precondition on the whole store.
    pub expected: Option<Precondition>,
    /// 0 where there is no memory; the head for a precondition on the whole store.
    pub actual_revision: Revision,
    pub actual_sha256: Option<[u8; 32]>,
    pub actual_version: Option<VersionId>,
    pub actual_actor: Option<Actor>,
    /// Present up to limits::CONFLICT_CONTENT_BYTES_MAX.
    pub actual_content: Option<String>,
    /// The stored state already equals what the operation would have made.
    pub already_equal: bool,
}

impl Conflict {
    pub fn subject(&self) -> &str {
        self.path.as_ref().map_or("the whole store", |p| p.as_str())
    }
}

/// One path that both sides of a merge changed in the same lines. None where a side has no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeConflict {
    pub path: MemoryPath,
    pub base: Option<String>,
    pub ours: Option<String>,
    pub theirs: Option<String>,
}

/// Where a range of lines came from. Lines count from 1; both ends are inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    pub start_line: u32,
    pub end_line: u32,
    /// A URI that the store never interprets.
    pub source: String,
}

/// Why a version's content is no more, although the version is no deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Erased {
    /// By a redaction.
    Redacted,
    /// By the store's retention.
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    Created,
    Modified,
    Deleted,
    Renamed,
}

/// One memory as of one revision, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    pub memory: MemoryId,
    pub path: MemoryPath,
    /// Where it was before, for Renamed.
    pub previous_path: Option<MemoryPath>,
    pub revision: Revision,
    pub kind: ChangeKind,
    /// None for Deleted, and where the content is erased.
    pub sha256: Option<[u8; 32]>,
    pub size_bytes: u64,
    pub actor: Actor,
    pub time: Timestamp,
    pub message: String,
    pub origins: Vec<Origin>,
    /// None where the content is there, or never was.
    pub erased: Option<Erased>,
}

/// One commit, without contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub revision: Revision,
    pub time: Timestamp,
    pub actor: Actor,
    pub message: String,
    pub versions: Vec<Version>,
    pub chain_hash: [u8; 32],
    /// The snapshot that a merge brought in.
    pub merged: Option<(StoreId, Revision)>,
}
