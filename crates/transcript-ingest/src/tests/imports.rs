//! Importing files: whole sessions, once each, whatever happens in between.

use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use domain::Kind;
use domain::limits::{EVENT_BLOCK_EVENTS_MAX, IMPORT_PROBLEMS_MAX};
use domain::page::Page;
use domain::transcript::request::{Format, ImportHeader, ImportPart, ImportReport, SessionFilter};
use domain::transcript::{Agent, SessionState};
use futures_util::stream;
use storage::engine::{self, Batch, Direction, Key, Range, Value};

use super::*;

async fn import(bench: &Bench, file: impl Into<Bytes>) -> ImportReport {
    bench.ingest.import(&permit(), ImportHeader::default(), file.into()).await.unwrap()
}

async fn all(bench: &Bench) -> Vec<Session> {
    let page = Page { size: 1_000, token: String::new() };
    bench.ingest.list(&reach(), &SessionFilter::default(), &page).await.unwrap().items
}

#[tokio::test]
async fn an_imported_session_is_whole_ended_and_told() {
    let bench = Bench::new().await;
    let header = ImportHeader {
        source_name: "runs.json".into(),
        labels: [("suite".to_owned(), "airline".to_owned())].into(),
        agent: Agent { name: "gpt-4o".into(), version: "1".into() },
        attached_stores: vec!["team".into()],
        ..ImportHeader::default()
    };
    let file = Bytes::from(fixture("tau_bench/gpt-4o-airline.json"));
    let report = bench.ingest.import(&permit(), header, file.clone()).await.unwrap();
    assert_eq!((report.format, report.sessions.len(), report.bytes_read), (Format::TauBench, 28, file.len() as u64));
    assert_eq!((report.problems.len(), report.masked_count, report.opaque_count), (0, 0, 0));
    let sessions = all(&bench).await;
    assert_eq!(
        sessions.iter().map(|s| s.id).collect::<Vec<_>>(),
        report.sessions.iter().map(|s| s.session).collect::<Vec<_>>()
    );
    for (session, imported) in sessions.iter().zip(&report.sessions) {
        let events = bench.events(session.id).await;
        assert_eq!((events.len() as u64, events.len() as u64), (imported.events, session.last_seq));
        assert_eq!(events[0].source.as_ref().unwrap().file, "runs.json");
        assert_eq!(session.task_text, events[0].body.text());
        let digest = domain::transcript::digest(&session.agent, &session.task_key, session.outcome.as_ref(), &events);
        assert_eq!(session.content_digest, Some(digest));
        assert_eq!(
            (session.state, session.agent.name.as_str(), session.format.as_str()),
            (SessionState::Ended, "gpt-4o", "tau_bench")
        );
        assert_eq!((session.labels["suite"].as_str(), session.attached_stores[0].as_str()), ("airline", "team"));
    }
    let notices = bench.ingest.0.logs.after(permit().workspace(), 0, 100).await.unwrap();
    assert_eq!(notices.len(), 56);
}

#[tokio::test]
async fn importing_again_stores_nothing_also_after_a_restart() {
    let bench = Bench::new().await;
    let file = fixture("tau_bench/gpt-4o-airline.json");
    let first = import(&bench, file.clone()).await;
    let again = import(&bench, file.clone()).await;
    let bench = bench.restarted().await;
    let later = import(&bench, file).await;
    for report in [again, later] {
        assert!(report.sessions.iter().all(|s| s.deduplicated));
        let ids = |r: &ImportReport| r.sessions.iter().map(|s| s.session).collect::<Vec<_>>();
        assert_eq!(ids(&report), ids(&first));
    }
    assert_eq!(all(&bench).await.len(), 28);
}

#[tokio::test]
async fn a_session_that_stands_twice_in_a_file_is_stored_once() {
    let bench = Bench::new().await;
    let line = r#"[{"role":"user","content":"hi"}]"#;
    let report = import(&bench, format!("{line}\n{line}\n")).await;
    assert_eq!(report.sessions.iter().map(|s| s.deduplicated).collect::<Vec<_>>(), [false, true]);
    assert_eq!(report.sessions[0].session, report.sessions[1].session);
    assert_eq!(all(&bench).await.len(), 1);
}

#[tokio::test]
async fn bad_records_are_named_and_counted_and_the_rest_is_stored() {
    let bench = Bench::new().await;
    let report = import(&bench, fixture("claude_code/edge_cases.jsonl")).await;
    assert_eq!((report.sessions.len(), report.problems.len(), report.opaque_count), (2, 4, 3));
    assert_eq!(all(&bench).await[0].agent, Agent { name: "claude-code".into(), version: "1.0.0".into() });

    let bad = format!("[{{\"role\":\"user\",\"content\":\"hi\"}}]\n{}", "nonsense\n".repeat(IMPORT_PROBLEMS_MAX + 5));
    let report = import(&bench, bad).await;
    assert_eq!((report.sessions.len(), report.problems.len(), report.more_problems), (1, IMPORT_PROBLEMS_MAX, 5));
    assert_eq!((report.problems[1].record, report.problems[1].line), (3, 3));
}

#[tokio::test]
async fn an_unknown_format_is_refused_and_a_named_one_is_tried() {
    let bench = Bench::new().await;
    let permit = permit();
    let import =
        |format| bench.ingest.import(&permit, ImportHeader { format, ..Default::default() }, Bytes::from("a,b\n1,2\n"));
    let error = import(None).await.unwrap_err();
    assert_eq!((error.kind(), error.details().violations[0].field.as_str()), (Kind::Invalid, "header.format"));
    let report = import(Some(Format::ClaudeCode)).await.unwrap();
    assert_eq!((report.sessions.len(), report.problems.len()), (0, 2));
}

#[tokio::test]
async fn planted_secrets_never_reach_the_storage() {
    let bench = Bench::new().await;
    let secret = format!("sk-ant-api03-{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7");
    let file = format!(
        "{{\"id\":\"{secret}\",\"note\":\"password=hunter2\",\"messages\":[{{\"role\":\"user\",\"content\":\"key {secret}\"}},\
         {{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"id\":\"c\",\"function\":{{\"name\":\"x\",\
         \"arguments\":\"{{\\\"password\\\": 1234567}}\"}}}}]}}]}}"
    );
    let report = import(&bench, file).await;
    let session = all(&bench).await.remove(0);
    let stored = format!("{report:?} {session:?} {:?}", bench.events(session.id).await);
    assert!(!["sk-ant", "hunter2", "1234567"].iter().any(|s| stored.contains(s)), "{stored}");
    assert_eq!((report.masked_count, session.masked_count), (4, 4));
}

#[tokio::test]
async fn parts_out_of_order_and_too_many_imports_are_refused() {
    let bench = Bench::new().await;
    let header = || Ok(ImportPart::Header(ImportHeader::default()));
    let chunk = |text: &'static str| Ok(ImportPart::Chunk(Bytes::from_static(text.as_bytes())));
    let parts = |parts: Vec<domain::Result<ImportPart<Bytes>>>| stream::iter(parts);
    let permit = permit();
    for bad in [vec![], vec![chunk("x")], vec![header(), chunk("x"), header()]] {
        assert_eq!(bench.ingest.import_parts(&permit, parts(bad)).await.unwrap_err().kind(), Kind::Invalid);
    }
    let good = || parts(vec![header(), chunk("[{\"role\":\"user\","), chunk("\"content\":\"hi\"}]")]);
    assert_eq!(bench.ingest.import_parts(&permit, good()).await.unwrap().sessions.len(), 1);
    let _held = bench.ingest.0.imports.clone().try_acquire_many_owned(4).unwrap();
    let error = bench.ingest.import_parts(&permit, good()).await.unwrap_err();
    assert_eq!((error.kind(), error.details().retry_after.is_some()), (Kind::Exhausted, true));
}

#[tokio::test]
async fn an_import_that_falls_silent_is_given_up() {
    let bench = Bench::new().await;
    let silent = stream::iter([Ok(ImportPart::Header(ImportHeader::default()))]);
    let silent = futures_util::StreamExt::chain(silent, stream::pending());
    let error = bench.ingest.import_parts(&permit(), silent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Deadline);
    assert_eq!(bench.ingest.0.imports.available_permits(), 4);
}

/// An engine that fails every commit after some.
struct Failing {
    inner: Arc<dyn Engine>,
    left: AtomicUsize,
}

#[async_trait::async_trait]
impl Engine for Failing {
    async fn get(&self, key: &[u8]) -> engine::Result<Option<Value>> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> engine::Result<Vec<(Key, Value)>> {
        self.inner.scan(range, limit, direction).await
    }

    async fn commit(&self, batch: Batch) -> engine::Result<()> {
        let took = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if took.is_err() { Err(engine::Error::failed("the power is out")) } else { self.inner.commit(batch).await }
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn name(&self) -> &'static str {
        "failing"
    }
}

/// A file with small sessions around one that takes several commits.
fn mixed_file() -> (Bytes, u64) {
    let small = |i: usize| format!("[{{\"role\":\"user\",\"content\":\"small {i}\"}}]\n");
    // Noise, so that it does not pack well: each of its four blocks fills more than half a commit.
    let mut seed = 7u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (seed >> 59) as u8 % 26)
    };
    let count = 4 * EVENT_BLOCK_EVENTS_MAX;
    let long: Vec<String> = (0..count)
        .map(|_| format!("{{\"role\":\"user\",\"content\":\"{}\"}}", (0..700).map(|_| noise()).collect::<String>()))
        .collect();
    let file = format!("{}{}[{}]\n{}", small(1), small(2), long.join(","), small(3));
    (file.into(), count as u64)
}

#[tokio::test]
async fn a_large_session_takes_several_commits_and_appears_whole() {
    let bench = Bench::new().await;
    let (file, count) = mixed_file();
    let report = import(&bench, file.clone()).await;
    assert_eq!(
        report.sessions.iter().map(|s| (s.events, s.deduplicated)).collect::<Vec<_>>(),
        [(1, false), (1, false), (count, false), (1, false)]
    );
    assert_eq!(bench.events(report.sessions[2].session).await.len() as u64, count);
    assert!(import(&bench, file).await.sessions.iter().all(|s| s.deduplicated));
}

#[tokio::test]
async fn an_import_that_was_cut_anywhere_leaves_whole_sessions_and_can_be_done_again() {
    let (file, count) = mixed_file();
    for commits in 0..12 {
        let inner = Volatile::new();
        let failing = Arc::new(Failing { inner: inner.clone(), left: AtomicUsize::new(usize::MAX) });
        let mut bench = Bench::on(failing.clone()).await;
        failing.left.store(commits, Ordering::SeqCst);
        let cut = bench.ingest.import(&permit(), ImportHeader::default(), file.clone()).await;
        for session in all(&bench).await {
            assert_eq!(bench.events(session.id).await.len() as u64, session.last_seq, "after {commits} commits");
        }
        bench.engine = inner.clone();
        let bench = bench.restarted().await;
        let report = import(&bench, file.clone()).await;
        let sessions = all(&bench).await;
        let mut sizes: Vec<u64> = sessions.iter().map(|s| s.last_seq).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 1, count], "after {commits} commits");
        assert_eq!(report.sessions.len(), 4);
        // No block of a session that never appeared is left behind.
        let blocks = inner.scan(Range::prefix(&[0x02]), usize::MAX, Direction::Ascending).await.unwrap();
        let known = |key: &Key| sessions.iter().any(|s| &key[17..33] == s.id.as_bytes());
        assert!(blocks.iter().all(|(key, _)| known(key)), "after {commits} commits");
        assert!(inner.scan(Range::prefix(&[0x06]), 1, Direction::Ascending).await.unwrap().is_empty());
        if cut.is_ok() {
            return;
        }
        assert_eq!(cut.unwrap_err().kind(), Kind::Unavailable);
    }
    panic!("the import takes more commits than are tried here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imports_of_one_file_at_once_store_it_once() {
    let bench = Arc::new(Bench::new().await);
    let (file, _) = mixed_file();
    let importer = |_| {
        let (bench, file) = (bench.clone(), file.clone());
        runtime::task::spawn("import", async move { import(&bench, file).await })
    };
    let importers: Vec<_> = (0..3).map(importer).collect();
    let mut fresh = 0;
    for importer in importers {
        let report = importer.join().await.expect("an import failed");
        fresh += report.sessions.iter().filter(|s| !s.deduplicated).count();
    }
    assert_eq!((fresh, all(&bench).await.len()), (4, 4));
    for session in all(&bench).await {
        assert_eq!(bench.events(session.id).await.len() as u64, session.last_seq);
    }
}

#[tokio::test]
async fn all_airline_sessions_are_imported() {
    let path = root().join("../shared/data/tau_bench_airline/gpt-4o-airline.jsonl");
    let Ok(file) = std::fs::read(&path) else {
        println!("skipped: {} is not here", path.display());
        return;
    };
    let bench = Bench::new().await;
    let started = std::time::Instant::now();
    let report = import(&bench, file).await;
    println!("200 sessions in {:?}", started.elapsed());
    assert_eq!((report.sessions.len(), report.problems.len(), report.masked_count), (200, 0, 0));
    assert_eq!(report.sessions.iter().map(|s| s.events).sum::<u64>(), 5_198);
    let sessions = all(&bench).await;
    let mut digests: Vec<_> = sessions.iter().map(|s| s.content_digest).collect();
    digests.sort();
    digests.dedup();
    assert_eq!((sessions.len(), digests.len()), (200, 200));
}
