//! What a line says, as events. Blocks are those of Anthropic's Messages API
//! (https://docs.anthropic.com/en/api/messages).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use domain::Timestamp;
use domain::transcript::{Body, EventActor, SourceSpan, ToolStatus};

use super::lines::Line;
use crate::formats::Draft;
use crate::formats::json::{Fields, Json, field, text_field};

/// Appends lines to a draft. Lines of one API message are one message: words that follow each other
/// are put together, and blocks that were written again count once.
pub struct Words<'a> {
    file: &'a str,
    draft: &'a mut Draft,
    /// Tools' names by the ids of their calls.
    calls: HashMap<String, String>,
    /// Blocks seen, by API message.
    blocks: HashSet<(String, blake3::Hash)>,
    /// The last event of each thread, where it is words of an API message.
    open: HashMap<String, (String, usize)>,
}

/// What the events of one line have in common.
struct Of<'a> {
    thread: &'a str,
    copied: bool,
    time: Option<Timestamp>,
    span: SourceSpan,
    message_id: &'a str,
    actor: EventActor,
}

impl<'a> Words<'a> {
    pub fn new(file: &'a str, draft: &'a mut Draft) -> Words<'a> {
        Words { file, draft, calls: HashMap::new(), blocks: HashSet::new(), open: HashMap::new() }
    }

    pub fn line(&mut self, line: &Line<'_>, thread: &str, copied: bool) {
        let fields = line.fields();
        let flag = |name| field(&fields, name).and_then(Json::boolean).unwrap_or_default();
        let mut of = Of {
            thread,
            copied,
            time: text_field(&fields, "timestamp").parse().ok(),
            span: line.piece.span(self.file),
            message_id: &line.message_id,
            actor: EventActor::Environment,
        };
        match line.kind.as_ref() {
            "user" if flag("isCompactSummary") => {
                of.copied = true;
                let text = line.message.and_then(Json::fields).map(|m| all_text(&m)).unwrap_or_default();
                self.push(&of, Body::Compaction { text });
            }
            "user" => {
                // A sub-agent's user is the agent that started it.
                of.actor = match (line.is_sidechain, flag("isMeta")) {
                    (true, _) => EventActor::Agent,
                    (false, true) => EventActor::Environment,
                    (false, false) => EventActor::User,
                };
                self.message(&of, line);
            }
            "assistant" if flag("isApiErrorMessage") => {
                let text = line.message.and_then(Json::fields).map(|m| all_text(&m)).unwrap_or_default();
                self.push(&of, Body::Error { text });
            }
            "assistant" => {
                of.actor = EventActor::Agent;
                self.message(&of, line);
            }
            "summary" => {
                let text = text_field(&fields, "summary").into_owned();
                self.push(&of, Body::Compaction { text });
            }
            "system" if text_field(&fields, "subtype") == "compact_boundary" => {
                let text = text_field(&fields, "content").into_owned();
                self.push(&of, Body::Compaction { text });
            }
            "system" => match field(&fields, "content").and_then(Json::text) {
                Some(text) => self.opaque(&of, "system", &text),
                None => self.whole(&of, line),
            },
            _ => self.whole(&of, line),
        }
    }

    fn message(&mut self, of: &Of<'_>, line: &Line<'_>) {
        let content = line.message.and_then(Json::fields).and_then(|m| field(&m, "content"));
        let Some(content) = content else {
            return self.whole(of, line);
        };
        if let Some(text) = content.text() {
            return self.words(of, &text);
        }
        match content.elements() {
            Some(blocks) if !blocks.is_empty() => blocks.for_each(|block| self.block(of, block)),
            _ => self.whole(of, line),
        }
    }

    fn block(&mut self, of: &Of<'_>, block: Json<'_>) {
        let again = || (of.message_id.to_owned(), blake3::hash(block.raw().as_bytes()));
        if !of.message_id.is_empty() && !self.blocks.insert(again()) {
            return;
        }
        let Some(fields) = block.fields() else {
            return self.opaque(of, "block", block.raw());
        };
        let kind = text_field(&fields, "type");
        match (kind.as_ref(), field(&fields, "text").and_then(Json::text)) {
            ("text", Some(text)) => self.words(of, &text),
            ("thinking", _) => self.push(of, Body::Thought { text: text_field(&fields, "thinking").into_owned() }),
            ("tool_use", _) => self.call(of, &fields),
            ("tool_result", _) => self.result(of, &fields),
            ("", _) => self.opaque(of, "block", block.raw()),
            _ => self.opaque(of, &kind, block.raw()),
        }
    }

    fn words(&mut self, of: &Of<'_>, text: &str) {
        if let Some((id, index)) = self.open.get(of.thread)
            && !of.message_id.is_empty()
            && id == of.message_id
            && let Some(event) = self.draft.events.get_mut(*index)
            && let Body::Message { text: before } = &mut event.body
        {
            // A stream that is written down as it grows repeats its beginning.
            if text.starts_with(before.as_str()) {
                *before = text.to_owned();
            } else {
                before.push('\n');
                before.push_str(text);
            }
            if let Some(span) = &mut event.source {
                span.byte_end = span.byte_end.max(of.span.byte_end);
            }
            return;
        }
        let actor =
            if is_harness_speech(text) && of.actor == EventActor::User { EventActor::Environment } else { of.actor };
        self.push_as(of, actor, Body::Message { text: text.to_owned() });
        self.open.insert(of.thread.to_owned(), (of.message_id.to_owned(), self.draft.events.len() - 1));
    }

    fn call(&mut self, of: &Of<'_>, fields: &Fields<'_>) {
        let call_id = text_field(fields, "id").into_owned();
        let name = text_field(fields, "name").into_owned();
        self.calls.insert(call_id.clone(), name.clone());
        let arguments = field(fields, "input").map(|i| i.raw().to_owned()).unwrap_or_default();
        self.push(of, Body::ToolCall { call_id, name, arguments });
    }

    /// A result, and its parts that are not words.
    fn result(&mut self, of: &Of<'_>, fields: &Fields<'_>) {
        let call_id = text_field(fields, "tool_use_id").into_owned();
        let name = self.calls.get(&call_id).cloned().unwrap_or_default();
        let is_error = field(fields, "is_error").and_then(Json::boolean).unwrap_or_default();
        let status = if is_error { ToolStatus::Error } else { ToolStatus::Ok };
        let content = field(fields, "content");
        let parts = content.and_then(Json::elements).unwrap_or_default();
        let text = match content {
            Some(c) if c.is_array() => parts.clone().filter_map(part_text).collect::<Vec<_>>().join("\n"),
            Some(c) if c.raw() != "null" => c.text().unwrap_or(Cow::Borrowed(c.raw())).into_owned(),
            _ => String::new(),
        };
        self.push_as(of, EventActor::Tool, Body::ToolResult { call_id, name, status, text });
        for part in parts.filter(|p| part_text(*p).is_none()) {
            let kind = part.fields().map(|f| text_field(&f, "type").into_owned()).unwrap_or_default();
            let body =
                Body::Opaque { kind: if kind.is_empty() { "block".into() } else { kind }, text: part.raw().into() };
            self.push_as(of, EventActor::Tool, body);
        }
    }

    fn opaque(&mut self, of: &Of<'_>, kind: &str, text: &str) {
        self.push(of, Body::Opaque { kind: kind.to_owned(), text: text.to_owned() });
    }

    /// The line as it came.
    fn whole(&mut self, of: &Of<'_>, line: &Line<'_>) {
        let text = String::from_utf8_lossy(line.piece.bytes);
        self.opaque(of, &line.kind, &text);
    }

    fn push(&mut self, of: &Of<'_>, body: Body) {
        self.push_as(of, of.actor, body);
    }

    fn push_as(&mut self, of: &Of<'_>, actor: EventActor, body: Body) {
        self.open.remove(of.thread);
        let event = self.draft.push(actor, body, of.span.clone());
        event.time = of.time;
        event.thread = of.thread.to_owned();
        event.copied = of.copied;
    }
}

/// What the harness puts into the user's mouth.
fn is_harness_speech(text: &str) -> bool {
    let marks = [
        "<local-command-stdout>",
        "<local-command-stderr>",
        "<system-reminder>",
        "Caveat: The messages below were generated",
    ];
    marks.iter().any(|mark| text.trim_start().starts_with(mark))
}

fn part_text(part: Json<'_>) -> Option<Cow<'_, str>> {
    let fields = part.fields()?;
    (text_field(&fields, "type") == "text").then(|| field(&fields, "text")?.text())?
}

fn all_text(message: &Fields<'_>) -> String {
    let Some(content) = field(message, "content") else {
        return String::new();
    };
    let parts = content.elements().unwrap_or_default();
    let texts = parts.filter_map(part_text);
    content.text().map(Cow::into_owned).unwrap_or_else(|| texts.collect::<Vec<_>>().join("\n"))
}
