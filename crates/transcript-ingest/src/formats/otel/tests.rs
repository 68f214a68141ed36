//! Spans to sessions: repeated history, tools' own spans, sub-agents, older conventions, live spans.

use domain::transcript::{Body, Event, EventActor, ToolStatus};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::trace::v1 as wire;

use super::*;
use crate::formats::tests::fixture;

fn read_all(file: &[u8]) -> (Vec<Draft>, Vec<ImportProblem>) {
    let (mut drafts, mut problems) = (Vec::new(), Vec::new());
    for item in read(file, "file") {
        match item {
            Item::Session(draft) => drafts.push(draft),
            Item::Problem(problem) => problems.push(problem),
            Item::MoreProblems(count) => panic!("{count} more problems"),
        }
    }
    (drafts, problems)
}

/// Each event as `thread|kind|words`, with `!` for an error and `~` for copied context.
fn words(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| {
        let (name, mark) = match &event.body {
            Body::ToolCall { name, .. } => (name.as_str(), ""),
            Body::ToolResult { name, status: ToolStatus::Error, .. } => (name.as_str(), "!"),
            Body::ToolResult { name, .. } => (name.as_str(), ""),
            _ => ("", ""),
        };
        let copied = if event.copied { "~" } else { "" };
        let actor = format!("{:?}", event.actor).to_lowercase();
        format!("{}|{copied}{actor} {} {name}{mark}|{}", event.thread, event.body.kind(), event.body.text())
    };
    events.iter().map(line).collect()
}

const TURNS: [&str; 14] = [
    "|operator message |You triage alerts.",
    "|user message |checkout is slow, find out why",
    "|agent thought |Look at query_metrics",
    r#"|agent tool_call query_metrics|{"metric":"cpu","service":"checkout"}"#,
    r#"|tool tool_result query_metrics|{"max":97.5,"at":"10:02"}"#,
    "|agent thought |Look at restart",
    r#"|agent tool_call restart|{"service":"checkout"}"#,
    "|tool tool_result restart!|restart timed out after 30 s",
    "|agent message |CPU of checkout spiked to 97.5 % at 10:02; the restart timed out.",
    "|user message |and now?",
    "|agent thought |Look at query_metrics",
    r#"|agent tool_call query_metrics|{"metric":"cpu","service":"checkout"}"#,
    r#"|tool tool_result query_metrics|{"max":12.0}"#,
    "|agent message |It is back at 12 %.",
];

#[test]
fn what_spans_repeat_counts_once_wherever_the_content_stands() {
    for path in ["otel_genai/spans.jsonl", "otel_genai/events.jsonl"] {
        let (drafts, problems) = read_all(&fixture(path));
        let reasons: Vec<_> = problems.iter().map(|p| p.reason.as_str()).collect();
        assert_eq!(reasons, ["2 span(s) of the file are of no agent's run and were left out"], "{path}");
        assert_eq!(drafts.len(), 1, "{path}");
        let without_blanks =
            |text: &str| text.replace("\": ", "\":").replace(", \"", ",\"").replace("TimeoutError: ", "");
        let seen: Vec<_> = words(&drafts[0].events).iter().map(|w| without_blanks(w)).collect();
        assert_eq!(seen, TURNS, "{path}");
        assert_eq!((drafts[0].external_id.as_str(), drafts[0].agent.name.as_str()), ("conv_7", "triage"));
        let times: Vec<_> = drafts[0].events.iter().map(|event| event.time.unwrap()).collect();
        assert!(times.is_sorted(), "{path}");
        assert_eq!(drafts[0].opaque_count, 0, "{path}");
    }
}

/// A span of `trace/id<parent`, with attributes; it lasts from `start` to `end` seconds.
fn span(ids: &str, start: i64, end: i64, attributes: &[(&str, &str)]) -> Span {
    let (trace_id, rest) = ids.split_once('/').unwrap();
    let (span_id, parent) = rest.split_once('<').unwrap_or((rest, ""));
    let at = |second: i64| domain::Timestamp::from_second(1_795_168_800 + second).ok();
    let value = |(key, value): &(&str, &str)| ((*key).to_owned(), Value::Text((*value).to_owned()));
    Span {
        trace_id: trace_id.to_owned(),
        span_id: span_id.to_owned(),
        parent_span_id: parent.to_owned(),
        start: at(start),
        end: at(end),
        attributes: Attributes(attributes.iter().map(value).collect()),
        ..Span::default()
    }
}

/// A model's call: messages as `role: words`.
fn chat(ids: &str, start: i64, given: &[&str], said: &str) -> Span {
    let message = |words: &&str| {
        let (role, text) = words.split_once(": ").unwrap();
        serde_json::json!({"role": role, "parts": [{"type": "text", "content": text}]})
    };
    let given = serde_json::Value::from_iter(given.iter().map(message)).to_string();
    let said = serde_json::Value::from_iter([message(&said)]).to_string();
    let attributes = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.conversation.id", "c"),
        ("gen_ai.input.messages", &given),
        ("gen_ai.output.messages", &said),
    ];
    span(ids, start, start + 1, &attributes)
}

fn one(spans: Vec<Span>) -> Draft {
    let mut drafts = sessions(spans);
    assert_eq!(drafts.len(), 1);
    drafts.remove(0)
}

#[test]
fn live_spans_come_to_the_same_as_whole_traces_and_add_nothing_twice() {
    let file = fixture("otel_genai/spans.jsonl");
    let records = split(&file).map(|piece| Json::parse(piece.unwrap().bytes).unwrap());
    let spans: Vec<Span> = records
        .flat_map(|record| otlp_json::parts(record).unwrap())
        .filter_map(|part| match part {
            Part::Span { json, resource } => Some(otlp_json::span(json, &resource).unwrap()),
            Part::Log(_) => None,
        })
        .collect();
    let whole = one(spans.clone());
    // Exporters send a span when it ends, and may send it again.
    let mut conversation = Conversation::default();
    let mut log: Vec<Event> = Vec::new();
    for (i, span) in spans.iter().enumerate() {
        log.extend(conversation.add(told(span), ""));
        assert_eq!(conversation.add(told(&spans[i / 2]), ""), []);
        if i % 3 == 0 {
            conversation = Conversation::resume(&log);
        }
    }
    assert_eq!(words(&log), words(&whole.events));
}

#[test]
fn a_history_that_was_trimmed_or_extended_adds_only_what_is_new() {
    let draft = one(vec![
        chat("t/1", 0, &["system: be brief", "user: a"], "assistant: yes"),
        chat("t/2", 2, &["system: be brief", "user: a", "assistant: yes", "user: b"], "assistant: yes"),
        chat("t/3", 4, &["user: b", "assistant: yes", "user: a"], "assistant: no"),
    ]);
    let seen: Vec<_> = draft.events.iter().map(|e| e.body.text()).collect();
    assert_eq!(seen, ["be brief", "a", "yes", "b", "yes", "a", "no"]);
}

#[test]
fn words_said_again_in_a_later_turn_without_history_are_new() {
    let turn = |trace: &str, start| chat(&format!("{trace}/{start}"), start, &["user: hi"], "assistant: hello");
    let draft = one(vec![turn("t", 0), turn("u", 5)]);
    let seen: Vec<_> = draft.events.iter().map(|e| e.body.text()).collect();
    assert_eq!(seen, ["hi", "hello", "hi", "hello"]);
    // The same within one trace is a call that was tried again.
    let draft = one(vec![turn("t", 0), turn("t", 5)]);
    let seen: Vec<_> = draft.events.iter().map(|e| e.body.text()).collect();
    assert_eq!(seen, ["hi", "hello"]);
}

#[test]
fn an_agent_within_anothers_run_is_a_thread_and_its_prompt_is_copied() {
    let agent = |ids: &str, start, end, name| {
        span(ids, start, end, &[("gen_ai.operation.name", "invoke_agent"), ("gen_ai.agent.name", name)])
    };
    let mut inner = chat("t/4<3", 3, &["user: look at the logs"], "assistant: disk full");
    inner.attributes.0.remove(1);
    let draft = one(vec![
        chat("t/2<1", 1, &["user: why?"], "assistant: I ask the reader"),
        inner,
        agent("t/3<1", 2, 5, "reader"),
        agent("t/1", 0, 9, "lead"),
    ]);
    assert_eq!(draft.agent.name, "lead");
    assert_eq!(
        words(&draft.events),
        [
            "|user message |why?",
            "|agent message |I ask the reader",
            "agent-reader|~agent message |look at the logs",
            "agent-reader|agent message |disk full",
        ]
    );
}

#[test]
fn spans_of_conventions_before_and_beside_are_read() {
    let event = |name: &str, attributes: &[(&str, &str)]| SpanEvent {
        name: name.to_owned(),
        attributes: span("t/1", 0, 1, attributes).attributes,
        ..SpanEvent::default()
    };
    let call = r#"[{"id":"c1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}]"#;
    let mut older = span("t/1", 0, 1, &[("gen_ai.system", "openai")]);
    older.events = vec![
        event("gen_ai.system.message", &[("content", "be brief")]),
        event("gen_ai.user.message", &[("content", "find it")]),
        event("gen_ai.assistant.message", &[("tool_calls", call)]),
        event("gen_ai.tool.message", &[("id", "c1"), ("content", "Error: none")]),
        event("gen_ai.choice", &[("index", "0"), ("message", r#"{"role":"assistant","content":"not there"}"#)]),
    ];
    let openllmetry = span(
        "t/1",
        0,
        1,
        &[
            ("gen_ai.prompt.0.role", "system"),
            ("gen_ai.prompt.0.content", "be brief"),
            ("gen_ai.prompt.1.role", "user"),
            ("gen_ai.prompt.1.content", r#"[{"type":"text","text":"find it"}]"#),
            ("gen_ai.prompt.2.role", "assistant"),
            ("gen_ai.prompt.2.tool_calls.0.id", "c1"),
            ("gen_ai.prompt.2.tool_calls.0.name", "find"),
            ("gen_ai.prompt.2.tool_calls.0.arguments", r#"{"q":1}"#),
            ("gen_ai.prompt.3.role", "tool"),
            ("gen_ai.prompt.3.tool_call_id", "c1"),
            ("gen_ai.prompt.3.content", "Error: none"),
            ("gen_ai.completion.0.role", "assistant"),
            ("gen_ai.completion.0.content", "not there"),
        ],
    );
    let openinference = span(
        "t/1",
        0,
        1,
        &[
            ("openinference.span.kind", "LLM"),
            ("llm.input_messages.0.message.role", "system"),
            ("llm.input_messages.0.message.content", "be brief"),
            ("llm.input_messages.1.message.role", "user"),
            ("llm.input_messages.1.message.content", "find it"),
            ("llm.input_messages.2.message.role", "assistant"),
            ("llm.input_messages.2.message.tool_calls.0.tool_call.id", "c1"),
            ("llm.input_messages.2.message.tool_calls.0.tool_call.function.name", "find"),
            ("llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments", r#"{"q":1}"#),
            ("llm.input_messages.3.message.role", "tool"),
            ("llm.input_messages.3.message.tool_call_id", "c1"),
            ("llm.input_messages.3.message.content", "Error: none"),
            ("llm.output_messages.0.message.role", "assistant"),
            ("llm.output_messages.0.message.content", "not there"),
        ],
    );
    let prompt = r#"[{"role":"system","content":"be brief"},{"role":"user","content":"find it"}]"#;
    let mut oldest = span("t/1", 0, 1, &[("gen_ai.system", "openai")]);
    oldest.events = vec![
        event("gen_ai.content.prompt", &[("gen_ai.prompt", prompt)]),
        event("gen_ai.content.completion", &[("gen_ai.completion", r#"[{"role":"assistant","content":"not there"}]"#)]),
    ];
    let all = [
        "|operator message |be brief",
        "|user message |find it",
        r#"|agent tool_call find|{"q":1}"#,
        "|tool tool_result find!|Error: none",
        "|agent message |not there",
    ];
    for (name, span) in [("1.36", older), ("openllmetry", openllmetry), ("openinference", openinference)] {
        assert_eq!(words(&one(vec![span]).events), all, "{name}");
    }
    assert_eq!(words(&one(vec![oldest]).events), [all[0], all[1], all[4]]);
}

#[test]
fn without_content_there_are_still_the_calls_and_how_they_ended() {
    let operation = |ids: &str, start, name| span(ids, start, start + 1, &[("gen_ai.operation.name", name)]);
    let mut failed = operation("t/2<1", 1, "execute_tool");
    failed.name = "execute_tool restart".into();
    failed.error = Some("timed out".into());
    let mut refused = operation("t/3<1", 3, "chat");
    refused.attributes.0.push(("error.type".into(), Value::Text("429".into())));
    let draft = one(vec![operation("t/1", 0, "chat"), failed, refused]);
    assert_eq!(
        words(&draft.events),
        [
            r#"|environment opaque |{"gen_ai.operation.name": "chat"}"#,
            "|agent tool_call restart|",
            "|tool tool_result restart!|timed out",
            "|environment error |429",
        ]
    );
    assert_eq!((draft.external_id.as_str(), draft.opaque_count), ("t", 1));
}

#[test]
fn a_tools_span_and_the_history_say_together_how_a_call_ended() {
    let tool = span(
        "t/2",
        2,
        3,
        &[
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "f"),
            ("gen_ai.tool.call.id", "c1"),
            ("error.type", "timeout"),
        ],
    );
    let called = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{"a":1}}]}]"#;
    let given = r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{"a":1}}]},
        {"role":"tool","parts":[{"type":"tool_call_response","id":"c1","result":"took too long"}]}]"#;
    let chat = |ids, start, key, value| span(ids, start, start + 1, &[("gen_ai.operation.name", "chat"), (key, value)]);
    let mut draft = one(vec![
        chat("t/1", 0, "gen_ai.output.messages", called),
        tool.clone(),
        chat("t/3", 4, "gen_ai.input.messages", given),
    ]);
    let both = [r#"|agent tool_call f|{"a":1}"#, "|tool tool_result f!|timeout"];
    assert_eq!(words(&draft.events), both);
    // Where the span says nothing of the result, it is the history's.
    let mut silent = tool;
    silent.attributes.0.pop();
    silent.error = Some(String::new());
    draft = one(vec![
        chat("t/1", 0, "gen_ai.output.messages", called),
        silent,
        chat("t/3", 4, "gen_ai.input.messages", given),
    ]);
    assert_eq!(words(&draft.events), [both[0], "|tool tool_result f!|took too long"]);
}

#[test]
fn an_evaluation_is_a_verdict_and_the_outcome() {
    let mut span = chat("t/1", 0, &["user: a"], "assistant: b");
    let judged = |value: &str, label: &str| SpanEvent {
        name: "gen_ai.evaluation.result".into(),
        attributes: super::tests::span(
            "t/1",
            0,
            1,
            &[
                ("gen_ai.evaluation.name", "Correctness"),
                ("gen_ai.evaluation.score.value", value),
                ("gen_ai.evaluation.score.label", label),
                ("gen_ai.evaluation.explanation", "as it says"),
            ],
        )
        .attributes,
        ..SpanEvent::default()
    };
    for (value, label, outcome) in
        [("0.25", "", Some(0.25)), ("4", "pass", Some(1.0)), ("1", "fail", Some(0.0)), ("4", "good", None)]
    {
        span.events = vec![judged(value, label)];
        let draft = one(vec![span.clone()]);
        assert_eq!(draft.outcome.as_ref().map(|o| o.value), outcome, "{value} {label}");
        let last = &draft.events[2].body;
        assert_eq!((last.kind(), last.text()), ("verdict", "Correctness: as it says"));
    }
}

#[test]
fn a_decoded_request_tells_the_same_as_its_json() {
    let text = |text: &str| Some(AnyValue { value: Some(Any::StringValue(text.into())) });
    let pair = |key: &str, value| KeyValue { key: key.into(), value, ..Default::default() };
    let list = |values: Vec<Option<AnyValue>>| {
        let values = values.into_iter().flatten().collect();
        Some(AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) })
    };
    let object = |values| Some(AnyValue { value: Some(Any::KvlistValue(KeyValueList { values })) });
    let part = object(vec![pair("type", text("text")), pair("content", text("hi \"there\""))]);
    let message = object(vec![pair("role", text("user")), pair("parts", list(vec![part]))]);
    let span = wire::Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "chat m".into(),
        start_time_unix_nano: 1_795_168_800_000_000_000,
        end_time_unix_nano: 1_795_168_801_000_000_000,
        attributes: vec![
            pair("gen_ai.operation.name", text("chat")),
            pair("gen_ai.input.messages", list(vec![message])),
            pair("n", Some(AnyValue { value: Some(Any::IntValue(7)) })),
        ],
        status: Some(wire::Status { code: 2, message: "overloaded".into() }),
        ..Default::default()
    };
    let scope_spans = vec![wire::ScopeSpans { spans: vec![span], ..Default::default() }];
    let decoded: Vec<Span> = decoded::spans(vec![wire::ResourceSpans { scope_spans, ..Default::default() }]).collect();
    let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"ABABABABABABABABABABABABABABABAB",
        "spanId":"0101010101010101","name":"chat m","startTimeUnixNano":"1795168800000000000",
        "endTimeUnixNano":1795168801000000000,"status":{"code":"STATUS_CODE_ERROR","message":"overloaded"},"attributes":[
        {"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},
        {"key":"gen_ai.input.messages","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[
          {"key":"role","value":{"stringValue":"user"}},{"key":"parts","value":{"arrayValue":{"values":[{"kvlistValue":
          {"values":[{"key":"type","value":{"stringValue":"text"}},{"key":"content","value":{"stringValue":"hi \"there\""}}]}}]}}}]}}]}}},
        {"key":"n","value":{"intValue":"7"}}]}]}]}]}"#;
    let Part::Span { json, resource } = otlp_json::parts(Json::parse(json).unwrap()).unwrap().remove(0) else {
        panic!()
    };
    assert_eq!(decoded, [otlp_json::span(json, &resource).unwrap()]);
    assert_eq!(words(&one(decoded).events), ["|user message |hi \"there\"", "|environment error |overloaded"]);
}

#[test]
fn what_the_console_exporter_prints_is_read() {
    let file = r#"{
    "name": "chat m",
    "context": {"trace_id": "0xab", "span_id": "0x01", "trace_state": "[]"},
    "kind": "SpanKind.CLIENT", "parent_id": null,
    "start_time": "2026-11-20T10:00:00.000000Z", "end_time": "2026-11-20T10:00:01.000000Z",
    "status": {"status_code": "UNSET"},
    "attributes": {"gen_ai.operation.name": "chat", "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"hi\"}]}]"},
    "events": [], "links": [], "resource": {"attributes": {"service.name": "desk"}, "schema_url": ""}
}
"#;
    let (drafts, problems) = read_all(format!("{file}{}", file.replace("0x01", "0x02")).as_bytes());
    assert_eq!(problems, []);
    assert_eq!(words(&drafts[0].events), ["|user message |hi"]);
    assert_eq!((drafts[0].external_id.as_str(), drafts[0].agent.name.as_str()), ("ab", "desk"));
    assert_eq!(drafts[0].events[0].time.unwrap().to_string(), "2026-11-20T10:00:00Z");
}

#[test]
fn spans_whose_parents_form_a_ring_are_read_all_the_same() {
    let mut spans =
        vec![chat("t/1<2", 0, &["user: a"], "assistant: b"), chat("t/2<1", 2, &["user: a"], "assistant: b")];
    spans.iter_mut().for_each(|span| drop(span.attributes.0.remove(1)));
    assert_eq!(one(spans).events.len(), 2);
}

#[test]
fn a_record_that_is_no_span_is_named_with_its_line() {
    let file = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[7]}]}]}\n{\"a\":1}\n";
    let (drafts, problems) = read_all(file.as_bytes());
    assert_eq!(drafts.len(), 0);
    let named: Vec<_> = problems.iter().map(|p| (p.record, p.line, p.reason.as_str())).collect();
    assert_eq!(named, [(1, 1, "is not an object"), (2, 2, "has neither resourceSpans nor resourceLogs")]);
}

#[test]
fn only_users_ask() {
    let draft = one(vec![chat("t/1", 0, &["user: a"], "assistant: b")]);
    assert_eq!(draft.events.iter().map(|e| e.actor).collect::<Vec<_>>(), [EventActor::User, EventActor::Agent]);
}
