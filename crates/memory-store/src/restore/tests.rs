//! What `restore` promises, as tests.

use std::collections::BTreeMap;

use domain::commit::{ChangeKind, Operation, Revision};
use domain::history::Restore;

use super::*;
use crate::blame::tests::World;

impl World {
    async fn restore(&self, to_revision: Revision, paths: &[&str]) -> Result<Outcome> {
        let paths = paths.iter().map(|p| p.parse().unwrap()).collect();
        let restore = Restore { to_revision, paths, message: "by ben".into(), ..Restore::default() };
        self.memory.restore(&self.permit("ben"), &restore).await
    }

    async fn contents(&self) -> BTreeMap<String, String> {
        let view = self.memory.view(&self.permit("reader"), 0).await.unwrap();
        let mut contents = BTreeMap::new();
        for (path, entry) in &view.map {
            contents.insert(path.to_string(), self.memory.text(&view, entry).await.unwrap().to_string());
        }
        contents
    }

    async fn memory_at(&self, path: &str, revision: Revision) -> MemoryId {
        let view = self.memory.view(&self.permit("reader"), revision).await.unwrap();
        view.map.get::<str>(path).unwrap().memory
    }

    async fn delete(&self, path: &str) {
        self.commit("ana", Operation::Delete { path: path.parse().unwrap(), recursive: false }).await;
    }

    async fn move_to(&self, from: &str, to: &str) {
        self.commit("ana", Operation::Move { from: from.parse().unwrap(), to: to.parse().unwrap() }).await;
    }
}

fn contents(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_whole_store_becomes_as_it_was_by_one_commit() {
    let world = World::new().await;
    world.write("ana", "/a", "1\n").await;
    world.write("ana", "/b/c", "2\n").await;
    let then = world.write("ana", "/d", "3\n").await.revision;
    let was = world.contents().await;
    let (a, d) = (world.memory_at("/a", 0).await, world.memory_at("/d", 0).await);
    world.write("ana", "/a", "changed\n").await;
    world.move_to("/b/c", "/e").await;
    world.delete("/d").await;
    let head = world.write("ana", "/new", "4\n").await.revision;

    let outcome = world.restore(then, &[""]).await.unwrap();
    assert_eq!((outcome.revision, outcome.no_op), (head + 1, false));
    assert_eq!(world.contents().await, was);
    assert_eq!((world.memory_at("/a", 0).await, world.memory_at("/d", 0).await), (a, d), "the same memories");
    let kinds: Vec<(&str, ChangeKind)> = outcome.versions.iter().map(|v| (v.path.as_str(), v.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("/a", ChangeKind::Modified),
            ("/b/c", ChangeKind::Renamed),
            ("/d", ChangeKind::Created),
            ("/new", ChangeKind::Deleted)
        ]
    );
    assert!(world.restore(then, &[""]).await.unwrap().no_op);
}

#[tokio::test]
async fn only_the_paths_that_are_named_go_back() {
    let world = World::new().await;
    world.write("ana", "/a/x", "1\n").await;
    let then = world.write("ana", "/b/x", "1\n").await.revision;
    world.write("ana", "/a/x", "2\n").await;
    world.write("ana", "/a/y", "2\n").await;
    world.write("ana", "/b/x", "2\n").await;
    world.restore(then, &["/a"]).await.unwrap();
    assert_eq!(world.contents().await, contents(&[("/a/x", "1\n"), ("/b/x", "2\n")]));
}

#[tokio::test]
async fn a_memory_that_left_the_paths_stays_and_comes_back_as_another() {
    let world = World::new().await;
    let then = world.write("ana", "/a/x", "1\n").await.revision;
    world.move_to("/a/x", "/b/x").await;
    world.restore(then, &["/a"]).await.unwrap();
    assert_eq!(world.contents().await, contents(&[("/a/x", "1\n"), ("/b/x", "1\n")]));
    assert_eq!(world.memory_at("/b/x", 0).await, world.memory_at("/a/x", then).await);
    assert_ne!(world.memory_at("/a/x", 0).await, world.memory_at("/a/x", then).await);
}

#[tokio::test]
async fn two_memories_that_changed_places_change_back() {
    let world = World::new().await;
    world.write("ana", "/a", "1\n").await;
    let then = world.write("ana", "/b", "2\n").await.revision;
    for (from, to) in [("/a", "/t"), ("/b", "/a"), ("/t", "/b")] {
        world.move_to(from, to).await;
    }
    assert_eq!(world.contents().await, contents(&[("/a", "2\n"), ("/b", "1\n")]));
    let was = world.memory_at("/a", then).await;
    world.restore(then, &[""]).await.unwrap();
    assert_eq!(world.contents().await, contents(&[("/a", "1\n"), ("/b", "2\n")]));
    assert_eq!(world.memory_at("/a", 0).await, was);
}

#[tokio::test]
async fn lines_that_come_back_keep_their_first_authors() {
    let world = World::new().await;
    let then = world.write("ana", "/a", "one\ntwo\n").await.revision;
    world.write("cem", "/a", "one\n").await;
    let at = world.restore(then, &["/a"]).await.unwrap().revision;
    assert_eq!(world.blame("/a", 0).await, ["1-1 @1 ana []: one".to_owned(), format!("2-2 @{at} ana []: two")]);
    world.delete("/a").await;
    let at = world.restore(then, &["/a"]).await.unwrap().revision;
    assert_eq!(world.blame("/a", 0).await, [format!("1-2 @{at} ana []: one two")]);
}

#[tokio::test]
async fn what_is_in_the_way_outside_the_paths_is_named() {
    let world = World::new().await;
    let then = world.write("ana", "/a/x", "1\n").await.revision;
    world.delete("/a/x").await;
    world.write("ana", "/a", "2\n").await;
    let error = world.restore(then, &["/a/x"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (Kind::Precondition, "PATH_TAKEN"));
    assert!(error.message().contains("/a is in the way"), "{}", error.message());
    world.restore(then, &["/a"]).await.unwrap();
    assert_eq!(world.contents().await, contents(&[("/a/x", "1\n")]));
}

#[tokio::test]
async fn a_restore_is_refused_for_another_head_a_future_revision_and_nothing_named() {
    let world = World::new().await;
    let then = world.write("ana", "/a", "1\n").await.revision;
    let restore = Restore {
        to_revision: then,
        paths: vec![Prefix::ALL],
        expected_revision: Some(then + 1),
        ..Restore::default()
    };
    world.write("ana", "/a", "2\n").await;
    world.write("ana", "/a", "3\n").await;
    let refused = world.memory.restore(&world.permit("ben"), &restore).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(world.restore(99, &[""]).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(world.restore(0, &[""]).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(world.restore(then, &[]).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(world.contents().await, contents(&[("/a", "3\n")]));
}

#[tokio::test]
async fn a_repeated_restore_is_made_once() {
    let world = World::new().await;
    let then = world.write("ana", "/a", "1\n").await.revision;
    world.write("ana", "/a", "2\n").await;
    let restore = Restore { to_revision: then, paths: vec![Prefix::ALL], request_id: "r".into(), ..Restore::default() };
    let permit = world.permit("ben");
    let first = world.memory.restore(&permit, &restore).await.unwrap();
    world.write("ana", "/a", "3\n").await;
    assert_eq!(world.memory.restore(&permit, &restore).await.unwrap(), first);
    assert_eq!(world.contents().await, contents(&[("/a", "3\n")]));
}
