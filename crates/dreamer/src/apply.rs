//! Applying changes: total, apart from everything that proposes them, and all or nothing.

use std::collections::{BTreeMap, BTreeSet};

use domain::MemoryPath;
use domain::dream::{Change, Edit};

/// Which change does not fit the memories that it is applied to, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change {change} does not fit: {why}")]
pub struct ApplyError {
    pub change: String,
    pub why: String,
}

pub type Memories = BTreeMap<MemoryPath, String>;

/// The memories after the changes, in their order.
pub fn apply(memories: &Memories, changes: &[Change]) -> Result<Memories, ApplyError> {
    let mut after = memories.clone();
    for change in changes {
        for edit in &change.edits {
            step(&mut after, edit).map_err(|why| ApplyError { change: change.id.clone(), why })?;
        }
    }
    Ok(after)
}

fn step(memories: &mut Memories, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Create { path, content } => {
            free(memories, path)?;
            memories.insert(path.clone(), content.clone());
        }
        Edit::Replace { path, old, new } => {
            let text = there(memories, path)?;
            if text.matches(old.as_str()).count() != 1 {
                return Err(format!("{path} does not hold the text to replace exactly once"));
            }
            *text = text.replacen(old.as_str(), new, 1);
        }
        Edit::Append { path, text: more } => {
            let text = there(memories, path)?;
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(more);
        }
        Edit::Move { from, to } => {
            free(memories, to)?;
            let text = memories.remove(from).ok_or_else(|| format!("{from} is not there"))?;
            memories.insert(to.clone(), text);
        }
        Edit::Delete { path, old } => {
            if there(memories, path)? != old {
                return Err(format!("{path} has changed since"));
            }
            memories.remove(path);
        }
    }
    Ok(())
}

fn there<'a>(memories: &'a mut Memories, path: &MemoryPath) -> Result<&'a mut String, String> {
    memories.get_mut(path).ok_or_else(|| format!("{path} is not there"))
}

fn free(memories: &Memories, path: &MemoryPath) -> Result<(), String> {
    let below = format!("{path}/");
    let taken = memories.contains_key(path)
        || path.ancestors().any(|a| memories.keys().any(|k| k.as_str() == a))
        || memories.keys().any(|k| k.as_str().starts_with(&below));
    if taken { Err(format!("{path} is taken")) } else { Ok(()) }
}

/// The changes named, with what they depend on, in the order given.
pub fn close<'a>(changes: &'a [Change], accepted: &[&str]) -> Vec<&'a Change> {
    let mut wanted: BTreeSet<&str> = accepted.iter().copied().collect();
    loop {
        let more = changes.iter().filter(|c| wanted.contains(c.id.as_str())).flat_map(|c| &c.depends_on);
        let more: Vec<&str> = more.map(String::as_str).filter(|id| !wanted.contains(id)).collect();
        if more.is_empty() {
            return changes.iter().filter(|c| wanted.contains(c.id.as_str())).collect();
        }
        wanted.extend(more);
    }
}

/// Which lines of a file each change brought: a line is a change's that has it in what it writes, the
/// last such change's where there are several.
pub fn origins<'a>(
    changes: &[&'a Change],
    path: &MemoryPath,
    before: &str,
    after: &str,
) -> Vec<(std::ops::RangeInclusive<u32>, &'a str)> {
    let known: BTreeSet<&str> = before.lines().collect();
    let mut brought: BTreeMap<&str, &'a str> = BTreeMap::new();
    for change in changes {
        for line in change.edits.iter().flat_map(|edit| written(edit, path)) {
            brought.insert(line, change.id.as_str());
        }
    }
    let mut ranges: Vec<(std::ops::RangeInclusive<u32>, &'a str)> = Vec::new();
    for (line, n) in after.lines().zip(1u32..) {
        let Some(id) = brought.get(line).copied().filter(|_| !known.contains(line)) else { continue };
        match ranges.last_mut() {
            Some((range, last)) if *last == id && *range.end() + 1 == n => *range = *range.start()..=n,
            _ => ranges.push((n..=n, id)),
        }
    }
    ranges
}

fn written<'a>(edit: &'a Edit, path: &MemoryPath) -> std::str::Lines<'a> {
    match edit {
        Edit::Create { path: p, content } if p == path => content.lines(),
        Edit::Replace { path: p, new, .. } if p == path => new.lines(),
        Edit::Append { path: p, text } if p == path => text.lines(),
        _ => "".lines(),
    }
}

#[cfg(test)]
mod tests {
    use domain::dream::{Operation, Support, Tier, Verdict};

    use super::*;

    fn change(id: &str, depends_on: &[&str], edits: Vec<Edit>) -> Change {
        Change {
            id: id.into(),
            operation: Operation::Edit,
            edits,
            depends_on: depends_on.iter().map(|d| (*d).to_owned()).collect(),
            reason: String::new(),
            summary: String::new(),
            tier: Tier::Seen,
            support: Support::default(),
            evidence: Vec::new(),
            author: String::new(),
            verdict: Verdict::default(),
        }
    }

    fn path(text: &str) -> MemoryPath {
        text.parse().unwrap()
    }

    #[test]
    fn an_edit_that_does_not_fit_changes_nothing() {
        let memories: Memories = [(path("/a"), "x x\n".to_owned())].into();
        let edits = [
            Edit::Create { path: path("/a"), content: String::new() },
            Edit::Create { path: path("/a/b"), content: String::new() },
            Edit::Replace { path: path("/a"), old: "x".into(), new: "y".into() },
            Edit::Delete { path: path("/a"), old: "other".into() },
            Edit::Move { from: path("/b"), to: path("/c") },
        ];
        for edit in edits {
            assert!(apply(&memories, &[change("c", &[], vec![edit.clone()])]).is_err(), "{edit:?}");
        }
    }

    #[test]
    fn accepting_a_change_accepts_what_it_depends_on() {
        let changes = [
            change("a", &[], vec![]),
            change("b", &["a"], vec![]),
            change("c", &["b"], vec![]),
            change("d", &[], vec![]),
        ];
        let ids: Vec<_> = close(&changes, &["c"]).iter().map(|c| c.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
    }

    #[test]
    fn a_line_belongs_to_the_change_that_wrote_it() {
        let one =
            change("one", &[], vec![Edit::Replace { path: path("/a"), old: "old".into(), new: "new\nmore".into() }]);
        let lines = origins(&[&one], &path("/a"), "head\nold\n", "head\nnew\nmore\n");
        assert_eq!(lines, [(2..=3, "one")]);
    }
}
