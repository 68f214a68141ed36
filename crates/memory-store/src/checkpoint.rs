//! Checkpoints: all paths of a store at one revision, so that opening it replays few commits.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use domain::commit::Revision;
use domain::id::StoreId;
use domain::{Actor, Result, limits};
use storage::engine::{Direction, Range};
use storage::{Vault, VaultBatch};

use crate::governance::family::State;
use crate::index::{Entry, Map};
use crate::key::Family;
use crate::record::{self, Checkpoint, CheckpointEntry, CheckpointPage};
use crate::{fault, key};

/// Whether a checkpoint is due, after so many commits since the last.
pub fn is_due(commits: u64, memories: usize) -> bool {
    commits >= limits::CHECKPOINT_COMMITS_MIN.max(memories as u64 / limits::CHECKPOINT_MEMORIES_PER_COMMIT)
}

/// Writes the pages, each on its own, and then the row that makes them a checkpoint; all on condition
/// of the family's row as it was when the map was read, so that nothing comes back that is erased
/// meanwhile.
pub async fn write(
    vault: &Vault,
    store: StoreId,
    revision: Revision,
    map: &Map,
    (family, state): (Family, &State),
) -> Result<()> {
    let fenced = || {
        let mut batch = vault.batch();
        state.require(family, &mut batch);
        batch
    };
    let mut entries = map.iter();
    let mut pages = 0;
    loop {
        let page: Vec<_> = entries.by_ref().take(limits::CHECKPOINT_PAGE_MEMORIES_MAX).collect();
        if page.is_empty() {
            break;
        }
        let plain = record::encode(&to_page(&page))?;
        put(vault, fenced(), key::checkpoint_page(store, revision, pages), &plain).await?;
        pages += 1;
    }
    let checkpoint = Checkpoint { pages, entries: map.len() as u64 };
    put(vault, fenced(), key::checkpoint(store, revision), &record::encode(&checkpoint)?).await
}

/// The newest checkpoint in a store's own log, after `after` and up to and with `to`.
pub async fn newest(vault: &Vault, store: StoreId, after: Revision, to: Revision) -> Result<Option<(Revision, Map)>> {
    let range = Range {
        start: Bound::Excluded(key::checkpoint(store, after)),
        end: Bound::Included(key::checkpoint(store, to)),
    };
    let found = vault.scan(range, 1, Direction::Descending).await.map_err(fault::of)?;
    let Some((key, row)) = found.into_iter().next() else { return Ok(None) };
    let revision = key::revision_of(&key).ok_or_else(|| fault::damaged("a checkpoint's key"))?;
    let checkpoint: Checkpoint = record::decode(row.value())?;
    let mut map = Map::new();
    for page in 0..checkpoint.pages {
        let row = vault.get(&key::checkpoint_page(store, revision, page)).await.map_err(fault::of)?;
        let row = row.ok_or_else(|| fault::damaged(format_args!("checkpoint {revision} of {store} lacks a page")))?;
        from_page(&mut map, record::decode(row.value())?)?;
    }
    if map.len() as u64 != checkpoint.entries {
        return Err(fault::damaged(format_args!("checkpoint {revision} of {store} lacks memories")));
    }
    Ok(Some((revision, map)))
}

/// A second value under another data key would leave the first behind: hence the condition.
async fn put(vault: &Vault, mut batch: VaultBatch, key: bytes::Bytes, plain: &[u8]) -> Result<()> {
    batch.require_absent(key.clone());
    batch.put(key, plain).map_err(fault::of)?;
    vault.commit(batch).await.map_err(fault::of)
}

fn to_page(entries: &[(&domain::MemoryPath, &Arc<Entry>)]) -> CheckpointPage {
    let mut actors: Vec<Actor> = Vec::new();
    let mut places: HashMap<&Actor, u32> = HashMap::new();
    let entries = entries.iter().map(|(path, entry)| CheckpointEntry {
        path: (*path).clone(),
        memory: entry.memory,
        version: entry.version,
        revision: entry.revision,
        content: entry.content,
        origins: entry.origins.clone(),
        actor: *places.entry(&entry.actor).or_insert_with(|| {
            actors.push(Actor::clone(&entry.actor));
            actors.len() as u32 - 1
        }),
        create_time: entry.create_time.into(),
        update_time: entry.update_time.into(),
    });
    CheckpointPage { entries: entries.collect(), actors }
}

fn from_page(map: &mut Map, page: CheckpointPage) -> Result<()> {
    let actors: Vec<Arc<Actor>> = page.actors.into_iter().map(Arc::new).collect();
    for entry in page.entries {
        let actor = actors.get(entry.actor as usize).ok_or_else(|| fault::damaged("a checkpoint lacks an actor"))?;
        let kept = Entry {
            memory: entry.memory,
            version: entry.version,
            revision: entry.revision,
            content: entry.content,
            origins: entry.origins,
            actor: actor.clone(),
            create_time: entry.create_time.into(),
            update_time: entry.update_time.into(),
        };
        map.insert(entry.path, Arc::new(kept));
    }
    Ok(())
}
