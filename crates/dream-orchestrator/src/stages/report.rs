//! Report: what was read, what is proposed and why, what was not read; and the end of the dream.

use std::collections::BTreeMap;

use domain::Result;
use domain::dream::{Snapshot, State};
use dreamer::Verified;

use super::Step;
use super::analyse::Read;
use crate::record::{Dream, Report, Skipped};
use crate::recording;

/// Ends the dream: it has a report, and what that reports is published.
pub async fn run(step: &Step<'_>, dream: &Dream) -> Result<()> {
    let now = step.context.clock.now();
    let ended = step.update(dream, |dream| {
        let settled = dream.report.as_ref().is_some_and(|report| report.review_reasons.is_empty());
        dream.state = if settled { State::Succeeded } else { State::NeedsReview };
        dream.end_time = Some(now);
    });
    recording::end(step.context, &ended.await?).await;
    Ok(())
}

pub fn of(dream: &Dream, snapshot: &Snapshot, verified: &Verified, read: &Read, proposed: u64) -> Report {
    let mut dropped_by_reason = BTreeMap::new();
    for dropped in verified.dropped() {
        for reason in &dropped.reasons {
            *dropped_by_reason.entry(reason.clone()).or_default() += 1;
        }
    }
    let sessions = read.transcripts.len();
    let events = read.transcripts.iter().map(|t| t.events.len() as u64).sum();
    let skipped: Vec<Skipped> = dream.skipped.iter().chain(&read.skipped).cloned().collect();
    let mut review_reasons = verified.review_reasons().to_vec();
    if !skipped.is_empty() {
        review_reasons.push(format!("{} of {} sessions were not read", skipped.len(), sessions + skipped.len()));
    }
    Report {
        sessions_read: sessions as u64,
        events_read: events,
        proposed,
        verified: verified.changes().len() as u64,
        dropped: verified.dropped().len() as u64,
        dropped_by_reason,
        markdown: dreamer::report::markdown(verified, &review_reasons, sessions, events) + &not_read(&skipped),
        review_reasons,
        output_digest: dreamer::digest(verified.memories()),
        memories_before: snapshot.memories.len() as u64,
        memories_after: verified.memories().len() as u64,
        skipped,
    }
}

fn not_read(skipped: &[Skipped]) -> String {
    let lines: String = skipped.iter().map(|s| format!("- {}: {}\n", s.id, s.why.words())).collect();
    if lines.is_empty() { lines } else { format!("\n## Not read: {}\n\n{lines}", skipped.len()) }
}
