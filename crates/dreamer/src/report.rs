//! The report of a dream, for people.

use domain::dream::Change;

use crate::verify::Verified;
use crate::wording::count;

/// Markdown: what was read, what is proposed and why, what was dropped and why.
/// `review_reasons` may have more than the verifier's.
pub fn markdown(verified: &Verified, review_reasons: &[String], sessions: usize, events: u64) -> String {
    let mut text =
        format!("# Dream report\n\nRead {} with {}.\n", count(sessions as u64, "session"), count(events, "event"));
    for reason in review_reasons {
        text += &format!("\nNeeds review: {reason}.\n");
    }
    text += &format!("\n## Proposed: {}\n", count(verified.changes().len() as u64, "change"));
    if !verified.changes().is_empty() {
        text += "\n| change | what | sure | support | file |\n| --- | --- | --- | --- | --- |\n";
        text.extend(verified.changes().iter().map(row));
    }
    if !verified.dropped().is_empty() {
        text += &format!("\n## Dropped by the verifier: {}\n\n", verified.dropped().len());
        for dropped in verified.dropped() {
            text += &format!("- {}: {}\n", dropped.change.summary, dropped.reasons.join(", "));
        }
    }
    text
}

fn row(change: &Change) -> String {
    let s = change.support;
    let support = match s.sessions {
        0 => "the store itself".to_owned(),
        n => format!("{}, {} against", count(n, "session"), s.counter_examples),
    };
    let paths = change.paths().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let summary = change.summary.replace('|', "\\|");
    format!("| {} | {summary} | {} | {support} | {paths} |\n", change.id, change.tier.as_str())
}
