//! Portability: stores as files, out and in.

use serde::Serialize;

use crate::commit::Revision;
use crate::handle::Handle;
use crate::store::Store;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Format {
    /// Files at their paths in a tar; ours is compressed by Zstandard.
    Tar,
    /// One JSON object a line.
    Jsonl,
    /// What `git fast-import` reads and `git fast-export` writes.
    Git,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// 0 for the head.
    pub revision: Revision,
    pub format: Format,
    /// All commits up to the revision, not only what it holds.
    pub with_history: bool,
}

/// What an import begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportHeader {
    /// Made from the name where None.
    pub handle: Option<Handle>,
    /// What the file says where empty.
    pub name: String,
    /// What the file says where empty.
    pub description: String,
    /// Told from the first bytes where None.
    pub format: Option<Format>,
    pub request_id: String,
    /// The branch of a git repository; the usual one where empty.
    pub git_branch: String,
}

/// A part of an import as it arrives.
#[derive(Debug)]
pub enum ImportPart<B> {
    Header(ImportHeader),
    Chunk(B),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    pub store: Store,
    pub commits: u64,
    pub memories: u64,
    /// At most limits::IMPORT_PROBLEMS_MAX.
    pub problems: Vec<ImportProblem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

/// Something that an import left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// Empty for what is about no path.
    pub path: String,
    pub reason: String,
    /// Where in the file, for example line 12.
    pub place: String,
}
