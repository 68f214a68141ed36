//! How many durable commits a second: the service over sled, without the network.
//!
//! `cargo bench -p reverie-memory-store`

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and stops at the first surprise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::access::{Action, Grants, Principal, Role, Scope, StorePermit};
use domain::commit::{Operation, Request, Step};
use domain::id::{TokenId, WorkspaceId};
use domain::memory::MemoryRef;
use domain::store::NewStore;
use reverie_memory_store::MemoryStore;
use runtime::clock::{SystemClock, SystemIds};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const RUN: Duration = Duration::from_secs(5);
const CACHE_BYTES: u64 = 256 << 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (what, writers, stores, ids) in [
        ("1 writer, 1 store", 1, 1, false),
        ("64 writers, 1 store", 64, 1, false),
        ("64 writers, 1 store, with request ids", 64, 1, true),
        ("64 writers, 64 stores", 64, 64, false),
    ] {
        runtime.block_on(run(what, writers, stores, ids));
    }
}

async fn run(what: &str, writers: usize, stores: usize, ids: bool) {
    let dir = tempfile::tempdir().unwrap();
    let vault = storage::open(dir.path(), CACHE_BYTES).await.unwrap();
    let shutdown = CancellationToken::new();
    let service = MemoryStore::open(vault, Arc::new(SystemClock), Arc::new(SystemIds), shutdown).await.unwrap();
    let mut permits = Vec::new();
    for n in 0..stores {
        let new = NewStore { handle: Some(format!("store-{n}").parse().unwrap()), ..NewStore::default() };
        let permit = principal().permit(Action::StoreCreate).unwrap();
        let store = service.create_store(&permit, new, "").await.unwrap();
        permits.push(principal().permit_store(Action::StoreWrite, store.id).unwrap());
    }

    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..writers {
        let (service, permit, stop) = (service.clone(), permits[n % stores].clone(), stop.clone());
        tasks.spawn(async move { write(&service, &permit, n, ids, &stop).await });
    }
    let mut reader = JoinSet::new();
    reader.spawn(read(service.clone(), permits[0].clone(), stop.clone()));
    tokio::time::sleep(RUN).await;
    stop.store(true, Ordering::Relaxed);
    let mut writes: Vec<Duration> = tasks.join_all().await.concat();
    let mut reads = reader.join_all().await.concat();
    let rate = writes.len() as f64 / started.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(&mut writes);
    let (read50, read99) = percentiles(&mut reads);
    println!("{what}: {rate:.0} commits/s, p50 {p50:?}, p99 {p99:?}; reads beside it p50 {read50:?}, p99 {read99:?}");
}

async fn write(
    service: &MemoryStore,
    permit: &StorePermit,
    writer: usize,
    ids: bool,
    stop: &AtomicBool,
) -> Vec<Duration> {
    let mut took = Vec::new();
    let path: domain::MemoryPath = format!("/team/notes/{writer}.md").parse().unwrap();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let content = format!("# Note {writer}\n\n{}revision {n}\n", "The disk of the primary is full.\n".repeat(5));
        let operation = Operation::Write { path: path.clone(), content, origins: Vec::new() };
        let request_id = if ids { format!("{writer}-{n}") } else { String::new() };
        let request = Request { steps: vec![Step::from(operation)], request_id, ..Request::default() };
        let start = Instant::now();
        service.commit(permit, request).await.unwrap();
        took.push(start.elapsed());
    }
    took
}

async fn read(service: MemoryStore, permit: StorePermit, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let path = MemoryRef::Path("/team/notes/0.md".parse().unwrap());
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        // Absent until the first commit.
        let _ = service.memory(&permit, &path, 0).await;
        took.push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    took
}

fn percentiles(took: &mut [Duration]) -> (Duration, Duration) {
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    (at(0.50), at(0.99))
}

fn principal() -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([9; 16]),
        token: TokenId::from_bytes([8; 16]),
        subject: "bench".into(),
        scope: Scope { role: Role::Admin, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}
