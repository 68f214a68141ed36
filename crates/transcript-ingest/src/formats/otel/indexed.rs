//! Messages that are spread over attributes with their numbers in the keys, as OpenLLMetry
//! (`gen_ai.prompt.0.content`) and OpenInference (`llm.input_messages.0.message.content`) write them.

use std::collections::BTreeMap;

use domain::transcript::{Body, EventActor};

use super::words::{Side, Words};
use crate::formats::chat_message::inferred;
use crate::formats::json::Json;

const LISTS: [(&str, &str, Side); 4] = [
    ("gen_ai.prompt.", "", Side::History),
    ("llm.input_messages.", "message.", Side::History),
    ("gen_ai.completion.", "", Side::Said),
    ("llm.output_messages.", "message.", Side::Said),
];

/// One message's fields, and those of its calls.
#[derive(Default)]
struct Message<'a> {
    fields: BTreeMap<&'a str, &'a str>,
    calls: BTreeMap<u32, BTreeMap<&'a str, &'a str>>,
}

pub(super) fn push(words: &mut Words<'_>) {
    let span = words.span;
    for (list, within, side) in LISTS {
        let mut messages: BTreeMap<u32, Message<'_>> = BTreeMap::new();
        for (key, value) in &span.attributes.0 {
            let Some((number, rest)) = key.strip_prefix(list).and_then(numbered) else { continue };
            let rest = rest.strip_prefix(within).unwrap_or(rest);
            let message = messages.entry(number).or_default();
            match rest.strip_prefix("tool_calls.").and_then(numbered) {
                Some((call, rest)) => {
                    let name = rest.rsplit('.').next().unwrap_or(rest);
                    message.calls.entry(call).or_default().insert(name, value.words());
                }
                None => drop(message.fields.insert(rest, value.words())),
            }
        }
        messages.into_values().for_each(|message| push_message(words, side, &message));
    }
}

fn push_message(words: &mut Words<'_>, side: Side, message: &Message<'_>) {
    let field = |name: &str| message.fields.get(name).copied().unwrap_or_default();
    let role = match field("role") {
        "" if side == Side::Said => "assistant",
        "" => "user",
        role => role,
    };
    let content = field("content");
    // Contents of several parts stand as JSON.
    let parts = Json::parse(content.as_bytes()).ok().filter(|json| json.is_array());
    match parts {
        _ if role == "tool" => {
            let call_id = field("tool_call_id").to_owned();
            let status = inferred(content);
            let body = Body::ToolResult { call_id, name: field("name").to_owned(), status, text: content.to_owned() };
            words.push(side, EventActor::Tool, body);
        }
        Some(parts) => {
            let message = format!("{{\"role\": {}, \"content\": {}}}", quoted(role), parts.raw());
            if let Ok(message) = Json::parse(message.as_bytes()) {
                words.chat(side, message);
            }
        }
        None => words.plain(side, role, content),
    }
    for call in message.calls.values() {
        let field = |name: &str| call.get(name).map(|words| (*words).to_owned()).unwrap_or_default();
        let body = Body::ToolCall { call_id: field("id"), name: field("name"), arguments: field("arguments") };
        words.push(side, EventActor::Agent, body);
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn numbered(key: &str) -> Option<(u32, &str)> {
    let (number, rest) = key.split_once('.')?;
    Some((number.parse().ok()?, rest))
}
