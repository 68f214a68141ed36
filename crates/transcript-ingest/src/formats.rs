//! Formats: files of other harnesses' sessions, brought into the one internal form.
//!
//! A reader turns bytes into drafts of sessions and named problems, one after the other, so that a
//! large file is never held as parsed values. A record that cannot be read is a problem and costs
//! nothing but itself; an item of a kind that the reader does not know is kept as an opaque event.

mod chat_message;
mod claude_code;
mod json;
mod openai_chat;
mod sniff;
mod split;
mod tau_bench;

use domain::transcript::request::{Format, ImportProblem};
use domain::transcript::{Agent, Body, Event, EventActor, Outcome, SourceSpan};

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
    /// Numbered from 1.
    pub events: Vec<Event>,
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
}

/// Reads a whole file. `name` is the file's, for evidence.
pub fn read<'a>(format: Format, file: &'a [u8], name: &'a str) -> Box<dyn Iterator<Item = Item> + 'a> {
    match format {
        Format::ClaudeCode => Box::new(claude_code::read(file, name)),
        Format::OpenaiChat => Box::new(openai_chat::read(file, name)),
        Format::TauBench => Box::new(tau_bench::read(file, name)),
    }
}

impl Draft {
    fn beginning_at(piece: &Piece<'_>) -> Draft {
        Draft { record: piece.record, line: piece.line, ..Draft::default() }
    }

    fn push(&mut self, actor: EventActor, body: Body, span: SourceSpan) -> &mut Event {
        self.opaque_count += u64::from(matches!(body, Body::Opaque { .. }));
        let seq = self.events.len() as u64 + 1;
        let event = Event { seq, time: None, actor, thread: String::new(), body, source: Some(span), copied: false };
        self.events.push(event);
        let last = self.events.len() - 1;
        &mut self.events[last]
    }
}

impl Piece<'_> {
    fn span(&self, file: &str) -> SourceSpan {
        SourceSpan { file: file.to_owned(), byte_start: self.start, byte_end: self.start + self.bytes.len() as u64 }
    }

    fn problem(&self, reason: impl Into<String>) -> ImportProblem {
        ImportProblem { record: self.record, line: self.line, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
