//! Items: what the readers of the formats make of a file, in order, for the builder.

use std::fmt;
use std::sync::Arc;

use domain::actor::Claim;
use domain::portability::ImportProblem;
use domain::{Error, Kind, MemoryPath, Result};
use tokio::sync::mpsc;

use crate::line::{CommitLine, MemoryLine, StoreLine, VersionLine};

pub enum Item {
    /// The file is one of ours.
    Store(StoreLine),
    /// A content that later items name.
    Content {
        sha256: [u8; 32],
        text: Arc<str>,
    },
    /// A commit to be kept as it is. As many versions follow as it says.
    Commit(CommitLine),
    Version(VersionLine),
    /// A commit to be made of the changes that follow.
    Begin(Begin),
    Change(Change),
    /// A file beside the history: it must be as the history says.
    File {
        path: MemoryPath,
        sha256: [u8; 32],
    },
    /// There are no more files beside the history.
    FilesEnd,
    Problem {
        path: String,
        reason: String,
    },
}

pub struct Begin {
    /// Who made it as the file says. None for what says nothing.
    pub claim: Option<Claim>,
    pub message: String,
}

pub enum Change {
    Write {
        path: MemoryPath,
        sha256: [u8; 32],
    },
    /// A memory with what is known of it.
    Create(Box<MemoryLine>),
    Move {
        from: MemoryPath,
        to: MemoryPath,
    },
    Delete {
        path: MemoryPath,
    },
}

/// Where in the file something is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Of an archive.
    pub entry: Option<Arc<str>>,
    /// From 1; 0 for the entry as a whole.
    pub line: u64,
}

impl Place {
    pub fn line(line: u64) -> Place {
        Place { entry: None, line }
    }

    /// Nothing is imported for this.
    pub fn refuse(&self, why: impl fmt::Display) -> Error {
        Error::new(Kind::Invalid, "IMPORT_REFUSED", format!("{self}: {why}; nothing was imported"))
    }

    pub fn problem(&self, path: String, reason: String) -> ImportProblem {
        ImportProblem { path, reason, place: self.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.entry, self.line) {
            (Some(entry), 0) => write!(f, "{entry}"),
            (Some(entry), line) => write!(f, "{entry}, line {line}"),
            (None, 0) => f.write_str("the file"),
            (None, line) => write!(f, "line {line}"),
        }
    }
}

/// Where the readers put what they find. They run on a thread of their own.
pub struct Items(pub mpsc::Sender<Result<(Place, Item)>>);

impl Items {
    /// Waits for a slow builder.
    pub fn send(&self, place: &Place, item: Item) -> Result<()> {
        let ended = |_| Error::new(Kind::Cancelled, "CANCELLED", "the import has ended");
        self.0.blocking_send(Ok((place.clone(), item))).map_err(ended)
    }

    pub fn problem(&self, place: &Place, path: impl Into<String>, reason: impl Into<String>) -> Result<()> {
        self.send(place, Item::Problem { path: path.into(), reason: reason.into() })
    }
}
