//! What watching promises, as tests.

use std::pin::Pin;

use futures_util::{FutureExt as _, StreamExt as _};
use runtime::task::Group;

use super::*;
use crate::tests::{World, texts};

type Events = Pin<Box<dyn Stream<Item = Result<Event>> + Send>>;

async fn watch(world: &World, after: Option<Revision>, glob: Option<&str>) -> Events {
    let permit = world.permit.clone();
    let renew: Renew = Box::new(move || Box::pin(std::future::ready(Ok(permit.clone()))));
    let glob = glob.map(|g| g.parse().unwrap());
    Box::pin(world.service.watch(world.permit.clone(), after, glob, renew).await.unwrap())
}

/// The revisions of the next commits.
async fn commits(events: &mut Events, count: usize) -> Vec<Revision> {
    let mut seen = Vec::new();
    while seen.len() < count {
        if let Event::Commit(commit) = events.next().await.unwrap().unwrap() {
            seen.push(commit.revision);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_watchers_see_every_commit_once_in_order_and_one_that_does_not_read_holds_up_nobody() {
    const COMMITS: usize = 40;
    let world = World::new().await;
    let mut slow = watch(&world, Some(0), None).await;
    let mut watchers = Group::default();
    for _ in 0..1_000 {
        let mut events = watch(&world, Some(0), None).await;
        watchers.spawn("watcher", async move { commits(&mut events, COMMITS).await });
    }
    for n in 0..COMMITS {
        world.write(&texts(&[("/n", &format!("{n}\n"))])).await;
    }
    let all: Vec<Revision> = (1..=COMMITS as u64).collect();
    for seen in watchers.join().await {
        assert_eq!(seen.as_ref(), Some(&all));
    }
    assert_eq!(commits(&mut slow, COMMITS).await, all, "the one that did not read misses nothing");
}

#[tokio::test]
async fn a_watch_goes_on_from_its_last_mark_also_where_nothing_matched() {
    let world = World::new().await;
    for n in 0..5 {
        world.write(&texts(&[("/other", &format!("{n}\n"))])).await;
    }
    let mut events = watch(&world, Some(0), Some("/wanted")).await;
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Progress(0), "where it begins");
    let Event::Progress(mark) = events.next().await.unwrap().unwrap() else { panic!("nothing matches") };
    assert_eq!(mark, 5);
    assert!(events.next().now_or_never().is_none(), "it waits");
    drop(events);
    let wanted = world.write(&texts(&[("/other", "x\n"), ("/wanted", "y\n")])).await;
    let mut events = watch(&world, Some(mark), Some("/wanted")).await;
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Progress(mark));
    let Event::Commit(commit) = events.next().await.unwrap().unwrap() else { panic!("a commit matches") };
    let paths: Vec<&str> = commit.versions.iter().map(|v| v.path.as_str()).collect();
    assert_eq!((commit.revision, paths), (wanted, vec!["/wanted"]));
}
