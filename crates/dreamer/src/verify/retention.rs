//! Retention: the loss guard. Whatever the store said is in the output, or in a file that a change names
//! as merged, superseded, edited, moved or archived; and of a merged file each statement is found
//! in another file.

use std::collections::BTreeSet;

use domain::MemoryPath;
use domain::dream::{Change, Edit, Operation, Snapshot};

use crate::apply::Memories;
use crate::config::Config;
use crate::curate::statements;

/// Text of the store that would be gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Loss {
    pub path: MemoryPath,
    pub what: String,
}

pub fn check(snapshot: &Snapshot, changes: &[Change], output: &Memories) -> Result<(), Loss> {
    let named: BTreeSet<&MemoryPath> =
        changes.iter().filter(|c| c.operation != Operation::Add).flat_map(Change::paths).collect();
    for (path, text) in &snapshot.memories {
        if !named.contains(path) && output.get(path) != Some(text) {
            return Err(Loss { path: path.clone(), what: "it changes, and no change names it".to_owned() });
        }
    }
    for change in changes.iter().filter(|c| c.operation == Operation::Merge) {
        for edit in &change.edits {
            let Edit::Delete { path, old } = edit else { continue };
            found_elsewhere(path, old, output)?;
        }
    }
    Ok(())
}

fn found_elsewhere(path: &MemoryPath, old: &str, output: &Memories) -> Result<(), Loss> {
    let theirs: Vec<_> = output.iter().filter(|(p, _)| *p != path).flat_map(|(_, text)| statements(text)).collect();
    let jaccard_min = Config::default().duplicate_jaccard_min;
    match statements(old).iter().any(|s| !theirs.iter().any(|t| s.is_in(t, jaccard_min))) {
        true => Err(Loss { path: path.clone(), what: "a statement of the merged file is nowhere else".to_owned() }),
        false => Ok(()),
    }
}
