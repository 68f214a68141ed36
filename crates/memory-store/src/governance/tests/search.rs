//! Redacted text leaves searches at once.

use domain::search::{Search, Within};

use super::*;

async fn found(world: &World, store: StoreId, query: &str) -> Vec<String> {
    let search = Search { query: query.parse().unwrap(), results_max: 0 };
    let found = world.service.search(&[(permit(store), Within::default())], &search).await.unwrap();
    found.hits.into_iter().map(|hit| hit.path.to_string()).collect()
}

#[tokio::test]
async fn a_redacted_text_and_a_redacted_path_are_not_found_in_any_store_of_the_family() {
    let world = World::new().await;
    world.commit(write("/keep.md", "the launch is on monday\n")).await;
    world.commit(write("/plans/falcon.md", "the launch code is 4711-alpha\n")).await;
    world.commit(write("/copy.md", "the launch code is 4711-alpha\n")).await;
    let fork = world.fork(0).await;
    for store in [world.store, fork] {
        assert_eq!(found(&world, store, "4711").await, ["/copy.md", "/plans/falcon.md"], "the control");
        assert_eq!(found(&world, store, "falcon").await.len(), 1, "the control");
    }
    world.redact(path("/plans")).await;
    for store in [world.store, fork] {
        assert_eq!(found(&world, store, "launch 4711 falcon alpha plans").await, ["/keep.md"]);
    }
}

#[tokio::test]
async fn a_memory_that_is_written_anew_is_found_by_what_is_left() {
    let world = World::new().await;
    world.commit(write("/a.md", "one\nkey: sk1234 here\n")).await;
    assert_eq!(found(&world, world.store, "sk1234").await, ["/a.md"]);
    world.redact(Selector::Regex("sk[0-9]+".into())).await;
    assert!(found(&world, world.store, "sk1234").await.is_empty());
    assert_eq!(found(&world, world.store, "key redacted").await, ["/a.md"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_searches_while_a_redaction_runs_is_answered_and_finds_nothing_afterwards() {
    let world = Arc::new(World::new().await);
    for n in 0..40 {
        world.commit(write(&format!("/secret/{n}.md"), &format!("alpha {n}\n"))).await;
    }
    let done = CancellationToken::new();
    let searcher = {
        let (world, done) = (world.clone(), done.clone());
        runtime::task::spawn("searcher", async move {
            let mut searches = 0;
            while !done.is_cancelled() {
                found(&world, world.store, "alpha").await;
                searches += 1;
            }
            searches
        })
    };
    world.redact(path("/secret")).await;
    assert!(found(&world, world.store, "alpha").await.is_empty());
    done.cancel();
    assert!(searcher.join().await.unwrap() > 0);
}
