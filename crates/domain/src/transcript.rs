//! Transcripts: the one internal form that every harness's sessions are brought into.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::SessionId;

pub mod request;

/// One recorded agent run, without its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub agent: Agent,
    /// Names the task; empty where unknown. Sessions of one task are compared with each other.
    pub task_key: String,
    pub labels: BTreeMap<String, String>,
    pub state: SessionState,
    pub outcome: Option<Outcome>,
    /// The number of the last durable event; 0 for none.
    pub last_seq: u64,
    pub content_bytes: u64,
    pub create_time: Timestamp,
    pub end_time: Option<Timestamp>,
    /// The first event's own time, where it has one.
    pub start_time: Option<Timestamp>,
    pub external_id: String,
    pub format: String,
    /// `digest` of the session, once it has ended.
    pub content_digest: Option<Digest>,
    pub task_text: String,
    pub masked_count: u64,
    pub attached_stores: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agent {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionState {
    Open,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// 0 is failure, 1 is success.
    pub value: f64,
    pub label: String,
    pub source: OutcomeSource,
}

impl Outcome {
    /// A run counts as a success from 0.5 on, the middle of the scale.
    pub fn is_success(&self) -> bool {
        self.value >= 0.5
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeSource {
    Environment,
    Grader,
    User,
    Heuristic,
}

/// One item of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, gapless within the session.
    pub seq: u64,
    pub time: Option<Timestamp>,
    pub actor: EventActor,
    /// Empty for the main thread.
    pub thread: String,
    pub body: Body,
    pub source: Option<SourceSpan>,
    /// Context copied from elsewhere: kept, never counted as support.
    pub copied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventActor {
    Operator,
    User,
    Agent,
    Tool,
    Environment,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    Message {
        text: String,
    },
    Thought {
        text: String,
    },
    /// `arguments` is JSON where the harness gave JSON.
    ToolCall {
        call_id: String,
        name: String,
        arguments: String,
    },
    ToolResult {
        call_id: String,
        name: String,
        status: ToolStatus,
        text: String,
    },
    Error {
        text: String,
    },
    Verdict {
        value: f64,
        label: String,
        text: String,
    },
    Compaction {
        text: String,
    },
    /// A kind that the reader of the format does not know, kept as it came.
    Opaque {
        kind: String,
        text: String,
    },
}

impl Body {
    /// The text that evidence points into.
    pub fn text(&self) -> &str {
        match self {
            Body::Message { text }
            | Body::Thought { text }
            | Body::ToolResult { text, .. }
            | Body::Error { text }
            | Body::Verdict { text, .. }
            | Body::Compaction { text }
            | Body::Opaque { text, .. } => text,
            Body::ToolCall { arguments, .. } => arguments,
        }
    }

    /// For example tool_call.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Message { .. } => "message",
            Body::Thought { .. } => "thought",
            Body::ToolCall { .. } => "tool_call",
            Body::ToolResult { .. } => "tool_result",
            Body::Error { .. } => "error",
            Body::Verdict { .. } => "verdict",
            Body::Compaction { .. } => "compaction",
            Body::Opaque { .. } => "opaque",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ToolStatus {
    Ok,
    Error,
    Unknown,
}

/// Where an event stood in an imported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpan {
    pub file: String,
    pub byte_start: u64,
    pub byte_end: u64,
}

/// A session with its events: what a dream reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    pub session: Session,
    pub events: Vec<Event>,
}

/// BLAKE3 of a session's normal form. Equal for equal runs, whatever their ids and file names, so
/// that a run that was recorded twice is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Lower-case hexadecimal.
    pub fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    pub fn from_hex(text: &str) -> Option<Digest> {
        blake3::Hash::from_hex(text).ok().map(|h| Digest(*h.as_bytes()))
    }

    /// The first 12 digits: what notes show.
    pub fn short(&self) -> String {
        self.to_hex()[..12].to_owned()
    }
}

/// The digest of a run: its agent, task, outcome and events, without ids, labels, storage times and
/// file positions. Every field goes in with its length, so that no two runs share a normal form.
pub fn digest(agent: &Agent, task_key: &str, outcome: Option<&Outcome>, events: &[Event]) -> Digest {
    let mut form = Form(blake3::Hasher::new_derive_key("reverie 2026-11 session digest v1"));
    form.text(&agent.name).text(&agent.version).text(task_key);
    match outcome {
        Some(o) => form.text("outcome").bytes(&o.value.to_be_bytes()).text(&o.label),
        None => form.text("no outcome"),
    };
    for event in events {
        let time = event.time.map_or(String::new(), |t| t.to_string());
        form.text(&time)
            .bytes(&[event.actor as u8, u8::from(event.copied)])
            .text(&event.thread)
            .text(event.body.kind());
        match &event.body {
            Body::ToolCall { name, .. } => form.text(name),
            Body::ToolResult { name, status, .. } => form.text(name).bytes(&[*status as u8]),
            Body::Verdict { value, label, .. } => form.bytes(&value.to_be_bytes()).text(label),
            Body::Opaque { kind, .. } => form.text(kind),
            Body::Message { .. } | Body::Thought { .. } | Body::Error { .. } | Body::Compaction { .. } => &mut form,
        }
        .text(event.body.text());
    }
    Digest(*form.0.finalize().as_bytes())
}

struct Form(blake3::Hasher);

impl Form {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Form {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Form {
        self.bytes(text.as_bytes())
    }
}
