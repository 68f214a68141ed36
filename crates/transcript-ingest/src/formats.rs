//! Formats: files of other harnesses' sessions, brought into the one internal form.
//!
//! A reader turns bytes into drafts of sessions and named problems, one after the other, so that a
//! large file is never held as parsed values. A record that cannot be read is a problem and costs
//! nothing but itself; an item of a kind that the reader does not know is kept as an opaque event.

mod chat_message;
mod claude_code;
mod conversation;
mod envelope;
mod json;
mod openai_chat;
pub mod otel;
mod sniff;
mod split;
mod tau_bench;
mod told;

use domain::limits::{EVENT_TEXT_BYTES_MAX, IMPORT_PROBLEMS_MAX, SESSION_BYTES_MAX, SESSION_EVENTS_MAX};
use domain::transcript::request::{Format, ImportProblem};
use domain::transcript::{Agent, Body, Event, EventActor, Outcome, SourceSpan};

use json::Json;
pub use sniff::sniff;
use split::Piece;

/// A session as a reader found it: neither masked nor stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// The harness's own id; empty where it has none.
    pub external_id: String,
    /// What the file says; empty where it does not.
    pub agent: Agent,
    pub task_key: String,
    pub outcome: Option<Outcome>,
    /// Numbered from 1. At most limits::SESSION_EVENTS_MAX and one more: what is beyond is counted.
    pub events: Vec<Event>,
    /// All events that it has, and the bytes of their texts.
    pub event_count: u64,
    pub event_bytes: u64,
    /// Events of kinds that the reader does not know.
    pub opaque_count: u64,
    /// The record that it begins with, and that record's line: where its problems are.
    pub record: u64,
    pub line: u64,
}

/// What a reader comes upon.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Session(Draft),
    Problem(ImportProblem),
    /// Problems that a reader counted and did not keep.
    MoreProblems(u64),
}

/// The problems of a reader that has to hold them until it has seen the whole file: the first
/// limits::IMPORT_PROBLEMS_MAX, and the number of the others.
#[derive(Debug, Default)]
struct Problems {
    kept: Vec<ImportProblem>,
    more: u64,
}

impl Problems {
    fn add(&mut self, problem: ImportProblem) {
        if self.kept.len() < IMPORT_PROBLEMS_MAX {
            self.kept.push(problem);
        } else {
            self.more += 1;
        }
    }

    fn into_items(self) -> impl Iterator<Item = Item> {
        let more = (self.more > 0).then_some(Item::MoreProblems(self.more));
        self.kept.into_iter().map(Item::Problem).chain(more)
    }
}

/// Reads a whole file. `name` is the file's, for evidence.
pub fn read<'a>(format: Format, file: &'a [u8], name: &'a str) -> Box<dyn Iterator<Item = Item> + 'a> {
    match format {
        Format::ClaudeCode => Box::new(claude_code::read(file, name)),
        Format::OtelGenai => Box::new(otel::read(file, name)),
        Format::OpenaiChat => Box::new(openai_chat::read(file, name)),
        Format::TauBench => Box::new(tau_bench::read(file, name)),
    }
}

impl Draft {
    fn beginning_at(piece: &Piece<'_>) -> Draft {
        Draft { record: piece.record, line: piece.line, ..Draft::default() }
    }

    /// Appends an event. Once the session is beyond its limits and will be refused, only the newest is held.
    fn push(&mut self, actor: EventActor, body: Body, span: SourceSpan) -> &mut Event {
        let thread = String::new();
        self.append(Event { seq: 0, time: None, actor, thread, body, source: Some(span), copied: false })
    }

    fn append(&mut self, mut event: Event) -> &mut Event {
        self.opaque_count += u64::from(matches!(event.body, Body::Opaque { .. }));
        self.event_count += 1;
        self.event_bytes += event.body.text().len().min(EVENT_TEXT_BYTES_MAX) as u64;
        if self.is_too_large() {
            self.events.pop();
        }
        event.seq = self.events.len() as u64 + 1;
        self.events.push(event);
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    fn push_opaque(&mut self, actor: EventActor, kind: &str, text: &str, span: SourceSpan) -> &mut Event {
        let kind = if kind.is_empty() { "unknown" } else { kind };
        self.push(actor, Body::Opaque { kind: kind.to_owned(), text: text.to_owned() }, span)
    }

    /// Whether it has more than a session may have.
    pub fn is_too_large(&self) -> bool {
        self.event_count > SESSION_EVENTS_MAX || self.event_bytes > SESSION_BYTES_MAX
    }
}

impl Piece<'_> {
    fn span(&self, file: &str) -> SourceSpan {
        SourceSpan { file: file.to_owned(), byte_start: self.start, byte_end: self.start + self.bytes.len() as u64 }
    }

    /// Where a part of the record stands; the record where the part was made anew.
    fn span_of(&self, file: &str, part: Json<'_>) -> SourceSpan {
        match self.offset(part) {
            Some(offset) => {
                let start = self.start + offset as u64;
                SourceSpan { file: file.to_owned(), byte_start: start, byte_end: start + part.raw().len() as u64 }
            }
            None => self.span(file),
        }
    }

    fn problem(&self, reason: impl Into<String>) -> ImportProblem {
        ImportProblem { record: self.record, line: self.line, reason: reason.into() }
    }

    /// A problem of a part of the record, with the line on which the part begins.
    fn problem_of(&self, part: Json<'_>, reason: impl Into<String>) -> ImportProblem {
        let before = &self.bytes[..self.offset(part).unwrap_or_default()];
        let line = self.line + before.iter().filter(|b| **b == b'\n').count() as u64;
        ImportProblem { record: self.record, line, reason: reason.into() }
    }

    fn offset(&self, part: Json<'_>) -> Option<usize> {
        let offset = (part.raw().as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        (offset + part.raw().len() <= self.bytes.len()).then_some(offset)
    }
}

#[cfg(test)]
mod tests;
