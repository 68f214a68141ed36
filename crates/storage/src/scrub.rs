//! The scrub: finds damage before somebody needs what is damaged.
//!
//! It reads every row, opens every record with its key, and compares the sum of all rows with the one
//! that commits have kept: so it finds what is damaged, what is missing, and what is older than it
//! should be. It goes in slices, between which commits go on, and can be left at any of them.

use crate::engine::{End, Key, Result, Walk};
use crate::limits::DAMAGED_LISTED_MAX;
use crate::vault::{Vault, hex};

/// A scrub under way; dropping it ends it.
pub struct Scrub {
    vault: Vault,
    walk: Box<dyn Walk>,
    report: Report,
}

/// What a scrub has found so far.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub rows: u64,
    pub bytes: u64,
    /// Rows that cannot be read or opened; the first thousand.
    pub damaged: Vec<Damage>,
    pub damaged_count: u64,
    /// At the end: whether the rows that are there are those that were committed, none missing and none
    /// older.
    pub complete: Option<bool>,
}

/// A row that cannot be read.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Its first byte is its kind, which the service's key registry names.
    pub key: Key,
    pub why: String,
}

impl Report {
    /// Whether the scrub has come to its end and found nothing.
    pub fn is_sound(&self) -> bool {
        self.complete == Some(true) && self.damaged_count == 0
    }
}

impl Scrub {
    pub(crate) fn new(vault: Vault, walk: Box<dyn Walk>) -> Scrub {
        Scrub { vault, walk, report: Report::default() }
    }

    /// Checks the next slice, some hundred rows. False when it was the last.
    ///
    /// # Errors
    /// Of the engine itself; damage is no error but stands in the report.
    pub async fn slice(&mut self) -> Result<bool> {
        if self.report.complete.is_some() {
            return Ok(false);
        }
        let slice = self.walk.next().await?;
        for (key, value) in slice.rows {
            self.report.rows += 1;
            let checked = match value {
                Ok(value) => {
                    self.report.bytes += (key.len() + value.len()) as u64;
                    self.vault.check(&key, value)
                }
                Err(error) => Err(error),
            };
            let Err(error) = checked else { continue };
            match self.vault.is_whole(&key).await {
                Some(Err(error)) => self.damaged(key, error.to_string()),
                // A walk that cannot go on ends with the last key that was read.
                Some(Ok(())) if slice.end.is_some_and(|end| !end.agrees) => {
                    self.damaged(key, format!("after this key: {error}"));
                }
                // It was changed or erased meanwhile.
                _ => {}
            }
        }
        let Some(End { agrees, .. }) = slice.end else { return Ok(true) };
        if !agrees {
            tracing::error!("rows are missing or older than they should be: restore the database from a backup");
        }
        self.report.complete = Some(agrees);
        Ok(false)
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// As `slice`.
    pub async fn run(mut self) -> Result<Report> {
        while self.slice().await? {}
        Ok(self.report)
    }

    pub fn report(&self) -> &Report {
        &self.report
    }

    fn damaged(&mut self, key: Key, why: String) {
        tracing::error!(key = hex(&key), %why, "a stored row is damaged: restore it from a backup");
        self.report.damaged_count += 1;
        if self.report.damaged.len() < DAMAGED_LISTED_MAX {
            self.report.damaged.push(Damage { key, why });
        }
    }
}
