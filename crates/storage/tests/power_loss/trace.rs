//! The trace that the shim writes: what a process asked of the file system, in order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub enum Event {
    Create {
        path: PathBuf,
        inode: u64,
    },
    Mkdir {
        path: PathBuf,
        inode: u64,
    },
    Write {
        inode: u64,
        offset: u64,
        data: Vec<u8>,
    },
    Truncate {
        inode: u64,
        bytes: u64,
    },
    /// What was asked before this is durable once the end with the same id is there.
    SyncBegin {
        path: PathBuf,
        inode: u64,
        id: u64,
    },
    SyncEnd {
        id: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    /// A line that the process told the world.
    Told(String),
    /// A process began.
    Start,
}

impl Event {
    /// Whether it changes names, or makes something durable: where mistakes of order show.
    pub fn is_turn(&self) -> bool {
        !matches!(self, Event::Write { .. } | Event::Truncate { .. } | Event::Told(_))
    }
}

/// Reads a trace; a record that is cut short ends it.
pub fn read(file: &Path) -> Vec<Event> {
    let bytes = std::fs::read(file).unwrap();
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while let Some((event, after)) = next(rest) {
        events.extend(event);
        rest = after;
    }
    events
}

fn next(bytes: &[u8]) -> Option<(Vec<Event>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(25)?;
    let u64_at = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
    let u32_at = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
    let (inode, offset) = (u64_at(1), u64_at(9));
    let (path, rest) = rest.split_at_checked(u32_at(17))?;
    let (data, rest) = rest.split_at_checked(u32_at(21))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let path = PathBuf::from(text(path));
    let event = match head[0] {
        1 => Event::Create { path, inode },
        2 => Event::Mkdir { path, inode },
        3 => Event::Write { inode, offset, data: data.to_vec() },
        4 => Event::Truncate { inode, bytes: offset },
        5 => Event::SyncBegin { path, inode, id: offset },
        6 => Event::SyncEnd { id: offset },
        7 => Event::Rename { from: path, to: PathBuf::from(text(data)) },
        8 | 9 => Event::Unlink { path },
        10 => return Some((text(data).lines().map(|l| Event::Told(l.to_owned())).collect(), rest)),
        11 => Event::Start,
        other => panic!("a record of the unknown kind {other}"),
    };
    Some((vec![event], rest))
}

/// How many of each kind, for the report.
pub fn summary(events: &[Event]) -> String {
    let mut counts = BTreeMap::<&str, u64>::new();
    let mut written = 0;
    for event in events {
        let kind = match event {
            Event::Create { .. } | Event::Mkdir { .. } => "creations",
            Event::Write { data, .. } => {
                written += data.len();
                "writes"
            }
            Event::Truncate { .. } => "truncations",
            Event::SyncBegin { .. } => continue,
            Event::SyncEnd { .. } => "syncs",
            Event::Rename { .. } => "renames",
            Event::Unlink { .. } => "removals",
            Event::Told(_) => "told",
            Event::Start => "lives",
        };
        *counts.entry(kind).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    format!("{}, {} KiB written", counts.join(", "), written >> 10)
}
