//! Tells a file's format from its bytes.

use domain::transcript::request::Format;

use super::json::{Fields, Json, field};
use super::split::split;

/// Records looked at before the format counts as unknown.
const RECORDS_MAX: usize = 50;

/// None where no record of the file's beginning is of a known format.
pub fn sniff(file: &[u8]) -> Option<Format> {
    let records = split(file).take(RECORDS_MAX).filter_map(Result::ok);
    records.filter_map(|piece| Json::parse(piece.bytes).ok()).find_map(format_of)
}

fn format_of(record: Json<'_>) -> Option<Format> {
    let Some(fields) = record.fields() else {
        let first = record.elements()?.next()?.fields()?;
        return is_message(&first).then_some(Format::OpenaiChat);
    };
    let has_one_of = |names: [&str; 4]| names.iter().any(|name| field(&fields, name).is_some());
    let span = field(&fields, "context").and_then(Json::fields).unwrap_or_default();
    if has_one_of(["resourceSpans", "resource_spans", "resourceLogs", "resource_logs"])
        || field(&span, "span_id").is_some()
    {
        return Some(Format::OtelGenai);
    }
    let has = |name| field(&fields, name).is_some();
    if has("traj") && (has("task_id") || has("reward")) {
        return Some(Format::TauBench);
    }
    let is_array = |name| field(&fields, name).is_some_and(|v: Json<'_>| v.raw().starts_with('['));
    if is_array("messages") || is_array("conversation") {
        return Some(Format::OpenaiChat);
    }
    // A line of Claude Code has a message too, so it comes before a chat's bare message.
    if has("type") && (has("sessionId") || has("leafUuid") || has("uuid") || has("messageId")) {
        return Some(Format::ClaudeCode);
    }
    is_message(&fields).then_some(Format::OpenaiChat)
}

fn is_message(fields: &Fields<'_>) -> bool {
    field(fields, "role").is_some()
        && ["content", "tool_calls", "function_call"].iter().any(|f| field(fields, f).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_records() {
        for (file, format) in [
            (
                r#"{"type":"user","sessionId":"a","uuid":"b","message":{"role":"user","content":"x"}}"#,
                Some(Format::ClaudeCode),
            ),
            (r#"{"type":"summary","summary":"x","leafUuid":"b"}"#, Some(Format::ClaudeCode)),
            (r#"[{"role":"user","content":"x"}]"#, Some(Format::OpenaiChat)),
            (
                "[{\"role\":\"user\",\"content\":\"x\"}]\n[{\"role\":\"user\",\"content\":\"y\"}]",
                Some(Format::OpenaiChat),
            ),
            (r#"{"messages":[{"role":"user","content":"x"}]}"#, Some(Format::OpenaiChat)),
            (r#"[{"task_id":1,"reward":0.0,"traj":[],"info":{}}]"#, Some(Format::TauBench)),
            ("garbage\n{\"task_id\":1,\"reward\":0.0,\"traj\":[],\"info\":{}}", Some(Format::TauBench)),
            (r#"{"trajectory":[],"history":[]}"#, None),
            ("id,name\n1,x\n", None),
            ("", None),
        ] {
            assert_eq!(sniff(file.as_bytes()), format, "{file}");
        }
    }
}
