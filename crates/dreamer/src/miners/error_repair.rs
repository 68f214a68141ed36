//! Errors and what repaired them: after an error of a tool, the first call of that tool among the next three
//! calls that succeeded, and the arguments in which the two differ.
//!
//! The test behind *shown* is a sign test over sessions: of those that tried this edit after this error, the
//! share in which it worked, against a coin.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::{Evidence, Tier};

use super::acts::contrast;
use super::error::{Group, applies_to_tool};
use crate::analyse::{Analysis, Call, CallOutcome, Failure};
use crate::arguments::{changed, plain};
use crate::candidate::{Candidate, NoteKind, Probe, Statistics};
use crate::config::Config;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::stats::{benjamini_hochberg, sign_test};
use crate::wording::{code, list, short};

/// How many calls after an error count as its repair.
const WITHIN_CALLS: usize = 3;
/// The share of tries that must have worked before a repair is advice.
const WORKED_MIN: f64 = 0.8;

/// One edit after one error, in all sessions that tried it.
struct Repair<'a> {
    group: usize,
    arguments: Vec<String>,
    worked: BTreeMap<usize, Vec<Tried<'a>>>,
    failed: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct Tried<'a> {
    failure: &'a Failure,
    before: &'a Call,
    after: &'a Call,
}

/// The repairs, and the places of the groups whose error they tell in full.
pub fn mine(pool: &Pool<'_>, groups: &[Group<'_>], config: &Config) -> (Vec<Candidate>, BTreeSet<usize>) {
    let mut repairs: Vec<Repair<'_>> = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        repairs.extend(repairs_of(pool, i, group));
    }
    repairs.retain(|repair| repair.worked.len() >= config.sessions_min && repair.worked.len() > repair.failed.len());
    let p: Vec<f64> =
        repairs.iter().map(|r| sign_test(r.worked.len() as u64, (r.worked.len() + r.failed.len()) as u64)).collect();
    let q = benjamini_hochberg(&p, p.len());
    let mut told = BTreeSet::new();
    let mut candidates = Vec::new();
    for (repair, q) in repairs.iter().zip(q) {
        if 2 * repair.worked.len() >= groups[repair.group].failures.len() {
            told.insert(repair.group);
        }
        let statistics = Statistics::new(q, repair.odds()).filter(|_| q <= config.q_max);
        candidates.push(candidate(pool, &groups[repair.group], repair, statistics));
    }
    candidates.extend(groups.iter().filter_map(|group| retried(pool, group, config)));
    (candidates, told)
}

fn repairs_of<'a>(pool: &Pool<'a>, place: usize, group: &Group<'a>) -> Vec<Repair<'a>> {
    let mut edits: BTreeMap<Vec<String>, Repair<'a>> = BTreeMap::new();
    for (session, failures) in &group.failures {
        let analysis = pool.sessions[*session];
        for failure in failures {
            let Some(call) = failure.call else { continue };
            let before = &analysis.calls[call];
            for after in tries(analysis, call) {
                let arguments = changed(&before.arguments, &after.arguments);
                let repair = edits.entry(arguments.clone()).or_insert_with(|| Repair {
                    group: place,
                    arguments,
                    worked: BTreeMap::new(),
                    failed: BTreeSet::new(),
                });
                if after.outcome == CallOutcome::Ok {
                    repair.worked.entry(*session).or_default().push(Tried { failure, before, after });
                } else {
                    repair.failed.insert(*session);
                }
            }
        }
    }
    for repair in edits.values_mut() {
        repair.failed.retain(|session| !repair.worked.contains_key(session));
    }
    edits.into_values().collect()
}

/// The calls of the same tool soon after, up to the first that succeeded.
fn tries(analysis: &Analysis, call: usize) -> Vec<&Call> {
    let tool = &analysis.calls[call].tool;
    let soon = analysis.calls[call + 1..].iter().take(WITHIN_CALLS).filter(|c| c.tool == *tool);
    let mut tries = Vec::new();
    for next in soon.filter(|c| c.outcome != CallOutcome::Open) {
        tries.push(next);
        if next.outcome == CallOutcome::Ok {
            break;
        }
    }
    tries
}

fn candidate(pool: &Pool<'_>, group: &Group<'_>, repair: &Repair<'_>, statistics: Option<Statistics>) -> Candidate {
    let sessions: BTreeSet<usize> = repair.worked.keys().copied().collect();
    let support = pool.support(&sessions, repair.failed.len());
    let share = sessions.len() as f64 / (sessions.len() + repair.failed.len()) as f64;
    let mut tier = tier_of_counts(&support);
    let is_shown =
        tier == Tier::Recurrent && statistics.is_some() && share >= WORKED_MIN && pool.tasks_among(&sessions) >= 2;
    if is_shown && !repair.arguments.is_empty() {
        tier = Tier::Shown;
    }
    let edits: Vec<String> = repair.arguments.iter().map(|name| edit(name, repair)).collect();
    let (tool, example) = (code(group.tool), code(&short(group.example(), 200)));
    let names: Vec<String> = repair.arguments.iter().map(|n| argument_name(n)).collect();
    let (title, what) = if repair.arguments.is_empty() {
        (
            format!("{tool} fails and works again when repeated: {}", code(&short(group.example(), 60))),
            "The same call, repeated as it was, succeeded".to_owned(),
        )
    } else {
        (
            format!("{tool} fails ({}): change {}", code(&short(group.example(), 50)), list(&names)),
            format!("The call succeeded after this change: {}", edits.join("; ")),
        )
    };
    let claim = format!("{tool} fails with {example}. {what}.");
    let advice = (tier == Tier::Shown).then(|| format!("When {tool} fails with {example}, {}.", instruction(repair)));
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let pieces = repair.worked.values().map(|tries| tries.iter().flat_map(|t| t.evidence()).collect());
    Candidate {
        kind: NoteKind::Pitfall,
        reason: "error_repair".to_owned(),
        key: format!("{}|{}|{}", group.tool, group.template, repair.arguments.join(",")),
        title,
        claim,
        advice,
        applies_when: applies_to_tool(group.tool),
        tier,
        support,
        statistics: statistics.filter(|_| tier == Tier::Shown),
        evidence: evidence(pieces.collect()),
        probe: Probe::ErrorRepair {
            tool: group.tool.to_owned(),
            template: group.template.clone(),
            arguments: repair.arguments.clone(),
            within_calls: WITHIN_CALLS as u32,
        },
        fact: None,
        first_seen,
        last_seen,
        author: "error-repair/1".to_owned(),
    }
}

impl Repair<'_> {
    /// Sessions in which it worked for each one in which it did not.
    fn odds(&self) -> f64 {
        self.worked.len() as f64 / self.failed.len() as f64
    }
}

impl Tried<'_> {
    fn evidence(&self) -> [Evidence; 3] {
        [self.failure.evidence.clone(), self.before.evidence.clone(), self.after.evidence.clone()]
    }
}

/// The values that an argument had before and after, over all sessions.
fn values<'a>(name: &str, repair: &'a Repair<'_>) -> (Vec<Option<&'a String>>, Vec<Option<&'a String>>) {
    let tries = || repair.worked.values().flatten();
    let before = tries().map(|t| t.before.arguments.get(name)).collect();
    let after = tries().map(|t| t.after.arguments.get(name)).collect();
    (before, after)
}

fn edit(name: &str, repair: &Repair<'_>) -> String {
    let (before, after) = values(name, repair);
    let argument = code(&argument_name(name));
    let examples = |values: &[Option<&String>]| {
        let distinct: BTreeSet<String> = values.iter().flatten().map(|v| short(&plain(v), 60)).collect();
        let shown: Vec<String> = distinct.iter().take(3).map(|v| code(v)).collect();
        format!("{}{}", shown.join(", "), if distinct.len() > 3 { ", ..." } else { "" })
    };
    if before.iter().all(Option::is_none) {
        return format!("{argument} added ({})", examples(&after));
    }
    if after.iter().all(Option::is_none) {
        return format!("{argument} left out (was {})", examples(&before));
    }
    let pairs: BTreeSet<(String, String)> =
        before.iter().zip(&after).filter_map(|(b, a)| Some(contrast(b.as_ref()?, a.as_ref()?))).collect();
    let like = if pairs.len() > 1 { ", for example" } else { "" };
    match pairs.first() {
        Some((from, to)) => {
            format!("{argument} changed{like} from {} to {}", code(&short(from, 80)), code(&short(to, 80)))
        }
        None => format!("{argument} changed"),
    }
}

fn instruction(repair: &Repair<'_>) -> String {
    let parts: Vec<String> = repair
        .arguments
        .iter()
        .map(|name| {
            let (before, after) = values(name, repair);
            let argument = code(&argument_name(name));
            let only: BTreeSet<&String> = after.iter().flatten().copied().collect();
            let to = match only.iter().next() {
                Some(value) if only.len() == 1 => format!(" to {}", code(&short(&plain(value), 60))),
                _ => String::new(),
            };
            if before.iter().all(Option::is_none) {
                format!("pass {argument}{}", to.replace(" to ", " = "))
            } else if after.iter().all(Option::is_none) {
                format!("leave out {argument}")
            } else {
                format!("change {argument}{to}")
            }
        })
        .collect();
    parts.join(" and ")
}

fn argument_name(name: &str) -> String {
    if name.is_empty() { "the argument".to_owned() } else { name.to_owned() }
}

/// Retries without a change that failed again.
fn retried(pool: &Pool<'_>, group: &Group<'_>, config: &Config) -> Option<Candidate> {
    let mut found: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
    for (session, failures) in &group.failures {
        let analysis = pool.sessions[*session];
        for failure in failures {
            let Some(call) = failure.call else { continue };
            let before = &analysis.calls[call];
            let next = analysis.calls[call + 1..].iter().find(|c| c.tool == before.tool);
            if let Some(again) = next.filter(|c| c.outcome == CallOutcome::Failed && c.arguments == before.arguments) {
                let pieces = [failure.evidence.clone(), before.evidence.clone(), again.evidence.clone()];
                found.entry(*session).or_default().extend(pieces);
            }
        }
    }
    if found.len() < config.sessions_min {
        return None;
    }
    let sessions: BTreeSet<usize> = found.keys().copied().collect();
    let support = pool.support(&sessions, 0);
    let tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let (tool, example) = (code(group.tool), code(&short(group.example(), 200)));
    Some(Candidate {
        kind: NoteKind::Pitfall,
        reason: "retry_unchanged".to_owned(),
        key: format!("{}|{}", group.tool, group.template),
        title: format!("{tool} repeated unchanged fails again: {}", code(&short(group.example(), 60))),
        claim: format!("After {example}, {tool} was called again with the same arguments and failed again."),
        advice: None,
        applies_when: applies_to_tool(group.tool),
        tier,
        support,
        statistics: None,
        evidence: evidence(found.into_values().collect()),
        probe: Probe::RetriedUnchanged { tool: group.tool.to_owned(), template: group.template.clone() },
        fact: None,
        first_seen,
        last_seen,
        author: "error-repair/1".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::error::mine as mine_errors;
    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    const ERROR: &str = "Error: namespace is required";

    /// A session that fails without a namespace and then, or not, works with one.
    fn run(agent: &str, task: &str, pod: &str, works: bool) -> Script {
        let failed = session(agent).task(task).fails("logs", &format!(r#"{{"pod":"{pod}"}}"#), ERROR);
        let arguments = format!(r#"{{"namespace":"shop","pod":"{pod}"}}"#);
        if works { failed.ok("logs", &arguments, "fine") } else { failed.fails("logs", &arguments, "Error: forbidden") }
    }

    fn runs(works: usize, fails: usize) -> Vec<Script> {
        let script = |i: usize, works| run(["a", "b"][i % 2], &format!("t{}", i % 3), &format!("pod-{i}"), works);
        (0..works).map(|i| script(i, true)).chain((0..fails).map(|i| script(works + i, false))).collect()
    }

    fn repairs(sessions: &[Script]) -> Vec<Candidate> {
        mined(mine_errors, sessions).into_iter().filter(|c| c.reason == "error_repair").collect()
    }

    #[test]
    fn a_repair_seen_often_enough_is_advice() {
        let found = repairs(&runs(6, 0));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].tier, Tier::Shown);
        assert_eq!(
            found[0].advice.as_deref(),
            Some("When `logs` fails with `Error: namespace is required`, pass `namespace` = `shop`.")
        );
        assert_eq!(found[0].support, domain::dream::Support { sessions: 6, tasks: 3, agents: 2, counter_examples: 0 });
        assert!(mined(mine_errors, &runs(6, 0)).iter().all(|c| c.reason != "error_template"), "told twice");
    }

    #[test]
    fn few_sessions_or_failed_tries_keep_it_from_being_advice() {
        let few = repairs(&runs(3, 0));
        assert_eq!((few[0].tier, few[0].advice.clone()), (Tier::Recurrent, None));
        let doubtful = repairs(&runs(6, 3));
        assert_eq!((doubtful[0].tier, doubtful[0].support.counter_examples), (Tier::Recurrent, 3));
        assert_eq!(repairs(&runs(3, 4)), [], "it fails more often than it works");
    }

    #[test]
    fn a_success_long_after_is_no_repair() {
        let late = |agent| {
            let failed = session(agent).fails("logs", "{}", ERROR);
            let busy = ["a", "b", "c"].iter().fold(failed, |s, tool| s.ok(tool, "{}", ""));
            busy.ok("logs", r#"{"namespace":"x"}"#, "")
        };
        assert_eq!(repairs(&[late("a"), late("b")]), []);
    }

    #[test]
    fn repeating_a_failed_call_unchanged_is_told() {
        let again = |agent: &str| {
            let arguments = format!(r#"{{"of":"{agent}"}}"#);
            session(agent).fails("pay", &arguments, "Error: no funds").fails("pay", &arguments, "Error: no funds")
        };
        let found = mined(mine_errors, &[again("a"), again("b")]);
        assert!(found.iter().any(|c| c.reason == "retry_unchanged" && c.support.sessions == 2), "{found:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            assert_order_is_nothing(mine_errors, &runs(6, 2), seed);
        }
    }
}
