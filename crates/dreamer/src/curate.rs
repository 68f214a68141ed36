//! Curating: from what was found to itemised changes of the store. Unchanged text stays byte for byte;
//! a finding that is written down already, and has not grown, is no change.

mod duplicates;
mod facts;
mod notes;

pub(crate) use duplicates::statements;

use domain::dream::{Change, Edit, Evidence, Operation, Snapshot, Support, Tier, Verdict};

use crate::apply::{Memories, apply};
use crate::candidate::{Candidate, Probe};
use crate::config::Config;
use crate::index::{INDEX, reindex};

/// Changes that nobody has verified yet, with how to count their support again.
#[derive(Debug, Clone)]
pub struct Draft {
    pub changes: Vec<Proposed>,
    /// What was curated, for the fixed point: the same again must change nothing.
    pub(crate) candidates: Vec<Candidate>,
}

/// A change, and how the verifier counts its support again.
#[derive(Debug, Clone)]
pub struct Proposed {
    pub change: Change,
    pub probe: Probe,
}

pub fn curate(snapshot: &Snapshot, candidates: Vec<Candidate>, config: &Config) -> Draft {
    let mut changes = facts::correct(snapshot, &candidates);
    changes.extend(duplicates::merge(snapshot, config));
    changes.extend(notes::file(snapshot, &candidates));
    // Two changes of one text cannot both be right: the first found stands, in an order that does
    // not depend on the input's.
    changes.sort_by_key(|p| order(&p.change));
    let mut kept: Vec<Proposed> = Vec::new();
    let mut memories = snapshot.memories.clone();
    for proposed in changes {
        if let Ok(after) = apply(&memories, std::slice::from_ref(&proposed.change)) {
            memories = after;
            kept.push(proposed);
        }
    }
    kept.extend(index(snapshot, &memories, !kept.is_empty()));
    Draft { changes: kept, candidates }
}

/// INDEX.md follows everything else; where nothing else changes, only one that is out of date is mended.
pub(crate) fn index(snapshot: &Snapshot, memories: &Memories, others: bool) -> Option<Proposed> {
    let content = reindex(memories);
    let edit = match snapshot.memories.get(&*INDEX) {
        Some(old) if *old == content => return None,
        Some(old) if !old.is_empty() => Edit::Replace { path: INDEX.clone(), old: old.clone(), new: content },
        Some(_) => Edit::Append { path: INDEX.clone(), text: content },
        None if !others => return None,
        None => Edit::Create { path: INDEX.clone(), content },
    };
    let operation = if snapshot.memories.contains_key(&*INDEX) { Operation::Edit } else { Operation::Add };
    let summary = "Index of all files".to_owned();
    Some(of_store(operation, "index", summary, vec![edit], Vec::new(), "index/1"))
}

/// By path, then id; the index comes last wherever it is added.
pub(crate) fn order(change: &Change) -> (Vec<String>, String) {
    (change.paths().into_iter().map(ToString::to_string).collect(), change.id.clone())
}

/// A change whose reason lies in the store alone.
fn of_store(
    operation: Operation,
    reason: &str,
    summary: String,
    edits: Vec<Edit>,
    evidence: Vec<Evidence>,
    author: &str,
) -> Proposed {
    let change = Change {
        id: id(operation, &edits),
        operation,
        edits,
        depends_on: Vec::new(),
        reason: reason.to_owned(),
        summary,
        tier: Tier::Seen,
        support: Support::default(),
        evidence,
        author: author.to_owned(),
        verdict: Verdict::default(),
    };
    Proposed { change, probe: Probe::Store }
}

/// A change that a candidate asks for.
fn of_candidate(operation: Operation, candidate: &Candidate, summary: String, edits: Vec<Edit>) -> Proposed {
    let change = Change {
        id: id(operation, &edits),
        operation,
        edits,
        depends_on: Vec::new(),
        reason: candidate.reason.clone(),
        summary,
        tier: candidate.tier,
        support: candidate.support,
        evidence: candidate.evidence.iter().take(domain::limits::EVIDENCE_MAX).cloned().collect(),
        author: candidate.author.clone(),
        verdict: Verdict::default(),
    };
    Proposed { change, probe: candidate.probe.clone() }
}

/// The id of what a change does.
fn id(operation: Operation, edits: &[Edit]) -> String {
    let form = format!("{operation:?} {edits:?}");
    format!("c-{}", &blake3::hash(form.as_bytes()).to_hex()[..8])
}
