//! One message of OpenAI's chat form (https://platform.openai.com/docs/api-reference/chat), as events.
//!
//! The form has no error flag, so a tool result's status is inferred from its text where the harness
//! gives no flag of its own.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::transcript::{Body, EventActor, SourceSpan, ToolStatus};

use super::Draft;
use super::json::{Fields, Json, field, filled, object, text_field};

/// Fields of a message that end up in its events. `id` and `index` say nothing that the order does not.
const READ: [&str; 16] = [
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
    "reasoning_content",
    "reasoning",
    "timestamp",
    "is_error",
    "error",
    "status",
    "id",
    "index",
    "type",
];

/// The names of the tools by the ids of their calls, within one session.
pub type CallNames = HashMap<String, String>;

/// Appends the message's events, at least one.
pub fn push(message: Json<'_>, span: &SourceSpan, names: &mut CallNames, draft: &mut Draft) {
    let first = draft.events.len();
    let fields = message.fields().unwrap_or_default();
    let role = text_field(&fields, "role");
    let mut out = Events { span, names, draft };
    match role.as_ref() {
        "system" | "developer" => out.content(EventActor::Operator, &fields),
        "user" => out.content(EventActor::User, &fields),
        "assistant" => out.assistant(&fields),
        "tool" | "function" => out.tool(&fields),
        _ => {
            let kind = if role.is_empty() { "message" } else { role.as_ref() };
            out.opaque(EventActor::Environment, kind, message.raw());
            return;
        }
    }
    out.others(&fields, first);
    let draft = out.draft;
    let time = field(&fields, "timestamp").and_then(Json::text).and_then(|t| t.parse().ok());
    draft.events[first..].iter_mut().for_each(|event| event.time = time);
}

struct Events<'a> {
    span: &'a SourceSpan,
    names: &'a mut CallNames,
    draft: &'a mut Draft,
}

impl Events<'_> {
    fn push(&mut self, actor: EventActor, body: Body) {
        self.draft.push(actor, body, self.span.clone());
    }

    fn opaque(&mut self, actor: EventActor, kind: &str, text: &str) {
        self.push(actor, Body::Opaque { kind: kind.to_owned(), text: text.to_owned() });
    }

    fn assistant(&mut self, fields: &Fields<'_>) {
        if let Some(thought) = filled(fields, "reasoning_content").or_else(|| filled(fields, "reasoning")) {
            self.push(EventActor::Agent, Body::Thought { text: thought.words().into_owned() });
        }
        let calls = field(fields, "tool_calls").and_then(Json::elements).unwrap_or_default();
        // Results inside the calls mean that the words were said after them.
        let answered = calls.clone().any(|c| c.fields().is_some_and(|f| field(&f, "result").is_some()));
        if answered {
            calls.clone().for_each(|call| self.call(call));
        }
        self.content(EventActor::Agent, fields);
        if !answered {
            calls.for_each(|call| self.call(call));
        }
        if let Some(call) = filled(fields, "function_call") {
            self.call(call);
        }
    }

    /// The words of a message, and its parts that are not words.
    fn content(&mut self, actor: EventActor, fields: &Fields<'_>) {
        let mut words: Vec<String> = Vec::new();
        let mut others = Vec::new();
        for part in field(fields, "content").and_then(Json::elements).unwrap_or_default() {
            match part_text(part) {
                Some(text) => words.push(text.into_owned()),
                None => others.push(part),
            }
        }
        let content = field(fields, "content").filter(|c| !c.is_empty() && !c.is_array());
        let refusal = filled(fields, "refusal");
        words.extend(content.into_iter().chain(refusal).map(|c| c.words().into_owned()));
        if !words.is_empty() {
            self.push(actor, Body::Message { text: words.join("\n") });
        }
        for part in others {
            let kind = part.fields().map(|f| text_field(&f, "type").into_owned()).filter(|k| !k.is_empty());
            self.opaque(actor, kind.as_deref().unwrap_or("content"), part.raw());
        }
    }

    /// `{id, function: {name, arguments}}`, `{id, custom: {name, input}}`, or flat, with or without the result.
    fn call(&mut self, call: Json<'_>) {
        let fields = call.fields().unwrap_or_default();
        let inner = field(&fields, "function").or_else(|| field(&fields, "custom")).and_then(Json::fields);
        let inner = inner.as_ref().unwrap_or(&fields);
        let name = text_field(inner, "name").into_owned();
        if name.is_empty() {
            self.opaque(EventActor::Agent, "tool_call", call.raw());
            return;
        }
        let arguments = field(inner, "arguments").or_else(|| field(inner, "input")).filter(|a| a.raw() != "null");
        let arguments = arguments.map_or(Cow::Borrowed(""), |a| a.text().unwrap_or(Cow::Borrowed(a.raw())));
        let call_id = text_field(&fields, "id").into_owned();
        if !call_id.is_empty() {
            self.names.insert(call_id.clone(), name.clone());
        }
        let body = Body::ToolCall { call_id: call_id.clone(), name: name.clone(), arguments: arguments.into_owned() };
        self.push(EventActor::Agent, body);
        if let Some(result) = field(&fields, "result") {
            let text = result.text().unwrap_or(Cow::Borrowed(result.raw())).into_owned();
            let status = status(&fields, &text);
            self.push(EventActor::Tool, Body::ToolResult { call_id, name, status, text });
        }
    }

    fn tool(&mut self, fields: &Fields<'_>) {
        let call_id = text_field(fields, "tool_call_id").into_owned();
        let named = text_field(fields, "name");
        let name =
            if named.is_empty() { self.names.get(&call_id).cloned().unwrap_or_default() } else { named.into_owned() };
        let content = field(fields, "content");
        let parts = content.and_then(Json::elements).unwrap_or_default();
        let (words, others): (Vec<_>, Vec<_>) = parts.partition(|p| part_text(*p).is_some());
        let text = match content {
            None => String::new(),
            Some(c) if c.raw() == "null" => String::new(),
            Some(c) if c.is_array() => words.into_iter().filter_map(part_text).collect::<Vec<_>>().join("\n"),
            Some(c) => c.text().unwrap_or(Cow::Borrowed(c.raw())).into_owned(),
        };
        let status = status(fields, &text);
        self.push(EventActor::Tool, Body::ToolResult { call_id, name, status, text });
        for part in others {
            let kind = part.fields().map(|f| text_field(&f, "type").into_owned()).filter(|k| !k.is_empty());
            self.opaque(EventActor::Tool, kind.as_deref().unwrap_or("content"), part.raw());
        }
    }

    /// What the message holds besides, and an empty message where it held nothing.
    fn others(&mut self, fields: &Fields<'_>, first: usize) {
        let actor = self.draft.events.get(first).map_or(EventActor::Environment, |e| e.actor);
        let rest: Vec<_> =
            fields.iter().filter(|(key, value)| !READ.contains(&key.as_ref()) && !value.is_empty()).collect();
        if !rest.is_empty() {
            self.opaque(actor, "message_fields", &object(rest));
        }
        if self.draft.events.len() == first {
            let actor = match text_field(fields, "role").as_ref() {
                "assistant" => EventActor::Agent,
                "user" => EventActor::User,
                _ => EventActor::Operator,
            };
            self.push(actor, Body::Message { text: String::new() });
        }
    }
}

/// The words of a content part, where it is made of words.
fn part_text(part: Json<'_>) -> Option<Cow<'_, str>> {
    if let Some(text) = part.text() {
        return Some(text);
    }
    let fields = part.fields()?;
    let name = match text_field(&fields, "type").as_ref() {
        "text" | "input_text" | "output_text" => "text",
        "refusal" => "refusal",
        _ => return None,
    };
    field(&fields, name)?.text()
}

/// What the harness says, else what the text looks like.
fn status(fields: &Fields<'_>, text: &str) -> ToolStatus {
    let flag = field(fields, "is_error").or_else(|| field(fields, "error")).and_then(Json::boolean);
    match (flag, text_field(fields, "status").as_ref()) {
        (Some(true), _) | (None, "error" | "failed") => ToolStatus::Error,
        (Some(false), _) | (None, "success" | "ok" | "completed") => ToolStatus::Ok,
        (None, _) if looks_like_error(text) => ToolStatus::Error,
        (None, _) => ToolStatus::Ok,
    }
}

/// The status of a result where only its text can say: an error, or unknown.
pub(super) fn inferred(text: &str) -> ToolStatus {
    if looks_like_error(text) { ToolStatus::Error } else { ToolStatus::Unknown }
}

/// Text that begins with the word Error or a traceback, or an object whose `error` holds something.
fn looks_like_error(text: &str) -> bool {
    let text = text.trim_start();
    let word = text.get(..5).is_some_and(|w| w == "Error" || w == "ERROR" || w == "error");
    if word && !text[5..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return !text.starts_with("error") || text[5..].starts_with(':');
    }
    text.starts_with("Traceback (most recent call last)")
        || text.starts_with('{')
            && Json::parse(text.as_bytes())
                .ok()
                .and_then(Json::fields)
                .and_then(|fields| field(&fields, "error"))
                .is_some_and(|error| !error.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(message: &str) -> Vec<(EventActor, Body)> {
        let span = SourceSpan { file: "f".into(), byte_start: 0, byte_end: 1 };
        let mut draft = Draft::default();
        push(Json::parse(message.as_bytes()).unwrap(), &span, &mut CallNames::new(), &mut draft);
        draft.events.into_iter().map(|e| (e.actor, e.body)).collect()
    }

    fn message(text: &str) -> Body {
        Body::Message { text: text.into() }
    }

    #[test]
    fn words_calls_and_thoughts_are_events_of_their_own() {
        let seen = events(
            r#"{"role":"assistant","content":"I look.","reasoning_content":"hm","refusal":null,"annotations":[],
                "tool_calls":[{"id":"c1","type":"function","function":{"name":"find","arguments":"{\"a\": 1}"}},
                              {"id":"c2","type":"function","function":{"name":"bad","arguments":"{'a': 1}"}}]}"#,
        );
        let call = |id: &str, name: &str, arguments: &str| Body::ToolCall {
            call_id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        let agent = EventActor::Agent;
        let thought = Body::Thought { text: "hm".into() };
        assert_eq!(
            seen,
            [
                (agent, thought),
                (agent, message("I look.")),
                (agent, call("c1", "find", "{\"a\": 1}")),
                (agent, call("c2", "bad", "{'a': 1}"))
            ]
        );
    }

    #[test]
    fn the_old_function_call_and_flat_calls_with_results_are_read() {
        let seen = events(r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}"#);
        assert!(matches!(&seen[..], [(_, Body::ToolCall { name, .. })] if name == "f"));
        let seen = events(
            r#"{"role":"assistant","content":"Done.","tool_calls":[{"name":"g","arguments":{"b":2,"a":1},"result":{"error":"no"}}]}"#,
        );
        let [
            (_, Body::ToolCall { arguments, .. }),
            (EventActor::Tool, Body::ToolResult { status, name, .. }),
            (_, said),
        ] = &seen[..]
        else {
            panic!("{seen:?}");
        };
        assert_eq!((arguments.as_str(), name.as_str(), *status), (r#"{"b":2,"a":1}"#, "g", ToolStatus::Error));
        assert_eq!(said, &message("Done."));
    }

    #[test]
    fn parts_that_are_not_words_and_unknown_fields_are_kept() {
        let seen = events(
            r#"{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"this"}],"audio":{"id":"a"}}"#,
        );
        let opaque = |kind: &str, text: &str| Body::Opaque { kind: kind.into(), text: text.into() };
        assert_eq!(
            seen,
            [
                (EventActor::User, message("see\nthis")),
                (EventActor::User, opaque("image_url", r#"{"type":"image_url","image_url":{"url":"u"}}"#)),
                (EventActor::User, opaque("message_fields", r#"{"audio": {"id":"a"}}"#)),
            ]
        );
        let seen = events(r#"{"role":"narrator","content":"x"}"#);
        assert!(matches!(&seen[..], [(_, Body::Opaque { kind, .. })] if kind == "narrator"));
        assert_eq!(events(r#"{"role":"assistant","content":null}"#), [(EventActor::Agent, message(""))]);
    }

    #[test]
    fn a_result_is_an_error_when_it_says_so() {
        for (content, flag, status) in [
            ("Error: user not found", "", ToolStatus::Error),
            ("Errors: 0", "", ToolStatus::Ok),
            ("error: unknown flag", "", ToolStatus::Error),
            ("error rates are low", "", ToolStatus::Ok),
            (r#"{\"error\": \"no such order\"}"#, "", ToolStatus::Error),
            (r#"{\"error\": null, \"id\": 1}"#, "", ToolStatus::Ok),
            ("fine", r#", "is_error": true"#, ToolStatus::Error),
            ("Error: but handled", r#", "error": false"#, ToolStatus::Ok),
            ("timeout", r#", "status": "error""#, ToolStatus::Error),
        ] {
            let seen =
                events(&format!(r#"{{"role":"tool","tool_call_id":"c","name":"t","content":"{content}"{flag}}}"#));
            assert!(
                matches!(&seen[..], [(_, Body::ToolResult { status: s, .. })] if *s == status),
                "{content}{flag}: {seen:?}"
            );
        }
    }
}
