//! Verification: code that can refuse, between what was proposed and what is published. It fails
//! closed: a change that does not pass is dropped with its reasons, and where the whole is wrong
//! nothing is published at all.

mod recount;
mod retention;
mod words;

use std::collections::BTreeMap;

use domain::MemoryPath;
use domain::dream::{Change, Edit, Evidence, Snapshot, Source, Support, Tier};
use domain::limits;
use domain::transcript::{Digest, Transcript};

use crate::apply::{Memories, apply};
use crate::candidate::{Candidate, Probe};
use crate::config::Config;
use crate::curate::{Draft, Proposed, curate};

pub use retention::{Loss, check as check_retention};

/// Share of a finding's sessions among those that speak for or against it, from which it may be advice.
const ADVICE_SHARE_MIN: f64 = 0.8;

/// Changes that passed. Only `verify` makes one, and only this can be published.
#[derive(Debug, Clone)]
pub struct Verified {
    changes: Vec<Change>,
    dropped: Vec<Dropped>,
    memories: Memories,
    review_reasons: Vec<String>,
}

impl Verified {
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// The store as it would be with all changes.
    pub fn memories(&self) -> &Memories {
        &self.memories
    }

    /// Why a person must look before anything is adopted; empty where nothing asks for it.
    pub fn review_reasons(&self) -> &[String] {
        &self.review_reasons
    }
}

/// BLAKE3 over all paths and contents, each with its length, in lower-case hexadecimal.
pub fn digest(memories: &Memories) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in memories.iter().flat_map(|(path, text)| [path.as_str(), text.as_str()]) {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// A change that did not pass, and which checks it failed.
#[derive(Debug, Clone)]
pub struct Dropped {
    pub change: Change,
    pub reasons: Vec<String>,
}

/// Why nothing can be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    #[error("the proposal would lose text of the store: {0}")]
    Loses(#[from] Loss),
    #[error("the changes do not fit together: {0}")]
    DoesNotApply(#[from] crate::apply::ApplyError),
}

pub fn verify(
    draft: Draft,
    snapshot: &Snapshot,
    transcripts: &[Transcript],
    config: &Config,
) -> Result<Verified, Unverified> {
    let sessions: BTreeMap<Digest, &Transcript> = transcripts.iter().map(|t| (recount::digest_of(t), t)).collect();
    let count = recount::Recount::new(transcripts, config);
    let Draft { changes: proposed, candidates } = draft;
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for Proposed { mut change, probe } in proposed.into_iter().filter(|p| p.change.reason != "index") {
        let checks = checks(&change, &probe, snapshot, &sessions, &count);
        for (name, outcome) in checks {
            match outcome {
                Ok(()) => change.verdict.passed.push(name.to_owned()),
                Err(why) => change.verdict.failed.push(format!("{name}: {why}")),
            }
        }
        match change.verdict.failed.is_empty() {
            true => kept.push(change),
            false => dropped.push(Dropped { reasons: change.verdict.failed.clone(), change }),
        }
    }
    // The index is made of what is left, and the whole is curated once more: a fixed point changes nothing.
    let refused: Vec<&str> = dropped.iter().map(|d: &Dropped| d.change.id.as_str()).collect();
    let (changes, memories) = finish(snapshot, kept)?;
    retention::check(snapshot, &changes, &memories)?;
    let mut review_reasons = caps(snapshot, &changes, config);
    review_reasons.extend(unsettled(snapshot, &memories, candidates, &refused, config));
    Ok(Verified { changes, dropped, memories, review_reasons })
}

/// The changes in their order with a fresh index last, and the store as they make it.
fn finish(snapshot: &Snapshot, mut changes: Vec<Change>) -> Result<(Vec<Change>, Memories), Unverified> {
    changes.sort_by_key(crate::curate::order);
    let memories = apply(&snapshot.memories, &changes)?;
    if let Some(mut index) = crate::curate::index(snapshot, &memories, !changes.is_empty()) {
        index.change.verdict.passed.push("made_from_the_files".to_owned());
        changes.push(index.change);
    }
    let memories = apply(&snapshot.memories, &changes)?;
    Ok((changes, memories))
}

type Checks = Vec<(&'static str, Result<(), String>)>;

fn checks(
    change: &Change,
    probe: &Probe,
    snapshot: &Snapshot,
    sessions: &BTreeMap<Digest, &Transcript>,
    count: &recount::Recount<'_>,
) -> Checks {
    let recounted = count.support(probe);
    vec![
        ("evidence_resolves", evidence(change, snapshot, sessions)),
        ("support_recounted", support(change, probe, &recounted)),
        ("tier_allows", tier(change, &recounted)),
        ("words_are_safe", words::check(change)),
        ("size", size(change)),
    ]
}

/// Every quote stands where it says, byte for byte.
fn evidence(change: &Change, snapshot: &Snapshot, sessions: &BTreeMap<Digest, &Transcript>) -> Result<(), String> {
    if change.evidence.is_empty() {
        return Err("there is none".to_owned());
    }
    let text = |e: &Evidence| match &e.source {
        Source::Event { session, seq, .. } => {
            let transcript = sessions.get(session)?;
            let index = usize::try_from(seq.checked_sub(1)?).ok()?;
            // Events are numbered from 1 without gaps; look for it where they are not.
            let event = transcript.events.get(index).filter(|e| e.seq == *seq);
            event.or_else(|| transcript.events.iter().find(|e| e.seq == *seq)).map(|e| e.body.text())
        }
        Source::Memory { path, revision, .. } if *revision == snapshot.revision => {
            snapshot.memories.get(path).map(String::as_str)
        }
        Source::Memory { .. } => None,
    };
    match change.evidence.iter().find(|e| !text(e).is_some_and(|text| e.resolves_in(text))) {
        Some(broken) => Err(format!("{:?} does not", broken.source)),
        None => Ok(()),
    }
}

/// The transcripts bear out at least what the change claims.
fn support(change: &Change, probe: &Probe, recounted: &Support) -> Result<(), String> {
    if *probe == Probe::Store {
        return if change.support == Support::default() {
            Ok(())
        } else {
            Err("claims sessions that nobody can count".to_owned())
        };
    }
    let (claimed, found) = (change.support, recounted);
    if found.sessions < claimed.sessions || found.tasks < claimed.tasks || found.agents < claimed.agents {
        let words = |s: &Support| format!("{} sessions, {} tasks, {} agents", s.sessions, s.tasks, s.agents);
        return Err(format!("claims {}, found {}", words(&claimed), words(found)));
    }
    Ok(())
}

/// What is worded as advice, or called recurrent, has the numbers for it.
fn tier(change: &Change, recounted: &Support) -> Result<(), String> {
    let recurs = recounted.sessions >= 3 && (recounted.tasks >= 2 || recounted.agents >= 2);
    let against = recounted.counter_examples.max(change.support.counter_examples) as f64;
    let share = recounted.sessions as f64 / (recounted.sessions as f64 + against).max(1.0);
    match change.tier {
        Tier::Seen => Ok(()),
        Tier::Recurrent | Tier::Tested | Tier::Shown if !recurs => {
            Err(format!("{} needs 3 sessions over 2 tasks or agents", change.tier.as_str()))
        }
        Tier::Tested | Tier::Shown if share < ADVICE_SHARE_MIN => {
            Err(format!("advice needs a share of {ADVICE_SHARE_MIN}, it has {share:.2}"))
        }
        Tier::Recurrent | Tier::Tested | Tier::Shown => Ok(()),
    }
}

fn size(change: &Change) -> Result<(), String> {
    let written = |edit: &Edit| match edit {
        Edit::Create { content, .. } => content.len(),
        Edit::Replace { new, .. } => new.len(),
        Edit::Append { text, .. } => text.len(),
        Edit::Move { .. } | Edit::Delete { .. } => 0,
    };
    match change.edits.iter().map(written).max() {
        Some(bytes) if bytes > limits::CONTENT_BYTES_MAX => Err(format!("{bytes} bytes in one file")),
        _ => Ok(()),
    }
}

/// More than this at once, and a person looks first.
fn caps(snapshot: &Snapshot, changes: &[Change], config: &Config) -> Vec<String> {
    let mut reasons = Vec::new();
    let adds = changes.iter().flat_map(|c| &c.edits).filter(|e| matches!(e, Edit::Create { .. })).count();
    if adds > config.adds_max {
        reasons.push(format!("{adds} new files, more than {} in one dream", config.adds_max));
    }
    let total: usize = snapshot.memories.iter().filter(|(p, _)| **p != *crate::INDEX).map(|(_, t)| t.len()).sum();
    let touched: usize = changes.iter().filter(|c| c.reason != "index").flat_map(|c| &c.edits).map(removed).sum();
    if total > 0 && touched as f64 > config.touched_share_max * total as f64 {
        reasons
            .push(format!("{touched} of {total} bytes touched, more than {:.0} %", config.touched_share_max * 100.0));
    }
    if changes.len() > limits::DREAM_CHANGES_MAX {
        reasons.push(format!("{} changes, more than {}", changes.len(), limits::DREAM_CHANGES_MAX));
    }
    reasons
}

fn removed(edit: &Edit) -> usize {
    match edit {
        Edit::Replace { old, .. } | Edit::Delete { old, .. } => old.len(),
        Edit::Create { .. } | Edit::Append { .. } | Edit::Move { .. } => 0,
    }
}

/// Dreaming again of the same must propose nothing but what was refused.
fn unsettled(
    snapshot: &Snapshot,
    memories: &Memories,
    candidates: Vec<Candidate>,
    refused: &[&str],
    config: &Config,
) -> Option<String> {
    let next = Snapshot { revision: snapshot.revision, memories: memories.clone() };
    let again = curate(&next, candidates, config);
    let new: Vec<&str> = again
        .changes
        .iter()
        .filter(|p| p.change.reason != "index")
        .map(|p| p.change.id.as_str())
        .filter(|id| !refused.contains(id))
        .collect();
    let first: &MemoryPath =
        again.changes.iter().find(|p| new.contains(&p.change.id.as_str()))?.change.paths().first().copied()?;
    Some(format!("dreaming again would change {} more, {first} among them", new.len()))
}
