//! Merging: what a fork changed since the common snapshot, brought into another store of its family
//! as one commit.

use std::ops::Bound;
use std::sync::Arc;

use domain::access::StorePermit;
use domain::blame::{Ranges, origins_merged};
use domain::commit::{MergeConflict, Revision};
use domain::error::Result;
use domain::history::{Merge, Merged};
use domain::id::StoreId;
use domain::merge::merge3;
use domain::merge::trees::{self, Content, Step, Tree, merge_trees};
use domain::path::Prefix;
use domain::store::Snapshot;
use domain::{Error, Kind, MemoryPath, limits};
use imbl::ordmap::DiffItem;
use serde::Serialize;
use storage::engine::{Direction, Range};

use crate::blame::{Attributions, credits};
use crate::commit::{self, Plan, Proposal, Refusal, store_moved};
use crate::edit::{Edit, NewContent, Target};
use crate::governance::family::is_erased;
use crate::index::Entry;
use crate::record::{self, ContentRef, MergeRow};
use crate::stores::View;
use crate::write::Claimed;
use crate::{MemoryStore, check, fault, key, load};

/// The three sides of a merge.
struct Sides {
    base: View,
    ours: View,
    theirs: View,
}

#[derive(Serialize)]
struct Body<'a> {
    source: StoreId,
    source_revision: Revision,
    merge: &'a Merge,
}

impl MemoryStore {
    /// Brings what the source changed since the common snapshot into the target. Memories keep their
    /// ids, lines their origins and authors.
    ///
    /// # Errors
    /// Conflict: where both sides changed the same lines, or where the target's head is not the
    /// expected one; nothing is applied. Precondition for stores of different families.
    pub async fn merge(
        &self,
        (source, source_revision): (&StorePermit, Revision),
        target: &StorePermit,
        merge: &Merge,
    ) -> Result<Merged> {
        check::note(&merge.message, &merge.request_id)?;
        source.check_reads_all()?;
        let theirs = self.view(source, source_revision).await?;
        let request_id = if merge.dry_run { "" } else { &merge.request_id };
        let body = Body { source: source.store(), source_revision, merge };
        let open = self.stores().open(target.workspace(), target.store()).await?;
        let mut claim = match self.claim(target, request_id, "Merge", &body).await? {
            Claimed::Now(claim) => claim,
            Claimed::Before(result) => {
                let outcome = self.outcome_of(target, &open, result).await?;
                let before = self.stores().view(open.clone(), outcome.revision.saturating_sub(1)).await?;
                let base = self.merge_base(&before, &theirs).await?;
                return Ok(Merged { outcome, base });
            }
        };
        for _ in 0..limits::REBASES_MAX {
            let ours = self.stores().view(open.clone(), 0).await?;
            if merge.expected_revision.is_some_and(|r| r != ours.revision) {
                return Err(commit::conflict(self.context(), open.family(), vec![store_moved(ours.revision)]).await);
            }
            let base = self.merge_base(&ours, &theirs).await?;
            let based_on = ours.revision;
            let edits = self.merge_edits(target, base, ours, &theirs, merge).await?;
            let proposal = Proposal {
                actor: Arc::new(target.actor().clone()),
                message: merge.message.clone(),
                plan: Plan::Edits { edits, based_on, expected_revision: merge.expected_revision },
                claim: claim.clone(),
                merged: Some(commit::Merged {
                    snapshot: Snapshot { store: source.store(), revision: theirs.revision },
                    whole: merge.include.is_empty() && merge.exclude.is_empty(),
                }),
                redaction: false,
            };
            match self.propose(&open, proposal, merge.dry_run).await {
                Err(Refusal::Stale) => {}
                answer => {
                    let outcome = self.settle(target, &open, answer).await?;
                    return Ok(Merged { outcome, base });
                }
            }
            // The claim's reading of the disk is as old as the edits.
            if let Some(claim) = &mut claim
                && let Some(result) = crate::outcome::look_up(self.context(), claim).await?
            {
                return Ok(Merged { outcome: self.outcome_of(target, &open, result).await?, base });
            }
        }
        Err(Error::unavailable("the target keeps changing: try again"))
    }

    /// The newest snapshot that both sides have: where their lineages part, or what the last whole
    /// merge between them brought over.
    async fn merge_base(&self, ours: &View, theirs: &View) -> Result<Snapshot> {
        let (target, source) = (&ours.store, &theirs.store);
        let forked = target.lineage.common(ours.revision, &source.lineage, theirs.revision);
        let forked = forked.filter(|_| target.workspace == source.workspace).ok_or_else(|| {
            let message = "the stores are not of one family of forks: they have no snapshot in common";
            Error::new(Kind::Precondition, "NOT_RELATED", message)
        })?;
        let taken = self.last_merge(target.id, source.id, ours.revision).await?;
        let given = self.last_merge(source.id, target.id, theirs.revision).await?;
        Ok(match (taken, given) {
            // The source took from the target after the target took from it.
            (Some((at, _)), Some((_, target_revision))) if target_revision >= at => {
                Snapshot { store: target.id, revision: target_revision }
            }
            (None, Some((_, target_revision))) => {
                Snapshot { store: target.id, revision: target_revision.min(ours.revision) }
            }
            (Some((_, source_revision)), _) => {
                Snapshot { store: source.id, revision: source_revision.min(theirs.revision) }
            }
            (None, None) => forked,
        })
    }

    /// The newest whole merge of a source into a target: the target's revision and the source's.
    async fn last_merge(
        &self,
        target: StoreId,
        source: StoreId,
        up_to: Revision,
    ) -> Result<Option<(Revision, Revision)>> {
        let range = Range {
            start: Bound::Included(key::merge(target, source, up_to)),
            end: Bound::Included(key::merge(target, source, 0)),
        };
        let rows = self.context().vault.scan(range, 1, Direction::Ascending).await.map_err(fault::of)?;
        let Some((key, row)) = rows.first() else { return Ok(None) };
        let at = key::newest_first_revision_of(key).ok_or_else(|| fault::damaged("a merge's key"))?;
        let row: MergeRow = record::decode(row.value())?;
        Ok(Some((at, row.revision)))
    }

    async fn merge_edits(
        &self,
        target: &StorePermit,
        base: Snapshot,
        ours: View,
        theirs: &View,
        merge: &Merge,
    ) -> Result<Vec<Edit>> {
        let holder = if base.store == theirs.store.id { theirs } else { &ours };
        let map = load::map(self.context(), &holder.store.lineage, base.revision).await?;
        let base = View { store: holder.store.clone(), revision: base.revision, map };
        let sides = Sides { base, ours, theirs: theirs.clone() };
        let (base_tree, theirs_tree) = differing(&sides.base, &sides.theirs);
        let ours_tree: Tree<ContentRef> = sides.ours.map.iter().map(|(p, e)| (p.clone(), tree_entry(e))).collect();
        let within = |prefixes: &[Prefix], path: &MemoryPath| prefixes.iter().any(|p| path.is_within(p));
        let selects = |path: &MemoryPath| {
            (merge.include.is_empty() || within(&merge.include, path)) && !within(&merge.exclude, path)
        };
        let merged = merge_trees(&base_tree, &ours_tree, &theirs_tree, selects);

        let mut conflicts = Conflicts::default();
        for conflict in &merged.conflicts {
            target.check_write(&conflict.path)?;
            let (base, ours, theirs) = (conflict.base.as_ref(), conflict.ours.as_ref(), conflict.theirs.as_ref());
            conflicts.push(MergeConflict {
                path: conflict.path.clone(),
                base: self.side(&sides, base).await?,
                ours: self.side(&sides, ours).await?,
                theirs: self.side(&sides, theirs).await?,
            });
        }
        if merged.steps.len() > limits::BULK_VERSIONS_MAX {
            let (count, most) = (merged.steps.len(), limits::BULK_VERSIONS_MAX);
            let message =
                format!("the merge is about {count} memories, at most {most} are allowed: include fewer paths");
            return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
        }
        let mut edits = Vec::with_capacity(merged.steps.len());
        for step in merged.steps {
            target.check_write(step.path())?;
            match self.merge_step(&sides, step).await? {
                Ok(edit) => {
                    if let Some(to) = &edit.to {
                        target.check_write(&to.path)?;
                    }
                    edits.push(edit);
                }
                Err(conflict) => conflicts.push(conflict),
            }
        }
        conflicts.finish()?;
        Ok(edits)
    }

    async fn merge_step(&self, sides: &Sides, step: Step<ContentRef>) -> Result<Result<Edit, MergeConflict>> {
        let lost = || Error::internal("a merge's step names a memory that its side does not have");
        let ours = |path: &MemoryPath| sides.ours.map.get(path).cloned().ok_or_else(lost);
        Ok(Ok(match step {
            Step::Delete { path, memory } => {
                let version = ours(&path)?.version;
                Edit { memory, from: Some((path, version)), to: None }
            }
            Step::Create { path, memory, content } => {
                let theirs = sides.theirs.map.get(&path).cloned().ok_or_else(lost)?;
                let text = self.text(&sides.theirs, &theirs).await?;
                let attributed = self.attributions(&sides.theirs, &theirs).await?;
                let to = Target {
                    path,
                    content: NewContent::Stored(content),
                    origins: theirs.origins.clone(),
                    credits: credits(&attributed, "", &text),
                    create_time: theirs.create_time,
                };
                Edit { memory, from: None, to: Some(to) }
            }
            Step::Change { from, to, memory, content } => {
                let our_entry = ours(&from)?;
                let mut target = Target {
                    path: to,
                    content: NewContent::Stored(our_entry.content),
                    origins: our_entry.origins.clone(),
                    credits: Vec::new(),
                    create_time: our_entry.create_time,
                };
                let combined = match content {
                    Content::Keep => None,
                    Content::Take(name) => {
                        let theirs = entry_of(&sides.theirs, memory).ok_or_else(lost)?;
                        let (old, new) =
                            (self.text(&sides.ours, &our_entry).await?, self.text(&sides.theirs, &theirs).await?);
                        let attributed = self.attributions(&sides.theirs, &theirs).await?;
                        target.content = NewContent::Stored(name);
                        target.origins = theirs.origins.clone();
                        target.credits = credits(&attributed, &old, &new);
                        None
                    }
                    Content::Lines { base, .. } => Some(base),
                };
                if let Some(base) = combined {
                    let theirs = entry_of(&sides.theirs, memory).ok_or_else(lost)?;
                    if let Err(conflict) = self.merge_lines(sides, &base, &our_entry, &theirs, &mut target).await? {
                        return Ok(Err(conflict));
                    }
                }
                Edit { memory, from: Some((from, our_entry.version)), to: Some(target) }
            }
        }))
    }

    async fn merge_lines(
        &self,
        sides: &Sides,
        base: &ContentRef,
        ours: &Entry,
        theirs: &Entry,
        target: &mut Target,
    ) -> Result<Result<(), MergeConflict>> {
        let family = sides.ours.store.family();
        let base = match self.context().contents.read(family, base).await {
            // Nobody can tell who changed which lines.
            Err(e) if is_erased(&e) => None,
            base => Some(base?),
        };
        let our_text = self.text(&sides.ours, ours).await?;
        let their_text = self.text(&sides.theirs, theirs).await?;
        let Some(merged) = base.as_ref().and_then(|base| merge3(base, &our_text, &their_text).ok()) else {
            let (base, ours, theirs) = (base.map(|b| b.to_string()), our_text.to_string(), their_text.to_string());
            let path = target.path.clone();
            return Ok(Err(MergeConflict { path, base, ours: Some(ours), theirs: Some(theirs) }));
        };
        if merged.content.len() > limits::CONTENT_BYTES_MAX {
            let (bytes, most) = (merged.content.len(), limits::CONTENT_BYTES_MAX);
            let message = format!("{} would have {bytes} bytes, at most {most} are allowed", target.path);
            return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
        }
        let attributed: Attributions = Ranges::merged(
            &Attributions::of(&our_text, None),
            &self.attributions(&sides.theirs, theirs).await?,
            &merged,
        );
        target.origins = origins_merged(&ours.origins, &our_text, &theirs.origins, &their_text, &merged);
        target.credits = credits(&attributed, &our_text, &merged.content);
        target.content = NewContent::New(self.context().contents.name(family, merged.content.into()));
        Ok(Ok(()))
    }

    async fn side(&self, sides: &Sides, name: Option<&ContentRef>) -> Result<Option<String>> {
        match name {
            Some(name) => match self.context().contents.read(sides.ours.store.family(), name).await {
                Err(e) if is_erased(&e) => Ok(None),
                text => Ok(Some(text?.to_string())),
            },
            None => Ok(None),
        }
    }
}

/// The parts in which two snapshots differ: the rest of them has no say in a merge.
fn differing(base: &View, theirs: &View) -> (Tree<ContentRef>, Tree<ContentRef>) {
    let (mut base_tree, mut theirs_tree) = (Tree::new(), Tree::new());
    for item in base.map.diff(&theirs.map) {
        match item {
            DiffItem::Add(path, entry) => {
                theirs_tree.insert(path.clone(), tree_entry(entry));
            }
            DiffItem::Remove(path, entry) => {
                base_tree.insert(path.clone(), tree_entry(entry));
            }
            DiffItem::Update { old: (path, old), new: (_, new) } => {
                base_tree.insert(path.clone(), tree_entry(old));
                theirs_tree.insert(path.clone(), tree_entry(new));
            }
        }
    }
    (base_tree, theirs_tree)
}

fn tree_entry(entry: &Entry) -> trees::Entry<ContentRef> {
    trees::Entry { memory: entry.memory, content: entry.content }
}

fn entry_of(view: &View, memory: domain::id::MemoryId) -> Option<Arc<Entry>> {
    view.map.values().find(|e| e.memory == memory).cloned()
}

/// Conflicts, as many as fit into one answer.
#[derive(Default)]
struct Conflicts {
    list: Vec<MergeConflict>,
    bytes: usize,
}

impl Conflicts {
    fn push(&mut self, conflict: MergeConflict) {
        let sides = [&conflict.base, &conflict.ours, &conflict.theirs];
        let bytes: usize = sides.into_iter().flatten().map(String::len).sum();
        let fits = self.list.len() < limits::CONFLICTS_MAX && self.bytes + bytes <= limits::CONFLICT_DETAILS_BYTES_MAX;
        if fits || self.list.is_empty() {
            self.list.push(conflict);
        }
        self.bytes += bytes;
    }

    fn finish(self) -> Result<()> {
        if self.list.is_empty() { Ok(()) } else { Err(Error::merge_conflict(self.list)) }
    }
}
