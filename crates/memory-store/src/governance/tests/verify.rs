//! What the check of a history promises, as tests.

use proptest::prelude::*;

use super::*;
use crate::key;

/// A history with all that one can have: forks, deletions, renames, messages, origins, a merge.
async fn history() -> (World, StoreId) {
    let world = World::new().await;
    world.commit_to(world.store, write("/a.md", "one\ntwo\n"), "begins").await.unwrap();
    world.commit(write("/b.md", "b\n")).await;
    let fork = world.fork(0).await;
    let origins = vec![domain::commit::Origin { start_line: 1, end_line: 1, source: "x:y".into() }];
    let edit = Operation::Write { path: "/a.md".parse().unwrap(), content: "one\n2\n".into(), origins };
    world.commit_to(fork, edit, "a change").await.unwrap();
    world
        .commit_to(fork, Operation::Move { from: "/b.md".parse().unwrap(), to: "/c.md".parse().unwrap() }, "")
        .await
        .unwrap();
    world.commit(delete("/b.md")).await;
    let (theirs, ours) = (permit(world.store), permit(fork));
    world.service.merge((&theirs, 2), &ours, &domain::history::Merge::default()).await.unwrap();
    (world, fork)
}

#[tokio::test]
async fn a_history_verifies_through_forks_of_forks_also_of_those_that_begin_below_them() {
    let (world, fork) = history().await;
    let root = world.verified(world.store).await;
    assert_eq!((root, world.verified(fork).await), (0, 0));
    for revision in [1, 2, 3, 4] {
        let new = NewFork { revision, ..NewFork::default() };
        let below = world.service.fork_store(&permit(fork), new, "").await.unwrap().id;
        world.verified(below).await;
        let again = world.service.fork_store(&permit(below), NewFork::default(), "").await.unwrap().id;
        world.commit_to(again, write("/z.md", "z\n"), "").await.unwrap();
        world.verified(again).await;
    }
    let permit_of_empty = principal("ana", Role::Admin).permit(Action::StoreCreate).unwrap();
    let new = NewStore { name: "empty".into(), ..NewStore::default() };
    let empty = world.service.create_store(&permit_of_empty, new, "").await.unwrap().id;
    world.verified(empty).await;
    let fork_of_empty = world.service.fork_store(&permit(empty), NewFork::default(), "").await.unwrap().id;
    world.verified(fork_of_empty).await;
    world.commit_to(fork_of_empty, write("/z.md", "z\n"), "").await.unwrap();
    world.verified(fork_of_empty).await;
}

async fn problems(world: &World, store: StoreId) -> usize {
    match world.service.verify_history(&permit(store)).await {
        Ok(found) => found.problems.len(),
        // The store's own row.
        Err(e) => {
            assert_eq!(e.kind(), domain::Kind::Corrupt);
            1
        }
    }
}

fn is_of_history(key: &[u8]) -> bool {
    matches!(key[0], key::COMMIT | key::DETAIL | key::CONTENT)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_bit_is_flipped_on_the_disk_or_under_the_seal_it_is_noticed(row in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0..8u8, sealed: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (world, fork) = history().await;
            world.commit_to(fork, delete("/a.md"), "").await.unwrap();
            // What the fork stands on and its own: all but what its parent did after the fork point.
            let rows = world.sealed().await;
            let rows: Vec<_> = rows.into_iter().filter(|(k, _)| is_of_history(k) && !(k[1..17] == *world.store.as_bytes() && key::revision_of(k) == Some(3))).collect();
            let (key, value) = row.get(&rows);
            if sealed {
                let mut value = value.to_vec();
                let at = place.index(value.len());
                value[at] ^= 1 << bit;
                world.put(key, Some(value.into())).await;
            } else {
                let record = world.vault.get(key).await.unwrap().unwrap();
                let mut plain = record.value().to_vec();
                let at = place.index(plain.len());
                plain[at] ^= 1 << bit;
                let mut batch = world.vault.batch();
                batch.replace(key.clone(), &record, &plain).unwrap();
                world.vault.commit(batch).await.unwrap();
            }
            assert!(problems(&world, fork).await > 0, "kind {:#x}, sealed {sealed}", key[0]);
        });
    }
}

#[tokio::test]
async fn rows_that_are_taken_away_or_put_elsewhere_and_a_head_that_goes_back_are_noticed() {
    for kind in [key::COMMIT, key::DETAIL, key::CONTENT] {
        let (world, fork) = history().await;
        let rows = world.sealed().await;
        let (key, _) = rows.iter().find(|(k, _)| k[0] == kind).unwrap();
        world.put(key, None).await;
        assert!(problems(&world, fork).await > 0, "{kind:#x}");
    }
    let (world, fork) = history().await;
    let row_key = key::store(WorkspaceId::from_bytes([9; 16]), fork);
    let record = world.vault.get(&row_key).await.unwrap().unwrap();
    let mut row: crate::record::StoreRow = crate::record::decode(record.value()).unwrap();
    let before = world.vault.get(&key::commit(fork, row.head - 1)).await.unwrap().unwrap();
    row.chain = crate::record::decode_commit(before.value()).unwrap().chain;
    row.head -= 1;
    let mut batch = world.vault.batch();
    batch.replace(row_key, &record, &crate::record::encode(&row).unwrap()).unwrap();
    world.vault.commit(batch).await.unwrap();
    assert!(problems(&world, fork).await > 0, "there are commits after the head");
}
