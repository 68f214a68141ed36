//! The volatile engine: strict, in memory, gone with the process. For tests and for trying things out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::engine::{Batch, Direction, End, Engine, Error, Key, Range, Result, Slice, Value, Walk, Write};
use crate::moment::{Moment, value_hash};

#[derive(Debug, Default)]
pub struct Volatile {
    rows: RwLock<BTreeMap<Key, Value>>,
    commits: AtomicU64,
}

/// All rows of one moment: in memory a copy is the simplest walk.
struct Copied(Vec<(Key, Value)>, u64);

#[async_trait::async_trait]
impl Walk for Copied {
    async fn next(&mut self) -> Result<Slice> {
        let mut moment = Moment { commits: self.1, ..Moment::default() };
        for (key, value) in &self.0 {
            moment.change(key, None, Some(value_hash(value)));
        }
        let rows = std::mem::take(&mut self.0).into_iter().map(|(key, value)| (key, Ok(value))).collect();
        Ok(Slice { rows, changed: Vec::new(), end: Some(End { moment, agrees: true }) })
    }
}

impl Volatile {
    #[expect(clippy::new_ret_no_self, reason = "an engine is always shared")]
    pub fn new() -> Arc<dyn Engine> {
        Arc::new(Volatile::default())
    }
}

#[async_trait::async_trait]
impl Engine for Volatile {
    async fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Value)>> {
        if is_empty(&range) {
            return Ok(Vec::new());
        }
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.range((range.start, range.end)).map(|(k, v)| (k.clone(), v.clone()));
        Ok(match direction {
            Direction::Ascending => found.take(limit).collect(),
            Direction::Descending => found.rev().take(limit).collect(),
        })
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let failed = batch.conditions.iter().filter(|c| !c.holds(rows.get(c.key()).map(|v| v.as_ref())));
        let failed: Vec<_> = failed.map(|c| (c.key().clone(), rows.get(c.key()).cloned())).collect();
        if !failed.is_empty() {
            return Err(Error::Conflict(failed));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        for write in batch.writes {
            match write {
                Write::Put(key, value) => rows.insert(key, value),
                Write::Delete(key) => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn walk(&self) -> Result<Box<dyn Walk>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let copied = rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Box::new(Copied(copied, self.commits.load(Ordering::Relaxed))))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the engine's clock")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn name(&self) -> &'static str {
        "volatile"
    }
}

/// Ranges that hold nothing, and that the standard map panics on.
pub(crate) fn is_empty(range: &Range) -> bool {
    match (&range.start, &range.end) {
        (Bound::Excluded(start), Bound::Excluded(end)) => start >= end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start > end,
        _ => false,
    }
}
