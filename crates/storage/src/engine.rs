//! The engine trait: all that Reverie asks of a database.
//!
//! No snapshots, expiry or watches: snapshots come from revision-suffixed keys, events from the log
//! in the keys, expiry from a job.

use std::fmt;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;

pub use crate::moment::Moment;

pub type Key = Bytes;
pub type Value = Bytes;

/// Ordered bytes with conditional, atomic, durable commits. One conformance suite holds every
/// implementation to this text.
#[async_trait::async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The value of a key, as of the newest acknowledged commit.
    async fn get(&self, key: &[u8]) -> Result<Option<Value>>;

    /// Up to `limit` pairs of a range in key order, or the reverse. Not a snapshot: commits made
    /// meanwhile may or may not show. Every pair was committed at some moment of the scan.
    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Value)>>;

    /// Applies all writes if all conditions hold, else none. Ok means durable: the writes survive a
    /// crash of the process and a loss of power. An error other than Conflict means that the outcome
    /// is unknown: read again to find out.
    async fn commit(&self, batch: Batch) -> Result<()>;

    /// A walk over all rows, for backups and scrubs. Commits go on meanwhile.
    ///
    /// # Errors
    /// Failed where the engine has its own ways to do both.
    fn walk(&self) -> Result<Box<dyn Walk>> {
        Err(Error::failed(format!("{} has no walks", self.name())))
    }

    /// The engine's clock, for leases only: replicas that share an engine agree on it.
    fn now(&self) -> jiff::Timestamp;

    /// For logs and messages, for example sled.
    fn name(&self) -> &'static str;
}

/// A walk over all rows in key order that ends in the state of one moment, the last: `Slice::changed`
/// has what commits have changed behind it.
#[async_trait::async_trait]
pub trait Walk: Send {
    /// The next slice; the last has an `end`, and nothing comes after it.
    async fn next(&mut self) -> Result<Slice>;
}

/// A part of a walk.
#[derive(Debug, Default)]
pub struct Slice {
    /// Changes to rows that the walk has passed, in their order: to be applied before `rows`.
    pub changed: Vec<Write>,
    /// The next rows; Err where one cannot be read.
    pub rows: Vec<(Key, Result<Value>)>,
    pub end: Option<End>,
}

/// What a walk has come to.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The state that the walk has seen.
    pub moment: Moment,
    /// Whether the rows that were there are those that were committed: none is missing, none is older.
    pub agrees: bool,
}

/// Conditions and writes that stand or fall together. A key may be written once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub conditions: Vec<Condition>,
    pub writes: Vec<Write>,
    /// The batch is made to take less room: it may use what is kept free on a full disk.
    pub makes_room: bool,
}

#[derive(Debug, Clone)]
pub enum Condition {
    Absent(Key),
    Equals(Key, Value),
}

impl Condition {
    pub fn key(&self) -> &Key {
        match self {
            Condition::Absent(key) | Condition::Equals(key, _) => key,
        }
    }

    pub fn holds(&self, actual: Option<&[u8]>) -> bool {
        match self {
            Condition::Absent(_) => actual.is_none(),
            Condition::Equals(_, value) => actual == Some(value.as_ref()),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Write {
    Put(Key, Value),
    Delete(Key),
}

impl Write {
    pub fn key(&self) -> &Key {
        match self {
            Write::Put(key, _) | Write::Delete(key) => key,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A range of keys.
#[derive(Debug, Clone)]
pub struct Range {
    pub start: Bound<Key>,
    pub end: Bound<Key>,
}

impl Range {
    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Range {
        let start = Bound::Included(Bytes::copy_from_slice(prefix));
        // The first key after all that begin with it: its last byte below 0xff, one higher.
        let end = prefix.iter().rposition(|&b| b < u8::MAX).map_or(Bound::Unbounded, |last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bound::Excluded(end.into())
        });
        Range { start, end }
    }

    /// The part of the range that lies after `key`: the next page.
    #[must_use]
    pub fn after(self, key: Key) -> Range {
        Range { start: Bound::Excluded(key), end: self.end }
    }

    /// The part of the range that lies before `key`: the next page of a descending scan.
    #[must_use]
    pub fn before(self, key: Key) -> Range {
        Range { start: self.start, end: Bound::Excluded(key) }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A condition did not hold; nothing was written. Each failed key with its current value.
    #[error("{} condition(s) did not hold", .0.len())]
    Conflict(Vec<(Key, Option<Value>)>),
    /// The disk or a quota is full; nothing was written.
    #[error("storage is full: {0}")]
    Full(String),
    /// Stored bytes are not what was written.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The outcome of a write is unknown.
    #[error("storage failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine is closing; nothing was written.
    #[error("storage is closed")]
    Closed,
}

impl Error {
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Failed(cause.into())
    }

    /// What went wrong with a file.
    pub(crate) fn at(path: &Path, error: std::io::Error) -> Error {
        let words = format!("{}: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::StorageFull => Error::Full(words),
            _ => Error::failed(words),
        }
    }
}

impl fmt::Debug for dyn Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.name())
    }
}
