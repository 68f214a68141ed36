//! Restoring: paths, or a whole store, made as they were, by one new commit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::Outcome;
use domain::error::Result;
use domain::history::Restore;
use domain::id::MemoryId;
use domain::path::Prefix;
use domain::{Error, Kind, MemoryPath, limits};

use crate::commit::{Plan, Proposal, Refusal};
use crate::edit::{self, Edit, NewContent, Target};
use crate::index::{self, Entry, Map};
use crate::stores::View;
use crate::write::Claimed;
use crate::{MemoryStore, blame, check};

#[cfg(test)]
mod tests;

impl MemoryStore {
    /// Makes all at or below some paths as it was at a revision. A memory that has left them since
    /// stays where it is, and comes back as another; one that has come to them is deleted or goes
    /// back to where it was there. One whose content was erased stays as it is now.
    ///
    /// # Errors
    /// Conflict where another head was expected, Precondition where a memory outside the paths is in
    /// the way.
    pub async fn restore(&self, permit: &StorePermit, restore: &Restore) -> Result<Outcome> {
        check::note(&restore.message, &restore.request_id)?;
        if restore.to_revision == 0 {
            return Err(Error::invalid("to_revision", "must be the number of a commit, from 1"));
        }
        if restore.paths.is_empty() {
            return Err(Error::invalid("paths", "name the paths to restore, or set all"));
        }
        restore.paths.iter().try_for_each(|prefix| check_writes(permit, prefix))?;
        let then = self.view(permit, restore.to_revision).await?;
        let open = then.store.clone();
        let claim = match self.claim(permit, &restore.request_id, "Restore", restore).await? {
            Claimed::Before(result) => return self.outcome_of(permit, &open, result).await,
            Claimed::Now(claim) => claim,
        };
        for _ in 0..=limits::REBASES_MAX {
            let now = self.stores().view(open.clone(), 0).await?;
            let proposal = Proposal {
                actor: Arc::new(permit.actor().clone()),
                message: restore.message.clone(),
                plan: Plan::Edits {
                    edits: self.going_back(&then, &now, &restore.paths).await?,
                    based_on: now.revision,
                    expected_revision: restore.expected_revision,
                },
                claim: claim.clone(),
                merged: None,
                redaction: false,
            };
            match self.propose(&open, proposal, false).await {
                Err(Refusal::Stale) => {}
                answer => return self.settle(permit, &open, answer).await,
            }
        }
        Err(Error::unavailable("the store keeps changing: try again"))
    }

    /// The edits that make one snapshot's paths as another's.
    async fn going_back(&self, then: &View, now: &View, paths: &[Prefix]) -> Result<Vec<Edit>> {
        let steps = steps(&then.map, &now.map, paths);
        if steps.len() > limits::BULK_VERSIONS_MAX {
            let most = limits::BULK_VERSIONS_MAX;
            let message = format!("{} memories differ, at most {most} can be restored at once", steps.len());
            return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
        }
        let mut edits = Vec::with_capacity(steps.len());
        for Step { from, to } in steps {
            let memory = match (&from, &to) {
                (Some((_, entry)), _) => entry.memory,
                // Its id is taken by the memory that has left: it comes back as another.
                (None, Some(to)) if to.elsewhere => MemoryId::from_bytes(self.context().ids.fresh()),
                (None, Some(to)) => to.entry.memory,
                (None, None) => continue,
            };
            let to = match to {
                Some(Place { path, entry, .. }) => {
                    let after = self.text(then, &entry).await?;
                    let before = match &from {
                        Some((_, entry)) => self.text(now, entry).await?,
                        None => "".into(),
                    };
                    let known = self.attributions(then, &entry).await?;
                    Some(Target {
                        path,
                        content: NewContent::Stored(entry.content),
                        origins: entry.origins.clone(),
                        credits: blame::credits(&known, &before, &after),
                        create_time: entry.create_time,
                    })
                }
                None => None,
            };
            edits.push(Edit { memory, from: from.map(|(path, entry)| (path, entry.version)), to });
        }
        if let Some((path, blocker)) = edit::blocked(&now.map, &edits) {
            let message = format!("{path} cannot come back: {blocker} is in the way; restore it too, or move it first");
            return Err(Error::new(Kind::Precondition, "PATH_TAKEN", message));
        }
        Ok(edits)
    }
}

/// What is to become of one memory.
struct Step {
    /// Where it is now.
    from: Option<(MemoryPath, Arc<Entry>)>,
    to: Option<Place>,
}

struct Place {
    path: MemoryPath,
    /// As it was then.
    entry: Arc<Entry>,
    /// The memory is there now, outside the paths.
    elsewhere: bool,
}

fn steps(then: &Map, now: &Map, paths: &[Prefix]) -> Vec<Step> {
    let selected = |map: &Map| -> BTreeMap<MemoryPath, Arc<Entry>> {
        let within = paths.iter().flat_map(|prefix| index::within(map, prefix));
        within.map(|(path, entry)| (path.clone(), entry.clone())).collect()
    };
    let (wanted, there) = (selected(then), selected(now));
    let there_by_id: HashMap<MemoryId, (&MemoryPath, &Arc<Entry>)> =
        there.iter().map(|(path, entry)| (entry.memory, (path, entry))).collect();
    let wanted_ids: HashSet<MemoryId> = wanted.values().map(|entry| entry.memory).collect();
    let missing = wanted_ids.iter().any(|id| !there_by_id.contains_key(id));
    let outside: HashSet<MemoryId> = if missing {
        now.values().map(|e| e.memory).filter(|id| !there_by_id.contains_key(id)).collect()
    } else {
        HashSet::new()
    };

    let mut steps = Vec::new();
    // What is erased cannot come back, and what is there in its place stays.
    let erased = |path: &MemoryPath| wanted.get(path).is_some_and(|entry| entry.content.erasure().is_some());
    for (path, entry) in wanted.iter().filter(|(path, _)| !erased(path)) {
        let from = there_by_id.get(&entry.memory).map(|(path, entry)| ((*path).clone(), (*entry).clone()));
        if from.as_ref().is_some_and(|(at, now)| at == path && now.content == entry.content) {
            continue;
        }
        let elsewhere = outside.contains(&entry.memory);
        steps.push(Step { from, to: Some(Place { path: path.clone(), entry: entry.clone(), elsewhere }) });
    }
    for (path, entry) in there {
        if !wanted_ids.contains(&entry.memory) && !erased(&path) {
            steps.push(Step { from: Some((path, entry)), to: None });
        }
    }
    steps
}

/// All below the prefix is to be changed: the permit must reach all of it.
fn check_writes(permit: &StorePermit, prefix: &Prefix) -> Result<()> {
    if prefix.is_all() {
        return permit.check_writes_all();
    }
    permit.check_write(&prefix.as_str().parse()?)
}
