//! Dreams: what one proposes, why, and how sure it is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::commit::Revision;
use crate::id::{DreamId, SessionId};
use crate::limits::QUOTE_BYTES_MAX;
use crate::path::MemoryPath;
use crate::transcript::Digest;

/// A store's memories at one revision: what a dream reads beside the sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub revision: Revision,
    pub memories: BTreeMap<MemoryPath, String>,
}

/// One itemised edit that a dream proposes. `edits` is all that it does; everything else says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `c-` and 8 hexadecimal digits of the hash of what it does: the same change has the same id.
    pub id: String,
    pub operation: Operation,
    pub edits: Vec<Edit>,
    /// Ids of changes without which this one makes no sense.
    pub depends_on: Vec<String>,
    /// A stable code, for example error_repair.
    pub reason: String,
    /// One line for people.
    pub summary: String,
    pub tier: Tier,
    pub support: Support,
    pub evidence: Vec<Evidence>,
    /// The miner or model, with its version.
    pub author: String,
    pub verdict: Verdict,
}

impl Change {
    /// The paths that it touches, in order, once each.
    pub fn paths(&self) -> Vec<&MemoryPath> {
        let mut paths: Vec<&MemoryPath> = self.edits.iter().flat_map(Edit::paths).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    Add,
    Merge,
    Supersede,
    Edit,
    Move,
    Archive,
    Flag,
}

/// One step on the files. Each holds what it expects, so that it fails rather than harm text that
/// has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// The path must be free.
    Create { path: MemoryPath, content: String },
    /// `old` must be there exactly once.
    Replace { path: MemoryPath, old: String, new: String },
    /// At the end, on a line of its own.
    Append { path: MemoryPath, text: String },
    /// The path must be free.
    Move { from: MemoryPath, to: MemoryPath },
    /// The memory must read `old`.
    Delete { path: MemoryPath, old: String },
}

impl Edit {
    pub fn paths(&self) -> Vec<&MemoryPath> {
        match self {
            Edit::Create { path, .. }
            | Edit::Replace { path, .. }
            | Edit::Append { path, .. }
            | Edit::Delete { path, .. } => vec![path],
            Edit::Move { from, to } => vec![from, to],
        }
    }
}

/// How sure a change is. Only Tested and Shown may be worded as advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// At least 2 sessions; a description.
    Seen,
    /// At least 3 sessions, over 2 tasks or 2 agents.
    Recurrent,
    /// Recurrent, and it passed a stratified test.
    Tested,
    /// A successful session shows the fix.
    Shown,
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Seen => "seen",
            Tier::Recurrent => "recurrent",
            Tier::Tested => "tested",
            Tier::Shown => "shown",
        }
    }
}

/// Counted in distinct sessions (by digest), never in mentions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Support {
    pub sessions: u64,
    pub tasks: u64,
    pub agents: u64,
    /// Sessions where the condition held and the claim did not.
    pub counter_examples: u64,
}

/// A quote, and where it stands. It resolves when the bytes there have the hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    pub source: Source,
    /// The first 16 bytes of BLAKE3 of the quoted bytes.
    pub quote_hash: [u8; 16],
    /// The quoted bytes, at most limits::QUOTE_BYTES_MAX of them.
    pub quote: String,
}

/// Where a quote stands: a span of bytes, by content and not by id, so that equal input gives equal evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    Event { session: Digest, seq: u64, byte_start: u32, byte_end: u32 },
    Memory { path: MemoryPath, revision: Revision, byte_start: u32, byte_end: u32 },
}

impl Source {
    pub fn span(&self) -> std::ops::Range<usize> {
        match self {
            Source::Event { byte_start, byte_end, .. } | Source::Memory { byte_start, byte_end, .. } => {
                *byte_start as usize..*byte_end as usize
            }
        }
    }
}

impl Evidence {
    /// Quotes a span of an event's text. A long span is cut at a character boundary.
    pub fn of_event(session: Digest, seq: u64, text: &str, span: std::ops::Range<usize>) -> Evidence {
        let span = quotable(text, span);
        let quote = &text[span.clone()];
        let source = Source::Event { session, seq, byte_start: span.start as u32, byte_end: span.end as u32 };
        Evidence { source, quote_hash: quote_hash(quote), quote: quote.to_owned() }
    }

    /// Quotes a span of a memory of the input store.
    pub fn of_memory(path: &MemoryPath, revision: Revision, text: &str, span: std::ops::Range<usize>) -> Evidence {
        let span = quotable(text, span);
        let quote = &text[span.clone()];
        let source =
            Source::Memory { path: path.clone(), revision, byte_start: span.start as u32, byte_end: span.end as u32 };
        Evidence { source, quote_hash: quote_hash(quote), quote: quote.to_owned() }
    }

    /// Whether the span of `text` that it names has its hash and its quote.
    pub fn resolves_in(&self, text: &str) -> bool {
        text.get(self.source.span()).is_some_and(|found| quote_hash(found) == self.quote_hash && found == self.quote)
    }
}

pub fn quote_hash(quote: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(quote.as_bytes()).as_bytes()[..16]);
    short
}

fn quotable(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len()).min(start + QUOTE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}

/// What the verifier found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub passed: Vec<String>,
    pub failed: Vec<String>,
}

/// Where a dream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    Pending,
    Running,
    Succeeded,
    NeedsReview,
    Failed,
    Canceled,
}

impl State {
    pub fn is_final(self) -> bool {
        !matches!(self, State::Pending | State::Running)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Engine {
    Classic,
    Llm,
    Hybrid,
}

/// Whether people have accepted a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Decision {
    Accept,
    Reject,
}

/// What a caller asks of a new dream.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDream {
    /// An id or a handle.
    pub store: String,
    pub sessions: SessionSelector,
    pub engine: Option<Engine>,
    pub instructions: String,
    pub wall_time: Option<Duration>,
    pub request_id: String,
}

/// Which sessions a dream is to read.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionSelector {
    Ids(Vec<SessionId>),
    Filter(NewFilter),
}

/// Ended sessions that match all that is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewFilter {
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub agent: String,
    pub task_key: String,
    pub labels: BTreeMap<String, String>,
    pub since_last_dream: bool,
    pub attached_only: bool,
}

/// Which changes to adopt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    NotRejected,
    Accepted,
}

#[derive(Debug, Clone)]
pub struct ListDreams {
    /// Any where empty.
    pub states: Vec<State>,
    /// An id or a handle; any where empty.
    pub store: String,
    pub before: Option<DreamId>,
    pub limit: usize,
}

#[derive(Debug, Clone)]
pub struct ListChanges {
    pub dream: DreamId,
    pub skip: usize,
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_resolves_only_where_the_bytes_are_the_same() {
        let text = "the quota is 40 GiB";
        let evidence = Evidence::of_event(Digest([1; 32]), 3, text, 4..9);
        assert_eq!(evidence.quote, "quota");
        assert!(evidence.resolves_in(text));
        assert!(!evidence.resolves_in("the limit is 40 GiB"));
        assert!(!evidence.resolves_in("the"));
    }

    #[test]
    fn a_quote_never_cuts_a_character() {
        let text = "é".repeat(QUOTE_BYTES_MAX);
        let evidence = Evidence::of_event(Digest([1; 32]), 1, &text, 1..text.len());
        assert!(evidence.quote.len() <= QUOTE_BYTES_MAX && evidence.resolves_in(&text));
    }
}
