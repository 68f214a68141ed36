//! Report: write down what was proposed and why, and end the dream.

use domain::dream::{Change, Snapshot, State};
use domain::{MemoryPath, Result, diff, limits};
use dreamer::Verified;

use super::Step;
use crate::key;
use crate::record::{ChangeRow, Dream, Report};

/// Changes written down by one commit.
const ROWS: usize = 100;

pub async fn run(
    step: &Step<'_>,
    dream: &Dream,
    snapshot: &Snapshot,
    verified: &Verified,
    proposed: u64,
    events: u64,
) -> Result<Dream> {
    let rows = verified.changes().iter().take(limits::DREAM_CHANGES_MAX).zip(0u32..).map(|(change, n)| {
        let row = ChangeRow { change: change.clone(), diff: diff_of(change, snapshot) };
        (key::change(dream.workspace, dream.id, n), row)
    });
    let rows: Vec<_> = rows.collect();
    for part in rows.chunks(ROWS) {
        step.context.ledger.journal(step.lease, part.to_vec()).await?;
    }
    let report = report(dream, snapshot, verified, proposed, events);
    let now = step.context.clock.now();
    let ended = step.update(dream, |dream| {
        dream.state = if report.review_reasons.is_empty() { State::Succeeded } else { State::NeedsReview };
        dream.report = Some(report.clone());
        dream.end_time = Some(now);
    });
    ended.await
}

fn report(dream: &Dream, snapshot: &Snapshot, verified: &Verified, proposed: u64, events: u64) -> Report {
    let mut dropped_by_reason = std::collections::BTreeMap::new();
    for dropped in verified.dropped() {
        for reason in &dropped.reasons {
            *dropped_by_reason.entry(reason.clone()).or_default() += 1;
        }
    }
    Report {
        sessions_read: dream.sessions.len() as u64,
        events_read: events,
        proposed,
        verified: verified.changes().len() as u64,
        dropped: verified.dropped().len() as u64,
        dropped_by_reason,
        review_reasons: verified.review_reasons().to_vec(),
        output_digest: verified.output_digest(),
        markdown: dreamer::report::markdown(verified, dream.sessions.len(), events),
        memories_before: snapshot.memories.len() as u64,
        memories_after: verified.memories().len() as u64,
    }
}

/// The change alone, as a unified diff against the snapshot. Where it builds on another change it is
/// shown on top of nothing: its own edits.
fn diff_of(change: &Change, snapshot: &Snapshot) -> String {
    let Ok(after) = dreamer::apply(&snapshot.memories, std::slice::from_ref(change)) else {
        return String::new();
    };
    let text =
        |memories: &std::collections::BTreeMap<MemoryPath, String>, path: &MemoryPath| memories.get(path).cloned();
    let file = |path: &&MemoryPath| {
        let (before, after) = (text(&snapshot.memories, path), text(&after, path));
        let name = |side: &Option<String>, prefix: &str| {
            if side.is_some() { format!("{prefix}{path}") } else { "/dev/null".to_owned() }
        };
        let diff = diff::diff_lines(before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default(), 3);
        diff::unified(&name(&before, "a"), &name(&after, "b"), &diff)
    };
    change.paths().iter().map(file).collect()
}
