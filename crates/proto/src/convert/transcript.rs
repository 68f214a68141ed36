//! Requests about sessions: proto/reverie/transcript/v1/transcript.proto.

use bytes::Bytes;
use domain::id::SessionId;
use domain::limits::NAME_BYTES_MAX;
use domain::transcript::Event;
use domain::transcript::request::{
    Append, End, Format, ImportHeader, ImportPart, ImportProblem, ImportReport, ImportedSession, NewSession, Notice,
    NoticeKind, SessionFilter,
};
use domain::{Error, Result};

use crate::convert::session::{to_agent, to_event, to_labels, to_outcome, to_session_id, to_state};
use crate::convert::violations::Violations;
use crate::convert::{text, time};
use crate::transcript as pb;
use crate::transcript::import_transcripts_request::Part;

#[cfg(test)]
mod tests;

/// Bytes of one chunk of an imported file.
const CHUNK_BYTES_MAX: usize = domain::limits::PAGE_BYTES_MAX;
/// Stores that a session may name.
const ATTACHED_MAX: usize = domain::limits::ATTACHMENTS_MAX;

pub fn to_new_session(r: pb::CreateSessionRequest) -> Result<NewSession> {
    let mut violations = Violations::default();
    let id = violations.take(optional_id("session", &r.session));
    let agent = violations.take(to_agent("agent", r.agent));
    let task_key = violations.take(text::to_name("task_key", r.task_key));
    let labels = violations.take(to_labels("labels", r.labels));
    let attached_stores = violations.take(to_attached("attachments", r.attachments));
    let request_id = violations.take(text::to_request_id("request_id", r.request_id));
    let session = (|| {
        Some(NewSession {
            id: id?,
            agent: agent?,
            task_key: task_key?,
            labels: labels?,
            attached_stores: attached_stores?,
            request_id: request_id?,
        })
    })();
    violations.finish(session)
}

pub fn to_append(r: pb::AppendEventsRequest) -> Result<Append> {
    let mut violations = Violations::default();
    let session = violations.take(to_session_id("session", &r.session));
    if r.first_seq == 0 {
        violations.add("first_seq", "must be at least 1");
    }
    if r.events.is_empty() {
        violations.add("events", "must not be empty");
    }
    let mut events: Vec<Event> = Vec::with_capacity(r.events.len());
    for (i, event) in r.events.into_iter().enumerate() {
        let field = format!("events[{i}]");
        let seq = r.first_seq.saturating_add(i as u64);
        if event.seq != 0 && event.seq != seq {
            violations
                .add(format!("{field}.seq"), format!("is {} where first_seq makes it {seq}; leave it out", event.seq));
        }
        events.extend(violations.take(to_event(&field, event)).map(|event| Event { seq, ..event }));
    }
    violations.finish(session.map(|session| Append { session, first_seq: r.first_seq, events }))
}

pub fn to_end(r: pb::EndSessionRequest) -> Result<End> {
    let mut violations = Violations::default();
    let session = violations.take(to_session_id("session", &r.session));
    let outcome = violations.take(r.outcome.map(|o| to_outcome("outcome", o)).transpose());
    violations.finish(session.zip(outcome).map(|(session, outcome)| End { session, outcome, last_seq: r.last_seq }))
}

pub fn to_filter(f: Option<pb::SessionFilter>) -> Result<SessionFilter> {
    let f = f.unwrap_or_default();
    let mut violations = Violations::default();
    let start_time = violations.take(time::to_optional_time("filter.start_time", f.start_time));
    let end_time = violations.take(time::to_optional_time("filter.end_time", f.end_time));
    let labels = violations.take(to_labels("filter.labels", f.labels));
    let state = violations.take(to_state("filter.state", f.state));
    let mut name = |field, value| violations.take(text::to_name(field, value));
    let agent = name("filter.agent", f.agent);
    let task_key = name("filter.task_key", f.task_key);
    let outcome = name("filter.outcome", f.outcome);
    let store = name("filter.store", f.store);
    let filter = (|| {
        Some(SessionFilter {
            start_time: start_time?,
            end_time: end_time?,
            agent: agent?,
            task_key: task_key?,
            outcome: outcome?,
            labels: labels?,
            store: store?,
            state: state?,
        })
    })();
    violations.finish(filter)
}

impl From<SessionFilter> for pb::SessionFilter {
    fn from(f: SessionFilter) -> pb::SessionFilter {
        pb::SessionFilter {
            start_time: f.start_time.map(time::from_time),
            end_time: f.end_time.map(time::from_time),
            agent: f.agent,
            task_key: f.task_key,
            outcome: f.outcome,
            labels: f.labels.into_iter().collect(),
            store: f.store,
            state: f.state.map_or(pb::SessionState::Unspecified, Into::into) as i32,
        }
    }
}

/// `None` for detection from the bytes.
pub fn to_format(field: &str, format: i32) -> Result<Option<Format>> {
    match pb::TranscriptFormat::try_from(format) {
        Ok(pb::TranscriptFormat::Unspecified) => Ok(None),
        Ok(pb::TranscriptFormat::ClaudeCode) => Ok(Some(Format::ClaudeCode)),
        Ok(pb::TranscriptFormat::OpenaiChat) => Ok(Some(Format::OpenaiChat)),
        Ok(pb::TranscriptFormat::TauBench) => Ok(Some(Format::TauBench)),
        Ok(pb::TranscriptFormat::OtelGenai) => Ok(Some(Format::OtelGenai)),
        Err(_) => Err(Error::invalid(field, format!("{format} is not a format"))),
    }
}

impl From<Format> for pb::TranscriptFormat {
    fn from(format: Format) -> pb::TranscriptFormat {
        match format {
            Format::ClaudeCode => pb::TranscriptFormat::ClaudeCode,
            Format::OpenaiChat => pb::TranscriptFormat::OpenaiChat,
            Format::TauBench => pb::TranscriptFormat::TauBench,
            Format::OtelGenai => pb::TranscriptFormat::OtelGenai,
        }
    }
}

pub fn to_import_part(r: pb::ImportTranscriptsRequest) -> Result<ImportPart<Bytes>> {
    match r.part {
        Some(Part::Header(header)) => Ok(ImportPart::Header(to_import_header(header)?)),
        Some(Part::Chunk(chunk)) if chunk.len() > CHUNK_BYTES_MAX => {
            Err(Error::invalid("chunk", format!("has {} bytes, at most {CHUNK_BYTES_MAX} are allowed", chunk.len())))
        }
        Some(Part::Chunk(chunk)) => Ok(ImportPart::Chunk(chunk)),
        None => Err(Error::invalid("part", "set one of header, chunk")),
    }
}

pub fn to_import_header(h: pb::ImportHeader) -> Result<ImportHeader> {
    let mut violations = Violations::default();
    let format = violations.take(to_format("header.format", h.format));
    let source_name = violations.take(text::to_name("header.source_name", h.source_name));
    let labels = violations.take(to_labels("header.labels", h.labels));
    let agent = violations.take(to_agent("header.agent", h.agent));
    let attached_stores = violations.take(to_attached("header.attachments", h.attachments));
    let header = (|| {
        Some(ImportHeader {
            format: format?,
            source_name: source_name?,
            labels: labels?,
            agent: agent?,
            attached_stores: attached_stores?,
        })
    })();
    violations.finish(header)
}

impl From<ImportReport> for pb::ImportTranscriptsResponse {
    fn from(r: ImportReport) -> pb::ImportTranscriptsResponse {
        pb::ImportTranscriptsResponse {
            sessions: r.sessions.into_iter().map(Into::into).collect(),
            problems: r.problems.into_iter().map(Into::into).collect(),
            format: pb::TranscriptFormat::from(r.format) as i32,
            bytes_read: r.bytes_read,
            masked_count: r.masked_count,
            opaque_count: r.opaque_count,
            more_problems: r.more_problems,
        }
    }
}

impl From<ImportedSession> for pb::ImportedSession {
    fn from(s: ImportedSession) -> pb::ImportedSession {
        pb::ImportedSession {
            session: s.session.to_string(),
            external_id: s.external_id,
            events: s.events,
            deduplicated: s.deduplicated,
        }
    }
}

impl From<ImportProblem> for pb::ImportProblem {
    fn from(p: ImportProblem) -> pb::ImportProblem {
        pb::ImportProblem { record: p.record, line: p.line, reason: p.reason }
    }
}

impl From<Notice> for pb::WatchSessionsResponse {
    fn from(n: Notice) -> pb::WatchSessionsResponse {
        let kind = match n.kind {
            NoticeKind::Created => pb::SessionEventKind::Created,
            NoticeKind::Ended => pb::SessionEventKind::Ended,
            NoticeKind::Redacted => pb::SessionEventKind::Redacted,
            NoticeKind::Deleted => pb::SessionEventKind::Deleted,
            NoticeKind::Progress => pb::SessionEventKind::Progress,
        };
        pb::WatchSessionsResponse {
            cursor: n.cursor,
            kind: kind as i32,
            session: n.session.map(|s| s.to_string()).unwrap_or_default(),
            time: Some(time::from_time(n.time)),
        }
    }
}

/// A notice as the service tells it.
pub fn to_notice(n: pb::WatchSessionsResponse) -> Result<Notice> {
    let kind = match pb::SessionEventKind::try_from(n.kind) {
        Ok(pb::SessionEventKind::Created) => NoticeKind::Created,
        Ok(pb::SessionEventKind::Ended) => NoticeKind::Ended,
        Ok(pb::SessionEventKind::Redacted) => NoticeKind::Redacted,
        Ok(pb::SessionEventKind::Deleted) => NoticeKind::Deleted,
        Ok(pb::SessionEventKind::Progress) => NoticeKind::Progress,
        Ok(pb::SessionEventKind::Unspecified) | Err(_) => {
            return Err(Error::invalid("kind", format!("{} is not a kind of notice", n.kind)));
        }
    };
    let at = n.time.ok_or_else(|| Error::invalid("time", "must be set"))?;
    Ok(Notice {
        cursor: n.cursor,
        kind,
        session: optional_id("session", &n.session)?,
        time: time::to_time("time", at)?,
    })
}

fn optional_id(field: &str, id: &str) -> Result<Option<SessionId>> {
    if id.is_empty() { Ok(None) } else { to_session_id(field, id).map(Some) }
}

fn to_attached(field: &str, stores: Vec<String>) -> Result<Vec<String>> {
    if stores.len() > ATTACHED_MAX {
        return Err(Error::invalid(field, format!("has {} stores, at most {ATTACHED_MAX} are allowed", stores.len())));
    }
    let store = |(i, store): (usize, String)| {
        let field = format!("{field}[{i}]");
        if store.is_empty() {
            return Err(Error::invalid(field, "must be a store's id or handle"));
        }
        text::one_line(&field, store, NAME_BYTES_MAX)
    };
    stores.into_iter().enumerate().map(store).collect()
}
