//! Facts of the store against facts of the sessions. Which value is current is arithmetic, not
//! judgement: the word of who is trusted most, and of those the latest. Where two stand level, both
//! are shown and nothing is chosen.

use std::collections::BTreeMap;

use domain::MemoryPath;
use domain::dream::{Edit, Evidence, Operation, Snapshot, Support};

use super::{Proposed, of_candidate};
use crate::candidate::{Candidate, Fact, Trust};
use crate::miners::fact::{Stated, stated};
use crate::note;

/// Sessions whose agents must agree before they may correct what people wrote.
const AGENTS_SESSIONS_MIN: u64 = 3;

/// Changes of single values in the store's own lines.
pub fn correct(snapshot: &Snapshot, candidates: &[Candidate]) -> Vec<Proposed> {
    let mut by_key: BTreeMap<(&str, &str), Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        if let Some(fact) = &candidate.fact {
            by_key.entry((&fact.subject, &fact.attribute)).or_default().push(candidate);
        }
    }
    let mut changes = Vec::new();
    for (path, text) in snapshot.memories.iter().filter(|(_, text)| note::head(text).is_none()) {
        for line in stated(text) {
            let Some(rivals) = by_key.get(&(line.subject.as_str(), line.attribute.as_str())) else { continue };
            let verdict = current(rivals).filter(|c| c.fact.as_ref().is_some_and(|f| !same(&f.value, &line.value)));
            changes.extend(verdict.and_then(|candidate| supersede(snapshot, path, text, &line, candidate, rivals)));
        }
    }
    changes
}

/// Whether the store has this value, or a value that this one replaces, in its own words already.
pub fn is_known(snapshot: &Snapshot, fact: &Fact) -> bool {
    let about = |s: &Stated| s.subject == fact.subject && s.attribute == fact.attribute;
    let texts = snapshot.memories.values().filter(|text| note::head(text).is_none());
    texts.flat_map(|text| stated(text)).any(|s| about(&s))
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The value that counts now: by trust, then time. None where two different values stand level.
fn current<'a>(rivals: &[&'a Candidate]) -> Option<&'a Candidate> {
    let rank = |c: &&Candidate| c.fact.as_ref().map(|f| (f.trust, f.time));
    let best = rivals.iter().copied().max_by_key(rank)?;
    let level = rivals.iter().filter(|c| rank(c) == rank(&best) && value(c) != value(best)).count();
    (level == 0 && may_correct(best)).then_some(best)
}

fn value(candidate: &Candidate) -> Option<String> {
    candidate.fact.as_ref().map(|f| f.value.to_lowercase())
}

/// People may correct the store; agents when enough of them agree; a tool's output never by itself.
fn may_correct(candidate: &Candidate) -> bool {
    match candidate.fact.as_ref().map(|f| f.trust) {
        Some(Trust::User | Trust::Operator) => true,
        Some(Trust::Agent | Trust::Store) => candidate.support.sessions >= AGENTS_SESSIONS_MIN,
        Some(Trust::Tool) | None => false,
    }
}

/// Puts the new value in place of the old, which stays as history on the line.
fn supersede(
    snapshot: &Snapshot,
    path: &MemoryPath,
    text: &str,
    line: &Stated,
    candidate: &Candidate,
    rivals: &[&Candidate],
) -> Option<Proposed> {
    let fact = candidate.fact.as_ref()?;
    let sentence = &text[line.span.clone()];
    let at = sentence.rfind(&line.value)?;
    let until = match candidate.first_seen.or(fact.time) {
        Some(time) => format!(" (was {} until {})", line.value, time.strftime("%Y-%m-%d")),
        None => format!(" (was {})", line.value),
    };
    let new = format!("{}{}{until}{}", &sentence[..at], fact.value, &sentence[at + line.value.len()..]);
    if text.matches(sentence).count() != 1 {
        return None;
    }
    let edit = Edit::Replace { path: path.clone(), old: sentence.to_owned(), new };
    let subject = [line.subject.as_str(), line.attribute.as_str()].join(" ");
    let summary = format!("{}: {} is out of date, now {}", subject.trim(), line.value, fact.value);
    let mut proposed = of_candidate(Operation::Supersede, candidate, summary, vec![edit]);
    proposed.change.reason = "outdated_fact".to_owned();
    proposed.change.evidence.insert(0, Evidence::of_memory(path, snapshot.revision, text, line.span.clone()));
    proposed.change.evidence.truncate(domain::limits::EVIDENCE_MAX);
    let against = rivals.iter().filter(|c| value(c) != value(candidate)).map(|c| c.support.sessions).sum();
    proposed.change.support =
        Support { counter_examples: candidate.support.counter_examples.min(against), ..candidate.support };
    Some(proposed)
}
