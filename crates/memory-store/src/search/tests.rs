//! What searching promises, as tests: the service over what was committed.

use domain::access::{Access, Action, Grant, Grants, Principal, Scope as TokenScope};
use domain::commit::{Operation, Revision, Step};
use domain::id::StoreId;
use domain::path::Prefix;
use domain::store::{Change, NewFork, NewStore};
use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::indexes::Indexes;
use super::*;
use crate::context::Context;
use crate::stores::Stores;
use crate::tests::{World, operations, principal, texts};

fn everything(store: StoreId) -> (StorePermit, Within) {
    (principal().permit_store(Action::StoreRead, store).unwrap(), Within::default())
}

fn query(text: &str) -> Search {
    Search { query: text.parse().unwrap(), results_max: 0 }
}

/// The paths that are found in a store.
async fn paths(world: &World, store: StoreId, text: &str) -> Vec<String> {
    let found = world.service.search(&[everything(store)], &query(text)).await.unwrap();
    found.hits.into_iter().map(|hit| hit.path.to_string()).collect()
}

async fn found(world: &World, text: &str) -> Vec<String> {
    paths(world, world.permit.store(), text).await
}

async fn another(world: &World, handle: &str) -> World {
    let new = NewStore { handle: Some(handle.parse().unwrap()), ..NewStore::default() };
    let store = world.service.create_store(&principal().permit(Action::StoreCreate).unwrap(), new, "").await.unwrap();
    let permit = principal().permit_store(Action::StoreWrite, store.id).unwrap();
    World { service: world.service.clone(), permit, vault: world.vault.clone() }
}

fn delete(path: &str) -> Vec<Step> {
    vec![Step::from(Operation::Delete { path: path.parse().unwrap(), recursive: true })]
}

#[tokio::test]
async fn a_commit_is_found_at_once_and_what_it_took_away_is_not() {
    let world = World::new().await;
    world
        .write(&texts(&[("/runbooks/disk.md", "# Disk full\n\nThe replica takes over.\n"), ("/b.md", "other\n")]))
        .await;
    assert_eq!(found(&world, "replicas").await, ["/runbooks/disk.md"]);
    assert!(found(&world, "primary").await.is_empty());
    let revision = world.write(&texts(&[("/b.md", "the primary\n")])).await;
    let answer = world.service.search(&[everything(world.permit.store())], &query("primary")).await.unwrap();
    let hit = &answer.hits[0];
    assert_eq!(
        (hit.path.as_str(), hit.revision, answer.searched[0].revision, answer.more),
        ("/b.md", revision, revision, false)
    );
    assert_eq!((hit.lines[0].number, hit.lines[0].text.as_str()), (1, "the primary"));
    assert_eq!(found(&world, "other").await, Vec::<String>::new());

    let (from, to) = ("/runbooks".parse().unwrap(), "/old".parse().unwrap());
    world.commit(vec![Step::from(Operation::Move { from, to })]).await.unwrap();
    assert_eq!(found(&world, "replica").await, ["/old/disk.md"]);
    assert!(found(&world, "runbooks").await.is_empty(), "a path that is no more");
    world.commit(delete("/old")).await.unwrap();
    assert!(found(&world, "replica").await.is_empty());
    assert!(found(&world.reopened().await, "primary").await == ["/b.md"]);
}

#[tokio::test]
async fn several_stores_are_searched_as_one_and_each_within_its_prefix() {
    let world = World::new().await;
    let other = another(&world, "org").await;
    world.write(&texts(&[("/a.md", "disk\n"), ("/x/b.md", "disk disk\n")])).await;
    other.write(&texts(&[("/policy.md", "disk disk disk\n"), ("/n.md", "nothing\n")])).await;
    let stores = [everything(world.permit.store()), everything(other.permit.store())];
    let answer = world.service.search(&stores, &query("disk")).await.unwrap();
    let places: Vec<_> = answer.hits.iter().map(|hit| (hit.place, hit.path.as_str())).collect();
    assert_eq!(places, [(1, "/policy.md"), (0, "/x/b.md"), (0, "/a.md")]);
    assert_eq!(
        answer.searched.iter().map(|s| s.store).collect::<Vec<_>>(),
        [world.permit.store(), other.permit.store()]
    );
    let within = |prefix: &str| Within { prefix: prefix.parse().unwrap(), min_revision: 0 };
    let stores = [(stores[0].0.clone(), within("/x")), (stores[1].0.clone(), within("/none"))];
    let answer = world.service.search(&stores, &query("disk")).await.unwrap();
    assert_eq!(answer.hits.iter().map(|hit| hit.path.as_str()).collect::<Vec<_>>(), ["/x/b.md"]);
    let answer = world.service.search(&stores, &Search { results_max: 1, ..query("disk path:b.md") }).await.unwrap();
    assert_eq!((answer.hits.len(), answer.more), (1, false));
}

#[tokio::test]
async fn a_token_finds_what_it_may_read() {
    let world = World::new().await;
    world.write(&texts(&[("/open/a.md", "disk\n"), ("/secret/b.md", "disk\n")])).await;
    let store = world.permit.store();
    let grant = Grant { store, access: Access::ReadOnly, prefix: "/open".parse::<Prefix>().unwrap() };
    let scope = TokenScope { grants: Grants::Only(vec![grant]), ..principal().scope };
    let permit = Principal { scope, ..principal() }.permit_store(Action::StoreRead, store).unwrap();
    let answer = world.service.search(&[(permit, Within::default())], &query("disk")).await.unwrap();
    assert_eq!(answer.hits.iter().map(|hit| hit.path.as_str()).collect::<Vec<_>>(), ["/open/a.md"]);
}

#[tokio::test]
async fn a_fork_is_searched_by_what_it_has() {
    let world = World::new().await;
    world.write(&texts(&[("/a.md", "disk\n"), ("/b.md", "disk\n")])).await;
    let permit = principal().permit_store(Action::StoreFork, world.permit.store()).unwrap();
    let fork = world.service.fork_store(&permit, NewFork::default(), "").await.unwrap().id;
    let theirs = World {
        permit: principal().permit_store(Action::StoreWrite, fork).unwrap(),
        service: world.service.clone(),
        vault: world.vault.clone(),
    };
    theirs.commit(delete("/b.md")).await.unwrap();
    theirs.write(&texts(&[("/c.md", "disks\n")])).await;
    assert_eq!(found(&theirs, "disk").await, ["/a.md", "/c.md"]);
    assert_eq!(found(&world, "disk").await, ["/a.md", "/b.md"]);
}

#[tokio::test]
async fn a_search_waits_for_a_revision_that_is_not_there_yet() {
    let world = World::new().await;
    let first = world.write(&texts(&[("/a.md", "disk\n")])).await;
    let (permit, _) = everything(world.permit.store());
    let places = [(permit, Within { min_revision: first + 1, prefix: Prefix::ALL })];
    let disk = query("disk");
    let mut waiting = Box::pin(world.service.search(&places, &disk));
    for _ in 0..50 {
        assert!((&mut waiting).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let second = world.write(&texts(&[("/b.md", "disk\n")])).await;
    let answer = waiting.await.unwrap();
    assert_eq!((answer.hits.len(), answer.searched[0].revision), (2, second));
}

#[tokio::test]
async fn a_wait_ends_when_the_store_is_deleted() {
    let world = World::new().await;
    let (permit, _) = everything(world.permit.store());
    let places = [(permit, Within { min_revision: 1, prefix: Prefix::ALL })];
    let disk = query("disk");
    let mut waiting = Box::pin(world.service.search(&places, &disk));
    assert!((&mut waiting).now_or_never().is_none());
    let permit = principal().permit_store(Action::StoreDelete, world.permit.store()).unwrap();
    world.service.change_store(&permit, Change::Delete, "").await.unwrap();
    assert_eq!(waiting.await.unwrap_err().kind(), Kind::NotFound);
}

/// A context with little room for words, over what a world has stored.
fn cramped(world: &World, size_bytes_max: usize) -> (Arc<Context>, Stores) {
    let from = world.service.context();
    let context = Context::new(world.vault.clone(), from.clock.clone(), from.ids.clone());
    let context = Arc::new(Context { indexes: Indexes::new(size_bytes_max), ..context });
    (context.clone(), Stores::new(context))
}

async fn read(context: &Arc<Context>, stores: &Stores, store: StoreId) -> Result<Revision> {
    let open = stores.open(principal().workspace, store).await?;
    let index = context.indexes.index(context, &open);
    let words = index.at(context, store, &open.head()).await?;
    Ok(words.revision().unwrap())
}

#[tokio::test]
async fn whole_stores_are_let_go_where_memory_runs_out() {
    let world = World::new().await;
    let other = another(&world, "org").await;
    let text: String = (0..500).map(|n| format!("word{n} ")).collect();
    let revisions = (world.write(&texts(&[("/a.md", &text)])).await, other.write(&texts(&[("/b.md", &text)])).await);
    let (first, second) = (world.permit.store(), other.permit.store());
    let one = words_size(&world, first).await;
    let (context, stores) = cramped(&world, one + one / 2);
    assert_eq!(read(&context, &stores, first).await.unwrap(), revisions.0);
    assert_eq!(context.indexes.held(), [first]);
    assert_eq!(read(&context, &stores, second).await.unwrap(), revisions.1);
    assert_eq!(context.indexes.held(), [second]);
    assert_eq!(read(&context, &stores, first).await.unwrap(), revisions.0, "it is read again");

    let (context, stores) = cramped(&world, one / 2);
    for _ in 0..2 {
        let refused = read(&context, &stores, first).await.unwrap_err();
        assert_eq!((refused.kind(), refused.message().contains("Grep")), (Kind::Exhausted, true));
    }
    let open = stores.open(principal().workspace, first).await.unwrap();
    assert_eq!(context.indexes.index(&context, &open).size_bytes(), 0);
    world.write(&texts(&[("/a.md", "few words\n")])).await;
    let (_, stores) = (&context, Stores::new(context.clone()));
    assert!(read(&context, &stores, first).await.is_ok(), "it is smaller now");
}

async fn words_size(world: &World, store: StoreId) -> usize {
    let open = world.service.stores().open(principal().workspace, store).await.unwrap();
    let context = world.service.context();
    let index = context.indexes.index(context, &open);
    drop(index.at(context, store, &open.head()).await.unwrap());
    index.size_bytes()
}

#[tokio::test]
async fn what_is_committed_is_read_in_the_background_and_a_store_in_which_nobody_searches_is_let_go() {
    let world = World::new().await;
    let store = world.permit.store();
    world.write(&texts(&[("/a.md", "disk\n")])).await;
    assert_eq!(found(&world, "disk").await.len(), 1);
    let context = world.service.context();
    let open = world.service.stores().open(principal().workspace, store).await.unwrap();
    let index = context.indexes.index(context, &open);
    let commits = limits::SEARCH_LAG_COMMITS_MAX * u64::from(limits::SEARCH_IDLE_FOLLOWS_MAX + 3);
    let mut behind_max = 0;
    for n in 0..commits {
        let revision = world.write(&texts(&[("/a.md", &format!("disk {n}\n"))])).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        if context.indexes.held().is_empty() {
            let least = limits::SEARCH_LAG_COMMITS_MAX * u64::from(limits::SEARCH_IDLE_FOLLOWS_MAX);
            assert!(revision > least, "let go after {revision} commits");
            assert!(behind_max <= limits::SEARCH_LAG_COMMITS_MAX, "{behind_max} behind");
            assert_eq!(found(&world, "disk").await.len(), 1, "it is read again");
            return;
        }
        behind_max = behind_max.max(revision - index.revision().await);
    }
    panic!("never let go");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_search_finds_what_the_head_holds_whatever_was_committed_before(
        batches in proptest::collection::vec(proptest::collection::vec(operations(), 1..4), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for (n, batch) in batches.into_iter().enumerate() {
                let _ = world.commit(batch.into_iter().map(Step::from).collect()).await;
                if n % 3 == 2 {
                    continue;
                }
                let head = world.all(&world.permit, 0).await;
                for word in ["one", "two", "more"] {
                    let mut searched = found(&world, word).await;
                    searched.sort();
                    let holds = head.iter().filter(|(_, text)| text.lines().any(|line| line == word));
                    assert_eq!(searched, holds.map(|(path, _)| path.to_string()).collect::<Vec<_>>(), "{word} in {head:?}");
                }
            }
        });
    }
}
