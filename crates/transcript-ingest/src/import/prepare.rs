//! Makes drafts ready to be stored: masked, measured, hashed, packed. Off the executor.

use bytes::Bytes;
use domain::Result;
use domain::id::SessionId;
use domain::limits::{SESSION_BYTES_MAX, SESSION_EVENTS_MAX};
use domain::transcript::request::{Format, ImportHeader, ImportProblem};
use domain::transcript::{Agent, Digest, Session, SessionState, digest};
use tokio::sync::mpsc::Sender;

use crate::append::check_session;
use crate::formats::{self, Draft, Item};
use crate::{normalise, record};

/// A session to be stored. Its id and its times are set where it is.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub session: Session,
    pub digest: Digest,
    /// Its events, by the seq of each block's first.
    pub blocks: Vec<(u64, Vec<u8>)>,
    pub opaque_count: u64,
    pub record: u64,
    pub line: u64,
}

/// What a file was found to hold.
#[derive(Debug)]
pub enum Found {
    Session(Box<Prepared>),
    Problem(ImportProblem),
    /// Problems that are only counted.
    MoreProblems(u64),
}

impl Prepared {
    /// To be stored.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(|(_, block)| block.len()).sum()
    }
}

/// Sends every session and problem of a file, until nobody takes them any more.
pub fn prepare(format: Format, file: &Bytes, header: &ImportHeader, sender: &Sender<Found>) {
    for item in formats::read(format, file, &header.source_name) {
        let found = match item {
            Item::Problem(problem) => Err(problem),
            Item::Session(draft) => session(format, header, draft),
            Item::MoreProblems(count) => {
                if sender.blocking_send(Found::MoreProblems(count)).is_err() {
                    return;
                }
                continue;
            }
        };
        let found = found.map_or_else(
            |mut problem| {
                normalise::name(&mut problem.reason);
                Found::Problem(problem)
            },
            |prepared| Found::Session(Box::new(prepared)),
        );
        if sender.blocking_send(found).is_err() {
            return;
        }
    }
}

fn session(format: Format, header: &ImportHeader, mut draft: Draft) -> Result<Prepared, ImportProblem> {
    let (record, line) = (draft.record, draft.line);
    let problem = move |reason: String| ImportProblem {
        record,
        line,
        reason: format!("the session that begins here is not stored: {reason}"),
    };
    if draft.is_too_large() {
        return Err(problem(format!(
            "it has {} events with {} bytes of text; a session may have {SESSION_EVENTS_MAX} and {SESSION_BYTES_MAX}: split it",
            draft.event_count, draft.event_bytes
        )));
    }
    let mut masked = draft.events.iter_mut().map(normalise::event).sum::<u64>();
    let mut agent = agent(format, header, draft.agent);
    masked +=
        normalise::agent(&mut agent) + normalise::name(&mut draft.external_id) + normalise::name(&mut draft.task_key);
    masked += draft.outcome.as_mut().map_or(0, normalise::outcome);
    let mut labels = header.labels.clone();
    masked += labels.values_mut().map(normalise::name).sum::<u64>();

    let digest = digest(&agent, &draft.task_key, draft.outcome.as_ref(), &draft.events);
    let mut session = Session {
        id: SessionId::from_bytes([0; 16]),
        agent,
        task_key: draft.task_key,
        labels,
        state: SessionState::Ended,
        outcome: draft.outcome,
        last_seq: 0,
        content_bytes: 0,
        create_time: domain::Timestamp::UNIX_EPOCH,
        end_time: None,
        start_time: None,
        external_id: draft.external_id,
        format: format.as_str().to_owned(),
        content_digest: Some(digest),
        task_text: String::new(),
        masked_count: 0,
        attached_stores: header.attached_stores.clone(),
    };
    normalise::count(&mut session, &draft.events, masked);
    check_session(&session).map_err(|e| problem(e.message().to_owned()))?;
    let blocks = record::encode_blocks(&draft.events).map_err(|e| problem(e.message().to_owned()))?;
    Ok(Prepared { session, digest, blocks, opaque_count: draft.opaque_count, record: draft.record, line: draft.line })
}

/// What the file says, else what the importer says, else the harness.
fn agent(format: Format, header: &ImportHeader, said: Agent) -> Agent {
    let harness = if format == Format::ClaudeCode { "claude-code" } else { "" };
    let or = |first: String, second: &str| if first.is_empty() { second.to_owned() } else { first };
    Agent { name: or(or(said.name, &header.agent.name), harness), version: or(said.version, &header.agent.version) }
}
