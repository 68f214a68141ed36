//! Listing and watching sessions.

use std::collections::BTreeMap;

use domain::Kind;
use domain::page::Page;
use domain::transcript::SessionState;
use domain::transcript::request::{NoticeKind, SessionFilter};
use futures_util::StreamExt as _;

use super::*;

async fn listed(bench: &Bench, filter: &SessionFilter, size: usize) -> Vec<SessionId> {
    let mut ids = Vec::new();
    let mut page = Page { size, token: String::new() };
    loop {
        let paged = bench.ingest.list(&reach(), filter, &page).await.unwrap();
        assert!(paged.items.len() <= size);
        ids.extend(paged.items.iter().map(|s| s.id));
        if paged.next_page_token.is_empty() {
            return ids;
        }
        page.token = paged.next_page_token;
    }
}

#[tokio::test]
async fn pages_of_any_size_give_every_session_once_in_the_order_of_their_making() {
    let bench = Bench::new().await;
    let mut made = Vec::new();
    for i in 0..25u8 {
        // Ids of the callers' own making, which do not sort as they were made.
        let id = Some(SessionId::from_bytes([200 - i; 16]));
        made.push(bench.ingest.create(&permit(), NewSession { id, ..NewSession::default() }).await.unwrap().id);
        if i % 3 == 0 {
            bench.end(made[i as usize]).await.unwrap();
        }
    }
    for size in [1, 2, 7, 25, 100] {
        assert_eq!(listed(&bench, &SessionFilter::default(), size).await, made, "page size {size}");
    }
    let ended = SessionFilter { state: Some(SessionState::Ended), ..SessionFilter::default() };
    let expected: Vec<_> = made.iter().step_by(3).copied().collect();
    assert_eq!(listed(&bench, &ended, 2).await, expected);
}

#[tokio::test]
async fn a_listing_says_what_it_is_asked() {
    let bench = Bench::new().await;
    let label = |v: &str| BTreeMap::from([("team".to_owned(), v.to_owned())]);
    let new = NewSession { labels: label("sre"), attached_stores: vec!["team-sre".into()], ..NewSession::default() };
    let a = bench.ingest.create(&permit(), new).await.unwrap().id;
    let b = bench.session().await.id;
    bench.ingest.end(&permit(), End { session: a, outcome: outcome(1.0), last_seq: None }).await.unwrap();
    let bench = &bench;
    let only = |filter: SessionFilter| async move { listed(bench, &filter, 10).await };
    assert_eq!(only(SessionFilter { labels: label("sre"), ..Default::default() }).await, [a]);
    assert_eq!(only(SessionFilter { store: "team-sre".into(), ..Default::default() }).await, [a]);
    assert_eq!(only(SessionFilter { outcome: "success".into(), ..Default::default() }).await, [a]);
    assert_eq!(only(SessionFilter { state: Some(SessionState::Open), ..Default::default() }).await, [b]);
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_question_only() {
    let bench = Bench::new().await;
    bench.session().await;
    bench.session().await;
    let one = Page { size: 1, token: String::new() };
    let token = bench.ingest.list(&reach(), &SessionFilter::default(), &one).await.unwrap().next_page_token;
    let other = SessionFilter { agent: "x".into(), ..Default::default() };
    for (filter, token) in [
        (other, token.clone()),
        (SessionFilter::default(), format!("1{token}")),
        (SessionFilter::default(), "x".into()),
    ] {
        let error = bench.ingest.list(&reach(), &filter, &Page { size: 1, token }).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
    }
}

#[tokio::test]
async fn a_session_token_sees_its_own_session_only() {
    let bench = Bench::new().await;
    let (own, other) = (bench.session().await.id, bench.session().await.id);
    let narrow = Principal { session: Some(own), ..principal(1) };
    let reach = Reach::new(&narrow).unwrap();
    let page = bench.ingest.list(&reach, &SessionFilter::default(), &Page::default()).await.unwrap();
    assert_eq!(page.items.iter().map(|s| s.id).collect::<Vec<_>>(), [own]);
    bench.end(other).await.unwrap();
    bench.end(own).await.unwrap();
    let watch = bench.ingest.watch(reach, Some(0)).await.unwrap();
    let seen: Vec<_> = watch.take(2).map(|n| n.unwrap()).map(|n| (n.cursor, n.session)).collect().await;
    assert_eq!(seen, [(1, Some(own)), (4, Some(own))]);
}

#[tokio::test]
async fn a_watch_tells_everything_once_in_order_from_any_cursor() {
    let bench = Bench::new().await;
    let a = bench.session().await.id;
    let b = bench.session().await.id;
    bench.append(a, 1, &["x"]).await.unwrap();
    bench.end(b).await.unwrap();
    bench.end(a).await.unwrap();
    bench.end(a).await.unwrap();
    let all = [
        (1, NoticeKind::Created, a),
        (2, NoticeKind::Created, b),
        (3, NoticeKind::Ended, b),
        (4, NoticeKind::Ended, a),
    ];
    for from in 0..4usize {
        let watch = bench.ingest.watch(reach(), Some(from as u64)).await.unwrap();
        let told = watch.take(4 - from).map(|n| n.unwrap()).map(|n| (n.cursor, n.kind, n.session.unwrap()));
        assert_eq!(told.collect::<Vec<_>>().await, all[from..]);
    }
    let error = bench.ingest.watch(reach(), Some(5)).await.err().unwrap();
    assert_eq!(error.kind(), Kind::Invalid, "a cursor that was never given");
}

#[tokio::test]
async fn a_watch_from_now_on_says_where_now_is_and_then_what_comes() {
    let bench = Bench::new().await;
    bench.session().await;
    let mut watch = Box::pin(bench.ingest.watch(reach(), None).await.unwrap());
    let first = watch.next().await.unwrap().unwrap();
    assert_eq!((first.cursor, first.kind, first.session), (1, NoticeKind::Progress, None));
    let (next, made) = tokio::join!(watch.next(), bench.session());
    let next = next.unwrap().unwrap();
    assert_eq!((next.cursor, next.kind, next.session), (2, NoticeKind::Created, Some(made.id)));
}

#[tokio::test]
async fn a_silent_watch_says_how_far_it_is_and_ends_when_the_server_stops() {
    let bench = Bench::new().await;
    bench.session().await;
    let mut watch = Box::pin(bench.ingest.watch(reach(), Some(1)).await.unwrap());
    let progress = watch.next().await.unwrap().unwrap();
    assert_eq!((progress.cursor, progress.kind), (1, NoticeKind::Progress));
    let (end, ()) = tokio::join!(watch.next(), async { bench.shutdown.cancel() });
    assert_eq!(end.unwrap().unwrap_err().kind(), Kind::Unavailable);
    assert!(watch.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cursors_are_gapless_whoever_writes_at_once() {
    let bench = Arc::new(Bench::new().await);
    let watch = bench.ingest.watch(reach(), Some(0)).await.unwrap();
    let writer = |_| {
        let bench = bench.clone();
        runtime::task::spawn("writer", async move {
            for _ in 0..10 {
                let id = bench.session().await.id;
                bench.end(id).await.unwrap();
            }
        })
    };
    let writers: Vec<_> = (0..8).map(writer).collect();
    let told: Vec<_> = watch.take(160).map(|n| n.unwrap()).collect().await;
    for writer in writers {
        writer.join().await.expect("a writer failed");
    }
    assert_eq!(told.iter().map(|n| n.cursor).collect::<Vec<_>>(), (1..=160).collect::<Vec<_>>());
    for kind in [NoticeKind::Created, NoticeKind::Ended] {
        let mut ids: Vec<_> = told.iter().filter(|n| n.kind == kind).map(|n| n.session.unwrap()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 80);
    }
}
