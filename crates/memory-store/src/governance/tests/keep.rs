//! What retention, purges and expiries promise, as tests.

use domain::store::{Change, Retention};

use super::*;
use crate::governance::housekeep::Round;

async fn retain(world: &World, store: StoreId, versions_min: u32, days_max: u32, legal_hold: bool) {
    let retention = Some(Retention { versions_min, days_max, legal_hold });
    let update = Change::Update { handle: None, name: None, description: None, metadata: None, retention };
    let changed = world.service.change_store(&permit(store), update, "").await.unwrap();
    assert_eq!(Some(changed.retention), retention);
}

#[tokio::test]
async fn contents_go_when_they_were_replaced_long_ago_and_nothing_stands_on_them() {
    let world = World::new().await;
    for n in 1..=4 {
        world.commit(write("/a.md", &format!("version {n}\n"))).await;
    }
    let fork = world.fork(2).await;
    world.commit_to(fork, write("/a.md", "the fork's\n"), "").await.unwrap();
    world.commit(write("/same.md", "version 1\n")).await;
    world.days_later(20);
    world.commit(write("/a.md", "version 5\n")).await;
    assert_eq!(world.service.housekeep().await.unwrap(), Round::default(), "nobody asked for less");

    retain(&world, world.store, 1, 10, false).await;
    let round = world.service.housekeep().await.unwrap();
    assert_eq!(round.contents, 1, "version 3 alone");
    let read = async |revision| world.read(world.store, "/a.md", revision).await;
    assert_eq!(read(1).await.unwrap(), "version 1\n", "another memory says so at the head");
    assert_eq!(read(2).await.unwrap(), "version 2\n", "a fork begins there");
    assert_eq!(reason(read(3).await), "EXPIRED");
    assert_eq!(read(4).await.unwrap(), "version 4\n", "it was replaced a moment ago");
    assert_eq!(read(0).await.unwrap(), "version 5\n");
    assert!(world.rows_with(&["version 3"]).await.is_empty());
    assert_eq!(world.verified(world.store).await, 1);

    world.days_later(20);
    retain(&world, world.store, 2, 10, false).await;
    assert_eq!(world.service.housekeep().await.unwrap().contents, 0, "the newest two are kept");
    retain(&world, world.store, 1, 10, true).await;
    assert_eq!(world.service.housekeep().await.unwrap().contents, 0, "a hold");
    retain(&world, world.store, 1, 10, false).await;
    assert_eq!(world.service.housekeep().await.unwrap().contents, 1);
    let world = world.reopened().await;
    assert_eq!(reason(world.read(world.store, "/a.md", 4).await), "EXPIRED");
    world.commit(write("/a.md", "version 4\n")).await;
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), "version 4\n", "the same text, written again");
    assert_eq!(reason(world.read(world.store, "/a.md", 5).await), "EXPIRED");
    assert_eq!((world.verified(world.store).await, world.verified(fork).await), (2, 0));
}

#[tokio::test]
async fn a_deleted_store_goes_after_its_window_and_a_base_only_after_its_last_fork() {
    let world = World::new().await;
    world.commit_to(world.store, write("/base.md", "base 4711\n"), "message 4711").await.unwrap();
    let fork = world.fork(0).await;
    world.commit_to(fork, write("/own.md", "own 4712\n"), "").await.unwrap();
    let delete = async |store| world.service.change_store(&permit(store), Change::Delete, "").await.unwrap();
    delete(world.store).await;
    world.days_later(6);
    assert_eq!(world.service.housekeep().await.unwrap().stores, 0, "it can be brought back");
    world.days_later(2);
    assert_eq!(world.service.housekeep().await.unwrap().stores, 0, "a fork builds on it");
    assert_eq!(world.read(fork, "/base.md", 0).await.unwrap(), "base 4711\n");
    world.verified(fork).await;

    delete(fork).await;
    world.days_later(8);
    let sealed = world.sealed().await;
    assert_eq!(world.service.housekeep().await.unwrap().stores, 2);
    assert!(world.rows_with(&["4711", "4712", "team"]).await.is_empty());
    let now = world.sealed().await;
    for store in [world.store, fork] {
        let of_store = |key: &bytes::Bytes| key.windows(16).any(|part| part == store.as_bytes());
        assert!(!now.iter().any(|(key, _)| of_store(key)));
        let old: Vec<_> = sealed.iter().filter(|(key, _)| of_store(key)).cloned().collect();
        assert!(!old.is_empty());
        assert_eq!(world.opening(&old).await, 0, "somebody kept a copy of the database");
        let undeleted = world.service.change_store(&permit(store), Change::Undelete, "").await;
        assert_eq!(undeleted.unwrap_err().kind(), domain::Kind::NotFound);
    }
}

#[tokio::test]
async fn of_a_purged_fork_goes_what_nobody_else_has() {
    let world = World::new().await;
    world.commit(write("/a.md", "shared\n")).await;
    let fork = world.fork(0).await;
    world.commit_to(fork, write("/b.md", "both write this\n"), "").await.unwrap();
    world.commit_to(fork, write("/c.md", "the fork alone\n"), "").await.unwrap();
    world.commit(write("/b.md", "both write this\n")).await;
    world.service.change_store(&permit(fork), Change::Delete, "").await.unwrap();
    world.days_later(8);
    assert_eq!(world.service.housekeep().await.unwrap().stores, 1);
    let world = world.reopened().await;
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), "shared\n");
    assert_eq!(world.read(world.store, "/b.md", 0).await.unwrap(), "both write this\n");
    assert!(world.rows_with(&["the fork alone"]).await.is_empty());
    assert_eq!(world.verified(world.store).await, 0);
}

#[tokio::test]
async fn outcomes_of_requests_go_after_a_day() {
    let world = World::new().await;
    let append = |text: &str| Request {
        steps: vec![Step::from(Operation::Append { path: "/log.md".parse().unwrap(), text: text.to_owned() })],
        request_id: "r".into(),
        ..Request::default()
    };
    world.service.commit(&world.permit(), append("x\n")).await.unwrap();
    assert_eq!(world.service.housekeep().await.unwrap().outcomes, 0);
    world.days_later(2);
    assert_eq!(world.service.housekeep().await.unwrap().outcomes, 1);
    let world = world.reopened().await;
    world.service.commit(&world.permit(), append("another\n")).await.unwrap();
    assert_eq!(world.read(world.store, "/log.md", 0).await.unwrap(), "x\nanother\n");
}
