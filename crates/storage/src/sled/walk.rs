//! Walks over a database that is written to meanwhile.
//!
//! A walk reads slice after slice. Commits that change what it has passed already are noted for it, so
//! that at its end it has seen the state of one moment: the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Shared, blocking, failed, pieces};
use crate::engine::{End, Error, Key, Result, Slice, Value, Walk, Write};
use crate::limits::{SLICE_BYTES_MAX, SLICE_ROWS_MAX, WALK_CHANGED_BYTES_MAX};
use crate::moment::{Moment, value_hash};

/// The walks that are under way.
#[derive(Default)]
pub struct Walks(Mutex<HashMap<u64, Walking>>);

#[derive(Default)]
struct Walking {
    /// The last key that was passed.
    passed: Option<Key>,
    /// What has been changed since the last slice among the keys that were passed.
    changed: Vec<Write>,
    changed_bytes: usize,
    /// The rows that were passed, as they are now.
    seen: Moment,
}

impl Walks {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Walking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> u64 {
        let mut walks = self.lock();
        let id = walks.keys().max().map_or(0, |id| id + 1);
        walks.insert(id, Walking::default());
        id
    }

    pub fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// A commit has changed a row. Called while no walk reads.
    pub fn note(&self, key: &Key, old: Option<&Value>, new: Option<&Value>) {
        for walk in self.lock().values_mut() {
            if walk.passed.as_ref().is_none_or(|passed| key > passed) {
                continue;
            }
            walk.seen.change(key, old.map(|v| value_hash(v)), new.map(|v| value_hash(v)));
            walk.changed_bytes += key.len() + new.map_or(0, Bytes::len);
            if walk.changed_bytes > WALK_CHANGED_BYTES_MAX {
                // `next` sees the bytes and gives up.
                walk.changed = Vec::new();
                continue;
            }
            walk.changed.push(match new {
                Some(value) => Write::Put(key.clone(), value.clone()),
                None => Write::Delete(key.clone()),
            });
        }
    }
}

/// One walk; dropping it ends it.
pub struct SledWalk {
    shared: Arc<Shared>,
    id: u64,
}

impl SledWalk {
    pub fn new(shared: Arc<Shared>) -> SledWalk {
        let id = shared.walks.begin();
        SledWalk { shared, id }
    }
}

impl Drop for SledWalk {
    fn drop(&mut self) {
        self.shared.walks.lock().remove(&self.id);
    }
}

#[async_trait::async_trait]
impl Walk for SledWalk {
    async fn next(&mut self) -> Result<Slice> {
        let (shared, id) = (self.shared.clone(), self.id);
        blocking(move || slice(&shared, id)).await
    }
}

fn slice(shared: &Shared, id: u64) -> Result<Slice> {
    // No commit is under way while this is held.
    let _gate = shared.gate.read().unwrap_or_else(PoisonError::into_inner);
    let moment = shared.moment();
    let (passed, mut seen, changed) = {
        let mut walks = shared.walks.lock();
        let walk = walks.get_mut(&id).ok_or(Error::Closed)?;
        if walk.changed_bytes > WALK_CHANGED_BYTES_MAX {
            return Err(Error::failed("the walk was too slow for what was written meanwhile: begin again"));
        }
        walk.changed_bytes = 0;
        (walk.passed.clone(), walk.seen, std::mem::take(&mut walk.changed))
    };
    let start = passed.as_ref().map_or(std::ops::Bound::Unbounded, |key| std::ops::Bound::Excluded(key.to_vec()));
    let mut rows = shared.rows.range::<Vec<u8>, _>((start, std::ops::Bound::Unbounded));
    let mut slice = Slice { rows: Vec::new(), changed, end: None };
    let mut bytes = 0;
    while slice.rows.len() < SLICE_ROWS_MAX && bytes < SLICE_BYTES_MAX {
        match rows.next() {
            None => {
                slice.end = Some(End { moment, agrees: seen.same_rows(&moment) });
                break;
            }
            Some(Ok((key, row))) => {
                seen.change(&key, None, pieces::value_hash(&row));
                let value = pieces::assemble(&row, |piece| shared.pieces.get(piece).map_err(failed));
                bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
                slice.rows.push((Bytes::copy_from_slice(&key), value));
            }
            Some(Err(error)) => {
                // sled cannot go on past a page that it cannot read.
                let last = slice.rows.last().map(|(key, _)| key.clone()).or(passed.clone());
                slice.rows.push((last.unwrap_or_default(), Err(failed(error))));
                slice.end = Some(End { moment, agrees: false });
                break;
            }
        }
    }
    if let Some(walk) = shared.walks.lock().get_mut(&id) {
        walk.passed = slice.rows.last().map(|(key, _)| key.clone()).or(passed);
        walk.seen = seen;
    }
    Ok(slice)
}

/// The rows that are there, counted and hashed without their pieces.
pub fn count(rows: &sled::Tree) -> Result<Moment> {
    let mut seen = Moment::default();
    for row in rows.iter() {
        let (key, row) = row.map_err(failed)?;
        seen.change(&key, None, pieces::value_hash(&row));
    }
    Ok(seen)
}
