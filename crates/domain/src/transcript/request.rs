//! What is asked of the transcripts' service, and what it answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::id::SessionId;
use crate::transcript::{Agent, Event, Outcome, Session, SessionState};

/// A session to be recorded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewSession {
    /// The caller's own id; a fresh one where unset.
    pub id: Option<SessionId>,
    pub agent: Agent,
    pub task_key: String,
    pub labels: BTreeMap<String, String>,
    /// Ids or handles, as given.
    pub attached_stores: Vec<String>,
    /// Empty where the caller asks for no replay protection.
    pub request_id: String,
}

/// Events to be added to a session's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    pub session: SessionId,
    /// The seq of the first event; the others follow it.
    pub first_seq: u64,
    pub events: Vec<Event>,
}

/// A session's end.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub session: SessionId,
    pub outcome: Option<Outcome>,
    /// The last seq that the caller knows of, where it wants to be sure.
    pub last_seq: Option<u64>,
}

/// Which sessions a listing is about. What is unset or empty is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SessionFilter {
    /// Sessions that ran at this time or later.
    pub start_time: Option<Timestamp>,
    /// Sessions that ran before this time.
    pub end_time: Option<Timestamp>,
    /// The agent's name.
    pub agent: String,
    pub task_key: String,
    /// success, failure, or a label of the caller's.
    pub outcome: String,
    /// All of these.
    pub labels: BTreeMap<String, String>,
    /// Attached to this store, as the session names it.
    pub store: String,
    pub state: Option<SessionState>,
}

impl SessionFilter {
    /// A session ran when its first event says, else when it was recorded.
    pub fn matches(&self, session: &Session) -> bool {
        let ran = session.start_time.unwrap_or(session.create_time);
        let equals = |want: &str, have: &str| want.is_empty() || want == have;
        self.start_time.is_none_or(|start| ran >= start)
            && self.end_time.is_none_or(|end| ran < end)
            && equals(&self.agent, &session.agent.name)
            && equals(&self.task_key, &session.task_key)
            && self.outcome_matches(session)
            && self.labels.iter().all(|(key, value)| session.labels.get(key) == Some(value))
            && (self.store.is_empty() || session.attached_stores.contains(&self.store))
            && self.state.is_none_or(|state| session.state == state)
    }

    fn outcome_matches(&self, session: &Session) -> bool {
        match (self.outcome.as_str(), &session.outcome) {
            ("", _) => true,
            (_, None) => false,
            ("success", Some(outcome)) => outcome.is_success(),
            ("failure", Some(outcome)) => !outcome.is_success(),
            (label, Some(outcome)) => outcome.label == label,
        }
    }
}

/// Something that happened to a session. Cursors are gapless within a workspace, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    pub cursor: u64,
    pub kind: NoticeKind,
    /// None for Progress.
    pub session: Option<SessionId>,
    pub time: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    Created,
    Ended,
    Redacted,
    Deleted,
    /// Nothing happened up to the cursor.
    Progress,
}

/// The formats that transcripts are imported from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    ClaudeCode,
    OpenaiChat,
    TauBench,
    OtelGenai,
}

impl Format {
    pub const ALL: [Format; 4] = [Format::ClaudeCode, Format::OpenaiChat, Format::TauBench, Format::OtelGenai];

    /// As sessions name it, for example claude_code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::ClaudeCode => "claude_code",
            Format::OpenaiChat => "openai_chat",
            Format::TauBench => "tau_bench",
            Format::OtelGenai => "otel_genai",
        }
    }
}

/// What the importer says about a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportHeader {
    /// Detected from the bytes where unset.
    pub format: Option<Format>,
    /// The file's name.
    pub source_name: String,
    pub labels: BTreeMap<String, String>,
    /// Where the file does not say.
    pub agent: Agent,
    pub attached_stores: Vec<String>,
}

/// What an import is made of, in this order: one header, then the file in chunks.
#[derive(Debug, Clone, PartialEq)]
pub enum ImportPart<Chunk> {
    Header(ImportHeader),
    Chunk(Chunk),
}

/// What became of an imported file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportReport {
    pub format: Format,
    pub sessions: Vec<ImportedSession>,
    /// The first limits::IMPORT_PROBLEMS_MAX of them.
    pub problems: Vec<ImportProblem>,
    pub more_problems: u64,
    pub bytes_read: u64,
    pub masked_count: u64,
    pub opaque_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSession {
    pub session: SessionId,
    pub external_id: String,
    pub events: u64,
    /// It was there already: nothing was stored.
    pub deduplicated: bool,
}

/// A part of a file that could not be read as it should, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// From 1: a line of JSONL or an element of an array; 0 for the whole file.
    pub record: u64,
    /// From 1: the line that the record begins on.
    pub line: u64,
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::OutcomeSource;

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([1; 16]),
            agent: Agent { name: "triage".into(), version: String::new() },
            task_key: "task".into(),
            labels: BTreeMap::from([("team".into(), "sre".into()), ("shift".into(), "night".into())]),
            state: SessionState::Ended,
            outcome: Some(Outcome { value: 0.0, label: "escalated".into(), source: OutcomeSource::User }),
            last_seq: 1,
            content_bytes: 1,
            create_time: "2026-11-20T10:00:00Z".parse().unwrap(),
            end_time: None,
            start_time: Some("2026-11-01T10:00:00Z".parse().unwrap()),
            external_id: String::new(),
            format: String::new(),
            content_digest: None,
            task_text: String::new(),
            masked_count: 0,
            attached_stores: vec!["team-sre".into()],
        }
    }

    #[test]
    fn every_condition_can_fail_a_session() {
        let team = |value: &str| BTreeMap::from([("team".to_owned(), value.to_owned())]);
        let holds = [
            SessionFilter::default(),
            SessionFilter { agent: "triage".into(), task_key: "task".into(), ..Default::default() },
            SessionFilter { outcome: "failure".into(), ..Default::default() },
            SessionFilter { outcome: "escalated".into(), ..Default::default() },
            SessionFilter { labels: team("sre"), store: "team-sre".into(), ..Default::default() },
            SessionFilter { state: Some(SessionState::Ended), ..Default::default() },
        ];
        let fails = [
            SessionFilter { agent: "other".into(), ..Default::default() },
            SessionFilter { task_key: "other".into(), ..Default::default() },
            SessionFilter { outcome: "success".into(), ..Default::default() },
            SessionFilter { labels: team("web"), ..Default::default() },
            SessionFilter { store: "team".into(), ..Default::default() },
            SessionFilter { state: Some(SessionState::Open), ..Default::default() },
        ];
        assert!(holds.iter().all(|f| f.matches(&session())));
        assert!(fails.iter().all(|f| !f.matches(&session())));
    }

    #[test]
    fn a_session_ran_when_its_first_event_says_and_ranges_are_half_open() {
        let at = |text: &str| Some(text.parse().unwrap());
        let within = |start, end| SessionFilter { start_time: start, end_time: end, ..Default::default() };
        assert!(within(at("2026-11-01T10:00:00Z"), at("2026-11-01T10:00:01Z")).matches(&session()));
        assert!(!within(None, at("2026-11-01T10:00:00Z")).matches(&session()));
        assert!(!within(at("2026-11-02T00:00:00Z"), None).matches(&session()));
        let unknown = Session { start_time: None, ..session() };
        assert!(within(at("2026-11-02T00:00:00Z"), None).matches(&unknown));
    }
}
