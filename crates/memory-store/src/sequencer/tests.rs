//! What batching promises, as tests: over an engine that writes when the test says so.

use std::sync::atomic::AtomicUsize;

use domain::access::{Action, StorePermit};
use domain::commit::{Operation, Precondition, Request, Step};
use domain::memory::MemoryRef;
use domain::store::NewStore;
use domain::{MemoryPath, Timestamp};
use runtime::clock::{SystemClock, SystemIds};
use runtime::task::Group;
use storage::Vault;
use storage::engine::{Batch, Direction, Engine, Key, Range, Value};
use storage::keyring::Keyring;
use storage::volatile::Volatile;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::MemoryStore;
use crate::tests::principal;

/// Each commit waits for leave; those of the store are counted.
struct Held {
    inner: Arc<dyn Engine>,
    leave: Semaphore,
    commits: AtomicUsize,
    /// Writes, and says that it failed.
    fails: AtomicBool,
}

#[async_trait::async_trait]
impl Engine for Held {
    async fn get(&self, key: &[u8]) -> engine::Result<Option<Value>> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> engine::Result<Vec<(Key, Value)>> {
        self.inner.scan(range, limit, direction).await
    }

    async fn commit(&self, batch: Batch) -> engine::Result<()> {
        // Checkpoints are written beside.
        let moves_the_head = batch.writes.iter().any(|write| write.key().first() == Some(&key::STORE));
        self.commits.fetch_add(usize::from(moves_the_head), Ordering::SeqCst);
        self.leave.acquire().await.unwrap().forget();
        self.inner.commit(batch).await?;
        if self.fails.load(Ordering::SeqCst) { Err(engine::Error::failed("nobody knows")) } else { Ok(()) }
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn name(&self) -> &'static str {
        "held"
    }
}

struct World {
    engine: Arc<Held>,
    service: MemoryStore,
    permit: StorePermit,
    _keys: TempDir,
}

impl World {
    /// A store whose next commits wait.
    async fn new() -> World {
        let keys = TempDir::new().unwrap();
        let engine = Arc::new(Held {
            inner: Volatile::new(),
            leave: Semaphore::new(1_000),
            commits: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
        });
        let vault = Vault::open(engine.clone(), Keyring::open(keys.path()).unwrap()).await.unwrap();
        let shutdown = CancellationToken::new();
        let service = MemoryStore::open(vault, Arc::new(SystemClock), Arc::new(SystemIds), shutdown).await.unwrap();
        let permit = principal().permit(Action::StoreCreate).unwrap();
        let store = service.create_store(&permit, NewStore::default(), "").await.unwrap();
        let permit = principal().permit_store(Action::StoreWrite, store.id).unwrap();
        engine.leave.forget_permits(engine.leave.available_permits());
        engine.commits.store(0, Ordering::SeqCst);
        World { engine, service, permit, _keys: keys }
    }

    fn commit(&self, group: &mut Group<Result<u64>>, step: Step) {
        let (service, permit) = (self.service.clone(), self.permit.clone());
        group.spawn("writer", async move {
            let request = Request { steps: vec![step], ..Request::default() };
            service.commit(&permit, request).await.map(|outcome| outcome.revision)
        });
    }

    async fn open(&self) -> Arc<OpenStore> {
        self.service.stores().open(self.permit.workspace(), self.permit.store()).await.unwrap()
    }

    /// Waits until one batch is being written and so many commits wait behind it.
    async fn queued(&self, count: usize) {
        let queue = self.open().await.sequencer.queue.clone();
        let waiting = || queue.max_capacity() - queue.capacity();
        while self.engine.commits.load(Ordering::SeqCst) == 0 || waiting() < count {
            tokio::task::yield_now().await;
        }
    }

    async fn read(&self, path: &str) -> String {
        let (memory, _) = self.service.memory(&self.permit, &MemoryRef::Path(path.parse().unwrap()), 0).await.unwrap();
        memory.content.unwrap()
    }
}

fn path(path: &str) -> MemoryPath {
    path.parse().unwrap()
}

fn append(text: String) -> Step {
    Step::from(Operation::Append { path: path("/log"), text })
}

#[tokio::test]
async fn what_queues_up_while_a_batch_is_written_is_the_next_batch_judged_in_order() {
    let world = World::new().await;
    let mut writers = Group::default();
    world.commit(&mut writers, append("first\n".into()));
    world.queued(0).await;
    for n in 0..100 {
        world.commit(&mut writers, append(format!("{n}\n")));
    }
    world.queued(100).await;
    // Two that must not both win, though neither is written when the other is judged.
    for text in ["mine\n", "theirs\n"] {
        let operation = Operation::Write { path: path("/one"), content: text.into(), origins: Vec::new() };
        world.commit(&mut writers, Step { operation, precondition: Some(Precondition::Absent) });
    }
    world.queued(102).await;
    world.engine.leave.add_permits(2);
    let mut outcomes: Vec<Result<u64>> = writers.join().await.into_iter().map(Option::unwrap).collect();
    assert_eq!(world.engine.commits.load(Ordering::SeqCst), 2, "one batch alone, one of all others");
    let lost = outcomes.pop().unwrap().unwrap_err();
    assert_eq!((lost.kind(), lost.details().conflicts[0].actual_content.as_deref()), (Kind::Conflict, Some("mine\n")));
    let revisions: Vec<u64> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(revisions, (1..=102).collect::<Vec<_>>(), "in the order in which they came");
    assert_eq!(world.read("/log").await.lines().count(), 101);
    assert_eq!(world.read("/one").await, "mine\n");
}

#[tokio::test]
async fn a_batch_has_a_bound() {
    let world = World::new().await;
    let mut writers = Group::default();
    world.commit(&mut writers, append("first\n".into()));
    world.queued(0).await;
    let count = limits::BATCH_COMMITS_MAX + 1;
    for n in 0..count {
        world.commit(&mut writers, append(format!("{n}\n")));
    }
    world.queued(count).await;
    // One for the checkpoint that is due.
    world.engine.leave.add_permits(4);
    assert!(writers.join().await.into_iter().all(|outcome| outcome.unwrap().is_ok()));
    assert_eq!(world.engine.commits.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_to_all_of_the_batch_and_the_next_is_judged_by_what_is_stored() {
    let world = World::new().await;
    let mut writers = Group::default();
    world.engine.fails.store(true, Ordering::SeqCst);
    world.commit(&mut writers, append("first\n".into()));
    world.queued(0).await;
    for n in 0..3 {
        world.commit(&mut writers, append(format!("{n}\n")));
    }
    world.queued(3).await;
    world.engine.leave.add_permits(1);
    world.engine.leave.add_permits(1);
    for outcome in writers.join().await {
        assert_eq!(outcome.unwrap().unwrap_err().kind(), Kind::Unavailable);
    }
    world.engine.fails.store(false, Ordering::SeqCst);
    world.engine.leave.add_permits(1);
    let mut writers = Group::default();
    world.commit(&mut writers, append("last\n".into()));
    assert_eq!(writers.join().await.pop().unwrap().unwrap().unwrap(), 5);
    assert_eq!(world.read("/log").await, "first\n0\n1\n2\nlast\n", "it had been written after all");
}
