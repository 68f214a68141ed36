//! Governance: taking content out for good, showing that nobody changed the past, keeping no more than
//! was asked for, and saying who did what.
//!
//! `redact` is a job that survives crashes: `select` finds what it is about, `family` keeps writers from
//! naming it again, `erase` takes it out of every row that has it and has the keys destroyed, `receipt`
//! tells. `retain` and `purge` erase in the same way what a store's retention, or its deletion, has
//! ended; `housekeep` runs them. `told` is what versions say of a redaction. `verify` checks the chain, `audit` keeps what was done and refused.

use std::sync::{Mutex, PoisonError};

use runtime::task::Task;

pub mod audit;
mod collect;
mod erase;
pub mod family;
pub mod housekeep;
pub mod key;
mod members;
mod purge;
mod receipt;
pub mod record;
mod redact;
mod retain;
mod scrub;
mod select;
mod told;
mod verify;

#[cfg(test)]
mod tests;

/// What governance has running.
#[derive(Default)]
pub struct Governance {
    /// One erasure at a time.
    pub(crate) pen: tokio::sync::Mutex<()>,
    tasks: Mutex<Vec<Task>>,
}

impl Governance {
    /// Owns a task until it ends, or the service does.
    pub fn own(&self, task: Task) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }
}
