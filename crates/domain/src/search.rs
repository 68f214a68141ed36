//! Searches: which memories are about something, best first.

use jiff::Timestamp;

use crate::commit::Revision;
use crate::id::{MemoryId, StoreId};
use crate::path::{MemoryPath, Prefix};

mod query;

pub use query::{Clause, Demand, PathClause, Query};

/// What to look for.
#[derive(Debug, Clone)]
pub struct Search {
    pub query: Query,
    /// 0 for the default.
    pub results_max: u32,
}

/// Where in one store to look, and how new that must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within {
    pub prefix: Prefix,
    /// The revision that must have been looked at, at least.
    pub min_revision: Revision,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// In the order of the request.
    pub searched: Vec<Searched>,
    /// More memories match than are given.
    pub more: bool,
}

/// A memory that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which of the searched stores has it.
    pub place: usize,
    pub path: MemoryPath,
    pub memory: MemoryId,
    /// The commit that last touched it.
    pub revision: Revision,
    pub update_time: Timestamp,
    /// Comparable within one answer.
    pub score: f64,
    /// Those that match best, in their order; the memory's first where only its path matches.
    pub lines: Vec<Line>,
}

/// One line of a memory that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u32,
    /// Without its line end; a long one is cut around the first match, with an ellipsis where it is cut.
    pub text: String,
    /// Bytes of `text` that match, in order.
    pub matches: Vec<std::ops::Range<usize>>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searched {
    pub store: StoreId,
    pub revision: Revision,
}
