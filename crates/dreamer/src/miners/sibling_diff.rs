//! Sibling diff: within one task, what a failed session did otherwise than the nearest successful one, in
//! state-changing calls (see `acts`). The nearest is the one with the fewest differences.
//!
//! Each task gives an episode. A difference that comes back over tasks gives a rule, which is advice only if it
//! separates failures from successes in two tasks or more, with an odds ratio of two or more (Mantel-Haenszel
//! over tasks), and passes a permutation test: outcomes are shuffled within tasks, siblings chosen anew, always
//! by the same permutations; Benjamini-Hochberg over all differences tested.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::{Evidence, Tier};
use domain::transcript::Digest;

use super::acts::{Act, Finding, acts, contrast, differences, distinct, in_words_of};
use super::error::applies_to_tool;
use crate::candidate::{CallDifference, Candidate, Difference, NoteKind, Probe, SIBLINGS_MAX, Statistics};
use crate::config::Config;
use crate::pool::{Pool, Task, evidence, tier_of_counts};
use crate::stats::{Shuffler, Stratum, benjamini_hochberg, cochran_mantel_haenszel, permutation_p};
use crate::wording::{code, count, short};

/// Differences that one episode tells.
const TOLD_MAX: usize = 4;
const PERMUTATIONS: u64 = 999;
const ODDS_RATIO_MIN: f64 = 2.0;
/// The share of the sessions with a difference that failed, from which it may be advice.
const FAILED_SHARE_MIN: f64 = 0.8;

/// The sessions of one task that have outcomes, and how each differs from each.
struct Siblings<'a> {
    task: &'a Task,
    /// Places in the pool.
    members: Vec<usize>,
    succeeded: Vec<bool>,
    /// `findings[i][j]`: what i did otherwise than j.
    findings: Vec<Vec<Vec<Finding<'a>>>>,
    /// The same as places in `Comparison::kinds`, each once.
    kinds: Vec<Vec<Vec<usize>>>,
}

pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let mut kinds: BTreeMap<CallDifference, usize> = BTreeMap::new();
    let tasks: Vec<Siblings<'_>> = pool.tasks.iter().filter_map(|task| siblings(pool, task, &mut kinds)).collect();
    let mut names: Vec<&CallDifference> = vec![&PLACEHOLDER; kinds.len()];
    kinds.iter().for_each(|(kind, place)| names[*place] = kind);
    let mut candidates: Vec<Candidate> = tasks.iter().filter_map(|task| episode(pool, task)).collect();
    candidates.extend(rules(pool, &tasks, &names, config));
    candidates
}

/// What each failed session did otherwise than its nearest successful sibling; those without one are absent.
pub fn causes(pool: &Pool<'_>) -> BTreeMap<Digest, BTreeSet<CallDifference>> {
    let tasks = pool.tasks.iter().filter_map(|task| siblings(pool, task, &mut BTreeMap::new()));
    let mut causes = BTreeMap::new();
    for task in tasks {
        for i in (0..task.members.len()).filter(|i| !task.succeeded[*i]) {
            let digest = pool.sessions[task.members[i]].digest;
            causes.insert(digest, distinct(task.of_nearest(i)).into_keys().collect());
        }
    }
    causes
}

static PLACEHOLDER: CallDifference =
    CallDifference { tool: String::new(), difference: Difference::Missing, argument: String::new() };

fn siblings<'a>(pool: &Pool<'a>, task: &'a Task, kinds: &mut BTreeMap<CallDifference, usize>) -> Option<Siblings<'a>> {
    let with_outcome = task.members.iter().filter_map(|i| pool.sessions[*i].succeeded.map(|s| (*i, s)));
    let (members, succeeded): (Vec<usize>, Vec<bool>) = with_outcome.take(SIBLINGS_MAX).unzip();
    if !succeeded.contains(&true) || !succeeded.contains(&false) {
        return None;
    }
    let acts: Vec<Vec<Act<'a>>> = members.iter().map(|i| acts(pool.sessions[*i])).collect();
    let findings: Vec<Vec<Vec<Finding<'a>>>> =
        acts.iter().map(|ours| acts.iter().map(|theirs| differences(ours, theirs)).collect()).collect();
    let mut place = |difference: CallDifference| {
        let next = kinds.len();
        *kinds.entry(difference).or_insert(next)
    };
    let kinds = findings
        .iter()
        .map(|row| row.iter().map(|of| distinct(of).into_keys().map(&mut place).collect()).collect())
        .collect();
    Some(Siblings { task, members, succeeded, findings, kinds })
}

impl<'a> Siblings<'a> {
    /// The successful session, other than i itself, from which i differs least; the first by digest of equals.
    fn nearest(&self, i: usize, succeeded: &[bool]) -> Option<usize> {
        let others = (0..self.members.len()).filter(|j| *j != i && succeeded[*j]);
        others.min_by_key(|j| (self.findings[i][*j].len(), *j))
    }

    fn of_nearest(&self, i: usize) -> &[Finding<'a>] {
        self.nearest(i, &self.succeeded).map_or(&[], |j| self.findings[i][j].as_slice())
    }
}

fn episode(pool: &Pool<'_>, task: &Siblings<'_>) -> Option<Candidate> {
    let mut shown: BTreeMap<CallDifference, Vec<(usize, Finding<'_>)>> = BTreeMap::new();
    let places = |outcome: bool| (0..task.members.len()).filter(move |i| task.succeeded[*i] == outcome);
    for i in places(false) {
        for (difference, finding) in distinct(task.of_nearest(i)) {
            shown.entry(difference).or_default().push((i, finding));
        }
    }
    let mut told: Vec<(CallDifference, Vec<(usize, Finding<'_>)>)> = shown.into_iter().collect();
    told.sort_by_key(|(_, by)| std::cmp::Reverse(by.len()));
    told.truncate(TOLD_MAX);
    let (first, _) = told.first()?;
    let kinds: BTreeSet<&CallDifference> = told.iter().map(|(difference, _)| difference).collect();
    let shows = |i: usize| task.of_nearest(i).iter().any(|f| kinds.contains(&f.difference));
    let (against, without): (Vec<usize>, Vec<usize>) = places(true).partition(|i| shows(*i));
    let failed: BTreeSet<usize> = told.iter().flat_map(|(_, by)| by.iter().map(|(i, _)| *i)).collect();
    let sessions: BTreeSet<usize> = failed.iter().chain(&without).map(|i| task.members[*i]).collect();
    let support = pool.support(&sessions, against.len());
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let failures = places(false).count() as u64;
    let sentences: Vec<String> = told.iter().map(|(_, by)| sentence(by, failures)).collect();
    let name = if task.task.key.is_empty() {
        format!("Sessions about \"{}\"", task.task.label)
    } else {
        format!("Task {}", task.task.key)
    };
    let claim = format!(
        "{name}: {} compared with {}. {}",
        count(failures, "failed session"),
        count(places(true).count() as u64, "successful one"),
        sentences.join(" "),
    );
    let mut pieces: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
    for (i, finding) in told.iter().flat_map(|(_, by)| by) {
        let (ours, theirs) = quotes(pool, task, *i, finding);
        pieces.entry(task.members[*i]).or_default().extend(ours);
        if let Some(j) = task.nearest(*i, &task.succeeded) {
            pieces.entry(task.members[j]).or_default().extend(theirs);
        }
    }
    let digests = || task.members.iter().map(|i| pool.sessions[*i].digest).collect();
    Some(Candidate {
        kind: NoteKind::Pitfall,
        reason: "sibling_episode".to_owned(),
        key: if task.task.key.is_empty() { format!("~{}", task.task.label) } else { task.task.key.clone() },
        title: short(&format!("{name}: failed sessions {}", in_short(first)), 100),
        claim,
        advice: None,
        applies_when: BTreeMap::from([("task".to_owned(), task.task.label.clone())]),
        tier: Tier::Seen,
        support,
        statistics: None,
        evidence: evidence(pieces.into_values().collect()),
        probe: Probe::SiblingEpisode {
            task: task.task.key.clone(),
            sessions: if task.task.key.is_empty() { digests() } else { Vec::new() },
            differences: told.iter().map(|(difference, _)| difference.clone()).collect(),
        },
        fact: None,
        first_seen,
        last_seen,
        author: "sibling-diff/1".to_owned(),
    })
}

/// The call that shows it in the failed session and in its sibling; where one did not make it, how that one ended.
fn quotes(
    pool: &Pool<'_>,
    task: &Siblings<'_>,
    i: usize,
    finding: &Finding<'_>,
) -> (Option<Evidence>, Option<Evidence>) {
    let quote = |act: &Option<Act<'_>>, place: Option<usize>| match act {
        Some(act) => Some(act.evidence.clone()),
        None => pool.sessions[task.members[place?]].closing.clone(),
    };
    (quote(&finding.failed, Some(i)), quote(&finding.succeeded, task.nearest(i, &task.succeeded)))
}

fn in_short(difference: &CallDifference) -> String {
    let tool = code(&difference.tool);
    match difference.difference {
        Difference::Missing => format!("left out {tool}"),
        Difference::Extra => format!("called {tool}, successful ones did not"),
        Difference::WrongArgument => format!("called {tool} with another {}", code(&difference.argument)),
    }
}

fn sentence(by: &[(usize, Finding<'_>)], failures: u64) -> String {
    let Some((_, finding)) = by.first() else { return String::new() };
    let of = match by.len() as u64 {
        n if n == failures && n == 1 => "The failed session".to_owned(),
        n if n == failures => format!("All {n} failed sessions"),
        n => format!("{n} of {failures} failed sessions"),
    };
    let tool = code(&finding.difference.tool);
    let call = |act: &Option<Act<'_>>| act.as_ref().map_or(String::new(), rendered);
    match finding.difference.difference {
        Difference::Missing => format!("{of} did not call {tool}; the success called it{}.", call(&finding.succeeded)),
        Difference::Extra => format!("{of} called {tool}{}; the success did not.", call(&finding.failed)),
        Difference::WrongArgument => {
            let name = &finding.difference.argument;
            let value = |act: &Option<Act<'_>>| act.as_ref().and_then(|act| act.arguments.get(name)).cloned();
            let (ours, theirs) = match (value(&finding.failed), value(&finding.succeeded)) {
                (Some(ours), Some(theirs)) => contrast(&ours, &theirs),
                (ours, theirs) => {
                    let words = |v: Option<String>| v.map_or("nothing".to_owned(), |v| in_words_of(&v));
                    (words(ours), words(theirs))
                }
            };
            let (ours, theirs) = (code(&short(&ours, 100)), code(&short(&theirs, 100)));
            format!("{of} called {tool} with another {}: {ours} where the success had {theirs}.", code(name))
        }
    }
}

/// " (id=7, to=x)", at most three arguments.
fn rendered(act: &Act<'_>) -> String {
    let shown: Vec<String> = act
        .arguments
        .iter()
        .take(3)
        .map(|(name, value)| format!("{name}={}", short(&in_words_of(value), 40)))
        .collect();
    if shown.is_empty() { String::new() } else { format!(" with {}", code(&shown.join(", "))) }
}

/// How a difference spreads over the tasks, under one labelling.
fn statistic(tasks: &[Siblings<'_>], labels: &[Vec<bool>], kinds: usize) -> Vec<f64> {
    let mut sums = vec![0.0; kinds];
    for (task, succeeded) in tasks.iter().zip(labels) {
        let all = succeeded.len() as f64;
        let successes = succeeded.iter().filter(|s| **s).count() as f64;
        for (i, success) in succeeded.iter().enumerate() {
            let Some(j) = task.nearest(i, succeeded) else { continue };
            let weight = if *success { -1.0 / successes } else { 1.0 / (all - successes) };
            task.kinds[i][j].iter().for_each(|kind| sums[*kind] += weight);
        }
    }
    sums
}

fn rules(pool: &Pool<'_>, tasks: &[Siblings<'_>], names: &[&CallDifference], config: &Config) -> Vec<Candidate> {
    let mut spread: Vec<BTreeMap<usize, Stratum>> = vec![BTreeMap::new(); names.len()];
    let mut failed: Vec<BTreeMap<usize, Vec<Evidence>>> = vec![BTreeMap::new(); names.len()];
    let mut against: Vec<usize> = vec![0; names.len()];
    for (t, task) in tasks.iter().enumerate() {
        for i in 0..task.members.len() {
            let Some(j) = task.nearest(i, &task.succeeded) else { continue };
            for kind in &task.kinds[i][j] {
                let stratum = spread[*kind].entry(t).or_default();
                if task.succeeded[i] {
                    against[*kind] += 1;
                    stratum.with_succeeded += 1;
                } else {
                    stratum.with_failed += 1;
                    let finding = distinct(&task.findings[i][j]).remove(names[*kind]);
                    let quotes = finding.map(|f| quotes(pool, task, i, &f));
                    let pieces = failed[*kind].entry(task.members[i]).or_default();
                    pieces.extend(quotes.into_iter().flat_map(|(ours, theirs)| [ours, theirs]).flatten());
                }
            }
        }
    }
    let tested: Vec<usize> = (0..names.len())
        .filter(|kind| {
            let in_tasks = spread[*kind].values().filter(|s| s.with_failed > 0).count();
            in_tasks >= 2 && failed[*kind].len() >= config.sessions_min.max(3)
        })
        .collect();
    let q = benjamini_hochberg(&permuted(tasks, &tested, names.len()), tested.len());
    let mut candidates = Vec::new();
    for (kind, q) in tested.into_iter().zip(q) {
        if against[kind] >= failed[kind].len() {
            continue;
        }
        let strata: Vec<Stratum> = spread[kind].iter().map(|(t, stratum)| whole(&tasks[*t], *stratum)).collect();
        let separated = strata.iter().filter(|s| s.with_failed > 0 && s.with_succeeded == 0).count();
        let share = failed[kind].len() as f64 / (failed[kind].len() + against[kind]) as f64;
        let odds_ratio = cochran_mantel_haenszel(&strata).odds_ratio;
        let is_shown = q <= config.q_max && separated >= 2 && share >= FAILED_SHARE_MIN && odds_ratio >= ODDS_RATIO_MIN;
        let statistics = Statistics::new(q, odds_ratio).filter(|_| is_shown);
        candidates.push(rule(
            pool,
            names[kind],
            std::mem::take(&mut failed[kind]),
            against[kind],
            separated,
            statistics,
        ));
    }
    candidates
}

/// The p value of each difference tested.
fn permuted(tasks: &[Siblings<'_>], tested: &[usize], kinds: usize) -> Vec<f64> {
    if tested.is_empty() {
        return Vec::new();
    }
    let mut labels: Vec<Vec<bool>> = tasks.iter().map(|task| task.succeeded.clone()).collect();
    let observed = statistic(tasks, &labels, kinds);
    let mut as_extreme = vec![0; tested.len()];
    let mut shuffler = Shuffler::new(0);
    for _ in 0..PERMUTATIONS {
        labels.iter_mut().for_each(|of_task| shuffler.shuffle(of_task));
        let sums = statistic(tasks, &labels, kinds);
        for (count, kind) in as_extreme.iter_mut().zip(tested) {
            *count += u64::from(sums[*kind] >= observed[*kind] - 1e-9);
        }
    }
    as_extreme.into_iter().map(|count| permutation_p(count, PERMUTATIONS)).collect()
}

fn whole(task: &Siblings<'_>, with: Stratum) -> Stratum {
    let successes = task.succeeded.iter().filter(|s| **s).count() as u64;
    let failures = task.succeeded.len() as u64 - successes;
    Stratum { without_failed: failures - with.with_failed, without_succeeded: successes - with.with_succeeded, ..with }
}

fn rule(
    pool: &Pool<'_>,
    difference: &CallDifference,
    failed: BTreeMap<usize, Vec<Evidence>>,
    against: usize,
    separated: usize,
    statistics: Option<Statistics>,
) -> Candidate {
    let sessions: BTreeSet<usize> = failed.keys().copied().collect();
    let support = pool.support(&sessions, against);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let counted = tier_of_counts(&support);
    let tier = if statistics.is_some() && counted == Tier::Recurrent { Tier::Shown } else { counted };
    let tool = code(&difference.tool);
    let argument = code(&difference.argument);
    let (what, advice) = match difference.difference {
        Difference::Missing => (
            format!("did not call {tool}, which the nearest successful session of the task called"),
            format!(
                "Before ending, check whether {tool} is still due: successful sessions of the same tasks called it."
            ),
        ),
        Difference::Extra => (
            format!("called {tool} where the nearest successful session of the task did not"),
            format!(
                "Before calling {tool}, check that the task asks for it: successful sessions of the same tasks did without."
            ),
        ),
        Difference::WrongArgument => (
            format!("called {tool} with another {argument} than the nearest successful session of the task"),
            format!("Check {argument} before calling {tool}: failed sessions of the same tasks differed in it."),
        ),
    };
    let tasks = pool.tasks_among(&sessions) as u64;
    let claim = format!(
        "{} over {} {what}. In {} no successful session shows this.",
        count(support.sessions, "failed session"),
        count(tasks, "task"),
        match separated as u64 {
            n if n == tasks => "these".to_owned(),
            n => format!("{n} of them"),
        },
    );
    let kind = if difference.difference == Difference::Missing { NoteKind::Procedure } else { NoteKind::Pitfall };
    Candidate {
        kind,
        reason: "sibling_diff".to_owned(),
        key: format!("{}|{:?}|{}", difference.tool, difference.difference, difference.argument),
        title: format!("Failed sessions {}", in_short(difference)),
        claim,
        advice: (tier == Tier::Shown).then_some(advice),
        applies_when: applies_to_tool(&difference.tool),
        tier,
        support,
        statistics: statistics.filter(|_| tier == Tier::Shown),
        evidence: evidence(failed.into_values().collect()),
        probe: Probe::SiblingDiff {
            tool: difference.tool.clone(),
            difference: difference.difference,
            argument: difference.argument.clone(),
            groups: groups(pool),
        },
        fact: None,
        first_seen,
        last_seen,
        author: "sibling-diff/1".to_owned(),
    }
}

/// The sessions of each task that was found by likeness.
fn groups(pool: &Pool<'_>) -> Vec<Vec<Digest>> {
    let found = pool.tasks.iter().filter(|task| task.key.is_empty() && task.members.len() > 1);
    found.map(|task| task.members.iter().map(|i| pool.sessions[*i].digest).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    /// A session of one task that books, and refunds or not.
    fn run(task: &str, agent: &str, refunds: bool, succeeded: bool) -> Script {
        let booked = session(agent)
            .task(task)
            .succeeded(succeeded)
            .user(&format!("book and refund {task}"))
            .ok("get_user", "{}", "ann")
            .ok("book", &format!(r#"{{"seat":"{task}"}}"#), "booked");
        let done = if refunds { booked.ok("refund", r#"{"amount":5}"#, "ok") } else { booked };
        done.says(&format!("done by {agent}"))
    }

    fn runs(tasks: usize, refund_helps: bool) -> Vec<Script> {
        let of_task = |t: usize| {
            (0..6).map(move |i| {
                let refunds = i % 2 == 0;
                let succeeded = if refund_helps { refunds } else { (i / 2 + t).is_multiple_of(2) };
                run(&format!("t{t}"), &format!("a{i}"), refunds, succeeded)
            })
        };
        (0..tasks).flat_map(of_task).collect()
    }

    fn of_reason(candidates: &[Candidate], reason: &str) -> Vec<Candidate> {
        candidates.iter().filter(|c| c.reason == reason).cloned().collect()
    }

    #[test]
    fn an_episode_says_what_the_success_did_with_evidence_in_both() {
        let sessions = [run("t", "a", true, true), run("t", "b", false, false)];
        let found = mined(mine, &sessions);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].tier, found[0].advice.clone()), (Tier::Seen, None));
        assert!(
            found[0].claim.contains("The failed session did not call `refund`; the success called it with `amount=5`.")
        );
        let cited: BTreeSet<&str> = found[0].evidence.iter().map(|e| e.quote.as_str()).collect();
        assert_eq!(cited, BTreeSet::from([r#"{"amount":5}"#, "done by b"]));
    }

    #[test]
    fn a_difference_that_separates_outcomes_over_tasks_is_advice() {
        let rules = of_reason(&mined(mine, &runs(4, true)), "sibling_diff");
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].tier, Tier::Shown);
        assert!(rules[0].advice.as_deref().is_some_and(|a| a.contains("`refund`")));
        assert_eq!(rules[0].support, domain::dream::Support { sessions: 12, tasks: 4, agents: 3, counter_examples: 0 });
    }

    #[test]
    fn a_difference_that_is_in_successes_too_is_no_advice() {
        let found = mined(mine, &runs(4, false));
        assert!(found.iter().all(|c| c.advice.is_none()), "{found:#?}");
    }

    #[test]
    fn one_task_gives_no_rule_and_other_tasks_are_no_siblings() {
        assert_eq!(of_reason(&mined(mine, &runs(1, true)), "sibling_diff"), []);
        assert_eq!(mined(mine, &[run("t1", "a", true, true), run("t2", "b", false, false)]), []);
    }

    #[test]
    fn without_a_task_key_likeness_decides_and_else_it_abstains() {
        let run = |words: &str, refunds, succeeded| run(words, "a", refunds, succeeded).task("");
        let alike = "change my flight from Denver to Houston on May 27";
        let found = mined(
            mine,
            &[run(alike, true, true), run("please change my Denver to Houston flight on May 27", false, false)],
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].claim.contains("denver"), "{}", found[0].claim);
        assert_eq!(mined(mine, &[run(alike, true, true), run("return the kettle I got last week", false, false)]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            assert_order_is_nothing(mine, &runs(3, true), seed);
        }
    }
}
