//! The map step: what one transcript says, without looking at any other.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::dream::Evidence;
use domain::transcript::{Body, Digest, Event, EventActor, Transcript, digest};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::calls::{self, CallWithResult};
use crate::config::Config;
use crate::miners::correction::{self, Correction};
use crate::miners::fact::{self, Assertion};
use crate::miners::recurring_note::{self, NotedSentence};
use crate::miners::time_lag::{self, Moment};
use crate::{failure, normalise, prose};

/// One session, as the miners see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    pub digest: Digest,
    /// The agent's name; its versions are one agent.
    pub agent: String,
    /// Empty where the caller named no task.
    pub task_key: String,
    /// None where the session has no outcome.
    pub succeeded: Option<bool>,
    /// The first and the last event's own times.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub calls: Vec<Call>,
    pub failures: Vec<Failure>,
    /// The agent's last act: how the session ended.
    pub closing: Option<Evidence>,
    pub moments: Vec<Moment>,
    pub corrections: Vec<Correction>,
    pub assertions: Vec<Assertion>,
    pub notes: Vec<NotedSentence>,
    /// Stems of all user turns, with their counts: what the session is about.
    pub task_words: BTreeMap<String, u32>,
}

/// A tool call, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub seq: u64,
    pub tool: String,
    pub arguments: Arguments,
    pub outcome: CallOutcome,
    pub evidence: Evidence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallOutcome {
    Ok,
    Failed,
    /// The session ends before its result.
    Open,
}

/// An error, with the line that says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Empty for an error that no tool gave.
    pub tool: String,
    /// The place of its call in `Analysis::calls`.
    pub call: Option<usize>,
    pub line: String,
    /// The line, masked: what templates are learnt from.
    pub masked: String,
    pub evidence: Evidence,
}

/// Reads one transcript. It depends on nothing else, so that its result can be kept by the session's digest.
pub fn analyse(transcript: &Transcript, _config: &Config) -> Analysis {
    let session = &transcript.session;
    let digest = session
        .content_digest
        .unwrap_or_else(|| digest(&session.agent, &session.task_key, session.outcome.as_ref(), &transcript.events));
    let paired = calls::read(&transcript.events);
    let times = || transcript.events.iter().filter(|e| !e.copied).filter_map(|e| e.time);
    Analysis {
        digest,
        agent: session.agent.name.clone(),
        task_key: session.task_key.clone(),
        succeeded: session.outcome.as_ref().map(|o| o.is_success()),
        start: session.start_time.or_else(|| times().min()),
        end: times().max(),
        calls: paired.iter().map(|call| normalised(digest, call)).collect(),
        failures: failures(digest, &transcript.events, &paired),
        closing: closing(digest, &transcript.events),
        moments: time_lag::read(digest, &transcript.events),
        corrections: correction::read(digest, &transcript.events, &paired),
        assertions: fact::read(digest, &transcript.events),
        notes: recurring_note::read(digest, &transcript.events),
        task_words: task_words(transcript),
    }
}

fn normalised(digest: Digest, call: &CallWithResult<'_>) -> Call {
    let text = call.event.body.text();
    Call {
        seq: call.event.seq,
        tool: call.tool.to_owned(),
        arguments: call.arguments.clone(),
        outcome: match (call.result, call.failed) {
            (None, _) => CallOutcome::Open,
            (Some(_), true) => CallOutcome::Failed,
            (Some(_), false) => CallOutcome::Ok,
        },
        evidence: Evidence::of_event(digest, call.event.seq, text, 0..text.len()),
    }
}

fn failures(digest: Digest, events: &[Event], calls: &[CallWithResult<'_>]) -> Vec<Failure> {
    let failure = |event: &Event, tool: &str, call: Option<usize>| {
        let (line, span) = failure::reason(event.body.text())?;
        let evidence = Evidence::of_event(digest, event.seq, event.body.text(), span);
        Some(Failure { tool: tool.to_owned(), call, masked: normalise::template(&line), line, evidence })
    };
    let of_calls = calls.iter().enumerate().filter(|(_, call)| call.failed);
    let of_calls = of_calls.filter_map(|(i, call)| failure(call.result?, call.tool, Some(i)));
    let alone = events.iter().filter(|e| !e.copied && matches!(e.body, Body::Error { .. }));
    of_calls.chain(alone.filter_map(|e| failure(e, "", None))).collect()
}

fn closing(digest: Digest, events: &[Event]) -> Option<Evidence> {
    let acts = |e: &&Event| !e.copied && matches!(e.body, Body::Message { .. } | Body::ToolCall { .. });
    let last = events.iter().rev().filter(acts).find(|e| e.actor == EventActor::Agent && !e.body.text().is_empty())?;
    Some(Evidence::of_event(digest, last.seq, last.body.text(), 0..last.body.text().len()))
}

fn task_words(transcript: &Transcript) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    let turns = transcript.events.iter().filter(|e| !e.copied && e.actor == EventActor::User);
    let turns = turns.filter_map(|e| match &e.body {
        Body::Message { text } => Some(text.as_str()),
        _ => None,
    });
    for stem in turns.flat_map(prose::stem_list) {
        *counts.entry(stem).or_default() += 1;
    }
    counts
}
