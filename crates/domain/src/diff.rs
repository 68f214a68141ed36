//! Differences between two texts, by line, and between two sets of files.
//!
//! A line keeps its end, so that a missing last newline is a difference like any other. Lines end at
//! `\n` only: a lone `\r` is a character. The search is Myers' (An O(ND) Difference Algorithm, 1986)
//! with a bound on its work, so that hostile text costs no more than other text.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use similar::{Algorithm, DiffOp};

use crate::error::{Error, Kind, Result};
use crate::id::MemoryId;

#[cfg(test)]
pub(crate) mod tests;

/// How one text differs from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileDiff {
    pub hunks: Vec<Hunk>,
    pub stats: Stats,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub added_lines: u64,
    pub removed_lines: u64,
}

/// A run of changed lines with its context. Starts count from 1; for a side without lines the start
/// is the line before the place, 0 at the top, as in the unified format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    pub base_start: u32,
    pub base_lines: u32,
    pub target_start: u32,
    pub target_lines: u32,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: LineKind,
    /// With its end, where it has one.
    pub text: String,
}

impl Line {
    /// Without its `\n`.
    pub fn bare(&self) -> &str {
        self.text.strip_suffix('\n').unwrap_or(&self.text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineKind {
    Context,
    Added,
    Removed,
}

/// The lines of a text, each with its end. No line for an empty text.
pub fn split_lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// One run of lines that differ, in line numbers from 0. Two edits never touch: an unchanged line
/// stands between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub base: Range<usize>,
    pub target: Range<usize>,
}

/// The runs of lines in which two texts differ, in order.
pub fn edits(base: &[&str], target: &[&str]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for op in similar::capture_diff_slices(Algorithm::Myers, base, target) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (base, target) = (op.old_range(), op.new_range());
        match edits.last_mut() {
            Some(last) if last.base.end == base.start && last.target.end == target.start => {
                last.base.end = base.end;
                last.target.end = target.end;
            }
            _ => edits.push(Edit { base, target }),
        }
    }
    edits
}

/// The hunks that turn `base` into `target`, with up to `context_lines` unchanged lines around each.
pub fn diff_lines(base: &str, target: &str, context_lines: usize) -> FileDiff {
    let (base, target) = (split_lines(base), split_lines(target));
    let mut diff = FileDiff::default();
    let mut group: Vec<Edit> = Vec::new();
    for edit in edits(&base, &target) {
        diff.stats.removed_lines += edit.base.len() as u64;
        diff.stats.added_lines += edit.target.len() as u64;
        // Contexts that meet make one hunk.
        if group.last().is_some_and(|last| edit.base.start - last.base.end > context_lines.saturating_mul(2)) {
            diff.hunks.push(hunk(&base, &target, &group, context_lines));
            group.clear();
        }
        group.push(edit);
    }
    if !group.is_empty() {
        diff.hunks.push(hunk(&base, &target, &group, context_lines));
    }
    diff
}

/// `group` must not be empty.
fn hunk(base: &[&str], target: &[&str], group: &[Edit], context_lines: usize) -> Hunk {
    let (first, last) = (&group[0], &group[group.len() - 1]);
    let before = first.base.start.min(context_lines);
    let after = (base.len() - last.base.end).min(context_lines);
    let base_range = first.base.start - before..last.base.end + after;
    let target_range = first.target.start - before..last.target.end + after;

    let mut lines = Vec::with_capacity(base_range.len() + target_range.len());
    let mut push = |kind, texts: &[&str]| lines.extend(texts.iter().map(|t| Line { kind, text: (*t).to_owned() }));
    let mut at = base_range.start;
    for edit in group {
        push(LineKind::Context, &base[at..edit.base.start]);
        push(LineKind::Removed, &base[edit.base.clone()]);
        push(LineKind::Added, &target[edit.target.clone()]);
        at = edit.base.end;
    }
    push(LineKind::Context, &base[at..base_range.end]);

    let start = |range: &Range<usize>| if range.is_empty() { range.start as u32 } else { range.start as u32 + 1 };
    Hunk {
        base_start: start(&base_range),
        base_lines: base_range.len() as u32,
        target_start: start(&target_range),
        target_lines: target_range.len() as u32,
        lines,
    }
}

/// The diff in the unified format of POSIX diff -u, with GNU's mark for a missing last newline.
/// Empty where nothing differs. `/dev/null` is the usual path of a side that has no file.
pub fn unified(base_path: &str, target_path: &str, diff: &FileDiff) -> String {
    if diff.hunks.is_empty() {
        return String::new();
    }
    let mut text = format!("--- {base_path}\n+++ {target_path}\n");
    for hunk in &diff.hunks {
        let range = |start: u32, lines: u32| if lines == 1 { start.to_string() } else { format!("{start},{lines}") };
        text += &format!(
            "@@ -{} +{} @@\n",
            range(hunk.base_start, hunk.base_lines),
            range(hunk.target_start, hunk.target_lines)
        );
        for line in &hunk.lines {
            text.push(match line.kind {
                LineKind::Context => ' ',
                LineKind::Added => '+',
                LineKind::Removed => '-',
            });
            text += &line.text;
            if !line.text.ends_with('\n') {
                text += "\n\\ No newline at end of file\n";
            }
        }
    }
    text
}

/// Applies hunks to the very text that they were made from.
///
/// # Errors
/// Precondition where a context or removed line is not what the text has at that place.
pub fn apply(base: &str, hunks: &[Hunk]) -> Result<String> {
    let lines = split_lines(base);
    let mut out = String::with_capacity(base.len());
    let mut at = 0;
    for hunk in hunks {
        let start = if hunk.base_lines == 0 { hunk.base_start } else { hunk.base_start.saturating_sub(1) } as usize;
        let skipped = lines.get(at..start).ok_or_else(|| mismatch(hunk))?;
        out.extend(skipped.iter().copied());
        at = start;
        for line in &hunk.lines {
            if line.kind != LineKind::Added {
                if lines.get(at) != Some(&line.text.as_str()) {
                    return Err(mismatch(hunk));
                }
                at += 1;
            }
            if line.kind != LineKind::Removed {
                out += &line.text;
            }
        }
    }
    out.extend(lines[at..].iter().copied());
    Ok(out)
}

fn mismatch(hunk: &Hunk) -> Error {
    Error::new(
        Kind::Precondition,
        "DIFF_MISMATCH",
        format!(
            "the text is not the one that the diff was made from: the hunk at line {} does not fit",
            hunk.base_start
        ),
    )
}

/// A file that is on one side only.
#[derive(Debug, Clone, Copy)]
pub struct Unpaired<'a> {
    pub memory: MemoryId,
    pub content: &'a str,
}

/// Pairs of files compared line by line; beyond it only ids and equal contents make pairs.
const SIMILARITY_PAIRS_MAX: usize = 10_000;
/// The share of bytes in common lines from which a removed and an added file are one, renamed.
const SIMILARITY_LEAST: f64 = 0.5;

/// Which removed file (by index) became which added one: by memory id, then by equal content, then
/// by the most similar content. Each is in at most one pair; pairs are in the order of `removed`.
pub fn pair_renames(removed: &[Unpaired<'_>], added: &[Unpaired<'_>]) -> Vec<(usize, usize)> {
    let mut pairs = Pairs { of_removed: vec![None; removed.len()], of_added: vec![false; added.len()] };

    let by_id: HashMap<MemoryId, usize> = added.iter().enumerate().map(|(i, a)| (a.memory, i)).collect();
    for (r, file) in removed.iter().enumerate() {
        pairs.join(r, by_id.get(&file.memory).copied());
    }
    let mut by_content: HashMap<&str, Vec<usize>> = HashMap::new();
    for (a, file) in added.iter().enumerate().rev().filter(|(_, f)| !f.content.is_empty()) {
        by_content.entry(file.content).or_default().push(a);
    }
    for (r, file) in removed.iter().enumerate() {
        if pairs.of_removed[r].is_none() {
            let free = by_content.get_mut(file.content).and_then(|found| {
                found.retain(|&a| !pairs.of_added[a]);
                found.pop()
            });
            pairs.join(r, free);
        }
    }
    pairs.join_similar(removed, added);
    pairs.of_removed.iter().enumerate().filter_map(|(r, a)| Some((r, (*a)?))).collect()
}

struct Pairs {
    of_removed: Vec<Option<usize>>,
    of_added: Vec<bool>,
}

impl Pairs {
    fn join(&mut self, r: usize, a: Option<usize>) {
        if let Some(a) = a.filter(|&a| !self.of_added[a]) {
            self.of_removed[r] = Some(a);
            self.of_added[a] = true;
        }
    }

    fn join_similar(&mut self, removed: &[Unpaired<'_>], added: &[Unpaired<'_>]) {
        let removed_left: Vec<usize> = (0..removed.len()).filter(|&r| self.of_removed[r].is_none()).collect();
        let added_left: Vec<usize> = (0..added.len()).filter(|&a| !self.of_added[a]).collect();
        if removed_left.len().saturating_mul(added_left.len()) > SIMILARITY_PAIRS_MAX {
            return;
        }
        let added_lines: Vec<_> = added_left.iter().map(|&a| line_counts(added[a].content)).collect();
        let mut candidates = Vec::new();
        for &r in &removed_left {
            let lines = line_counts(removed[r].content);
            for (&a, other) in added_left.iter().zip(&added_lines) {
                let larger = removed[r].content.len().max(added[a].content.len());
                let share = common_bytes(&lines, other) as f64 / larger.max(1) as f64;
                if share >= SIMILARITY_LEAST {
                    candidates.push((share, r, a));
                }
            }
        }
        candidates.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        for (_, r, a) in candidates {
            if self.of_removed[r].is_none() {
                self.join(r, Some(a));
            }
        }
    }
}

fn line_counts(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

fn common_bytes(a: &BTreeMap<&str, usize>, b: &BTreeMap<&str, usize>) -> usize {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    small.iter().map(|(line, &n)| n.min(large.get(line).copied().unwrap_or(0)) * (line.len() + 1)).sum()
}
