//! What is on disk. Never wire messages: a format byte, then postcard.

use std::collections::BTreeMap;

use domain::dream::{Change, Decision, Engine, State};
use domain::id::{DreamId, SessionId, StoreId, WorkspaceId};
use domain::transcript::Digest;
use domain::{Error, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 2;

pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    postcard::to_extend(record, vec![FORMAT]).map_err(Error::internal)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(Error::corrupt),
        _ => Err(Error::corrupt("a record of dream-orchestrator has an unknown format")),
    }
}

/// One dream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dream {
    pub id: DreamId,
    pub workspace: WorkspaceId,
    pub state: State,
    pub stage: Stage,
    pub done: u64,
    pub total: u64,
    pub store: StoreId,
    pub store_handle: String,
    pub revision: u64,
    pub selector: Selector,
    /// Whether the snapshot stage has decided what is read: a dream that goes on reads the same.
    pub is_pinned: bool,
    /// In the order of their digests.
    pub sessions: Vec<Pinned>,
    pub duplicates: u64,
    /// Sessions that were asked for and cannot be read.
    pub skipped: Vec<Skipped>,
    /// None as long as it is being made: see `create`.
    pub output_store: Option<StoreId>,
    pub engine: Engine,
    pub instructions: String,
    pub principal: String,
    pub wall_time_s: i64,
    /// What the dream may do: read its input, write its fork. Empty as long as it is being made.
    pub token: String,
    pub usage: Vec<Usage>,
    /// Set together with the last of the changes: from then on the proposal is what the journal says.
    pub report: Option<Report>,
    pub failure: Option<Failure>,
    /// The changes of an adoption that has begun: it may have reached the store.
    pub adopting: Option<Vec<String>>,
    pub adoption: Option<Adoption>,
    pub session: Option<SessionId>,
    pub create_time: Timestamp,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
}

impl Dream {
    /// Whether it has its fork and its token, and can run.
    pub fn has_begun(&self) -> bool {
        !self.token.is_empty()
    }

    /// How a store knows its fork: by its id, or by the handle that it has or would have.
    pub fn output(&self) -> String {
        self.output_store.map_or_else(|| crate::create::handle("dream", self.id), |id| id.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    Snapshot,
    Analyse,
    Reduce,
    Curate,
    Verify,
    Publish,
    Report,
}

impl Stage {
    pub const ALL: [Stage; 7] =
        [Stage::Snapshot, Stage::Analyse, Stage::Reduce, Stage::Curate, Stage::Verify, Stage::Publish, Stage::Report];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Snapshot => "snapshot",
            Stage::Analyse => "analyse",
            Stage::Reduce => "reduce",
            Stage::Curate => "curate",
            Stage::Verify => "verify",
            Stage::Publish => "publish",
            Stage::Report => "report",
        }
    }
}

/// Which sessions a dream reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Selector {
    Ids(Vec<SessionId>),
    Filter(Filter),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub agent: String,
    pub task_key: String,
    pub labels: BTreeMap<String, String>,
    /// The end of the store's last dream that was adopted or succeeded, where the caller asked for what came since.
    pub ended_after: Option<Timestamp>,
    pub attached_only: bool,
}

/// A session as the dream saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    pub digest: Digest,
    pub id: SessionId,
    pub agent: String,
    pub task_key: String,
}

/// A session that was asked for and not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub id: SessionId,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    Gone,
    Changed,
    Open,
    Recording,
}

impl Why {
    /// A stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Gone => "gone",
            Why::Changed => "changed",
            Why::Open => "open",
            Why::Recording => "recording",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Why::Gone => "it is not there, or was deleted before it was read",
            Why::Changed => "it was redacted while the dream ran",
            Why::Open => "it has not ended",
            Why::Recording => "it is the recording of a dream",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Usage {
    pub stage: Stage,
    pub wall_time_ms: u64,
    pub items: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    pub sessions_read: u64,
    pub events_read: u64,
    pub proposed: u64,
    pub verified: u64,
    pub dropped: u64,
    pub dropped_by_reason: BTreeMap<String, u64>,
    pub review_reasons: Vec<String>,
    pub output_digest: String,
    pub markdown: String,
    pub memories_before: u64,
    pub memories_after: u64,
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Adoption {
    /// False is discarded.
    pub adopted: bool,
    pub revision: u64,
    pub no_op: bool,
    pub changes: Vec<String>,
    pub principal: String,
    pub time: Timestamp,
}

/// One change as it is listed: itself, and what it looks like.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangeRow {
    pub change: Change,
    pub diff: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Review {
    pub decision: Decision,
    pub note: String,
    pub principal: String,
    pub time: Timestamp,
}

/// What a request with an id came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub request_digest: [u8; 32],
    pub dream: DreamId,
    pub time: Timestamp,
}

/// Which claim of a dream is the one that may write. Changes with each claim, never by renewing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    pub epoch: u64,
}

/// Until when the claim holds, by the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    pub until: Timestamp,
}
