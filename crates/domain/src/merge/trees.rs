//! Three-way merge of whole stores: memories are matched by id, so that a rename on one side and an
//! edit on the other combine.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::id::MemoryId;
use crate::path::MemoryPath;

#[cfg(test)]
mod tests;

/// The memories of one snapshot. `C` names a content: equal names, equal contents.
pub type Tree<C> = BTreeMap<MemoryPath, Entry<C>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<C> {
    pub memory: MemoryId,
    pub content: C,
}

/// What brings their changes into ours. To be applied together: a path that one step frees may be
/// taken by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeMerge<C> {
    /// In the order of the paths that they touch.
    pub steps: Vec<Step<C>>,
    /// Nothing may be applied unless this is empty.
    pub conflicts: Vec<TreeConflict<C>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<C> {
    Create {
        path: MemoryPath,
        memory: MemoryId,
        content: C,
    },
    /// `from` is the path in ours; `to` is the same where the memory does not move.
    Change {
        from: MemoryPath,
        to: MemoryPath,
        memory: MemoryId,
        content: Content<C>,
    },
    Delete {
        path: MemoryPath,
        memory: MemoryId,
    },
}

impl<C> Step<C> {
    /// The path that it touches in ours, or makes.
    pub fn path(&self) -> &MemoryPath {
        match self {
            Step::Create { path, .. } | Step::Delete { path, .. } => path,
            Step::Change { from, .. } => from,
        }
    }

    fn creates(&self) -> Option<MemoryId> {
        match self {
            Step::Create { memory, .. } => Some(*memory),
            Step::Change { .. } | Step::Delete { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<C> {
    /// As it is in ours: the memory only moves.
    Keep,
    /// As it is in theirs.
    Take(C),
    /// Both sides changed it: merge the lines, which may still overlap.
    Lines { base: C, ours: C, theirs: C },
}

/// One path on which the sides cannot be combined. None where a side has no memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeConflict<C> {
    pub path: MemoryPath,
    pub base: Option<C>,
    pub ours: Option<C>,
    pub theirs: Option<C>,
}

/// Brings what `theirs` changed since `base` into `ours`. A change of theirs counts only where
/// `selects` holds for every path that it touches.
///
/// A memory that one side deleted and the other changed or moved is a conflict, and so is one that
/// both moved to different paths, a path that both sides gave to different memories with different
/// contents, and a memory that would lie below another.
pub fn merge_trees<C: Clone + Eq>(
    base: &Tree<C>,
    ours: &Tree<C>,
    theirs: &Tree<C>,
    selects: impl Fn(&MemoryPath) -> bool,
) -> TreeMerge<C> {
    let (base, ours, theirs) = (Side::of(base), Side::of(ours), Side::of(theirs));
    let mut merge = Merge { base: &base, ours: &ours, theirs: &theirs, steps: Vec::new(), conflicts: BTreeMap::new() };
    let ids: BTreeSet<MemoryId> = base.by_id.keys().chain(theirs.by_id.keys()).copied().collect();
    for id in ids {
        let (b, o, t) = (base.at(id), ours.at(id), theirs.at(id));
        if b != t && [b, t].into_iter().flatten().all(|at| selects(at.path)) {
            merge.judge(id, b, o, t);
        }
    }
    merge.refuse_clashes();
    merge.steps.sort_by(|x, y| x.path().cmp(y.path()));
    TreeMerge { steps: merge.steps, conflicts: merge.conflicts.into_values().collect() }
}

struct Side<'a, C> {
    tree: &'a Tree<C>,
    by_id: BTreeMap<MemoryId, At<'a, C>>,
}

/// Where one side has a memory.
#[derive(PartialEq, Eq)]
struct At<'a, C> {
    path: &'a MemoryPath,
    content: &'a C,
}

// Derived, they would ask for C: Copy.
impl<C> Clone for At<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C> Copy for At<'_, C> {}

impl<'a, C> Side<'a, C> {
    fn of(tree: &'a Tree<C>) -> Side<'a, C> {
        let by_id = tree.iter().map(|(path, e)| (e.memory, At { path, content: &e.content })).collect();
        Side { tree, by_id }
    }

    fn at(&self, memory: MemoryId) -> Option<At<'a, C>> {
        self.by_id.get(&memory).copied()
    }
}

struct Merge<'a, C> {
    base: &'a Side<'a, C>,
    ours: &'a Side<'a, C>,
    theirs: &'a Side<'a, C>,
    steps: Vec<Step<C>>,
    conflicts: BTreeMap<MemoryPath, TreeConflict<C>>,
}

impl<C: Clone + Eq> Merge<'_, C> {
    /// One memory that theirs changed: `b` and `t` differ.
    fn judge(&mut self, memory: MemoryId, b: Option<At<'_, C>>, o: Option<At<'_, C>>, t: Option<At<'_, C>>) {
        if o == t {
            return;
        }
        match (b, o, t) {
            (None, None, Some(t)) => {
                let (path, content) = (t.path.clone(), t.content.clone());
                self.steps.push(Step::Create { path, memory, content });
            }
            (Some(b), Some(o), None) if o == b => self.steps.push(Step::Delete { path: o.path.clone(), memory }),
            (Some(b), Some(o), Some(t)) if t.path == b.path || o.path == b.path || t.path == o.path => {
                self.combine(memory, b, o, t);
            }
            // One side deleted what the other changed, or each moved it elsewhere.
            (_, Some(o), _) => self.conflict(o.path, b, Some(o), t),
            (_, None, Some(t)) => self.conflict(t.path, b, None, Some(t)),
            (_, None, None) => {}
        }
    }

    fn combine(&mut self, memory: MemoryId, b: At<'_, C>, o: At<'_, C>, t: At<'_, C>) {
        let to = if t.path == b.path { o.path } else { t.path };
        let content = if t.content == b.content || t.content == o.content {
            Content::Keep
        } else if o.content == b.content {
            Content::Take(t.content.clone())
        } else {
            Content::Lines { base: b.content.clone(), ours: o.content.clone(), theirs: t.content.clone() }
        };
        if to != o.path || content != Content::Keep {
            self.steps.push(Step::Change { from: o.path.clone(), to: to.clone(), memory, content });
        }
    }

    fn conflict(&mut self, path: &MemoryPath, b: Option<At<'_, C>>, o: Option<At<'_, C>>, t: Option<At<'_, C>>) {
        let content = |at: Option<At<'_, C>>| at.map(|at| at.content.clone());
        let conflict = TreeConflict { path: path.clone(), base: content(b), ours: content(o), theirs: content(t) };
        self.conflicts.insert(path.clone(), conflict);
    }

    /// Finds paths that the steps would give to two memories, and memories that would lie below
    /// another. A memory that both sides made alike at one path is ours; one that either side moved
    /// there is not alike, or the two directions of a merge would disagree.
    fn refuse_clashes(&mut self) {
        let mut paths: BTreeMap<MemoryId, MemoryPath> =
            self.ours.by_id.iter().map(|(id, at)| (*id, at.path.clone())).collect();
        for step in &self.steps {
            match step {
                Step::Create { path, memory, .. } => paths.insert(*memory, path.clone()),
                Step::Change { to, memory, .. } => paths.insert(*memory, to.clone()),
                Step::Delete { memory, .. } => paths.remove(memory),
            };
        }
        let mut holders: BTreeMap<MemoryPath, Vec<MemoryId>> = BTreeMap::new();
        for (memory, path) in paths {
            holders.entry(path).or_default().push(memory);
        }

        let taken: HashSet<&str> = holders.keys().map(MemoryPath::as_str).collect();
        let created: HashSet<MemoryId> = self.steps.iter().filter_map(Step::creates).collect();
        let mut alike = HashSet::new();
        for (path, memories) in &holders {
            let below_another = path.ancestors().any(|a| taken.contains(a));
            if memories.len() == 1 && !below_another {
                continue;
            }
            let (o, t) = (self.ours.tree.get(path), self.theirs.tree.get(path));
            match (o, t) {
                (Some(o), Some(t))
                    if !below_another
                        && o.content == t.content
                        && created.contains(&t.memory)
                        && self.base.at(o.memory).is_none()
                        && memories.len() == 2
                        && memories.contains(&o.memory)
                        && memories.contains(&t.memory) =>
                {
                    alike.insert(t.memory);
                }
                _ => {
                    let (ours, theirs) = (o.map(|e| e.content.clone()), t.map(|e| e.content.clone()));
                    let conflict = TreeConflict { path: path.clone(), base: None, ours, theirs };
                    self.conflicts.entry(path.clone()).or_insert(conflict);
                }
            }
        }
        self.steps.retain(|step| step.creates().is_none_or(|memory| !alike.contains(&memory)));
    }
}
