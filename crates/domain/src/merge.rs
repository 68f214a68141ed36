//! Three-way merge: of texts by line, and of whole stores by memory (`trees`).
//!
//! The line merge is diff3 as Khanna, Kunal and Pierce formalise it (A Formal Investigation of
//! Diff3, FSTTCS 2007): base lines that both sides keep are stable; what lies between two stable
//! runs is taken from the side that changed it, or is an overlap where both did, and differently.
//! Hence changes of neighbouring lines overlap: at least one line that both sides kept must stand
//! between two changes that are to be combined.

use std::ops::Range;

use crate::diff::{Edit, edits, split_lines};

pub mod trees;

#[cfg(test)]
mod tests;

/// A clean merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub content: String,
    /// Where the lines of `content` come from, in order; together they are all of its lines.
    pub from: Vec<Run>,
}

/// A run of lines taken from one side. Lines that both sides have, kept or changed alike, count as
/// ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub side: Side,
    /// The first line, in that side's text, from 0.
    pub start: u32,
    pub lines: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Ours,
    Theirs,
}

/// The places that both sides changed, and differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    pub places: Vec<Place>,
}

/// One place, as ranges of lines from 0 in each of the three texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub base: Range<usize>,
    pub ours: Range<usize>,
    pub theirs: Range<usize>,
}

/// Brings what `theirs` changed since `base` into `ours`.
///
/// # Errors
/// Every place that overlaps.
pub fn merge3(base: &str, ours: &str, theirs: &str) -> Result<Merged, Overlap> {
    let base_lines = split_lines(base);
    let ours_lines = split_lines(ours);
    let theirs_lines = split_lines(theirs);
    let mut ours_side = Sided::new(edits(&base_lines, &ours_lines));
    let mut theirs_side = Sided::new(edits(&base_lines, &theirs_lines));

    let mut out = Output { from: Vec::new(), places: Vec::new() };
    let mut at = 0;
    while let Some(start) = [&ours_side, &theirs_side].into_iter().filter_map(|s| s.next_start()).min() {
        out.take(Side::Ours, ours_side.place(at)..ours_side.place(start));
        let (ours_start, theirs_start) = (ours_side.place(start), theirs_side.place(start));
        // Edits that overlap or touch, on whichever side, belong to one place.
        let (mut end, mut ours_changed, mut theirs_changed) = (start, false, false);
        loop {
            if let Some(edit_end) = ours_side.pass_up_to(end) {
                (end, ours_changed) = (end.max(edit_end), true);
            } else if let Some(edit_end) = theirs_side.pass_up_to(end) {
                (end, theirs_changed) = (end.max(edit_end), true);
            } else {
                break;
            }
        }
        let ours_range = ours_start..ours_side.place(end);
        let theirs_range = theirs_start..theirs_side.place(end);
        if !theirs_changed || ours_lines[ours_range.clone()] == theirs_lines[theirs_range.clone()] {
            out.take(Side::Ours, ours_range);
        } else if !ours_changed {
            out.take(Side::Theirs, theirs_range);
        } else {
            out.places.push(Place { base: start..end, ours: ours_range, theirs: theirs_range });
        }
        at = end;
    }
    out.take(Side::Ours, ours_side.place(at)..ours_lines.len());

    if !out.places.is_empty() {
        return Err(Overlap { places: out.places });
    }
    let mut content = String::with_capacity(ours.len().max(theirs.len()));
    for run in &out.from {
        let lines = if run.side == Side::Ours { &ours_lines } else { &theirs_lines };
        content.extend(lines[run.start as usize..(run.start + run.lines) as usize].iter().copied());
    }
    Ok(Merged { content, from: out.from })
}

/// One side's edits while the merge passes over the base.
struct Sided {
    edits: Vec<Edit>,
    passed: usize,
}

impl Sided {
    fn new(edits: Vec<Edit>) -> Sided {
        Sided { edits, passed: 0 }
    }

    fn next_start(&self) -> Option<usize> {
        self.edits.get(self.passed).map(|e| e.base.start)
    }

    /// Passes the next edit if it begins at or before the base line `end`, and says where it ends.
    fn pass_up_to(&mut self, end: usize) -> Option<usize> {
        let edit = self.edits.get(self.passed).filter(|e| e.base.start <= end)?;
        self.passed += 1;
        Some(edit.base.end)
    }

    /// Where a base line, which must lie between the passed edits and the next, is on this side.
    fn place(&self, base_line: usize) -> usize {
        match self.passed.checked_sub(1) {
            Some(last) => self.edits[last].target.end + (base_line - self.edits[last].base.end),
            None => base_line,
        }
    }
}

struct Output {
    from: Vec<Run>,
    places: Vec<Place>,
}

impl Output {
    fn take(&mut self, side: Side, range: Range<usize>) {
        let (start, lines) = (range.start as u32, range.len() as u32);
        match self.from.last_mut() {
            _ if lines == 0 => {}
            Some(last) if last.side == side && last.start + last.lines == start => last.lines += lines,
            _ => self.from.push(Run { side, start, lines }),
        }
    }
}
