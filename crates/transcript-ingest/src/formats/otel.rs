//! OpenTelemetry's GenAI spans (https://github.com/open-telemetry/semantic-conventions-genai), from
//! files of OTLP's JSON, and as a receiver has them.
//!
//! A span repeats the conversation so far: what was known already counts once. One conversation
//! (`gen_ai.conversation.id`, else the trace) is one session; an agent that runs within another's run is a
//! thread of it. Tools' spans give statuses and times, evaluations the outcome. Content is opt-in: of a
//! model's call without, the attributes are kept as an opaque event. Conventions up to 1.36 (events),
//! OpenLLMetry's and OpenInference's attributes are read too. Spans that are of no agent's run are
//! counted and left out.
//!
//! # For a receiver
//! `decoded::spans` makes spans of a request. Of whole traces, `sessions` makes drafts at once. Live,
//! each span is `told` when it ends, and `Conversation::add` says which events of it are new; the key of
//! its session is `Span::conversation`, else the trace's id. After a restart `Conversation::resume`
//! takes up the stored events. Spans that are sent again add nothing.

pub mod decoded;
mod indexed;
mod otlp_json;
mod sessions;
mod span;
mod words;

use std::collections::HashMap;
use std::rc::Rc;

use domain::transcript::request::ImportProblem;

pub use super::conversation::Conversation;
use super::json::Json;
use super::split::{Piece, split};
pub use super::told::Told;
use super::{Draft, Item, Problems};
use otlp_json::Part;
use sessions::{Head, groups};
pub use span::{Attributes, Span, SpanEvent, Value};
pub use words::told;

/// Sessions out of whole traces.
pub fn sessions(spans: Vec<Span>) -> Vec<Draft> {
    let heads: Vec<Head> = spans.iter().map(Head::of).collect();
    let mut spans: Vec<Option<Span>> = spans.into_iter().map(Some).collect();
    let of_group = |group: sessions::Group| {
        let members = group.members.into_iter().filter_map(|(i, thread)| Some((spans[i].take()?, thread)));
        sessions::session(group.id, members)
    };
    let drafts: Vec<Draft> = groups(&heads).into_iter().map(of_group).collect();
    drafts.into_iter().filter(|draft| !draft.events.is_empty()).collect()
}

/// A span in a file: read for its head first, and for what it tells when its session's turn comes.
struct Place<'a> {
    piece: Piece<'a>,
    json: Json<'a>,
    resource: Rc<Attributes>,
}

#[derive(Default)]
struct File<'a> {
    name: &'a str,
    places: Vec<Place<'a>>,
    heads: Vec<Head>,
    logs: HashMap<String, Vec<SpanEvent>>,
}

pub fn read<'a>(file: &'a [u8], name: &'a str) -> impl Iterator<Item = Item> + 'a {
    let mut read = File { name, ..File::default() };
    let mut problems = Problems::default();
    for piece in split(file) {
        let added = piece.and_then(|piece| {
            let record = Json::parse(piece.bytes).map_err(|reason| piece.problem(reason))?;
            let parts = otlp_json::parts(record).map_err(|reason| piece.problem(reason))?;
            parts.into_iter().for_each(|part| read.add(piece, part, &mut problems));
            Ok(())
        });
        added.err().into_iter().for_each(|problem| problems.add(problem));
    }
    let others = read.heads.iter().filter(|head| !head.is_told()).count();
    if others > 0 {
        let reason = format!("{others} span(s) of the file are of no agent's run and were left out");
        problems.add(ImportProblem { record: 0, line: 1, reason });
    }
    let groups = groups(&read.heads);
    let drafts = groups.into_iter().filter_map(move |group| read.draft(group));
    problems.into_items().chain(drafts.map(Item::Session))
}

impl<'a> File<'a> {
    fn add(&mut self, piece: Piece<'a>, part: Part<'a>, problems: &mut Problems) {
        match part {
            Part::Span { json, resource } => {
                let place = Place { piece, json, resource };
                match self.span(&place) {
                    Ok(span) => {
                        self.heads.push(Head::of(&span));
                        self.places.push(place);
                    }
                    Err(reason) => problems.add(piece.problem_of(json, reason)),
                }
            }
            Part::Log(json) => match otlp_json::log(json) {
                Some((span_id, event)) if event.name.starts_with("gen_ai.") => {
                    self.logs.entry(span_id).or_default().push(event);
                }
                Some(_) => {}
                None => problems.add(piece.problem_of(json, "is a log record of no span")),
            },
        }
    }

    fn span(&self, place: &Place<'_>) -> Result<Span, String> {
        let mut span = otlp_json::span(place.json, &place.resource)?;
        span.source = Some(place.piece.span_of(self.name, place.json));
        Ok(span)
    }

    fn draft(&self, group: sessions::Group) -> Option<Draft> {
        let first = &self.places[group.members.first()?.0];
        let begins = first.piece.problem_of(first.json, "");
        let members = group.members.into_iter().filter_map(|(i, thread)| {
            let mut span = self.span(&self.places[i]).ok()?;
            span.events.extend(self.logs.get(&span.span_id).into_iter().flatten().cloned());
            Some((span, thread))
        });
        let mut draft = sessions::session(group.id, members);
        (draft.record, draft.line) = (begins.record, begins.line);
        Some(draft).filter(|draft| !draft.events.is_empty())
    }
}

#[cfg(test)]
mod tests;
