//! Loops: the same call with the same arguments, three or more in a row.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::Evidence;

use super::error::applies_to_tool;
use crate::analyse::Call;
use crate::candidate::{Candidate, NoteKind, Probe};
use crate::config::Config;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::wording::{code, count};

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
            "{} was called {TIMES_MIN} or more times in a row with the same arguments; the longest run was {}.",
            code(tool),
            count(longest as u64, "call"),
        ),
        advice: None,
        applies_when: applies_to_tool(tool),
        tier,
        support,
        statistics: None,
        evidence: evidence(runs.values().map(ends).collect()),
        probe: Probe::RepeatedCall { tool: tool.to_owned(), times: TIMES_MIN as u32 },
        fact: None,
        first_seen,
        last_seen,
        author: "repeated-call/1".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    fn polling(agent: &str, times: usize) -> Script {
        let start = session(agent).ok("look", &format!(r#"{{"by":"{agent}"}}"#), "");
        (0..times).fold(start, |s, _| s.ok("poll", "{}", "not yet"))
    }

    #[test]
    fn a_loop_in_two_sessions_is_told_with_its_longest_run() {
        let found = mined(mine, &[polling("a", 3), polling("b", 5), polling("c", 2)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].support.sessions, 2);
        assert!(found[0].claim.contains("the longest run was 5 calls"), "{}", found[0].claim);
    }

    #[test]
    fn other_arguments_break_the_row() {
        let changing = |agent| {
            session(agent).ok("poll", r#"{"n":1}"#, "").ok("poll", r#"{"n":2}"#, "").ok("poll", r#"{"n":1}"#, "")
        };
        assert_eq!(mined(mine, &[changing("a"), changing("b")]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            assert_order_is_nothing(mine, &[polling("a", 3), polling("b", 4), polling("c", 4), polling("d", 9)], seed);
        }
    }
}
