//! What the bound on open stores promises, as tests.

use domain::access::Action;
use domain::store::NewStore;

use super::*;
use crate::tests::{World, principal, texts};

/// So many stores with `memories` each, over one vault, and a few that may be open.
async fn bounded(
    count: usize,
    memories: usize,
    stores_max: usize,
    memories_max: usize,
) -> (World, Stores, Vec<StoreId>) {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..count {
        let new = NewStore { handle: Some(format!("store-{n}").parse().unwrap()), ..NewStore::default() };
        let permit = principal().permit(Action::StoreCreate).unwrap();
        let store = world.service.create_store(&permit, new, "").await.unwrap().id;
        let permit = principal().permit_store(Action::StoreWrite, store).unwrap();
        let world = World { service: world.service.clone(), permit, vault: world.vault.clone() };
        let all: Vec<(String, String)> = (0..memories).map(|m| (format!("/{m}"), format!("{n} {m}"))).collect();
        world.write(&texts(&all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())).await;
        ids.push(store);
    }
    let stores = Stores::new(world.service.context().clone());
    {
        let mut open = stores.open.lock().unwrap();
        (open.stores_max, open.memories_max) = (stores_max, memories_max);
    }
    (world, stores, ids)
}

fn held(stores: &Stores) -> usize {
    stores.open.lock().unwrap().slots.len()
}

#[tokio::test]
async fn the_stores_that_were_not_used_for_longest_are_closed_and_read_again_when_they_are_asked_for() {
    let (_world, stores, ids) = bounded(8, 2, 3, usize::MAX).await;
    let workspace = principal().workspace;
    let in_use = stores.open(workspace, ids[0]).await.unwrap();
    for id in &ids {
        let open = stores.open(workspace, *id).await.unwrap();
        assert_eq!(open.head().map.len(), 2);
        drop(open);
        assert!(held(&stores) <= 3, "{} stores are open", held(&stores));
    }
    let again = stores.open(workspace, ids[0]).await.unwrap();
    assert!(Arc::ptr_eq(&in_use, &again), "one that is in use stays");
    assert_eq!(stores.open(workspace, ids[1]).await.unwrap().head().map.len(), 2, "one that was closed");
}

#[tokio::test]
async fn large_stores_are_closed_sooner() {
    let (_world, stores, ids) = bounded(6, 40, 100, 100).await;
    for id in &ids {
        drop(stores.open(principal().workspace, *id).await.unwrap());
        // What is opened comes on top: how large it is shows afterwards.
        assert!(held(&stores) <= 3, "{} stores of 40 memories are open", held(&stores));
    }
}
