//! What `blame` promises, as tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::access::{Action, Grants, Principal, Role, Scope};
use domain::commit::{Operation, Origin, Outcome, Request};
use domain::history::Merge;
use domain::id::{TokenId, WorkspaceId};
use domain::store::{NewFork, NewStore};
use domain::{Clock, Ids, Kind};
use tokio_util::sync::CancellationToken;

use super::*;

struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + self.0.fetch_add(1, Ordering::Relaxed) as i64).unwrap()
    }
}

#[derive(Default)]
struct Counted(Mutex<u64>);

impl Ids for Counted {
    fn fresh(&self) -> [u8; 16] {
        let mut id = [0; 16];
        let mut next = self.0.lock().unwrap();
        *next += 1;
        id[8..].copy_from_slice(&next.to_be_bytes());
        id
    }
}

/// A service with one store.
pub(crate) struct World {
    pub memory: MemoryStore,
    pub store: StoreId,
}

impl World {
    pub async fn new() -> World {
        let (clock, ids) = (Arc::new(Ticking(AtomicU64::new(0))), Arc::new(Counted::default()));
        let vault = storage::volatile_vault().await.unwrap();
        let memory = MemoryStore::open(vault, clock, ids, CancellationToken::new()).await.unwrap();
        let permit = principal("root").permit(Action::StoreCreate).unwrap();
        let store = memory.create_store(&permit, NewStore { name: "team".into(), ..NewStore::default() }, "").await;
        World { memory, store: store.unwrap().id }
    }

    pub fn permit(&self, who: &str) -> StorePermit {
        permit(who, self.store)
    }

    pub async fn commit(&self, who: &str, operation: Operation) -> Outcome {
        commit(&self.memory, &self.permit(who), operation).await
    }

    pub async fn write(&self, who: &str, path: &str, content: &str) -> Outcome {
        self.commit(who, write(path, content)).await
    }

    pub async fn blame(&self, path: &str, revision: Revision) -> Vec<String> {
        lines(&self.memory, &self.permit("reader"), path, revision).await
    }

    pub async fn fork(&self) -> StoreId {
        let fork = self.memory.fork_store(&self.permit("root"), NewFork::default(), "").await;
        fork.unwrap().id
    }
}

pub(crate) fn permit(who: &str, store: StoreId) -> StorePermit {
    principal(who).permit_store(Action::StoreWrite, store).unwrap()
}

fn principal(who: &str) -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([1; 16]),
        token: TokenId::from_bytes([2; 16]),
        subject: who.to_owned(),
        scope: Scope { role: Role::Admin, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}

pub(crate) fn write(path: &str, content: &str) -> Operation {
    Operation::Write { path: path.parse().unwrap(), content: content.into(), origins: Vec::new() }
}

pub(crate) async fn commit(memory: &MemoryStore, permit: &StorePermit, operation: Operation) -> Outcome {
    let message = format!("by {}", permit.actor().principal);
    let request = Request { steps: vec![operation.into()], message, ..Request::default() };
    memory.commit(permit, request).await.unwrap()
}

/// Each range as `first-last @revision author [sources]: lines`.
async fn lines(memory: &MemoryStore, permit: &StorePermit, path: &str, revision: Revision) -> Vec<String> {
    let (ranges, _) = memory.blame(permit, &path.parse().unwrap(), revision).await.unwrap();
    let shown = |r: BlameRange| {
        assert!(r.message == format!("by {}", r.actor.principal), "{:?}", r.message);
        assert_eq!(r.lines.len() as u32, r.end_line + 1 - r.start_line);
        let (author, sources, lines) = (&r.actor.principal, r.sources.join(","), r.lines.join(" "));
        format!("{}-{} @{} {author} [{sources}]: {lines}", r.start_line, r.end_line, r.revision)
    };
    ranges.into_iter().map(shown).collect()
}

#[tokio::test]
async fn each_line_is_blamed_on_the_commit_that_brought_it_in() {
    let world = World::new().await;
    world.write("ana", "/a", "one\ntwo\nthree\n").await;
    world.write("ben", "/other", "x\n").await;
    world.write("cem", "/a", "one\n2\nthree\nfour").await;
    assert_eq!(
        world.blame("/a", 0).await,
        ["1-1 @1 ana []: one", "2-2 @3 cem []: 2", "3-3 @1 ana []: three", "4-4 @3 cem []: four"]
    );
    assert_eq!(world.blame("/a", 2).await, ["1-3 @1 ana []: one two three"]);
}

#[tokio::test]
async fn a_move_changes_nobodys_lines() {
    let world = World::new().await;
    world.write("ana", "/a", "one\n").await;
    world.commit("ben", Operation::Move { from: "/a".parse().unwrap(), to: "/b/c".parse().unwrap() }).await;
    world.commit("ben", Operation::Append { path: "/b/c".parse().unwrap(), text: "two\n".into() }).await;
    assert_eq!(world.blame("/b/c", 0).await, ["1-1 @1 ana []: one", "2-2 @3 ben []: two"]);
}

#[tokio::test]
async fn sources_split_the_ranges_of_one_commit() {
    let world = World::new().await;
    let origins = vec![Origin { start_line: 2, end_line: 2, source: "reverie:dream/1".into() }];
    let path = "/a".parse().unwrap();
    world.commit("ana", Operation::Write { path, content: "one\ntwo\nthree\n".into(), origins }).await;
    world.write("ben", "/a", "zero\none\ntwo\nthree\n").await;
    assert_eq!(
        world.blame("/a", 0).await,
        ["1-1 @2 ben []: zero", "2-2 @1 ana []: one", "3-3 @1 ana [reverie:dream/1]: two", "4-4 @1 ana []: three"]
    );
}

#[tokio::test]
async fn lines_that_a_merge_brings_in_keep_their_authors_and_name_the_merge() {
    let world = World::new().await;
    world.write("ana", "/a", "one\ntwo\nthree\n").await;
    let fork = world.fork().await;
    let on_fork = permit("dora", fork);
    commit(&world.memory, &on_fork, write("/a", "one\ntwo\nthree\nfour\n")).await;
    commit(&world.memory, &permit("eve", fork), write("/new", "fresh\n")).await;
    assert_eq!(lines(&world.memory, &on_fork, "/a", 0).await, ["1-3 @1 ana []: one two three", "4-4 @2 dora []: four"]);

    world.write("ben", "/a", "ONE\ntwo\nthree\n").await;
    let merge = Merge { message: "by root".into(), ..Merge::default() };
    let merged = world.memory.merge((&on_fork, 0), &world.permit("root"), &merge).await.unwrap();
    let at = merged.outcome.revision;
    assert_eq!(
        world.blame("/a", 0).await,
        ["1-1 @2 ben []: ONE".to_owned(), "2-3 @1 ana []: two three".to_owned(), format!("4-4 @{at} dora []: four"),]
    );
    assert_eq!(world.blame("/new", 0).await, [format!("1-1 @{at} eve []: fresh")]);

    world.write("ben", "/new", "fresh\nmore\n").await;
    assert_eq!(
        world.blame("/new", 0).await,
        [format!("1-1 @{at} eve []: fresh"), format!("2-2 @{} ben []: more", at + 1)]
    );
}

#[tokio::test]
async fn a_memory_that_is_not_there_or_not_to_be_read_is_absent() {
    let world = World::new().await;
    world.write("ana", "/a/b", "one\n").await;
    let reader = Principal {
        scope: Scope {
            role: Role::Reader,
            grants: Grants::Only(vec![domain::access::Grant {
                store: world.store,
                access: domain::access::Access::ReadOnly,
                prefix: "/other".parse().unwrap(),
            }]),
        },
        ..principal("reader")
    };
    let narrow = reader.permit_store(Action::StoreRead, world.store).unwrap();
    for (permit, path) in [(&world.permit("ana"), "/absent"), (&narrow, "/a/b")] {
        let error = world.memory.blame(permit, &path.parse().unwrap(), 0).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{path}");
    }
}
