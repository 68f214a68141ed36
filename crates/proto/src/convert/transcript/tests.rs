//! What requests about sessions become, and what is refused.

use super::*;
use crate::transcript::event::Body;

fn message(seq: u64) -> pb::Event {
    pb::Event {
        seq,
        actor: pb::EventActor::User as i32,
        body: Some(Body::Message(pb::Message { text: "hi".into() })),
        ..Default::default()
    }
}

fn fields(error: Error) -> Vec<String> {
    error.details().violations.iter().map(|v| v.field.clone()).collect()
}

#[test]
fn every_wrong_field_of_a_new_session_is_named() {
    let request = pb::CreateSessionRequest {
        session: "x".into(),
        task_key: "k".repeat(257),
        attachments: vec![String::new()],
        ..Default::default()
    };
    assert_eq!(fields(to_new_session(request).unwrap_err()), ["session", "task_key", "attachments[0]"]);
    assert_eq!(to_new_session(pb::CreateSessionRequest::default()).unwrap(), NewSession::default());
}

#[test]
fn events_are_numbered_from_the_first_seq() {
    let session = SessionId::from_bytes([1; 16]).to_string();
    let request = |first_seq, events| pb::AppendEventsRequest { session: session.clone(), first_seq, events };
    let append = to_append(request(7, vec![message(0), message(8)])).unwrap();
    assert_eq!(append.events.iter().map(|e| e.seq).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(fields(to_append(request(7, vec![message(3)])).unwrap_err()), ["events[0].seq"]);
    assert_eq!(fields(to_append(request(0, vec![])).unwrap_err()), ["first_seq", "events"]);
}

#[test]
fn a_filter_comes_back_as_it_went() {
    let filter = SessionFilter {
        start_time: Some("2026-11-20T10:00:00Z".parse().unwrap()),
        end_time: None,
        agent: "a".into(),
        task_key: "k".into(),
        outcome: "success".into(),
        labels: [("x".to_owned(), "y".to_owned())].into(),
        store: "team".into(),
        state: Some(domain::transcript::SessionState::Ended),
    };
    assert_eq!(to_filter(Some(filter.clone().into())).unwrap(), filter);
    assert_eq!(to_filter(None).unwrap(), SessionFilter::default());
    assert_eq!(
        fields(to_filter(Some(pb::SessionFilter { state: 9, ..Default::default() })).unwrap_err()),
        ["filter.state"]
    );
}

#[test]
fn a_notice_comes_back_as_it_went() {
    for kind in
        [NoticeKind::Created, NoticeKind::Ended, NoticeKind::Redacted, NoticeKind::Deleted, NoticeKind::Progress]
    {
        let session = (kind != NoticeKind::Progress).then_some(SessionId::from_bytes([2; 16]));
        let notice = Notice { cursor: 4, kind, session, time: "2026-11-20T10:00:00Z".parse().unwrap() };
        assert_eq!(to_notice(notice.into()).unwrap(), notice);
    }
    for format in Format::ALL {
        assert_eq!(to_format("f", pb::TranscriptFormat::from(format) as i32).unwrap(), Some(format));
    }
}
