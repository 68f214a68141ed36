//! Blame: what is said of each line of a text, carried over edits and merges so that it stays with
//! the lines that did not change.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::commit::Origin;
use crate::diff::{edits, split_lines};
use crate::limits::{LINE_ORIGINS_MAX, ORIGINS_MAX};
use crate::merge::{Merged, Side};

#[cfg(test)]
mod tests;

/// A value for each line of a text, as runs of lines with equal values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges<T> {
    runs: Vec<(Range<u32>, T)>,
}

impl<T> Default for Ranges<T> {
    fn default() -> Ranges<T> {
        Ranges { runs: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Ranges<T> {
    /// The same value for every line of a text.
    pub fn of(text: &str, value: T) -> Ranges<T> {
        let mut ranges = Ranges::default();
        ranges.push(split_lines(text).len() as u32, value);
        ranges
    }

    /// The number of lines.
    pub fn lines(&self) -> u32 {
        self.runs.last().map_or(0, |(range, _)| range.end)
    }

    /// The runs in order, in line numbers from 0. Neighbours differ in value.
    pub fn iter(&self) -> impl Iterator<Item = (Range<u32>, &T)> {
        self.runs.iter().map(|(range, value)| (range.clone(), value))
    }

    /// The value of one line, counted from 0.
    pub fn at(&self, line: u32) -> Option<&T> {
        let run = self.runs.partition_point(|(range, _)| range.end <= line);
        self.runs.get(run).map(|(_, value)| value)
    }

    /// Adds lines at the end.
    pub fn push(&mut self, lines: u32, value: T) {
        let start = self.lines();
        match self.runs.last_mut() {
            _ if lines == 0 => {}
            Some((range, last)) if *last == value => range.end += lines,
            _ => self.runs.push((start..start + lines, value)),
        }
    }

    /// Adds a copy of some lines of another text at the end. Lines beyond its last are left out.
    pub fn push_from(&mut self, other: &Ranges<T>, lines: Range<u32>) {
        let first = other.runs.partition_point(|(range, _)| range.end <= lines.start);
        for (range, value) in other.runs[first..].iter().take_while(|(range, _)| range.start < lines.end) {
            self.push(range.end.min(lines.end) - range.start.max(lines.start), value.clone());
        }
    }

    /// Both values of each line. Lines beyond the last of either are left out.
    #[must_use]
    pub fn zip<U: Clone + PartialEq>(&self, other: &Ranges<U>) -> Ranges<(T, U)> {
        let mut both = Ranges::default();
        for (range, value) in self.iter() {
            let first = other.runs.partition_point(|(r, _)| r.end <= range.start);
            for (r, u) in other.runs[first..].iter().take_while(|(r, _)| r.start < range.end) {
                both.push(r.end.min(range.end) - r.start.max(range.start), (value.clone(), u.clone()));
            }
        }
        both
    }

    /// The values after an edit of `old` into `new`: unchanged lines keep theirs, the others get `fresh`.
    #[must_use]
    pub fn carry(&self, old: &str, new: &str, fresh: T) -> Ranges<T> {
        let fresh_lines = Ranges::of(new, fresh);
        self.carry_with(old, new, &fresh_lines)
    }

    /// The same, where each line of `new` that is not in `old` gets its value in `fresh`.
    #[must_use]
    pub fn carry_with(&self, old: &str, new: &str, fresh: &Ranges<T>) -> Ranges<T> {
        let (old, new) = (split_lines(old), split_lines(new));
        let mut carried = Ranges::default();
        let mut at = 0;
        for edit in edits(&old, &new) {
            carried.push_from(self, at..edit.base.start as u32);
            carried.push_from(fresh, edit.target.start as u32..edit.target.end as u32);
            at = edit.base.end as u32;
        }
        carried.push_from(self, at..old.len() as u32);
        carried
    }

    /// The values of a merged text's lines: each keeps what it has on the side that it comes from.
    pub fn merged(ours: &Ranges<T>, theirs: &Ranges<T>, merged: &Merged) -> Ranges<T> {
        let mut result = Ranges::default();
        for run in &merged.from {
            let side = if run.side == Side::Ours { ours } else { theirs };
            result.push_from(side, run.start..run.start + run.lines);
        }
        result
    }
}

/// The origins of a text's lines after an edit of `old_text` into `new_text`. Unchanged lines keep
/// theirs, so that nobody restates where another's lines came from; the others get what `given`, in
/// the line numbers of `new_text`, says of them.
pub fn origins_after(old: &[Origin], old_text: &str, new_text: &str, given: &[Origin]) -> Vec<Origin> {
    let old = sources(old, old_text);
    let given = sources(given, new_text);
    origins(&old.carry_with(old_text, new_text, &given))
}

/// The origins of a merged text's lines.
pub fn origins_merged(
    ours: &[Origin],
    ours_text: &str,
    theirs: &[Origin],
    theirs_text: &str,
    merged: &Merged,
) -> Vec<Origin> {
    origins(&Ranges::merged(&sources(ours, ours_text), &sources(theirs, theirs_text), merged))
}

/// The sources of each line, in order. At most limits::LINE_ORIGINS_MAX a line: those first by name.
pub fn sources<'a>(origins: &'a [Origin], text: &str) -> Ranges<Vec<&'a str>> {
    let lines = split_lines(text).len() as u32;
    // Sweep over the lines at which some origin begins or ends.
    let mut bounds: Vec<(u32, bool, &str)> = Vec::with_capacity(origins.len() * 2);
    for origin in origins {
        let (start, end) = (origin.start_line.saturating_sub(1).min(lines), origin.end_line.min(lines));
        if start < end {
            bounds.push((start, true, &origin.source));
            bounds.push((end, false, &origin.source));
        }
    }
    bounds.sort();
    let mut open: Vec<&str> = Vec::new(); // with repetitions, where origins of one source overlap
    let mut ranges = Ranges::default();
    for (line, begins, source) in bounds {
        ranges.push(line - ranges.lines(), first_sources(&open));
        match open.binary_search(&source) {
            Ok(i) if !begins => {
                open.remove(i);
            }
            Ok(i) | Err(i) if begins => open.insert(i, source),
            Ok(_) | Err(_) => {}
        }
    }
    ranges.push(lines - ranges.lines(), first_sources(&open));
    ranges
}

fn first_sources<'a>(open: &[&'a str]) -> Vec<&'a str> {
    let distinct: BTreeSet<&str> = open.iter().copied().collect();
    distinct.into_iter().take(LINE_ORIGINS_MAX).collect()
}

/// One origin for each run of lines with a source in common, in order of lines. At most
/// limits::ORIGINS_MAX: edits can break few ranges into many, and then the last are left out.
fn origins(sources: &Ranges<Vec<&str>>) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    let mut open: Vec<usize> = Vec::new(); // the origins that reach up to the current run
    for (range, names) in sources.iter() {
        let mut still_open = Vec::with_capacity(names.len());
        for name in names {
            let found = open.iter().copied().find(|&i| origins[i].source == *name);
            let i = found.unwrap_or_else(|| {
                origins.push(Origin { start_line: range.start + 1, end_line: range.end, source: (*name).to_owned() });
                origins.len() - 1
            });
            origins[i].end_line = range.end;
            still_open.push(i);
        }
        open = still_open;
    }
    origins.truncate(ORIGINS_MAX);
    origins
}
