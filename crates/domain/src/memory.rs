//! Memories: UTF-8 text files at paths in a store, and the questions that can be asked of them.

use jiff::Timestamp;

use crate::actor::Actor;
use crate::commit::{Erased, Revision};
use crate::id::{MemoryId, VersionId};
use crate::page::Page;
use crate::path::{MemoryPath, PathGlob, Prefix};

/// One memory as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Stable across renames.
    pub id: MemoryId,
    pub path: MemoryPath,
    /// None where it was not asked for, or is erased.
    pub content: Option<String>,
    /// None where the content is erased.
    pub sha256: Option<[u8; 32]>,
    pub size_bytes: u64,
    /// The commit that last touched it.
    pub revision: Revision,
    pub version: VersionId,
    /// Who made that commit.
    pub actor: Actor,
    pub create_time: Timestamp,
    pub update_time: Timestamp,
    pub erased: Option<Erased>,
}

/// How a request names a memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MemoryRef {
    Path(MemoryPath),
    Id(MemoryId),
}

/// Stands for the memories below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub path: String,
    pub memory_count: u64,
    pub content_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is a memory")]
pub enum Entry {
    Memory(Memory),
    Directory(Directory),
}

/// Which memories a listing is about.
#[derive(Debug, Clone, Default)]
pub struct List {
    pub prefix: Prefix,
    pub glob: Option<PathGlob>,
    /// Levels below the prefix; what lies deeper is rolled up into directories. 0 for all.
    pub depth: u32,
    /// With contents.
    pub full: bool,
    /// 0 for the head.
    pub revision: Revision,
    pub page: Page,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    pub next_page_token: String,
    /// The same on every page of a sequence.
    pub revision: Revision,
}

/// What to look for in the contents.
#[derive(Debug, Clone, Default)]
pub struct Grep {
    pub regex: String,
    pub glob: Option<PathGlob>,
    pub ignore_case: bool,
    /// On each side of a match.
    pub context_lines: u32,
    /// 0 for the default.
    pub matches_max: u32,
    /// 0 for the head.
    pub revision: Revision,
}

/// One line that matches, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    pub path: MemoryPath,
    /// From 1.
    pub line_number: u32,
    pub line: String,
    pub before: Vec<String>,
    pub after: Vec<String>,
}
