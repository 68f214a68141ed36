//! The service against a plain map, and what it promises under many writers, over forks and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::{Action, Grants, Principal, Role, Scope, StorePermit};
use domain::commit::{Operation, Precondition, Request, Revision, Step};
use domain::history::Merge;
use domain::id::{TokenId, WorkspaceId};
use domain::memory::{Entry, List, MemoryRef};
use domain::store::{NewFork, NewStore};
use domain::{Kind, MemoryPath, Timestamp};
use futures_util::StreamExt as _;
use proptest::prelude::*;
use runtime::clock::{SystemClock, SystemIds};
use storage::Vault;
use tokio_util::sync::CancellationToken;

use crate::MemoryStore;
use crate::watch::Event;

pub type Texts = BTreeMap<MemoryPath, String>;

pub fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(p, t)| (p.parse().unwrap(), (*t).to_owned())).collect()
}

pub fn principal() -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([9; 16]),
        token: TokenId::from_bytes([8; 16]),
        subject: "ana".into(),
        scope: Scope { role: Role::Admin, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}

async fn service(vault: &Vault) -> MemoryStore {
    MemoryStore::open(vault.clone(), Arc::new(SystemClock), Arc::new(SystemIds), CancellationToken::new())
        .await
        .unwrap()
}

/// A service with one store.
pub struct World {
    pub service: MemoryStore,
    pub permit: StorePermit,
    pub vault: Vault,
}

impl World {
    pub async fn new() -> World {
        let vault = storage::volatile_vault().await.unwrap();
        let service = service(&vault).await;
        let new = NewStore { handle: Some("team".parse().unwrap()), ..NewStore::default() };
        let store = service.create_store(&principal().permit(Action::StoreCreate).unwrap(), new, "").await.unwrap();
        let permit = principal().permit_store(Action::StoreWrite, store.id).unwrap();
        World { service, permit, vault }
    }

    /// The same data, opened again by another process.
    pub async fn reopened(self) -> World {
        let service = service(&self.vault).await;
        World { service, ..self }
    }

    pub async fn commit(&self, steps: Vec<Step>) -> domain::Result<Revision> {
        self.service.commit(&self.permit, Request { steps, ..Request::default() }).await.map(|o| o.revision)
    }

    pub async fn write(&self, texts: &Texts) -> Revision {
        let write = |(path, text): (&MemoryPath, &String)| {
            Step::from(Operation::Write { path: path.clone(), content: text.clone(), origins: Vec::new() })
        };
        self.commit(texts.iter().map(write).collect()).await.unwrap()
    }

    pub async fn all(&self, permit: &StorePermit, revision: Revision) -> Texts {
        let mut list = List { full: true, revision, ..List::default() };
        list.page.size = 3;
        let mut found = Texts::new();
        loop {
            let page = self.service.list_memories(permit, &list).await.unwrap();
            for entry in page.entries {
                if let Entry::Memory(memory) = entry {
                    found.insert(memory.path, memory.content.unwrap());
                }
            }
            if page.next_page_token.is_empty() {
                return found;
            }
            list.page.token = page.next_page_token;
        }
    }
}

/// What a plain map makes of an operation; None where it is refused.
fn on_map(map: &Texts, operation: &Operation) -> Option<Texts> {
    let free = |map: &Texts, path: &MemoryPath| {
        let below = format!("{path}/");
        !map.keys().any(|k| k.as_str().starts_with(&below))
            && !path.ancestors().any(|a| map.keys().any(|k| k.as_str() == a))
    };
    let mut after = map.clone();
    match operation {
        Operation::Write { path, content, .. } => {
            if !free(map, path) {
                return None;
            }
            after.insert(path.clone(), content.clone());
        }
        Operation::Create { path, content, .. } => {
            if map.contains_key(path) || !free(map, path) {
                return None;
            }
            after.insert(path.clone(), content.clone());
        }
        Operation::Append { path, text } => {
            if !free(map, path) {
                return None;
            }
            after.entry(path.clone()).or_default().push_str(text);
        }
        Operation::ReplaceText { path, old_text, new_text } => {
            let text = map.get(path)?;
            if text.matches(old_text.as_str()).count() != 1 {
                return None;
            }
            after.insert(path.clone(), text.replacen(old_text.as_str(), new_text, 1));
        }
        Operation::Delete { path, recursive: false } => {
            after.remove(path)?;
        }
        _ => unreachable!("not generated"),
    }
    Some(after)
}

pub fn operations() -> impl Strategy<Value = Operation> {
    let path = proptest::sample::select(vec!["/a", "/a/b", "/c", "/d/e", "/d/f", "/d"]);
    let text = proptest::sample::select(vec!["", "one\n", "two\nthree\n", "one\ntwo\n"]);
    (path, text, 0..5u8).prop_map(|(path, text, kind)| {
        let (path, text): (MemoryPath, String) = (path.parse().unwrap(), text.to_owned());
        match kind {
            0 => Operation::Write { path, content: text, origins: Vec::new() },
            1 => Operation::Create { path, content: text, origins: Vec::new() },
            2 => Operation::Append { path, text: format!("{text}more\n") },
            3 => Operation::ReplaceText { path, old_text: "one".into(), new_text: "1".into() },
            _ => Operation::Delete { path, recursive: false },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_history_reads_as_a_plain_map_at_every_revision_also_after_a_restart(batches in proptest::collection::vec(proptest::collection::vec(operations(), 1..4), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            let mut history = vec![Texts::new()];
            for batch in batches {
                let now = history.last().unwrap();
                let expected = batch.iter().try_fold(now.clone(), |map, o| on_map(&map, o));
                let done = world.commit(batch.iter().cloned().map(Step::from).collect()).await;
                match (expected, done) {
                    (None, Err(_)) => {}
                    (Some(after), Ok(revision)) if after == *now => {
                        // What is deleted and made again is another memory, which is no no-op.
                        let deletes = batch.iter().any(|o| matches!(o, Operation::Delete { .. }));
                        if deletes && revision == history.len() as u64 {
                            history.push(after);
                        } else {
                            assert_eq!(revision, history.len() as u64 - 1, "a no-op makes no revision");
                        }
                    }
                    (Some(after), Ok(revision)) => {
                        assert_eq!(revision, history.len() as u64, "no gaps");
                        history.push(after);
                    }
                    (expected, done) => panic!("{batch:?}: {done:?}, expected {expected:?}"),
                }
            }
            for round in 0..2 {
                for (revision, expected) in history.iter().enumerate().skip(1) {
                    assert_eq!(world.all(&world.permit, revision as u64).await, *expected, "round {round}, revision {revision}");
                }
                world = world.reopened().await;
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_writers_that_add_one_with_a_precondition_nobody_is_lost() {
    let world = Arc::new(World::new().await);
    world.write(&texts(&[("/n", "0")])).await;
    let add = |world: Arc<World>| async move {
        let path: MemoryPath = "/n".parse().unwrap();
        loop {
            let (seen, _) = world.service.memory(&world.permit, &MemoryRef::Path(path.clone()), 0).await.unwrap();
            let next = seen.content.unwrap().parse::<u64>().unwrap() + 1;
            let operation = Operation::Write { path: path.clone(), content: next.to_string(), origins: Vec::new() };
            let step = Step { operation, precondition: Some(Precondition::Revision(seen.revision)) };
            match world.commit(vec![step]).await {
                Ok(_) => return,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Conflict);
                    let conflict = &error.details().conflicts[0];
                    assert!(conflict.actual_content.is_some() && conflict.actual_revision > seen.revision);
                }
            }
        }
    };
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        writers.spawn(add(world.clone()));
    }
    writers.join_all().await;
    assert_eq!(world.all(&world.permit, 0).await, texts(&[("/n", "64")]));
}

#[tokio::test]
async fn a_request_id_has_one_outcome_and_belongs_to_one_request() {
    let world = World::new().await;
    let request = |text: &str| Request {
        steps: vec![Step::from(Operation::Append { path: "/log".parse().unwrap(), text: text.to_owned() })],
        request_id: "r-1".into(),
        ..Request::default()
    };
    let first = world.service.commit(&world.permit, request("once\n")).await.unwrap();
    let again = world.service.commit(&world.permit, request("once\n")).await.unwrap();
    assert_eq!((first.revision, &first.versions), (again.revision, &again.versions));
    let other = world.service.commit(&world.permit, request("twice\n")).await.unwrap_err();
    assert_eq!((other.kind(), other.reason()), (Kind::Invalid, "REQUEST_ID_REUSED"));
    assert_eq!(world.all(&world.permit, 0).await, texts(&[("/log", "once\n")]));
}

#[tokio::test]
async fn a_fork_goes_its_own_way_and_its_merge_keeps_both_sides() {
    let world = World::new().await;
    let base = world.write(&texts(&[("/a", "1\n2\n3\n4\n5\n"), ("/b", "same\n")])).await;
    let fork = principal().permit_store(Action::StoreFork, world.permit.store()).unwrap();
    let fork = world.service.fork_store(&fork, NewFork::default(), "").await.unwrap();
    assert_eq!(fork.head_revision, base, "a fork counts on from its fork point");
    let theirs = World {
        permit: principal().permit_store(Action::StoreWrite, fork.id).unwrap(),
        service: world.service.clone(),
        vault: world.vault.clone(),
    };
    theirs.write(&texts(&[("/a", "1\n2\n3\n4\nfive\n"), ("/c", "new\n")])).await;
    world.write(&texts(&[("/a", "one\n2\n3\n4\n5\n")])).await;
    let merge = Merge::default();
    let merged = world.service.merge((&theirs.permit, 0), &world.permit, &merge).await.unwrap();
    assert_eq!((merged.base.revision, merged.outcome.revision), (base, base + 2));
    let expected = texts(&[("/a", "one\n2\n3\n4\nfive\n"), ("/b", "same\n"), ("/c", "new\n")]);
    assert_eq!(world.all(&world.permit, 0).await, expected);

    theirs.write(&texts(&[("/b", "theirs\n")])).await;
    world.write(&texts(&[("/b", "ours\n")])).await;
    let refused = world.service.merge((&theirs.permit, 0), &world.permit, &merge).await.unwrap_err();
    let conflict = &refused.details().merge_conflicts[0];
    assert_eq!(
        (conflict.path.as_str(), conflict.ours.as_deref(), conflict.theirs.as_deref()),
        ("/b", Some("ours\n"), Some("theirs\n"))
    );
    assert_eq!(
        world.all(&world.permit, 0).await["/b".parse::<MemoryPath>().as_ref().unwrap()],
        "ours\n",
        "nothing was applied"
    );
}

#[tokio::test]
async fn a_watch_gives_every_commit_once_in_order_from_any_revision() {
    let world = World::new().await;
    for n in 0..20 {
        world.write(&texts(&[("/n", &format!("{n}\n"))])).await;
    }
    let permit = world.permit.clone();
    let renew = Box::new(move || {
        let permit = permit.clone();
        Box::pin(async move { Ok(permit) }) as futures_util::future::BoxFuture<'static, _>
    });
    let stream = world.service.watch(world.permit.clone(), Some(5), None, renew).await.unwrap();
    let mut stream = Box::pin(stream);
    let mut seen = Vec::new();
    let mut writes = 20;
    while seen.len() < 20 {
        match stream.next().await.unwrap().unwrap() {
            Event::Commit(commit) => seen.push(commit.revision),
            Event::Progress(_) if writes < 25 => {
                world.write(&texts(&[("/n", &format!("{writes}\n"))])).await;
                writes += 1;
            }
            Event::Progress(_) => {}
        }
        if seen.len() == 15 {
            while writes < 25 {
                world.write(&texts(&[("/n", &format!("{writes}\n"))])).await;
                writes += 1;
            }
        }
    }
    assert_eq!(seen, (6..=25).collect::<Vec<_>>());
}
