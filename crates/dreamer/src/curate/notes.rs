//! Notes: each finding has one, under the folder of its kind; a finding of an earlier dream updates its
//! own.

use std::collections::BTreeMap;

use domain::dream::{Edit, Operation, Snapshot};
use domain::{MemoryPath, limits};

use super::{Proposed, of_candidate};
use crate::candidate::Candidate;
use crate::note;
use crate::wording::count;

/// Characters of a title in a file's name.
const SLUG_CHARS: usize = 48;

pub fn file(snapshot: &Snapshot, candidates: &[Candidate]) -> Vec<Proposed> {
    let mut held: BTreeMap<&str, &MemoryPath> = BTreeMap::new();
    for (path, text) in &snapshot.memories {
        if let Some(id) = note::head(text).and_then(|head| head.get("id").copied()) {
            held.entry(id).or_insert(path);
        }
    }
    let notable = candidates.iter().filter(|c| is_notable(snapshot, c));
    notable.filter_map(|candidate| propose(snapshot, &held, candidate)).collect()
}

/// What one session says may correct the store, and be no note of its own; what the store says already needs none.
fn is_notable(snapshot: &Snapshot, candidate: &Candidate) -> bool {
    match &candidate.fact {
        Some(fact) => candidate.support.sessions >= 2 && !super::facts::is_known(snapshot, fact),
        None => true,
    }
}

fn propose(snapshot: &Snapshot, held: &BTreeMap<&str, &MemoryPath>, candidate: &Candidate) -> Option<Proposed> {
    let id = note::id(candidate);
    let text = note::render(candidate);
    if text.len() > limits::NOTE_BYTES_MAX {
        return None;
    }
    let summary = format!("{} ({})", candidate.title, count(candidate.support.sessions, "session"));
    match held.get(id.as_str()) {
        Some(path) => {
            let old = snapshot.memories.get(*path)?;
            let edit = Edit::Replace { path: (*path).clone(), old: old.clone(), new: text.clone() };
            (*old != text).then(|| of_candidate(Operation::Edit, candidate, summary, vec![edit]))
        }
        None => {
            let path =
                format!("/{}/{}-{}.md", note::folder(candidate.kind), slug(&candidate.title), &id[2..]).parse().ok()?;
            Some(of_candidate(Operation::Add, candidate, summary, vec![Edit::Create { path, content: text }]))
        }
    }
}

fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= SLUG_CHARS {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "note".to_owned() } else { slug.to_owned() }
}
