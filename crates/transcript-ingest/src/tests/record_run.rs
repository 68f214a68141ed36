//! Recording a run: create, append, end, read.

use domain::Kind;
use domain::limits::{APPEND_EVENTS_MAX, EVENT_BLOCK_EVENTS_MAX, SESSION_BYTES_MAX};
use domain::transcript::{Agent, SessionState, digest};
use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn events_are_numbered_acknowledged_and_read_back() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    assert_eq!(bench.append(id, 1, &["a", "b"]).await.unwrap(), 2);
    assert_eq!(bench.append(id, 3, &["c"]).await.unwrap(), 3);
    assert_eq!(bench.texts(id).await, ["a", "b", "c"]);
    let session = bench.ingest.get(&permit(), id).await.unwrap();
    assert_eq!((session.last_seq, session.content_bytes, session.task_text.as_str()), (3, 3, "a"));
}

#[tokio::test]
async fn a_resend_is_acknowledged_and_changes_nothing() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    bench.append(id, 1, &["a", "b", "c"]).await.unwrap();
    assert_eq!(bench.append(id, 1, &["a", "b", "c"]).await.unwrap(), 3);
    assert_eq!(bench.append(id, 2, &["b"]).await.unwrap(), 2);
    assert_eq!(bench.append(id, 2, &["b", "c", "d"]).await.unwrap(), 4, "the part that is new is added");
    assert_eq!(bench.texts(id).await, ["a", "b", "c", "d"]);
    bench.end(id).await.unwrap();
    assert_eq!(bench.append(id, 3, &["c", "d"]).await.unwrap(), 4, "also after the end");
}

#[tokio::test]
async fn a_gap_is_refused_with_the_seq_that_is_expected() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    bench.append(id, 1, &["a"]).await.unwrap();
    let error = bench.append(id, 3, &["c"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::Precondition, "SEQ_GAP"));
    assert_eq!(error.details().metadata, [("expected_seq", "2".to_owned())]);
    assert_eq!(bench.texts(id).await, ["a"]);
}

#[tokio::test]
async fn nothing_is_added_after_the_end() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    bench.append(id, 1, &["a"]).await.unwrap();
    let ended = bench.end(id).await.unwrap();
    assert_eq!(ended.state, SessionState::Ended);
    let error = bench.append(id, 2, &["b"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::Precondition, "SESSION_ENDED"));
    assert_eq!(bench.texts(id).await, ["a"]);
}

#[tokio::test]
async fn ending_again_gives_the_same_answer_and_another_outcome_is_refused() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    bench.append(id, 1, &["a"]).await.unwrap();
    let permit = permit();
    let end = |outcome, last_seq| bench.ingest.end(&permit, End { session: id, outcome, last_seq });
    assert_eq!(end(outcome(1.0), Some(2)).await.unwrap_err().reason(), "SEQ_GAP");
    let first = end(outcome(1.0), Some(1)).await.unwrap();
    assert_eq!(end(outcome(1.0), None).await.unwrap(), first);
    assert_eq!(end(outcome(0.0), None).await.unwrap_err().reason(), "SESSION_ENDED");
    assert_eq!(end(None, None).await.unwrap_err().reason(), "SESSION_ENDED");
    let expected = digest(&Agent::default(), "", outcome(1.0).as_ref(), &bench.events(id).await);
    assert_eq!(first.content_digest, Some(expected));
    assert!(first.end_time > Some(first.create_time));
}

#[tokio::test]
async fn equal_runs_have_equal_digests_whatever_their_ids() {
    let bench = Bench::new().await;
    let mut digests = Vec::new();
    for cuts in [vec!["a", "b"], vec!["a"]] {
        let id = bench.session().await.id;
        bench.append(id, 1, &cuts).await.unwrap();
        bench.append(id, 1, &["a", "b"]).await.unwrap();
        digests.push(bench.end(id).await.unwrap().content_digest);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn limits_are_named() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    let many = vec!["x"; APPEND_EVENTS_MAX + 1];
    assert!(bench.append(id, 1, &many).await.unwrap_err().message().contains("at most 1000"));
    assert_eq!(bench.append(id, 1, &[]).await.unwrap_err().kind(), Kind::Invalid);
    let big = "x".repeat(5 << 20);
    assert!(bench.append(id, 1, &[&big, &big]).await.unwrap_err().message().contains("bytes"));
    // One that is too long is cut, and says so.
    bench.append(id, 1, &[&big]).await.unwrap();
    assert!(bench.texts(id).await[0].ends_with("bytes more]"));
    let error = bench.append(SessionId::from_bytes([9; 16]), 1, &["a"]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_session_that_would_outgrow_its_limits_takes_no_more() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    bench.append(id, 1, &["a"]).await.unwrap();
    // As if 64 MiB, less two bytes, had been sent.
    let inner = &bench.ingest.0;
    let (row, mut session) = inner.session(permit().workspace(), id).await.unwrap();
    session.content_bytes = SESSION_BYTES_MAX - 2;
    let mut batch = inner.vault.batch();
    batch
        .replace(crate::key::session(permit().workspace(), id), &row, &crate::record::encode(&session).unwrap())
        .unwrap();
    inner.vault.commit(batch).await.unwrap();

    let error = bench.append(id, 2, &["bcd"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::Exhausted, "LIMIT_REACHED"));
    assert_eq!(bench.append(id, 2, &["bc"]).await.unwrap(), 2);
}

#[tokio::test]
async fn a_reader_begins_anywhere() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    let texts: Vec<String> = (1..=700).map(|i| i.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    bench.append(id, 1, &texts[..600]).await.unwrap();
    bench.append(id, 601, &texts[600..]).await.unwrap();
    for after in [0, 1, 255, 256, 257, 599, 600, 601, 699, 700, 701, u64::MAX] {
        let pages: Vec<Vec<Event>> =
            bench.ingest.read(&permit(), id, after).await.unwrap().try_collect().await.unwrap();
        assert!(pages.iter().all(|page| (1..=EVENT_BLOCK_EVENTS_MAX).contains(&page.len())));
        let seqs: Vec<u64> = pages.concat().iter().map(|e| e.seq).collect();
        assert_eq!(seqs, (after.saturating_add(1)..=700).collect::<Vec<_>>(), "after {after}");
    }
}

#[tokio::test]
async fn secrets_are_masked_before_they_are_stored() {
    let bench = Bench::new().await;
    let secret = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z12");
    let labels = [("note".to_owned(), format!("password={secret}"))].into();
    let session = bench.ingest.create(&permit(), NewSession { labels, ..NewSession::default() }).await.unwrap();
    let text = format!("use {secret} please");
    let call =
        Body::ToolCall { call_id: "c".into(), name: "Bash".into(), arguments: format!(r#"{{"cmd":"x\n{secret}"}}"#) };
    let events = vec![message(1, &text), Event { body: call, ..message(2, "") }];
    bench.ingest.append(&permit(), Append { session: session.id, first_seq: 1, events }).await.unwrap();
    let ended = bench.end(session.id).await.unwrap();
    let stored = format!("{:?} {ended:?}", bench.events(session.id).await);
    assert!(!stored.contains("ghp_") && stored.contains("[masked:github_token]"), "{stored}");
    assert_eq!((ended.masked_count, ended.task_text.as_str()), (3, "use [masked:github_token] please"));
}

#[tokio::test]
async fn creating_again_gives_the_same_session() {
    let bench = Bench::new().await;
    let permit = permit();
    let create = |new: NewSession| bench.ingest.create(&permit, new);
    let own = SessionId::from_bytes([7; 16]);
    let new = NewSession { id: Some(own), task_key: "t".into(), ..NewSession::default() };
    let first = create(new.clone()).await.unwrap();
    bench.append(own, 1, &["a"]).await.unwrap();
    assert_eq!(create(new.clone()).await.unwrap().last_seq, 1);
    let error = create(NewSession { task_key: "other".into(), ..new }).await.unwrap_err();
    assert_eq!((error.kind(), first.id), (Kind::Exists, own));

    let new = NewSession { request_id: "r1".into(), ..NewSession::default() };
    let first = create(new.clone()).await.unwrap();
    assert_eq!(create(new.clone()).await.unwrap(), first);
    let error = create(NewSession { task_key: "other".into(), ..new }).await.unwrap_err();
    assert_eq!(error.reason(), "REQUEST_ID_REUSED");
    assert_ne!(bench.session().await.id, bench.session().await.id);
}

#[tokio::test]
async fn another_workspace_sees_nothing() {
    let bench = Bench::new().await;
    let id = bench.session().await.id;
    let other = principal(2).permit(Action::SessionRead).unwrap();
    assert_eq!(bench.ingest.get(&other, id).await.unwrap_err().kind(), Kind::NotFound);
    let reach = Reach::new(&principal(2)).unwrap();
    let page = bench.ingest.list(&reach, &Default::default(), &Default::default()).await.unwrap();
    assert_eq!(page.items, []);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let bench = Bench::new().await;
    let (open, closed) = (bench.session().await.id, bench.session().await.id);
    bench.append(open, 1, &["a", "b"]).await.unwrap();
    bench.append(closed, 1, &["c"]).await.unwrap();
    let ended = bench.end(closed).await.unwrap();
    let bench = bench.restarted().await;
    assert_eq!(bench.append(open, 2, &["b", "d"]).await.unwrap(), 3);
    assert_eq!(bench.texts(open).await, ["a", "b", "d"]);
    assert_eq!(bench.ingest.get(&permit(), closed).await.unwrap(), ended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn senders_in_each_others_way_leave_one_gapless_log_with_one_end() {
    let bench = Arc::new(Bench::new().await);
    let id = bench.session().await.id;
    let sender = |n: u64| {
        let bench = bench.clone();
        // Every sender sends everything, in batches of its own size.
        runtime::task::spawn("sender", async move {
            let texts: Vec<String> = (1..=60).map(|i| i.to_string()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for (i, batch) in texts.chunks(n as usize).enumerate() {
                bench.append(id, i as u64 * n + 1, batch).await.unwrap();
            }
            bench.ingest.end(&permit(), End { session: id, outcome: None, last_seq: Some(60) }).await.unwrap()
        })
    };
    let senders: Vec<_> = [1, 7, 13, 20, 60].into_iter().map(sender).collect();
    let mut ends = Vec::new();
    for sender in senders {
        ends.push(sender.join().await.expect("a sender failed"));
    }
    assert!(ends.iter().all(|end| *end == ends[0]));
    assert_eq!(bench.texts(id).await, (1..=60).map(|i| i.to_string()).collect::<Vec<_>>());
    let notices = bench.ingest.0.logs.after(permit().workspace(), 0, 100).await.unwrap();
    assert_eq!(notices.len(), 2, "created and ended, once each: {notices:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Batches of one run, sent in any order, again and again, as a client on a bad network does.
    #[test]
    fn whatever_is_sent_in_whatever_order_the_log_is_a_prefix_of_the_run(
        sends in prop::collection::vec((1u64..12, 1u64..6), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let id = bench.session().await.id;
            let mut last = 0;
            for (first, count) in sends {
                let texts: Vec<String> = (first..first + count).map(|i| i.to_string()).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                match bench.append(id, first, &texts).await {
                    Ok(durable) => {
                        prop_assert!(first <= last + 1);
                        prop_assert_eq!(durable, first + count - 1);
                        last = last.max(durable);
                    }
                    Err(e) => {
                        prop_assert_eq!(e.details().metadata.clone(), vec![("expected_seq", (last + 1).to_string())]);
                        prop_assert!(first > last + 1);
                    }
                }
                prop_assert_eq!(bench.texts(id).await, (1..=last).map(|i| i.to_string()).collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}
