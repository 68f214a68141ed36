//! Changes: proto/reverie/dream/v1/change.proto. On the wire evidence names sessions by id; within,
//! by digest, so that equal input gives equal evidence.

use std::collections::BTreeMap;

use domain::dream::{Change, Evidence, Operation, Source, Support, Tier};
use domain::id::SessionId;
use domain::transcript::Digest;
use domain::{Error, Result};

use crate::convert::{hex, session};
use crate::dream as pb;

/// `sessions` says which session each digest stands for.
pub fn from_change(c: Change, sessions: &BTreeMap<Digest, SessionId>) -> pb::Change {
    pb::Change {
        paths: c.paths().into_iter().map(ToString::to_string).collect(),
        id: c.id,
        operation: from_operation(c.operation).into(),
        depends_on: c.depends_on,
        reason: c.reason,
        tier: from_tier(c.tier).into(),
        support: Some(from_support(c.support)),
        evidence: c.evidence.into_iter().map(|e| from_evidence(e, sessions)).collect(),
        verdict: Some(pb::Verdict { passed_checks: c.verdict.passed, failed_checks: c.verdict.failed }),
        review: None,
        summary: c.summary,
        author: c.author,
        diff: String::new(),
    }
}

fn from_operation(operation: Operation) -> pb::ChangeOperation {
    match operation {
        Operation::Add => pb::ChangeOperation::Add,
        Operation::Merge => pb::ChangeOperation::Merge,
        Operation::Supersede => pb::ChangeOperation::Supersede,
        Operation::Edit => pb::ChangeOperation::Edit,
        Operation::Move => pb::ChangeOperation::Move,
        Operation::Archive => pb::ChangeOperation::Archive,
        Operation::Flag => pb::ChangeOperation::Flag,
    }
}

fn from_tier(tier: Tier) -> pb::Tier {
    match tier {
        Tier::Seen => pb::Tier::Seen,
        Tier::Recurrent => pb::Tier::Recurrent,
        Tier::Tested => pb::Tier::Tested,
        Tier::Shown => pb::Tier::Shown,
    }
}

fn from_support(s: Support) -> pb::Support {
    pb::Support { sessions: s.sessions, tasks: s.tasks, agents: s.agents, counter_examples: s.counter_examples }
}

fn from_evidence(e: Evidence, sessions: &BTreeMap<Digest, SessionId>) -> pb::Evidence {
    let source = match e.source {
        Source::Event { session, seq, byte_start, byte_end } => {
            let session = sessions.get(&session).map(ToString::to_string).unwrap_or_default();
            pb::evidence::Source::Event(pb::EventSpan { session, seq, byte_start, byte_end })
        }
        Source::Memory { path, revision, byte_start, byte_end } => {
            pb::evidence::Source::Memory(pb::MemorySpan { path: path.to_string(), revision, byte_start, byte_end })
        }
    };
    pb::Evidence { source: Some(source), quote_hash: hex::encode(&e.quote_hash), quote: e.quote }
}

/// `field` is the request's field; `sessions` those that the evidence may name.
pub fn to_evidence(field: &str, e: pb::Evidence, sessions: &BTreeMap<Digest, SessionId>) -> Result<Evidence> {
    let source = match e.source {
        Some(pb::evidence::Source::Event(span)) => {
            let id = session::to_session_id(&format!("{field}.event.session"), &span.session)?;
            let digest = sessions.iter().find(|(_, s)| **s == id).map(|(digest, _)| *digest);
            let session = digest.ok_or_else(|| {
                Error::invalid(format!("{field}.event.session"), format!("{id} is not a session of this dream"))
            })?;
            Source::Event { session, seq: span.seq, byte_start: span.byte_start, byte_end: span.byte_end }
        }
        Some(pb::evidence::Source::Memory(span)) => {
            let path = span.path.parse().map_err(|e: Error| e.within(&format!("{field}.memory.path")))?;
            Source::Memory { path, revision: span.revision, byte_start: span.byte_start, byte_end: span.byte_end }
        }
        None => return Err(Error::invalid(field, "set event or memory, as ListChanges gives it")),
    };
    let quote_hash = hex::decode(&format!("{field}.quote_hash"), &e.quote_hash)?;
    Ok(Evidence { source, quote_hash, quote: e.quote })
}
