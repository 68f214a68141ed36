//! What one span tells of a run: the history that the model was given, and what was said or done.

use domain::transcript::{Body, Event, EventActor, Outcome, OutcomeSource, SourceSpan, ToolStatus};

use super::indexed;
use super::span::{Span, SpanEvent};
use crate::formats::chat_message::{self, CallNames, inferred};
use crate::formats::json::{Fields, Json, field, text_field};
use crate::formats::told::Told;
use crate::formats::{Draft, Piece};

/// Nothing for spans that are of no agent's run.
pub fn told(span: &Span) -> Told {
    let mut words = Words { span, told: Told::default() };
    words.told.trace_id.clone_from(&span.trace_id);
    words.told.span_id.clone_from(&span.span_id);
    (words.told.start, words.told.end) = (span.start, span.end);
    match span.operation() {
        "" => {}
        "execute_tool" => words.tool(),
        operation => words.model(operation),
    }
    words.evaluations();
    words.told
}

/// Which part of `Told` words go to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    History,
    Said,
}

pub(super) struct Words<'a> {
    pub span: &'a Span,
    told: Told,
}

impl Words<'_> {
    fn tool(&mut self) {
        let attributes = &self.span.attributes;
        let name = attributes.words(&["gen_ai.tool.name", "traceloop.entity.name", "tool.name"]);
        let name = if name.is_empty() { self.span.name.trim_start_matches("execute_tool ") } else { name };
        let call_id = attributes.words(&["gen_ai.tool.call.id"]).to_owned();
        let arguments =
            attributes.words(&["gen_ai.tool.call.arguments", "traceloop.entity.input", "input.value"]).to_owned();
        let call = Body::ToolCall { call_id: call_id.clone(), name: name.to_owned(), arguments };
        let result = attributes.words(&["gen_ai.tool.call.result", "traceloop.entity.output", "output.value"]);
        let failure = self.span.failure();
        let is_error = failure.is_some() || inferred(result) == ToolStatus::Error;
        let text = if result.is_empty() { failure.unwrap_or_default() } else { result.to_owned() };
        let status = if is_error { ToolStatus::Error } else { ToolStatus::Ok };
        let result = Body::ToolResult { call_id, name: name.to_owned(), status, text };
        self.push(Side::History, EventActor::Agent, call);
        self.push(Side::Said, EventActor::Tool, result);
    }

    fn model(&mut self, operation: &str) {
        self.messages();
        if self.told.history.is_empty() && self.told.said.is_empty() {
            self.older_events();
        }
        if self.told.history.is_empty() && self.told.said.is_empty() {
            indexed::push(self);
        }
        if let Some(text) = self.span.failure() {
            self.push(Side::Said, EventActor::Environment, Body::Error { text });
        }
        // Agents' and workflows' spans only hold others; of any other that was not captured, its
        // attributes are what there is.
        let holds_others = matches!(operation, "invoke_agent" | "invoke_workflow" | "create_agent");
        if self.told.history.is_empty() && self.told.said.is_empty() && !holds_others {
            let body = Body::Opaque { kind: operation.to_owned(), text: self.span.attributes.to_json() };
            self.push(Side::Said, EventActor::Environment, body);
        }
    }

    /// The messages of the present conventions: on the span, or on an event of it.
    fn messages(&mut self) {
        let on_event = |event: &&SpanEvent| event.name == "gen_ai.client.inference.operation.details";
        let events = self.span.events.iter().filter(on_event).map(|event| &event.attributes);
        for attributes in events.chain([&self.span.attributes]) {
            let mut from = |key: &str, side, role: Option<&str>| {
                let Some(value) = attributes.value(key) else { return };
                match (value.json().filter(|json| json.is_array()), role) {
                    (Some(parts), Some(role)) => self.parts(side, role, parts),
                    (Some(messages), None) => {
                        messages.elements().into_iter().flatten().for_each(|message| self.message(side, message));
                    }
                    (None, role) => self.plain(side, role.unwrap_or("user"), value.words()),
                }
            };
            from("gen_ai.system_instructions", Side::History, Some("system"));
            from("gen_ai.input.messages", Side::History, None);
            from("gen_ai.output.messages", Side::Said, None);
            if !self.told.history.is_empty() || !self.told.said.is_empty() {
                return;
            }
        }
    }

    /// `{role, parts, finish_reason}`; some write messages as OpenAI's API has them.
    fn message(&mut self, side: Side, message: Json<'_>) {
        let fields = message.fields().unwrap_or_default();
        match field(&fields, "parts").filter(|parts| parts.is_array()) {
            Some(parts) => self.parts(side, &text_field(&fields, "role"), parts),
            None => self.chat(side, message),
        }
    }

    fn parts(&mut self, side: Side, role: &str, parts: Json<'_>) {
        let mut words: Vec<String> = Vec::new();
        for part in parts.elements().unwrap_or_default() {
            let fields = part.fields().unwrap_or_default();
            let kind = text_field(&fields, "type");
            let content = || first(&fields, &["content", "text"]).map(|c| c.words().into_owned());
            match (kind.as_ref(), content()) {
                ("text", Some(text)) => {
                    words.push(text);
                    continue;
                }
                (_, text) => {
                    self.plain(side, role, &std::mem::take(&mut words).join("\n"));
                    self.part(side, role, &kind, part, &fields, text);
                }
            }
        }
        self.plain(side, role, &words.join("\n"));
    }

    fn part(&mut self, side: Side, role: &str, kind: &str, part: Json<'_>, fields: &Fields<'_>, text: Option<String>) {
        let id = || field(fields, "id").and_then(Json::id).map(|id| id.trim().to_owned()).unwrap_or_default();
        let name = || text_field(fields, "name").into_owned();
        let words = |names: &[&str]| first(fields, names).map(|w| w.words().into_owned()).unwrap_or_default();
        let (actor, body) = match kind {
            "reasoning" | "thinking" => (EventActor::Agent, Body::Thought { text: text.unwrap_or_default() }),
            "compaction" => (EventActor::Environment, Body::Compaction { text: text.unwrap_or_default() }),
            "tool_call" | "server_tool_call" => {
                let arguments = words(&["arguments", "server_tool_call"]);
                (EventActor::Agent, Body::ToolCall { call_id: id(), name: name(), arguments })
            }
            "tool_call_response" | "server_tool_call_response" => {
                let text = words(&["response", "result", "server_tool_call_response", "content"]);
                let status = inferred(&text);
                (EventActor::Tool, Body::ToolResult { call_id: id(), name: name(), status, text })
            }
            _ => {
                let kind = if kind.is_empty() { "part" } else { kind };
                (actor(role), Body::Opaque { kind: kind.to_owned(), text: part.raw().to_owned() })
            }
        };
        self.push(side, actor, body);
    }

    /// A message in the form of OpenAI's chat.
    pub(super) fn chat(&mut self, side: Side, message: Json<'_>) {
        let mut draft = Draft::default();
        let piece = Piece { bytes: message.raw().as_bytes(), start: 0, record: 0, line: 0 };
        chat_message::push(message, &piece.span(""), &mut CallNames::new(), &mut draft);
        for event in draft.events {
            let has_words = !event.body.text().is_empty() || !matches!(event.body, Body::Message { .. });
            if has_words {
                self.push(side, event.actor, event.body);
            }
        }
    }

    /// Words of a role; none where there are none.
    pub(super) fn plain(&mut self, side: Side, role: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = text.to_owned();
        let body = match role {
            "tool" => Body::ToolResult { call_id: String::new(), name: String::new(), status: inferred(&text), text },
            _ => Body::Message { text },
        };
        self.push(side, actor(role), body);
    }

    /// The events of the conventions up to 1.36, and of those before.
    fn older_events(&mut self) {
        for event in &self.span.events {
            let side = match event.name.as_str() {
                "gen_ai.system.message" | "gen_ai.user.message" | "gen_ai.tool.message" => Side::History,
                "gen_ai.assistant.message" | "gen_ai.content.prompt" => Side::History,
                "gen_ai.choice" | "gen_ai.content.completion" => Side::Said,
                _ => continue,
            };
            let body = if event.body.is_empty() { event.attributes.to_json() } else { event.body.clone() };
            let prompt = event.attributes.words(&["gen_ai.prompt", "gen_ai.completion"]);
            match (Json::parse(prompt.as_bytes()).ok().and_then(Json::elements), prompt) {
                (Some(messages), _) => messages.for_each(|message| self.chat(side, message)),
                (None, "") => self.older_message(side, &event.name, &body),
                (None, prompt) => self.plain(side, if side == Side::Said { "assistant" } else { "user" }, prompt),
            }
        }
    }

    /// A body or attributes such as `{content, role, tool_calls, id}`, or a choice's `{message: {...}}`.
    fn older_message(&mut self, side: Side, event: &str, body: &str) {
        let Ok(body) = Json::parse(body.as_bytes()) else { return };
        let fields = body.fields().unwrap_or_default();
        // As an attribute, a message is text that holds JSON.
        let held = |json: Json<'_>| json.text().filter(|text| text.starts_with('{')).map(|text| text.into_owned());
        let message = field(&fields, "message").map(|message| held(message).unwrap_or(message.raw().to_owned()));
        let inner = message.unwrap_or_else(|| body.raw().to_owned());
        let Ok(inner) = Json::parse(inner.as_bytes()) else { return };
        let Some(fields) = inner.fields() else {
            return self.plain(side, "assistant", &inner.words());
        };
        let role = match event {
            "gen_ai.system.message" => "system",
            "gen_ai.user.message" => "user",
            "gen_ai.tool.message" => "tool",
            _ => "assistant",
        };
        let named = text_field(&fields, "role");
        let role = if named.is_empty() { role } else { named.as_ref() };
        // Tools' messages name their call `id`.
        let message = chat_form(role, &fields);
        match Json::parse(message.as_bytes()) {
            Ok(message) => self.chat(side, message),
            Err(_) => self.plain(side, role, inner.raw()),
        }
    }

    /// Evaluations are events of the span that they are about.
    fn evaluations(&mut self) {
        for event in self.span.events.iter().filter(|event| event.name == "gen_ai.evaluation.result") {
            let attributes = &event.attributes;
            let value = attributes.number("gen_ai.evaluation.score.value");
            let label = attributes.words(&["gen_ai.evaluation.score.label"]).to_owned();
            let name = attributes.words(&["gen_ai.evaluation.name"]);
            let text = [name, attributes.words(&["gen_ai.evaluation.explanation"])];
            let text = text.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": ");
            let passed = passed(&label).or(value.filter(|value| (0.0..=1.0).contains(value)));
            if let Some(value) = passed {
                let label = if label.is_empty() { name.to_owned() } else { label.clone() };
                self.told.outcome = Some(Outcome { value, label, source: OutcomeSource::Grader });
            }
            let body = Body::Verdict { value: value.or(passed).unwrap_or_default(), label, text };
            self.push(Side::Said, EventActor::Environment, body);
        }
    }

    pub(super) fn push(&mut self, side: Side, actor: EventActor, body: Body) {
        let (list, time) = match side {
            Side::History => (&mut self.told.history, self.span.start),
            Side::Said => (&mut self.told.said, self.span.end.or(self.span.start)),
        };
        let place = || format!("otlp:{}/{}", self.span.trace_id, self.span.span_id);
        let source = self.span.source.clone();
        let source = source.unwrap_or_else(|| SourceSpan { file: place(), byte_start: 0, byte_end: 1 });
        let thread = String::new();
        list.push(Event { seq: 0, time, actor, thread, body, source: Some(source), copied: false });
    }
}

/// What a label of a judgement means, where it is a usual one.
fn passed(label: &str) -> Option<f64> {
    match label.to_ascii_lowercase().as_str() {
        "pass" | "passed" | "success" | "satisfied" | "correct" | "true" | "yes" => Some(1.0),
        "fail" | "failed" | "failure" | "unsatisfied" | "incorrect" | "false" | "no" => Some(0.0),
        _ => None,
    }
}

fn actor(role: &str) -> EventActor {
    match role {
        "system" | "developer" => EventActor::Operator,
        "user" => EventActor::User,
        "assistant" | "model" | "ai" => EventActor::Agent,
        "tool" => EventActor::Tool,
        _ => EventActor::Environment,
    }
}

fn first<'a>(fields: &Fields<'a>, names: &[&str]) -> Option<Json<'a>> {
    names.iter().find_map(|name| field(fields, name))
}

/// A message of OpenAI's chat, made of an older event's fields. Calls may stand as text.
fn chat_form(role: &str, fields: &Fields<'_>) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut out = vec![format!("\"role\": {}", quoted(role))];
    for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_ref(), "role" | "gen_ai.system" | "index")) {
        let key = if key == "id" && role == "tool" { "tool_call_id" } else { key.as_ref() };
        let held = value.text().filter(|_| key == "tool_calls");
        let held = held.filter(|text| Json::parse(text.as_bytes()).is_ok_and(Json::is_array));
        out.push(format!("{}: {}", quoted(key), held.as_deref().unwrap_or(value.raw())));
    }
    format!("{{{}}}", out.join(", "))
}
