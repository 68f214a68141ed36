//! Loops: the same call with the same arguments, three or more in a row.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::Evidence;

use super::error::applies_to_tool;
use crate::analyse::Call;
use crate::candidate::{Candidate, NoteKind, Probe};
use crate::config::Config;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::wording::{code, count, tally};

/// How many in a row make a loop.
const TIMES_MIN: usize = 3;

pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let mut by_tool: BTreeMap<&str, BTreeMap<usize, &[Call]>> = BTreeMap::new();
    for (i, session) in pool.sessions.iter().enumerate() {
        let runs = session.calls.chunk_by(|a, b| a.tool == b.tool && a.arguments == b.arguments);
        for run in runs.filter(|run| run.len() >= TIMES_MIN) {
            let of_session = by_tool.entry(&run[0].tool).or_default();
            let longest = of_session.entry(i).or_insert(run);
            if run.len() > longest.len() {
                *longest = run;
            }
        }
    }
    by_tool.retain(|_, runs| runs.len() >= config.sessions_min);
    by_tool.into_iter().map(|(tool, runs)| candidate(pool, tool, &runs)).collect()
}

fn candidate(pool: &Pool<'_>, tool: &str, runs: &BTreeMap<usize, &[Call]>) -> Candidate {
    let sessions: BTreeSet<usize> = runs.keys().copied().collect();
    let support = pool.support(&sessions, 0);
    let tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let longest = runs.values().map(|run| run.len()).max().unwrap_or(0);
    let ends = |run: &&[Call]| -> Vec<Evidence> {
        [run.first(), run.last()].into_iter().flatten().map(|call| call.evidence.clone()).collect()
    };
    Candidate {
        kind: NoteKind::Pattern,
        reason: "repeated_call".to_owned(),
        key: tool.to_owned(),
        title: format!("{} is called over and over with the same arguments", code(tool)),
        claim: format!(
            "{} was called {TIMES_MIN} or more times in a row with the same arguments; the longest run was {}. {}",
            code(tool),
            count(longest as u64, "call"),
            tally(tier, &support)
        ),
        advice: None,
        applies_when: applies_to_tool(tool),
        tier,
        support,
        evidence: evidence(runs.values().map(ends).collect()),
        probe: Probe::RepeatedCall { tool: tool.to_owned(), times: TIMES_MIN as u32 },
        fact: None,
        first_seen,
        last_seen,
        author: "repeated-call/1".to_owned(),
    }
}
