//! Erasures that are cut short at every commit, as tests: whatever happens, opening again finishes them.

use std::sync::atomic::{AtomicI64, Ordering};

use domain::store::{Change, Retention};
use storage::engine::{self, Key, Value};

use super::*;

/// An engine that fails at its n-th commit, and from then on. Whether that commit was written is the
/// test's to say.
struct Failing {
    inner: Arc<dyn Engine>,
    left: AtomicI64,
    written: bool,
}

impl Failing {
    fn check(&self) -> engine::Result<()> {
        if self.left.load(Ordering::SeqCst) >= 0 { Ok(()) } else { Err(engine::Error::Closed) }
    }
}

#[async_trait::async_trait]
impl Engine for Failing {
    async fn get(&self, key: &[u8]) -> engine::Result<Option<Value>> {
        self.check()?;
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> engine::Result<Vec<(Key, Value)>> {
        self.check()?;
        self.inner.scan(range, limit, direction).await
    }

    async fn commit(&self, batch: Batch) -> engine::Result<()> {
        self.check()?;
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return self.inner.commit(batch).await;
        }
        if self.written {
            self.inner.commit(batch).await?;
        }
        Err(engine::Error::failed("the power is gone"))
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn name(&self) -> &'static str {
        "failing"
    }
}

/// Opens the world over an engine that will fail after so many commits from now.
async fn failing(world: World, after: i64, written: bool) -> (World, Arc<dyn Engine>) {
    let World { engine: inner, keys, clock, store, .. } = world;
    // Opening commits too: what a vault claims.
    let failing = Arc::new(Failing { inner: inner.clone(), left: AtomicI64::new(i64::MAX), written });
    let world = World::open(failing.clone(), keys, clock, Some(store)).await.unwrap();
    failing.left.store(after, Ordering::SeqCst);
    (world, inner)
}

async fn reopened(world: World, inner: Arc<dyn Engine>) -> World {
    let World { keys, clock, store, .. } = world;
    World::open(inner, keys, clock, Some(store)).await.unwrap()
}

const SECRET: &str = "the launch code is 4711-alpha\n";
const WORDS: [&str; 2] = ["4711-alpha", "secret/plan"];

async fn planted() -> (World, StoreId) {
    let world = World::new().await;
    world.commit(write("/keep.md", "kept\n")).await;
    world.commit_to(world.store, write("/secret/plan.md", SECRET), "wrote /secret/plan.md").await.unwrap();
    let fork = world.fork(0).await;
    world.commit_to(fork, write("/copy.md", SECRET), "copied").await.unwrap();
    (world, fork)
}

#[tokio::test]
async fn a_redaction_that_is_cut_short_at_any_commit_is_finished_when_the_service_opens_again() {
    for selector in [path("/secret"), Selector::Regex("4711-[a-z]+".into())] {
        let words = if matches!(selector, Selector::Path(_)) { &WORDS[..] } else { &WORDS[..1] };
        for written in [false, true] {
            let mut cut_short = 0;
            for after in 0.. {
                let (world, fork) = planted().await;
                let rows = world.rows_with(words).await;
                let sealed: Vec<_> = world.sealed().await.into_iter().filter(|(key, _)| rows.contains(key)).collect();
                let (world, inner) = failing(world, after, written).await;
                let tried = world.try_redact(selector.clone(), "once").await;
                let was_done = tried.as_ref().is_ok_and(|redaction| redaction.finish_time.is_some());
                let world = reopened(world, inner).await;
                let done = world.try_redact(selector.clone(), "once").await.unwrap();
                assert!(done.finish_time.is_some(), "cut short after {after} commits");
                assert_eq!((done.counts.contents, done.counts.stores), (1, 2), "cut short after {after} commits");
                assert_eq!(world.rows_with(words).await, Vec::<bytes::Bytes>::new(), "after {after} commits");
                assert_eq!(world.opening(&sealed).await, 0, "after {after} commits");
                for store in [world.store, fork] {
                    assert!(world.verified(store).await > 0);
                    assert_eq!(world.read(store, "/keep.md", 0).await.unwrap(), "kept\n");
                }
                assert_eq!(world.read(world.store, "/keep.md", 2).await.unwrap(), "kept\n");
                world.commit(write("/again.md", SECRET)).await;
                let world = world.reopened().await;
                assert_eq!(world.read(world.store, "/again.md", 0).await.unwrap(), SECRET);
                if was_done {
                    break;
                }
                cut_short += 1;
            }
            println!("{selector:?}, the last commit written: {written}: cut short at {cut_short} places");
            assert!(cut_short > 6, "the job has more steps than that");
        }
    }
}

#[tokio::test]
async fn housekeeping_that_is_cut_short_at_any_commit_is_done_by_a_later_round() {
    for written in [false, true] {
        for after in 0.. {
            let world = World::new().await;
            let retention = Some(Retention { versions_min: 1, days_max: 5, legal_hold: false });
            let update = Change::Update { handle: None, name: None, description: None, metadata: None, retention };
            world.service.change_store(&world.permit(), update, "").await.unwrap();
            for text in ["oldest 4711-alpha\n", "older 4711-alpha\n", "now\n"] {
                world.commit(write("/a.md", text)).await;
            }
            let fork = world.fork(0).await;
            world.commit_to(fork, write("/f.md", "only the fork: 4711-alpha\n"), "").await.unwrap();
            world.service.change_store(&permit(fork), Change::Delete, "").await.unwrap();
            world.days_later(8);
            let (world, inner) = failing(world, after, written).await;
            let was_done = world.service.housekeep().await.is_ok();
            let world = reopened(world, inner).await;
            world.service.housekeep().await.unwrap();
            assert!(world.rows_with(&["4711-alpha"]).await.is_empty(), "cut short after {after} commits");
            let keys = world.sealed().await;
            let of_fork = |key: &bytes::Bytes| key.windows(16).any(|part| part == fork.as_bytes());
            assert!(!keys.iter().any(|(key, _)| of_fork(key)), "cut short after {after} commits");
            assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), "now\n");
            assert_eq!(reason(world.read(world.store, "/a.md", 1).await), "EXPIRED");
            assert_eq!(world.verified(world.store).await, 2);
            if was_done {
                break;
            }
        }
    }
}
