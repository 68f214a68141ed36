//! Listings of versions and stores, and what an archived store still lets go.

use domain::actor::ActorFilter;
use domain::commit::{ChangeKind, Operation, Step};
use domain::history::{TimeRange, Versions};
use domain::memory::MemoryRef;
use domain::store::{Change, Filter, NewFork, NewStore};
use domain::{Kind, Result, Timestamp};

use crate::tests::{World, principal, texts};

fn step(operation: Operation) -> Vec<Step> {
    vec![operation.into()]
}

fn write(path: &str, content: &str) -> Operation {
    Operation::Write { path: path.parse().unwrap(), content: content.to_owned(), origins: Vec::new() }
}

fn delete(path: &str) -> Operation {
    Operation::Delete { path: path.parse().unwrap(), recursive: false }
}

/// Paths and revisions of what is listed, over pages of a size.
async fn listed(world: &World, mut versions: Versions, size: usize) -> Result<Vec<(String, u64)>> {
    versions.page.size = size;
    let mut all = Vec::new();
    loop {
        let page = world.service.list_versions(&world.permit, &versions).await?;
        assert!(page.items.len() <= size);
        all.extend(page.items.iter().map(|r| (r.version.path.to_string(), r.version.revision)));
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        versions.page.token = page.next_page_token;
    }
}

#[tokio::test]
async fn the_versions_of_a_store_come_newest_first_also_those_of_deleted_memories_and_of_the_parent() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "1"), ("/b", "1"), ("/c", "1")])).await;
    world.commit(step(write("/b", "2"))).await.unwrap();
    world.commit(step(delete("/a"))).await.unwrap();
    let all = [("/a", 3), ("/b", 2), ("/c", 1), ("/b", 1), ("/a", 1)].map(|(p, r)| (p.to_owned(), r));
    for size in [1, 2, 3, 100] {
        assert_eq!(listed(&world, Versions::default(), size).await.unwrap(), all, "pages of {size}");
    }
    let deleted = Versions { kinds: vec![ChangeKind::Deleted], ..Versions::default() };
    assert_eq!(listed(&world, deleted, 10).await.unwrap(), [("/a".to_owned(), 3)]);
    let nobodys = ActorFilter { session: "sesn_x".into(), ..ActorFilter::default() };
    assert_eq!(listed(&world, Versions { actor: nobodys, ..Versions::default() }, 10).await.unwrap(), []);
    let future = TimeRange { start: Some(Timestamp::MAX), end: None };
    assert_eq!(listed(&world, Versions { time: future, ..Versions::default() }, 10).await.unwrap(), []);

    let fork = world.service.fork_store(&world.permit, NewFork::default(), "").await.unwrap();
    let permit = principal().permit_store(domain::access::Action::StoreWrite, fork.id).unwrap();
    let fork = World { service: world.service.clone(), vault: world.vault.clone(), permit };
    fork.commit(step(write("/d", "1"))).await.unwrap();
    let of_fork = listed(&fork, Versions::default(), 2).await.unwrap();
    assert_eq!(of_fork, [&[("/d".to_owned(), 4)], all.as_slice()].concat());
}

#[tokio::test]
async fn a_page_token_of_one_memory_is_none_of_all() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "1")])).await;
    world.write(&texts(&[("/a", "2")])).await;
    let mut versions = Versions { memory: Some(MemoryRef::Path("/a".parse().unwrap())), ..Versions::default() };
    versions.page.size = 1;
    versions.page.token = world.service.list_versions(&world.permit, &versions).await.unwrap().next_page_token;
    versions.memory = None;
    assert_eq!(world.service.list_versions(&world.permit, &versions).await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn an_archived_store_lets_memories_go_and_none_come() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "1"), ("/b", "1")])).await;
    world.service.change_store(&world.permit, Change::Archive, "").await.unwrap();
    for refused in [vec![write("/a", "2")], vec![delete("/a"), write("/c", "1")]] {
        let refused = world.commit(refused.into_iter().map(Step::from).collect()).await.unwrap_err();
        assert_eq!((refused.kind(), refused.reason()), (Kind::Precondition, "STORE_ARCHIVED"));
    }
    world.commit(step(delete("/a"))).await.unwrap();
    assert_eq!(world.all(&world.permit, 0).await, texts(&[("/b", "1")]));
}

#[tokio::test]
async fn the_memory_in_the_way_is_named_for_programs() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "1"), ("/d/e", "1")])).await;
    for (path, way) in [("/a", "/a"), ("/a/b", "/a"), ("/d", "/d/e")] {
        let create = Operation::Create { path: path.parse().unwrap(), content: String::new(), origins: Vec::new() };
        let refused = world.commit(step(create)).await.unwrap_err();
        let there = MemoryRef::Path(way.parse().unwrap());
        let memory = world.service.memory(&world.permit, &there, 0).await.unwrap().0.id;
        let named = [("conflicting_path", way.to_owned()), ("conflicting_memory", memory.to_string())];
        assert_eq!((refused.kind(), refused.details().metadata.as_slice()), (Kind::Exists, named.as_slice()));
    }
}

#[tokio::test]
async fn stores_are_listed_from_either_end_and_by_when_they_were_made() {
    let world = World::new().await;
    let admin = principal().permit(domain::access::Action::StoreCreate).unwrap();
    let mut made = vec![world.service.store(&world.permit).await.unwrap()];
    for name in ["b", "c"] {
        let new = NewStore { name: name.into(), ..NewStore::default() };
        made.push(world.service.create_store(&admin, new, "").await.unwrap());
    }
    let ids: Vec<_> = made.iter().map(|s| s.id).collect();
    let listed = async |filter: Filter| {
        let (mut page, mut found) = (domain::page::Page { size: 1, ..Default::default() }, Vec::new());
        loop {
            let listed = world.service.list_stores(&admin, |_| true, &filter, &page).await.unwrap();
            found.extend(listed.items.into_iter().map(|s| s.id));
            if listed.next_page_token.is_empty() {
                return found;
            }
            page.token = listed.next_page_token;
        }
    };
    assert_eq!(listed(Filter::default()).await, ids);
    let newest_first = Filter { newest_first: true, ..Filter::default() };
    assert_eq!(listed(newest_first.clone()).await, ids.iter().rev().copied().collect::<Vec<_>>());
    let from_second = TimeRange { start: Some(made[1].create_time), end: None };
    assert_eq!(listed(Filter { time: from_second, ..newest_first }).await, [ids[2], ids[1]]);
    let before_second = TimeRange { start: None, end: Some(made[1].create_time) };
    assert_eq!(listed(Filter { time: before_second, ..Filter::default() }).await, [ids[0]]);
}
