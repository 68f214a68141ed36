//! Spans as a receiver of OTLP's protobuf has them.

use domain::Timestamp;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span as Wire};

use super::span::{Attributes, Span, SpanEvent, Value};

/// Every span of an `ExportTraceServiceRequest`'s `resource_spans`, in its order. `Span::source` is
/// None: a live span stands in no file.
pub fn spans(resource_spans: Vec<ResourceSpans>) -> impl Iterator<Item = Span> {
    resource_spans.into_iter().flat_map(|of_resource| {
        let resource = attributes(of_resource.resource.unwrap_or_default().attributes);
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |wire| span(wire, resource.clone()))
    })
}

fn span(wire: Wire, resource: Attributes) -> Span {
    let status = wire.status.unwrap_or_default();
    let event = |event: opentelemetry_proto::tonic::trace::v1::span::Event| SpanEvent {
        name: event.name,
        time: time(event.time_unix_nano),
        attributes: attributes(event.attributes),
        body: String::new(),
    };
    Span {
        trace_id: hex(&wire.trace_id),
        span_id: hex(&wire.span_id),
        parent_span_id: hex(&wire.parent_span_id),
        name: wire.name,
        start: time(wire.start_time_unix_nano),
        end: time(wire.end_time_unix_nano),
        attributes: attributes(wire.attributes),
        events: wire.events.into_iter().map(event).collect(),
        error: (status.code == StatusCode::Error as i32).then_some(status.message),
        resource,
        source: None,
    }
}

fn time(nanoseconds: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok().filter(|_| nanoseconds > 0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    Attributes(pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect())
}

/// Decoders of protobuf bound how deep this goes.
fn value(any: Option<AnyValue>) -> Value {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let nested = |any| match value(any) {
        Value::Text(text) => quoted(&text),
        Value::Json(json) => json,
    };
    match any.and_then(|any| any.value) {
        Some(Any::StringValue(text)) => Value::Text(text),
        Some(Any::BoolValue(flag)) => Value::Json(flag.to_string()),
        Some(Any::IntValue(number)) => Value::Json(number.to_string()),
        Some(Any::DoubleValue(number)) if number.is_finite() => Value::Json(number.to_string()),
        Some(Any::DoubleValue(number)) => Value::Text(number.to_string()),
        Some(Any::BytesValue(bytes)) => Value::Text(hex(&bytes)),
        Some(Any::ArrayValue(array)) => {
            let values: Vec<_> = array.values.into_iter().map(|any| nested(Some(any))).collect();
            Value::Json(format!("[{}]", values.join(", ")))
        }
        Some(Any::KvlistValue(list)) => {
            let pairs = list.values.into_iter().map(|pair| format!("{}: {}", quoted(&pair.key), nested(pair.value)));
            Value::Json(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", ")))
        }
        // Of profiles only.
        Some(Any::StringValueStrindex(index)) => Value::Json(index.to_string()),
        None => Value::Json("null".to_owned()),
    }
}
