//! Rows come back as they went, and have the same bytes for ever.

use std::collections::BTreeMap;

use domain::transcript::{
    Agent, Body, Digest, EventActor, Outcome, OutcomeSource, SessionState, SourceSpan, ToolStatus,
};

use super::*;

fn event(seq: u64, body: Body) -> Event {
    Event {
        seq,
        time: Some("2026-11-20T10:00:00Z".parse().unwrap()),
        actor: EventActor::Tool,
        thread: "t".into(),
        body,
        source: Some(SourceSpan { file: "f".into(), byte_start: 1, byte_end: 2 }),
        copied: true,
    }
}

fn session() -> Session {
    Session {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent { name: "a".into(), version: "1".into() },
        task_key: "k".into(),
        labels: BTreeMap::from([("x".into(), "y".into())]),
        state: SessionState::Ended,
        outcome: Some(Outcome { value: 1.0, label: "l".into(), source: OutcomeSource::Grader }),
        last_seq: 300,
        content_bytes: 4,
        create_time: "2026-11-20T10:00:00Z".parse().unwrap(),
        end_time: Some("2026-11-20T11:00:00Z".parse().unwrap()),
        start_time: None,
        external_id: "e".into(),
        format: "f".into(),
        content_digest: Some(Digest([2; 32])),
        task_text: "do".into(),
        masked_count: 5,
        attached_stores: vec!["s".into()],
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

#[test]
fn rows_have_these_bytes_for_ever() {
    let result = |status| Body::ToolResult { call_id: "c".into(), name: "n".into(), status, text: "t".into() };
    let text = || "t".to_owned();
    let bodies = [
        Body::Message { text: text() },
        Body::Thought { text: text() },
        Body::ToolCall { call_id: "c".into(), name: "n".into(), arguments: "{}".into() },
        result(ToolStatus::Ok),
        result(ToolStatus::Error),
        result(ToolStatus::Unknown),
        Body::Error { text: text() },
        Body::Verdict { value: 0.5, label: "l".into(), text: text() },
        Body::Compaction { text: text() },
        Body::Opaque { kind: "k".into(), text: text() },
    ];
    let events: Vec<Event> = bodies.into_iter().enumerate().map(|(i, body)| event(i as u64 + 1, body)).collect();
    let plain = postcard::to_stdvec(&events).unwrap();
    let notice = Noticed { kind: Kind::Ended, session: session().id, time: session().create_time };
    let answered = Answered { session: session().id, request: [3; 32], time: session().create_time };
    let bytes = [encode(&session()).unwrap(), plain, encode(&notice).unwrap(), encode(&answered).unwrap()];
    assert_eq!(
        bytes.iter().map(|b| (b.len(), hash(b))).collect::<Vec<_>>(),
        GOLDEN.map(|(len, hash)| (len, hash.to_owned())),
        "the form on disk has changed: give it a new version and keep a reader for the old"
    );
}

/// Bytes, and the first digits of their BLAKE3.
const GOLDEN: [(usize, &str); 4] =
    [(132, "2e383cf0c16be42d"), (383, "b03f93920cbfa6bd"), (39, "8be03edbf9a78128"), (70, "974016ccd0273643")];

#[test]
fn blocks_keep_to_their_bounds_and_come_back() {
    let small: Vec<Event> = (1..=600).map(|seq| event(seq, Body::Message { text: "x".into() })).collect();
    let blocks = encode_blocks(&small).unwrap();
    assert!(blocks.iter().all(|(_, bytes)| bytes[..2] == [VERSION, mask::VERSION]));
    assert_eq!(blocks.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [1, 257, 513]);
    let back: Vec<Event> = blocks.iter().flat_map(|(_, bytes)| decode_block(bytes).unwrap()).collect();
    assert_eq!(back, small);

    let long = |seq, len| event(seq, Body::Message { text: "y".repeat(len) });
    let events = [long(1, EVENT_BLOCK_BYTES_MAX), long(2, 10), long(3, EVENT_BLOCK_BYTES_MAX + 1), long(4, 1)];
    let firsts: Vec<u64> = encode_blocks(&events).unwrap().into_iter().map(|(first, _)| first).collect();
    assert_eq!(firsts, [1, 2, 3, 4]);
}

#[test]
fn a_row_of_another_form_is_damage_and_not_nonsense() {
    let mut bytes = encode(&session()).unwrap();
    assert_eq!(decode_session(&bytes).unwrap(), session());
    bytes[0] = 2;
    assert_eq!(decode_session(&bytes).unwrap_err().kind(), domain::Kind::Corrupt);
    assert_eq!(decode_session(&[]).unwrap_err().kind(), domain::Kind::Corrupt);
}
