//! What is on disk. Never wire messages: a format byte, then postcard.

use std::collections::BTreeMap;

use domain::dream::{Change, Decision, Engine, State};
use domain::id::{DreamId, SessionId, StoreId, WorkspaceId};
use domain::transcript::Digest;
use domain::{Error, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

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
    /// In the order of their digests; set by the snapshot stage.
    pub sessions: Vec<Pinned>,
    pub duplicates: u64,
    pub output_store: StoreId,
    pub engine: Engine,
    pub instructions: String,
    pub principal: String,
    pub wall_time_s: i64,
    /// What the dream may do: read its input, write its fork.
    pub token: String,
    pub usage: Vec<Usage>,
    pub report: Option<Report>,
    pub failure: Option<Failure>,
    pub adoption: Option<Adoption>,
    pub session: Option<SessionId>,
    pub create_time: Timestamp,
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    pub epoch: u64,
}
