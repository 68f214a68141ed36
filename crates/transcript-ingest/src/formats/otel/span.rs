//! A span as the mapping takes it, whatever it came in: OTLP's JSON, the console exporter's, or OTLP's
//! protobuf as a receiver decodes it.

use domain::Timestamp;
use domain::transcript::SourceSpan;

use crate::formats::json::Json;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    /// Ids are lower-case hexadecimal; the parent's is empty for a root.
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: String,
    pub name: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub attributes: Attributes,
    pub events: Vec<SpanEvent>,
    /// The status' message where the status is an error; it may be empty.
    pub error: Option<String>,
    pub resource: Attributes,
    /// Where it stands in a file.
    pub source: Option<SourceSpan>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanEvent {
    pub name: String,
    pub time: Option<Timestamp>,
    pub attributes: Attributes,
    /// The body of an event that was sent as a log record, as JSON.
    pub body: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes(pub Vec<(String, Value)>);

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    /// Any other value, as JSON.
    Json(String),
}

impl Value {
    /// A text, or another value's JSON.
    pub fn words(&self) -> &str {
        match self {
            Value::Text(text) | Value::Json(text) => text,
        }
    }

    /// The JSON that it is, or that its text holds.
    pub fn json(&self) -> Option<Json<'_>> {
        Json::parse(self.words().trim().as_bytes()).ok()
    }
}

impl Attributes {
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// The first of these that is there and not empty.
    pub fn words(&self, keys: &[&str]) -> &str {
        let mut found = keys.iter().filter_map(|key| self.value(key)).map(Value::words);
        found.find(|words| !words.is_empty()).unwrap_or_default()
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        self.value(key)?.words().parse().ok()
    }

    /// As one JSON object.
    pub fn to_json(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let field = |(key, value): &(String, Value)| match value {
            Value::Text(words) => format!("{}: {}", text(key), text(words)),
            Value::Json(json) => format!("{}: {json}", text(key)),
        };
        format!("{{{}}}", self.0.iter().map(field).collect::<Vec<_>>().join(", "))
    }
}

impl Span {
    /// chat, execute_tool, invoke_agent and so on; empty for spans that are of no agent's run. Other
    /// conventions' kinds of span (OpenLLMetry's, OpenInference's) count as those of the same meaning.
    pub fn operation(&self) -> &str {
        let attributes = &self.attributes;
        let named = attributes.words(&["gen_ai.operation.name"]);
        if !named.is_empty() {
            return named;
        }
        match attributes.words(&["traceloop.span.kind", "openinference.span.kind"]) {
            "tool" | "TOOL" => "execute_tool",
            "agent" | "AGENT" => "invoke_agent",
            "workflow" | "task" | "CHAIN" => "invoke_workflow",
            "LLM" => "chat",
            "EMBEDDING" => "embeddings",
            "RETRIEVER" => "retrieval",
            kind if !kind.is_empty() => kind,
            _ if attributes.0.iter().any(|(key, _)| key.starts_with("gen_ai.")) => "chat",
            _ if self.events.iter().any(|event| event.name.starts_with("gen_ai.")) => "chat",
            _ => "",
        }
    }

    /// The id of the conversation that it says it belongs to; empty where it does not say.
    pub fn conversation(&self) -> &str {
        const KEYS: [&str; 5] = [
            "gen_ai.conversation.id",
            "session.id",
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.thread_id",
            "langfuse.session.id",
        ];
        let own = self.attributes.words(&KEYS);
        let of_event = || self.events.iter().map(|event| event.attributes.words(&KEYS)).find(|id| !id.is_empty());
        if own.is_empty() { of_event().unwrap_or_default() } else { own }
    }

    /// What went wrong, in the span's own words; None where nothing did.
    pub fn failure(&self) -> Option<String> {
        let exception = self.events.iter().find(|event| event.name == "exception").map(|event| &event.attributes);
        let kind = self.attributes.words(&["error.type"]);
        if self.error.is_none() && kind.is_empty() {
            return None;
        }
        let of_exception = |key| exception.map(|attributes| attributes.words(&[key])).unwrap_or_default();
        let kind = if kind.is_empty() { of_exception("exception.type") } else { kind };
        let message = self.error.as_deref().filter(|message| !message.is_empty());
        let message = message.unwrap_or_else(|| of_exception("exception.message"));
        Some([kind, message].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": "))
    }
}
