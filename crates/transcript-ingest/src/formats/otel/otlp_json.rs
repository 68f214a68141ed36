//! Spans out of files: OTLP's JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding),
//! which collectors write one request a line, and what OpenTelemetry's console exporter prints.

use std::rc::Rc;

use domain::Timestamp;
use domain::limits::IMPORT_DEPTH_MAX;

use super::span::{Attributes, Span, SpanEvent, Value};
use crate::formats::json::{Fields, Json, field, list_field, object_field, text_field};

/// A span or an event that was sent as a log record, in a request.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    Span { json: Json<'a>, resource: Rc<Attributes> },
    Log(Json<'a>),
}

/// The parts of a record, or why it has none.
pub fn parts(record: Json<'_>) -> Result<Vec<Part<'_>>, String> {
    let fields = record.object()?;
    if is_printed(&fields) {
        let resource = plain(&object_field(&object_field(&fields, "resource"), "attributes"));
        return Ok(vec![Part::Span { json: record, resource: Rc::new(resource) }]);
    }
    let known = ["resourceSpans", "resourceLogs", "resource_spans", "resource_logs", "resourceMetrics"];
    if !known.iter().any(|name| field(&fields, name).is_some()) {
        return Err("has neither resourceSpans nor resourceLogs".to_owned());
    }
    let mut parts = Vec::new();
    for (of_resource, scopes, items) in [
        ("resourceSpans", "scopeSpans", "spans"),
        ("resource_spans", "scope_spans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
        ("resource_logs", "scope_logs", "log_records"),
    ] {
        for of_resource in list_field(&fields, of_resource).filter_map(Json::fields) {
            let resource = Rc::new(attributes(&object_field(&of_resource, "resource")));
            for scope in list_field(&of_resource, scopes).filter_map(Json::fields) {
                parts.extend(list_field(&scope, items).map(|json| match items {
                    "spans" => Part::Span { json, resource: Rc::clone(&resource) },
                    _ => Part::Log(json),
                }));
            }
        }
    }
    Ok(parts)
}

pub fn span(json: Json<'_>, resource: &Attributes) -> Result<Span, String> {
    let fields = json.object()?;
    if is_printed(&fields) {
        return Ok(printed(&fields, resource.clone()));
    }
    let id = |names: [&str; 2]| either(&fields, names).map(|id| id.words().to_ascii_lowercase()).unwrap_or_default();
    let span_id = id(["spanId", "span_id"]);
    if span_id.is_empty() {
        return Err("is a span without a spanId".to_owned());
    }
    let status = object_field(&fields, "status");
    let failed = field(&status, "code").is_some_and(|code| matches!(code.words().as_ref(), "2" | "STATUS_CODE_ERROR"));
    Ok(Span {
        trace_id: id(["traceId", "trace_id"]),
        span_id,
        parent_span_id: id(["parentSpanId", "parent_span_id"]),
        name: text_field(&fields, "name").into_owned(),
        start: either(&fields, ["startTimeUnixNano", "start_time_unix_nano"]).and_then(nanoseconds),
        end: either(&fields, ["endTimeUnixNano", "end_time_unix_nano"]).and_then(nanoseconds),
        attributes: attributes(&fields),
        events: list_field(&fields, "events").filter_map(event).collect(),
        error: failed.then(|| text_field(&status, "message").into_owned()),
        resource: resource.clone(),
        source: None,
    })
}

/// An event that was sent as a log record, and the id of the span that it belongs to.
pub fn log(json: Json<'_>) -> Option<(String, SpanEvent)> {
    let fields = json.fields()?;
    let attributes = attributes(&fields);
    let named = either(&fields, ["eventName", "event_name"]).map(|name| name.words().into_owned()).unwrap_or_default();
    let name = if named.is_empty() { attributes.words(&["event.name"]).to_owned() } else { named };
    let span_id = either(&fields, ["spanId", "span_id"])?.words().to_ascii_lowercase();
    let time = either(&fields, ["timeUnixNano", "time_unix_nano"]).and_then(nanoseconds);
    let body = field(&fields, "body").map(|body| match any(body, 0) {
        Value::Text(text) if !text.starts_with(['{', '[']) => serde_json::to_string(&text).unwrap_or_default(),
        Value::Text(json) | Value::Json(json) => json,
    });
    Some((span_id, SpanEvent { name, time, attributes, body: body.unwrap_or_default() }))
}

fn event(json: Json<'_>) -> Option<SpanEvent> {
    let fields = json.fields()?;
    Some(SpanEvent {
        name: text_field(&fields, "name").into_owned(),
        time: either(&fields, ["timeUnixNano", "time_unix_nano"]).and_then(nanoseconds),
        attributes: attributes(&fields),
        body: String::new(),
    })
}

/// The protobuf mapping's names, and those that the field names have in protobuf.
fn either<'a>(fields: &Fields<'a>, names: [&str; 2]) -> Option<Json<'a>> {
    names.iter().find_map(|name| field(fields, name)).filter(|value| value.raw() != "null")
}

fn nanoseconds(json: Json<'_>) -> Option<Timestamp> {
    let count = json.words().parse::<i128>().ok().filter(|count| *count > 0)?;
    Timestamp::from_nanosecond(count).ok()
}

fn attributes(fields: &Fields<'_>) -> Attributes {
    let pair = |pair: Json<'_>| {
        let fields = pair.fields()?;
        Some((text_field(&fields, "key").into_owned(), any(field(&fields, "value")?, 0)))
    };
    Attributes(list_field(fields, "attributes").filter_map(pair).collect())
}

/// An `AnyValue`. What is nested deeper than limits::IMPORT_DEPTH_MAX stays as it stands.
fn any(json: Json<'_>, depth: usize) -> Value {
    let fields = json.fields().unwrap_or_default();
    let Some((kind, value)) = fields.first() else {
        return Value::Json("null".to_owned());
    };
    let nested = |value: Option<Json<'_>>| match value.map(|value| any(value, depth + 1)) {
        Some(Value::Text(text)) => serde_json::to_string(&text).unwrap_or_default(),
        Some(Value::Json(json)) => json,
        None => "null".to_owned(),
    };
    match kind.as_ref() {
        "stringValue" | "string_value" | "bytesValue" | "bytes_value" => Value::Text(value.words().into_owned()),
        "arrayValue" | "array_value" if depth < IMPORT_DEPTH_MAX => {
            let values = list_field(&value.fields().unwrap_or_default(), "values").map(|v| nested(Some(v)));
            Value::Json(format!("[{}]", values.collect::<Vec<_>>().join(", ")))
        }
        "kvlistValue" | "kvlist_value" if depth < IMPORT_DEPTH_MAX => {
            let fields = value.fields().unwrap_or_default();
            let pairs = list_field(&fields, "values").filter_map(Json::fields).map(|pair| {
                let key = serde_json::to_string(&text_field(&pair, "key")).unwrap_or_default();
                format!("{key}: {}", nested(field(&pair, "value")))
            });
            Value::Json(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")))
        }
        // 64-bit numbers stand as text.
        "intValue" | "int_value" => match value.words() {
            number if number.parse::<i128>().is_ok() => Value::Json(number.into_owned()),
            text => Value::Text(text.into_owned()),
        },
        _ => Value::Json(value.raw().to_owned()),
    }
}

fn is_printed(fields: &Fields<'_>) -> bool {
    let context = object_field(fields, "context");
    field(&context, "span_id").is_some() && field(fields, "start_time").is_some()
}

fn printed(fields: &Fields<'_>, resource: Attributes) -> Span {
    let context = object_field(fields, "context");
    let id = |json: Option<Json<'_>>| {
        let id = json.map(Json::words).unwrap_or_default().to_ascii_lowercase();
        id.strip_prefix("0x").map(str::to_owned).unwrap_or(id)
    };
    let status = object_field(fields, "status");
    let events = list_field(fields, "events").filter_map(Json::fields).map(|event| SpanEvent {
        name: text_field(&event, "name").into_owned(),
        time: field(&event, "timestamp").and_then(Json::time),
        attributes: plain(&object_field(&event, "attributes")),
        body: String::new(),
    });
    Span {
        trace_id: id(field(&context, "trace_id")),
        span_id: id(field(&context, "span_id")),
        parent_span_id: id(field(fields, "parent_id")),
        name: text_field(fields, "name").into_owned(),
        start: field(fields, "start_time").and_then(Json::time),
        end: field(fields, "end_time").and_then(Json::time),
        attributes: plain(&object_field(fields, "attributes")),
        events: events.collect(),
        error: (text_field(&status, "status_code") == "ERROR").then(|| text_field(&status, "description").into_owned()),
        resource,
        source: None,
    }
}

fn plain(fields: &Fields<'_>) -> Attributes {
    let value = |json: Json<'_>| match json.text() {
        Some(text) => Value::Text(text.into_owned()),
        None => Value::Json(json.raw().to_owned()),
    };
    Attributes(fields.iter().map(|(key, json)| (key.clone().into_owned(), value(*json))).collect())
}
