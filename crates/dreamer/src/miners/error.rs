//! Errors that recur: the same masked line (see `drain`) from the same tool in several sessions.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::{Evidence, Tier};

use super::{drain, error_repair};
use crate::analyse::Failure;
use crate::candidate::{Candidate, NoteKind, Probe};
use crate::config::Config;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::wording::{code, short};

/// The failures of one tool with one template.
#[derive(Debug)]
pub struct Group<'a> {
    pub tool: &'a str,
    pub template: String,
    /// By session, in the order of events.
    pub failures: BTreeMap<usize, Vec<&'a Failure>>,
}

impl Group<'_> {
    pub fn sessions(&self) -> BTreeSet<usize> {
        self.failures.keys().copied().collect()
    }

    /// A line as it stood, for people: the most frequent one, the first of equals.
    pub fn example(&self) -> &str {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        self.failures.values().flatten().for_each(|f| *counts.entry(&f.line).or_default() += 1);
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or("", |(line, _)| line)
    }
}

/// Recurring errors and their repairs; an error whose repair is known is told with the repair alone.
pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let groups = groups(pool);
    let (repairs, told) = error_repair::mine(pool, &groups, config);
    let errors =
        groups.iter().enumerate().filter(|(i, group)| group.failures.len() >= config.sessions_min && !told.contains(i));
    repairs.into_iter().chain(errors.map(|(_, group)| candidate(pool, group))).collect()
}

pub fn groups<'a>(pool: &Pool<'a>) -> Vec<Group<'a>> {
    let mut by_tool: BTreeMap<&str, Vec<(usize, &Failure)>> = BTreeMap::new();
    for (i, session) in pool.sessions.iter().enumerate() {
        for failure in &session.failures {
            by_tool.entry(&failure.tool).or_default().push((i, failure));
        }
    }
    let mut groups = Vec::new();
    for (tool, failures) in by_tool {
        let templates = drain::templates(failures.iter().map(|(_, f)| f.masked.as_str()));
        let mut by_template: BTreeMap<&str, Group<'_>> = BTreeMap::new();
        for (session, failure) in failures {
            let template = &templates[&failure.masked];
            let group = by_template.entry(template).or_insert_with(|| Group {
                tool,
                template: template.clone(),
                failures: BTreeMap::new(),
            });
            group.failures.entry(session).or_default().push(failure);
        }
        groups.extend(by_template.into_values());
    }
    groups
}

fn candidate(pool: &Pool<'_>, group: &Group<'_>) -> Candidate {
    let sessions = group.sessions();
    let support = pool.support(&sessions, 0);
    let tier: Tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let what = if group.tool.is_empty() { "An error recurs".to_owned() } else { format!("{} fails", code(group.tool)) };
    let example = group.example();
    let variable = if group.template.contains("<*>") { " (the details vary)" } else { "" };
    let claim = format!("{what} with: {}{variable}.", code(&short(example, 240)));
    let pieces = group.failures.values().map(|of| of.iter().map(|f| f.evidence.clone()).collect::<Vec<Evidence>>());
    Candidate {
        kind: NoteKind::Pitfall,
        reason: "error_template".to_owned(),
        key: format!("{}|{}", group.tool, group.template),
        title: format!("{what}: {}", code(&short(example, 70))),
        claim,
        advice: None,
        applies_when: applies_to_tool(group.tool),
        tier,
        support,
        statistics: None,
        evidence: evidence(pieces.collect()),
        probe: Probe::ErrorTemplate { tool: group.tool.to_owned(), template: group.template.clone() },
        fact: None,
        first_seen,
        last_seen,
        author: "error-template/1".to_owned(),
    }
}

pub fn applies_to_tool(tool: &str) -> BTreeMap<String, String> {
    if tool.is_empty() { BTreeMap::new() } else { BTreeMap::from([("tool".to_owned(), tool.to_owned())]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    fn failing(agent: &str, what: &str) -> Script {
        session(agent).user("deploy it").fails(
            "deploy",
            &format!(r#"{{"of":"{what}"}}"#),
            &format!("Error: {what} 7 is locked"),
        )
    }

    #[test]
    fn an_error_in_two_sessions_is_told_once_with_its_tool() {
        let found = mined(mine, &[failing("a", "web"), failing("b", "shop"), failing("b", "shop")]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].support.sessions, 2, "a run recorded twice counts once");
        assert_eq!(
            found[0].probe,
            Probe::ErrorTemplate { tool: "deploy".into(), template: "Error: <*> <*> is locked".into() }
        );
        assert_eq!((found[0].tier, found[0].advice.clone()), (Tier::Seen, None));
    }

    #[test]
    fn one_session_is_no_recurrence_and_copied_context_counts_for_nothing() {
        let copied = session("b").copied(true).fails("deploy", "{}", "Error: web 7 is locked");
        assert_eq!(mined(mine, &[failing("a", "web"), copied]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            let sessions: Vec<Script> = ["web", "shop", "db", "mail", "cron"].map(|w| failing(w, w)).to_vec();
            assert_order_is_nothing(mine, &sessions, seed);
        }
    }
}
