//! Sessions and their events: proto/reverie/transcript/v1/session.proto.

use std::collections::{BTreeMap, HashMap};

use domain::id::SessionId;
use domain::limits::{METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX, NAME_BYTES_MAX};
use domain::transcript::{
    Agent, Body, Digest, Event, EventActor, Outcome, OutcomeSource, Session, SessionState, SourceSpan, ToolStatus,
};
use domain::{Error, Result};

use crate::convert::{text, time};
use crate::transcript as pb;
use crate::transcript::event::Body as PbBody;

#[cfg(test)]
mod tests;

pub fn to_session_id(field: &str, id: &str) -> Result<SessionId> {
    id.parse().map_err(|e: Error| e.within(field))
}

impl From<Session> for pb::Session {
    fn from(s: Session) -> pb::Session {
        pb::Session {
            id: s.id.to_string(),
            agent: Some(s.agent.into()),
            task_key: s.task_key,
            labels: s.labels.into_iter().collect(),
            state: pb::SessionState::from(s.state) as i32,
            outcome: s.outcome.map(Into::into),
            last_seq: s.last_seq,
            content_bytes: s.content_bytes,
            create_time: Some(time::from_time(s.create_time)),
            end_time: s.end_time.map(time::from_time),
            external_id: s.external_id,
            format: s.format,
            start_time: s.start_time.map(time::from_time),
            content_digest: s.content_digest.map(|d| d.to_hex()).unwrap_or_default(),
            task_text: s.task_text,
            masked_count: s.masked_count,
            attached_stores: s.attached_stores,
        }
    }
}

/// A session as the service answers it.
pub fn to_session(s: pb::Session) -> Result<Session> {
    let digest = Some(s.content_digest).filter(|d| !d.is_empty());
    let digest =
        digest.map(|d| Digest::from_hex(&d).ok_or_else(|| Error::invalid("content_digest", "is not a digest")));
    let create_time = s.create_time.ok_or_else(|| Error::invalid("create_time", "must be set"))?;
    Ok(Session {
        id: to_session_id("id", &s.id)?,
        agent: to_agent("agent", s.agent)?,
        task_key: s.task_key,
        labels: s.labels.into_iter().collect(),
        state: to_state("state", s.state)?.ok_or_else(|| Error::invalid("state", "must be OPEN or ENDED"))?,
        outcome: s.outcome.map(|o| to_outcome("outcome", o)).transpose()?,
        last_seq: s.last_seq,
        content_bytes: s.content_bytes,
        create_time: time::to_time("create_time", create_time)?,
        end_time: time::to_optional_time("end_time", s.end_time)?,
        start_time: time::to_optional_time("start_time", s.start_time)?,
        external_id: s.external_id,
        format: s.format,
        content_digest: digest.transpose()?,
        task_text: s.task_text,
        masked_count: s.masked_count,
        attached_stores: s.attached_stores,
    })
}

impl From<Agent> for pb::Agent {
    fn from(a: Agent) -> pb::Agent {
        pb::Agent { name: a.name, version: a.version }
    }
}

/// An agent that is not given has no name.
pub fn to_agent(field: &str, agent: Option<pb::Agent>) -> Result<Agent> {
    let agent = agent.unwrap_or_default();
    Ok(Agent {
        name: text::to_name(&format!("{field}.name"), agent.name)?,
        version: text::to_name(&format!("{field}.version"), agent.version)?,
    })
}

pub fn to_labels(field: &str, labels: HashMap<String, String>) -> Result<BTreeMap<String, String>> {
    if labels.len() > METADATA_PAIRS_MAX {
        return Err(Error::invalid(
            field,
            format!("has {} pairs, at most {METADATA_PAIRS_MAX} are allowed", labels.len()),
        ));
    }
    let pair = |(key, value): (String, String)| {
        if key.is_empty() {
            return Err(Error::invalid(field, "a key must not be empty"));
        }
        let value = text::one_line(&format!("{field}[{key}]"), value, METADATA_VALUE_BYTES_MAX)?;
        Ok((text::one_line(field, key, METADATA_KEY_BYTES_MAX)?, value))
    };
    labels.into_iter().map(pair).collect()
}

impl From<SessionState> for pb::SessionState {
    fn from(state: SessionState) -> pb::SessionState {
        match state {
            SessionState::Open => pb::SessionState::Open,
            SessionState::Ended => pb::SessionState::Ended,
        }
    }
}

/// None where it is not said.
pub fn to_state(field: &str, state: i32) -> Result<Option<SessionState>> {
    match pb::SessionState::try_from(state) {
        Ok(pb::SessionState::Unspecified) => Ok(None),
        Ok(pb::SessionState::Open) => Ok(Some(SessionState::Open)),
        Ok(pb::SessionState::Ended) => Ok(Some(SessionState::Ended)),
        Err(_) => Err(Error::invalid(field, format!("{state} is not a state of sessions"))),
    }
}

impl From<Outcome> for pb::Outcome {
    fn from(o: Outcome) -> pb::Outcome {
        let source = match o.source {
            OutcomeSource::Environment => pb::OutcomeSource::Environment,
            OutcomeSource::Grader => pb::OutcomeSource::Grader,
            OutcomeSource::User => pb::OutcomeSource::User,
            OutcomeSource::Heuristic => pb::OutcomeSource::Heuristic,
        };
        pb::Outcome { value: o.value, label: o.label, source: source as i32 }
    }
}

pub fn to_outcome(field: &str, o: pb::Outcome) -> Result<Outcome> {
    let source = match pb::OutcomeSource::try_from(o.source) {
        Ok(pb::OutcomeSource::Environment) => OutcomeSource::Environment,
        Ok(pb::OutcomeSource::Grader) => OutcomeSource::Grader,
        Ok(pb::OutcomeSource::User) => OutcomeSource::User,
        Ok(pb::OutcomeSource::Heuristic) => OutcomeSource::Heuristic,
        Ok(pb::OutcomeSource::Unspecified) | Err(_) => {
            let expected = "must be ENVIRONMENT, GRADER, USER or HEURISTIC";
            return Err(Error::invalid(format!("{field}.source"), expected));
        }
    };
    Ok(Outcome {
        value: to_score(&format!("{field}.value"), o.value)?,
        label: text::to_name(&format!("{field}.label"), o.label)?,
        source,
    })
}

fn to_score(field: &str, value: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(Error::invalid(field, "must lie between 0 and 1")) }
}

impl From<Event> for pb::Event {
    fn from(e: Event) -> pb::Event {
        let actor = match e.actor {
            EventActor::Operator => pb::EventActor::Operator,
            EventActor::User => pb::EventActor::User,
            EventActor::Agent => pb::EventActor::Agent,
            EventActor::Tool => pb::EventActor::Tool,
            EventActor::Environment => pb::EventActor::Environment,
        };
        pb::Event {
            seq: e.seq,
            time: e.time.map(time::from_time),
            actor: actor as i32,
            thread: e.thread,
            body: Some(e.body.into()),
            source: e.source.map(|s| pb::SourceSpan { file: s.file, byte_start: s.byte_start, byte_end: s.byte_end }),
            copied: e.copied,
        }
    }
}

/// `field` as in `events[2]`.
pub fn to_event(field: &str, e: pb::Event) -> Result<Event> {
    let actor = match pb::EventActor::try_from(e.actor) {
        Ok(pb::EventActor::Operator) => EventActor::Operator,
        Ok(pb::EventActor::User) => EventActor::User,
        Ok(pb::EventActor::Agent) => EventActor::Agent,
        Ok(pb::EventActor::Tool) => EventActor::Tool,
        Ok(pb::EventActor::Environment) => EventActor::Environment,
        Ok(pb::EventActor::Unspecified) | Err(_) => {
            let expected = "must be OPERATOR, USER, AGENT, TOOL or ENVIRONMENT";
            return Err(Error::invalid(format!("{field}.actor"), expected));
        }
    };
    let body = e.body.ok_or_else(|| {
        let kinds = "message, thought, tool_call, tool_result, error, verdict, compaction, opaque";
        Error::invalid(format!("{field}.body"), format!("set one of {kinds}"))
    })?;
    Ok(Event {
        seq: e.seq,
        time: time::to_optional_time(&format!("{field}.time"), e.time)?,
        actor,
        thread: text::one_line(&format!("{field}.thread"), e.thread, NAME_BYTES_MAX)?,
        body: to_body(field, body)?,
        source: e.source.map(|s| SourceSpan { file: s.file, byte_start: s.byte_start, byte_end: s.byte_end }),
        copied: e.copied,
    })
}

impl From<Body> for PbBody {
    fn from(body: Body) -> PbBody {
        match body {
            Body::Message { text } => PbBody::Message(pb::Message { text }),
            Body::Thought { text } => PbBody::Thought(pb::Thought { text }),
            Body::ToolCall { call_id, name, arguments } => PbBody::ToolCall(pb::ToolCall { call_id, name, arguments }),
            Body::ToolResult { call_id, name, status, text } => {
                let status = match status {
                    ToolStatus::Ok => pb::ToolStatus::Ok,
                    ToolStatus::Error => pb::ToolStatus::Error,
                    ToolStatus::Unknown => pb::ToolStatus::Unspecified,
                };
                PbBody::ToolResult(pb::ToolResult { call_id, name, status: status as i32, text })
            }
            Body::Error { text } => PbBody::Error(pb::Error { text }),
            Body::Verdict { value, label, text } => PbBody::Verdict(pb::Verdict { value, label, text }),
            Body::Compaction { text } => PbBody::Compaction(pb::Compaction { text }),
            Body::Opaque { kind, text } => PbBody::Opaque(pb::Opaque { kind, text }),
        }
    }
}

fn to_body(field: &str, body: PbBody) -> Result<Body> {
    Ok(match body {
        PbBody::Message(m) => Body::Message { text: m.text },
        PbBody::Thought(t) => Body::Thought { text: t.text },
        PbBody::ToolCall(c) if c.name.is_empty() => {
            return Err(Error::invalid(format!("{field}.tool_call.name"), "must not be empty"));
        }
        PbBody::ToolCall(c) => Body::ToolCall { call_id: c.call_id, name: c.name, arguments: c.arguments },
        PbBody::ToolResult(r) => {
            let status = match pb::ToolStatus::try_from(r.status) {
                Ok(pb::ToolStatus::Ok) => ToolStatus::Ok,
                Ok(pb::ToolStatus::Error) => ToolStatus::Error,
                Ok(pb::ToolStatus::Unspecified) => ToolStatus::Unknown,
                Err(_) => {
                    let field = format!("{field}.tool_result.status");
                    return Err(Error::invalid(field, format!("{} is not a status of tools", r.status)));
                }
            };
            Body::ToolResult { call_id: r.call_id, name: r.name, status, text: r.text }
        }
        PbBody::Error(e) => Body::Error { text: e.text },
        PbBody::Verdict(v) => {
            let value = to_score(&format!("{field}.verdict.value"), v.value)?;
            Body::Verdict { value, label: v.label, text: v.text }
        }
        PbBody::Compaction(c) => Body::Compaction { text: c.text },
        PbBody::Opaque(o) => Body::Opaque { kind: o.kind, text: o.text },
    })
}
