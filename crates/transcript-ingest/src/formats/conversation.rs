//! Which of what a trace's parts tell is new. A part repeats the conversation so far, so what it was
//! given is laid beside what is known, in order; what is not found is new.

use std::collections::{HashMap, HashSet, VecDeque};

use domain::transcript::{Body, Event, EventActor};

use super::told::Told;

/// Calls that are looked at for one that a span without an id is of.
const OPEN_CALLS_MAX: usize = 256;

/// What is known of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    threads: HashMap<String, Known>,
    /// Tools' names by the ids of their calls.
    names: HashMap<String, String>,
    /// Calls without a result so far: their ids, tools and arguments, in order.
    open_calls: VecDeque<(String, String, String)>,
    spans: HashSet<String>,
}

/// Events of one thread, by what they say.
#[derive(Debug, Clone, Default)]
struct Known {
    places: HashMap<[u8; 16], Vec<usize>>,
    /// Places taken.
    count: usize,
    /// The last place that holds something said, and the trace that it came in.
    spoken: Option<usize>,
    trace_id: String,
}

impl Conversation {
    /// Takes up a conversation whose events are stored, as after a restart of its receiver. A live
    /// span's events name it as their source, so a span that comes again is known again.
    pub fn resume<'a>(events: impl IntoIterator<Item = &'a Event>) -> Conversation {
        let mut conversation = Conversation::default();
        for event in events {
            let span = event.source.as_ref().and_then(|s| s.file.strip_prefix("otlp:")?.split_once('/'));
            let (trace_id, span_id) = span.unwrap_or_default();
            conversation.spans.insert(span_id.to_owned());
            conversation.keep(event, trace_id);
        }
        conversation
    }

    /// Adds a span, and gives the events that are new, for the thread's log: without numbers yet.
    /// Spans are to come in the order in which they ended. Nothing is new in a span that came before.
    ///
    /// Events are compared as they are given: a caller that masks what it stores masks them first.
    pub fn add(&mut self, told: Told, thread: &str) -> Vec<Event> {
        if !self.spans.insert(told.span_id.clone()) {
            return Vec::new();
        }
        let (mut new, after) = self.hear(told.history, thread, &told.trace_id);
        new.extend(self.say(told.said, thread, &told.trace_id, after));
        new
    }

    /// Adds what a span was given. The place is where what it said is to be looked for.
    pub(super) fn hear(&mut self, history: Vec<Event>, thread: &str, trace_id: &str) -> (Vec<Event>, usize) {
        let fresh = self.threads.get(thread).is_none_or(|known| known.count == 0);
        let of_sub_agent = |mut event: Event| {
            // A sub-agent's user is the agent that started it, and its prompt stands in that one's call.
            if !thread.is_empty() && event.actor == EventActor::User {
                event.actor = EventActor::Agent;
                event.copied = fresh;
            }
            event
        };
        let history: Vec<Event> = history.into_iter().map(of_sub_agent).collect();
        let mut after = 0;
        let mut is_new: Vec<bool> = Vec::with_capacity(history.len());
        for event in &history {
            let place = self.threads.get(thread).and_then(|known| known.find(event, after));
            is_new.push(place.is_none());
            after = place.map_or(after, |place| place + 1);
        }
        // From one trace to the next, a history that ends before what was said last is no history: its
        // last words only sound like earlier ones.
        let known = self.threads.get(thread);
        let ends_early = known.is_some_and(|known| known.trace_id != trace_id && known.spoken >= Some(after));
        if ends_early && !is_new.contains(&true) {
            let tail = history.iter().rev().take_while(|event| event.actor == EventActor::User).count();
            is_new.iter_mut().rev().take(tail).for_each(|new| *new = true);
        }
        let new = history.into_iter().zip(is_new).filter(|(_, new)| *new).map(|(event, _)| event).collect();
        let (new, end) = self.append(new, thread, trace_id);
        let after = if new.is_empty() { after } else { end };
        (new, after)
    }

    /// Adds what a span said.
    pub(super) fn say(&mut self, said: Vec<Event>, thread: &str, trace_id: &str, after: usize) -> Vec<Event> {
        let mut after = after;
        let mut new = Vec::new();
        for event in said {
            match self.threads.get(thread).and_then(|known| known.find(&event, after)) {
                Some(place) => after = place + 1,
                None => new.push(event),
            }
        }
        self.append(new, thread, trace_id).0
    }

    /// The events as they are kept, and the place after the last.
    fn append(&mut self, events: Vec<Event>, thread: &str, trace_id: &str) -> (Vec<Event>, usize) {
        let mut kept = Vec::with_capacity(events.len());
        for mut event in events {
            event.thread = thread.to_owned();
            if self.adopt(&mut event) {
                self.keep(&event, trace_id);
                kept.push(event);
            }
        }
        (kept, self.threads.get(thread).map_or(0, |known| known.count))
    }

    /// Ties calls and results together. False for a call that is known, only without its id.
    fn adopt(&mut self, event: &mut Event) -> bool {
        match &mut event.body {
            Body::ToolCall { call_id, name, arguments } if call_id.is_empty() => {
                let same = |held: &str| arguments.is_empty() || without_blanks(held) == without_blanks(arguments);
                !self.open_calls.iter().any(|(_, tool, held)| tool == name && same(held))
            }
            Body::ToolResult { call_id, name, .. } => {
                if call_id.is_empty() {
                    let open = self.open_calls.iter().find(|(_, tool, _)| name.is_empty() || tool == name);
                    *call_id = open.map(|(id, _, _)| id.clone()).unwrap_or_default();
                }
                if name.is_empty() {
                    *name = self.names.get(call_id).cloned().unwrap_or_default();
                }
                true
            }
            _ => true,
        }
    }

    fn keep(&mut self, event: &Event, trace_id: &str) {
        match &event.body {
            Body::ToolCall { call_id, name, arguments } => {
                self.names.insert(call_id.clone(), name.clone());
                self.open_calls.push_back((call_id.clone(), name.clone(), arguments.clone()));
                if self.open_calls.len() > OPEN_CALLS_MAX {
                    self.open_calls.pop_front();
                }
            }
            Body::ToolResult { call_id, name, .. } => {
                let open =
                    self.open_calls.iter().position(|(id, tool, _)| id == call_id && (!id.is_empty() || tool == name));
                open.map(|place| self.open_calls.remove(place));
            }
            _ => {}
        }
        self.threads.entry(event.thread.clone()).or_default().keep(event, trace_id);
    }
}

impl Known {
    /// The first place from `after` on that says the same.
    fn find(&self, event: &Event, after: usize) -> Option<usize> {
        let place = |form: [u8; 16]| {
            let places = self.places.get(&form)?;
            places.get(places.partition_point(|place| *place < after)).copied()
        };
        // A result that was not captured is known by one that was.
        let fuller = || match &event.body {
            Body::ToolResult { call_id, text, .. } if text.is_empty() && !call_id.is_empty() => {
                place(form_of_result(call_id, true))
            }
            _ => None,
        };
        place(form(event)).or_else(fuller)
    }

    fn keep(&mut self, event: &Event, trace_id: &str) {
        self.places.entry(form(event)).or_default().push(self.count);
        if matches!(event.body, Body::Message { .. } | Body::ToolCall { .. } | Body::ToolResult { .. }) {
            self.spoken = Some(self.count);
            trace_id.clone_into(&mut self.trace_id);
        }
        self.count += 1;
    }
}

/// What makes two events the same: calls and results their id, all others their words.
fn form(event: &Event) -> [u8; 16] {
    match &event.body {
        Body::ToolCall { call_id, .. } if !call_id.is_empty() => hash(&["call", call_id]),
        Body::ToolCall { name, arguments, .. } => hash(&["call of", name, arguments]),
        Body::ToolResult { call_id, text, .. } if !call_id.is_empty() => form_of_result(call_id, !text.is_empty()),
        Body::Message { text } if event.actor == EventActor::Agent => hash(&["message", "agent", text.trim()]),
        Body::Message { text } if event.actor == EventActor::User => hash(&["message", "user", text.trim()]),
        body => hash(&[body.kind(), body.text().trim()]),
    }
}

fn form_of_result(call_id: &str, has_text: bool) -> [u8; 16] {
    hash(&["result", call_id, if has_text { "text" } else { "" }])
}

fn hash(parts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut form = [0; 16];
    form.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    form
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
