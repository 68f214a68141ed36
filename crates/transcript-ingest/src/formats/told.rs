//! What the parts of a trace (spans, runs) tell of a run, put together to one log.

use std::collections::{HashMap, HashSet};

use domain::Timestamp;
use domain::transcript::{Body, Event, Outcome, ToolStatus};

use super::Draft;
use super::conversation::Conversation;

/// What one part tells. Its events have no numbers and threads yet; `Conversation` tells which of them are new.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    pub trace_id: String,
    pub span_id: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// What was there when it began. Most repeat the whole conversation.
    pub history: Vec<Event>,
    /// What came of it.
    pub said: Vec<Event>,
    /// What a judgement that stands at it says of the run.
    pub outcome: Option<Outcome>,
}

const BEGIN: u8 = 1;

/// Appends what parts tell, each with its thread, to a session. What a part was given came about when it
/// began, and what it said when it ended.
pub(super) fn put_together(mut all: Vec<(Told, String)>, draft: &mut Draft) {
    settle_results(&mut all);
    let mut moments: Vec<(Option<Timestamp>, u8, usize)> = Vec::with_capacity(all.len() * 2);
    for (i, (told, _)) in all.iter().enumerate() {
        let (start, end) = (told.start.or(told.end), told.end.or(told.start));
        // At one moment, what ends comes first, then what begins, then what is both.
        moments.push((start, BEGIN, i));
        moments.push((end, if start < end { 0 } else { 2 }, i));
    }
    moments.sort_unstable();

    let mut conversation = Conversation::default();
    let mut after = vec![0; all.len()];
    for (_, phase, i) in moments {
        let (told, thread) = &mut all[i];
        let events = if phase == BEGIN {
            let (events, place) = conversation.hear(std::mem::take(&mut told.history), thread, &told.trace_id);
            after[i] = place;
            events
        } else {
            draft.outcome = told.outcome.take().or(draft.outcome.take());
            conversation.say(std::mem::take(&mut told.said), thread, &told.trace_id, after[i])
        };
        for event in events {
            draft.append(event);
        }
    }
}

/// A tool's own part knows how the call ended, and the next history what came of it: each result is
/// taken from where it has words, with the status that the part gives.
fn settle_results(all: &mut [(Told, String)]) {
    let result = |event: &Event| match &event.body {
        Body::ToolResult { call_id, status, text, .. } if !call_id.is_empty() => {
            Some((call_id.clone(), *status, !text.is_empty()))
        }
        _ => None,
    };
    let worded: HashSet<String> = all
        .iter()
        .flat_map(|(told, _)| &told.history)
        .filter_map(result)
        .filter(|(_, _, has_words)| *has_words)
        .map(|(id, _, _)| id)
        .collect();
    let mut statuses: HashMap<String, ToolStatus> = HashMap::new();
    for (told, _) in all.iter_mut() {
        told.said.retain(|event| match result(event) {
            Some((id, status, has_words)) => {
                let stays = has_words || !worded.contains(&id);
                statuses.insert(id, status);
                stays
            }
            None => true,
        });
    }
    for event in all.iter_mut().flat_map(|(told, _)| &mut told.history) {
        if let Body::ToolResult { call_id, status, .. } = &mut event.body
            && let Some(known) = statuses.get(call_id)
        {
            *status = *known;
        }
    }
}
