//! Duplicates in the store: a file whose every statement another file holds too, word for word or nearly
//! so, is merged into that one. Nearly is not enough where names, numbers or a denial differ: such
//! statements are about other things, however alike they read.

use std::collections::{BTreeMap, BTreeSet};

use domain::MemoryPath;
use domain::dream::{Edit, Evidence, Operation, Snapshot};

use super::{Proposed, of_store};
use crate::config::Config;
use crate::index::INDEX;
use crate::normalise::sentence;
use crate::note;
use crate::prose::{is_negated, jaccard, names, sentences, stems};

/// One thing that a file says.
pub struct Statement {
    span: std::ops::Range<usize>,
    normal: String,
    stems: BTreeSet<String>,
    names: BTreeSet<String>,
    negated: bool,
}

/// What a text says, headings left out.
pub fn statements(text: &str) -> Vec<Statement> {
    let is_heading = |span: &std::ops::Range<usize>| {
        let line = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        text[line..].starts_with('#')
    };
    let statement = |span: std::ops::Range<usize>| {
        let said = &text[span.clone()];
        Statement { normal: sentence(said), stems: stems(said), names: names(said), negated: is_negated(said), span }
    };
    sentences(text).into_iter().filter(|span| !is_heading(span)).map(statement).collect()
}

impl Statement {
    /// Whether `other` says this too: the same, or nearly and with all of its words, names and polarity.
    pub fn is_in(&self, other: &Statement, jaccard_min: f64) -> bool {
        self.normal == other.normal
            || (self.names == other.names
                && self.negated == other.negated
                && self.stems.is_subset(&other.stems)
                && jaccard(&self.stems, &other.stems) >= jaccard_min)
    }
}

pub fn merge(snapshot: &Snapshot, config: &Config) -> Vec<Proposed> {
    let by_people = |(path, text): &(&MemoryPath, &String)| **path != *INDEX && note::head(text).is_none();
    let files: BTreeMap<&MemoryPath, Vec<Statement>> =
        snapshot.memories.iter().filter(by_people).map(|(path, text)| (path, statements(text))).collect();
    let mut gone: BTreeSet<&MemoryPath> = BTreeSet::new();
    let mut changes = Vec::new();
    for (path, said) in files.iter().filter(|(_, said)| !said.is_empty()) {
        let holds = |(other, theirs): &(&&MemoryPath, &Vec<Statement>)| {
            let all = said.iter().all(|s| theirs.iter().any(|t| s.is_in(t, config.duplicate_jaccard_min)));
            // Of two that hold each other the first in order stays.
            let mutual = theirs.iter().all(|t| said.iter().any(|s| t.is_in(s, config.duplicate_jaccard_min)));
            *other != path && !gone.contains(**other) && all && (!mutual || **other < *path)
        };
        let Some((keeper, theirs)) = files.iter().find(holds) else { continue };
        gone.insert(path);
        changes.push(proposed(snapshot, path, said, keeper, theirs));
    }
    changes
}

fn proposed(
    snapshot: &Snapshot,
    path: &MemoryPath,
    said: &[Statement],
    keeper: &MemoryPath,
    theirs: &[Statement],
) -> Proposed {
    let (text, kept) = (&snapshot.memories[path], &snapshot.memories[keeper]);
    let quote = |path: &MemoryPath, text: &str, statements: &[Statement]| {
        statements.first().map(|s| Evidence::of_memory(path, snapshot.revision, text, s.span.clone()))
    };
    let evidence = quote(path, text, said).into_iter().chain(quote(keeper, kept, theirs)).collect();
    let edit = Edit::Delete { path: path.clone(), old: text.clone() };
    let summary = format!("{path} says nothing that {keeper} does not say too");
    of_store(Operation::Merge, "duplicate", summary, vec![edit], evidence, "duplicates/1")
}
