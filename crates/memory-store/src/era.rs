//! Eras: what is kept in memory belongs to one, and an erasure begins the next.
//!
//! Whoever fills a cache says in which era it began to read the disk. What it has read before an
//! erasure then lands where nobody looks any more, however late it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Default)]
pub struct Eras(Arc<AtomicU64>);

/// To be asked for before the disk is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Era(u64);

impl Eras {
    pub fn now(&self) -> Era {
        Era(self.0.load(Ordering::Acquire))
    }

    pub fn next(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// The era in which something shared was read.
#[derive(Debug)]
pub struct ReadIn(AtomicU64);

impl ReadIn {
    pub fn new(era: Era) -> ReadIn {
        ReadIn(AtomicU64::new(era.0))
    }

    pub fn set(&self, era: Era) {
        self.0.store(era.0, Ordering::Release);
    }

    pub fn era(&self) -> Era {
        Era(self.0.load(Ordering::Acquire))
    }
}
