//! The volatile engine: strict, in memory, gone with the process. For tests and for trying things out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use crate::engine::{Batch, Direction, Engine, Error, Key, Range, Result, Value, Write};

#[derive(Debug, Default)]
pub struct Volatile {
    rows: RwLock<BTreeMap<Key, Value>>,
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
        for write in batch.writes {
            match write {
                Write::Put(key, value) => rows.insert(key, value),
                Write::Delete(key) => rows.remove(&key),
            };
        }
        Ok(())
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
