//! Sessions and events there and back, and what is refused.

use super::*;

fn events() -> Vec<Event> {
    let text = || "t".to_owned();
    let bodies = [
        Body::Message { text: text() },
        Body::Thought { text: text() },
        Body::ToolCall { call_id: "c".into(), name: "n".into(), arguments: "{}".into() },
        Body::ToolResult { call_id: "c".into(), name: "n".into(), status: ToolStatus::Ok, text: text() },
        Body::ToolResult { call_id: "c".into(), name: "n".into(), status: ToolStatus::Error, text: text() },
        Body::ToolResult { call_id: "c".into(), name: "n".into(), status: ToolStatus::Unknown, text: text() },
        Body::Error { text: text() },
        Body::Verdict { value: 0.5, label: "l".into(), text: text() },
        Body::Compaction { text: text() },
        Body::Opaque { kind: "k".into(), text: text() },
    ];
    let actors = [EventActor::Operator, EventActor::User, EventActor::Agent, EventActor::Tool, EventActor::Environment];
    let event = |(i, body): (usize, Body)| Event {
        seq: i as u64 + 1,
        time: Some("2026-11-20T10:00:00.123456789Z".parse().unwrap()),
        actor: actors[i % actors.len()],
        thread: "agent-1".into(),
        body,
        source: Some(SourceSpan { file: "f".into(), byte_start: 1, byte_end: 2 }),
        copied: i % 2 == 0,
    };
    bodies.into_iter().enumerate().map(event).collect()
}

#[test]
fn events_come_back_as_they_went() {
    for event in events() {
        assert_eq!(to_event("events[0]", pb::Event::from(event.clone())).unwrap(), event);
    }
}

#[test]
fn a_session_comes_back_as_it_went() {
    let session = Session {
        id: SessionId::from_bytes([9; 16]),
        agent: Agent { name: "a".into(), version: "1".into() },
        task_key: "k".into(),
        labels: BTreeMap::from([("x".into(), "y".into())]),
        state: SessionState::Ended,
        outcome: Some(Outcome { value: 1.0, label: "done".into(), source: OutcomeSource::Grader }),
        last_seq: 3,
        content_bytes: 4,
        create_time: "2026-11-20T10:00:00Z".parse().unwrap(),
        end_time: Some("2026-11-20T11:00:00Z".parse().unwrap()),
        start_time: None,
        external_id: "e".into(),
        format: "f".into(),
        content_digest: Some(Digest([7; 32])),
        task_text: "do".into(),
        masked_count: 5,
        attached_stores: vec!["team-sre".into()],
    };
    assert_eq!(to_session(session.clone().into()).unwrap(), session);
    let open = Session { state: SessionState::Open, outcome: None, end_time: None, content_digest: None, ..session };
    assert_eq!(to_session(open.clone().into()).unwrap(), open);
}

#[test]
fn wrong_fields_are_named() {
    let event = || pb::Event::from(events().swap_remove(7));
    let field = |error: Error| error.details().violations[0].field.clone();
    assert_eq!(field(to_event("events[2]", pb::Event { actor: 0, ..event() }).unwrap_err()), "events[2].actor");
    assert_eq!(field(to_event("events[2]", pb::Event { body: None, ..event() }).unwrap_err()), "events[2].body");
    let verdict = PbBody::Verdict(pb::Verdict { value: 2.0, ..Default::default() });
    let bad = pb::Event { body: Some(verdict), ..event() };
    assert_eq!(field(to_event("events[2]", bad).unwrap_err()), "events[2].verdict.value");
    let call = PbBody::ToolCall(pb::ToolCall::default());
    assert_eq!(
        field(to_event("events[2]", pb::Event { body: Some(call), ..event() }).unwrap_err()),
        "events[2].tool_call.name"
    );
    for (value, source, expected) in
        [(f64::NAN, 1, "outcome.value"), (1.5, 1, "outcome.value"), (1.0, 0, "outcome.source")]
    {
        let outcome = pb::Outcome { value, label: String::new(), source };
        assert_eq!(field(to_outcome("outcome", outcome).unwrap_err()), expected);
    }
    let many = (0..17).map(|i| (i.to_string(), String::new())).collect();
    assert!(to_labels("labels", many).unwrap_err().message().contains("at most 16"));
}
