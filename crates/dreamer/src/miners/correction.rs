//! Corrections: a user's turn after an act of the agent, with words of correction, after which the agent does
//! something else. The user's words are kept as they are.
//!
//! From two sessions on it is a preference. One session is enough where the user says that it holds for good.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use domain::dream::Evidence;
use domain::transcript::{Body, Digest, Event, EventActor};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::statement;
use crate::arguments::{Arguments, changed, plain};
use crate::calls::CallWithResult;
use crate::candidate::{Candidate, NoteKind, Probe};
use crate::config::Config;
use crate::normalise;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::prose;
use crate::wording::{code, short};

/// Longer turns are stories, not corrections.
const BYTES_MAX: usize = 400;

#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)^(?:no|nope|wrong|stop|revert|undo|actually|instead)\b",
        r"|^(?:\w+[,;:] |please |and |so )*(?:don['’]t|do not|never|always|stop|revert|undo)\b",
        r"|\binstead\b|\b(?:that|this|it|which)(?:['’]s| is| was) (?:wrong|not (?:right|correct|what))",
        r"|\bi (?:said|asked for|asked you|meant|told you)\b|\bnot what i\b",
        r"|\b(?:it|that|this|they|which) should (?:not )?(?:be|have)\b|\byou should(?: have|n['’]t| not| always| never)\b",
        r"|\bmust (?:always|never|not)\b|\bfrom now on\b",
    ))
    .expect("a valid pattern")
});
/// What a refusal at the end of a talk begins with too.
#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^never ?mind\b|^(?:no|nope)\b[,.! -]*(?:$|thank|that['’]?s? |i (?:don|do not|am|think|just|want|would|need|have)|it['’]?s |there|problem|worries|not )")
        .expect("a valid pattern")
});
#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static LASTING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:^|[,;:.] |\bplease |\bmust |\bshould |\band )(?:always|never)\b",
        r"|\b(?:from now on|in (?:the )?future|next time|every time|by default)\b",
    ))
    .expect("a valid pattern")
});

/// One correction, as a user made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    /// The user's words, from the first sentence that corrects to the last.
    pub text: String,
    /// Whether the user says that it holds beyond this session.
    pub lasts: bool,
    /// The next call in other words than the last one, where there are both.
    pub change: Option<CallChange>,
    pub evidence: Vec<Evidence>,
}

/// What the agent called before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallChange {
    pub before_tool: String,
    pub before: Arguments,
    pub after_tool: String,
    pub after: Arguments,
}

pub fn read(digest: Digest, events: &[Event], calls: &[CallWithResult<'_>]) -> Vec<Correction> {
    let mut found = Vec::new();
    let mut agent_acted = false;
    for event in events.iter().filter(|e| !e.copied) {
        match (&event.actor, &event.body) {
            (EventActor::Agent, Body::Message { .. } | Body::ToolCall { .. }) => agent_acted = true,
            (EventActor::User, Body::Message { text }) if std::mem::take(&mut agent_acted) => {
                let Some(span) = correcting_span(text) else { continue };
                let before = calls.iter().rev().find(|c| c.event.seq < event.seq);
                let after = calls.iter().find(|c| c.event.seq > event.seq);
                let change = match (before, after) {
                    // The agent went on as before, or did nothing more.
                    (Some(b), Some(a)) if b.tool == a.tool && b.arguments == a.arguments => continue,
                    (Some(_), None) => continue,
                    (Some(b), Some(a)) => Some(CallChange {
                        before_tool: b.tool.to_owned(),
                        before: b.arguments.clone(),
                        after_tool: a.tool.to_owned(),
                        after: a.arguments.clone(),
                    }),
                    (None, _) => None,
                };
                let mut evidence = vec![Evidence::of_event(digest, event.seq, text, span.clone())];
                if let (Some(_), Some(after)) = (before, after) {
                    let arguments = after.event.body.text();
                    evidence.push(Evidence::of_event(digest, after.event.seq, arguments, 0..arguments.len()));
                }
                let text = text[span].to_owned();
                found.push(Correction { lasts: LASTING.is_match(&text), text, change, evidence });
            }
            _ => {}
        }
    }
    found
}

/// From the first sentence with a cue to the last.
fn correcting_span(text: &str) -> Option<Range<usize>> {
    let cues: Vec<Range<usize>> = prose::sentences(text)
        .into_iter()
        .filter(|s| {
            let sentence = &text[s.clone()];
            !sentence.ends_with('?') && CUE.is_match(sentence) && !CLOSING.is_match(sentence)
        })
        .collect();
    let span = cues.first()?.start..cues.last()?.end;
    (span.len() <= BYTES_MAX && prose::stems(&text[span.clone()]).len() >= 3).then_some(span)
}

pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let all: Vec<(usize, &Correction)> = pool
        .sessions
        .iter()
        .enumerate()
        .flat_map(|(i, session)| session.corrections.iter().map(move |correction| (i, correction)))
        .collect();
    let texts: Vec<&str> = all.iter().map(|(_, c)| c.text.as_str()).collect();
    let groups = statement::group(&texts, config.duplicate_jaccard_min);
    let groups = groups.into_iter().map(|group| group.into_iter().map(|i| all[i]).collect::<Vec<_>>());
    groups.filter_map(|group| candidate(pool, &group, config)).collect()
}

fn candidate(pool: &Pool<'_>, group: &[(usize, &Correction)], config: &Config) -> Option<Candidate> {
    let mut of_sessions: BTreeMap<usize, Vec<&Correction>> = BTreeMap::new();
    group.iter().for_each(|(i, correction)| of_sessions.entry(*i).or_default().push(correction));
    let sessions: BTreeSet<usize> = of_sessions.keys().copied().collect();
    let lasts = group.iter().any(|(_, c)| c.lasts);
    let recurs = sessions.len() >= config.sessions_min && !pool.is_one_task(&sessions);
    if !lasts && !recurs {
        return None;
    }
    let mut wordings: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for (_, correction) in group {
        let entry = wordings.entry(normalise::sentence(&correction.text)).or_insert((0, &correction.text));
        entry.0 += 1;
        entry.1 = entry.1.min(&correction.text);
    }
    let head = wordings.values().max_by_key(|(count, text)| (*count, std::cmp::Reverse(*text)))?.1;
    let support = pool.support(&sessions, 0);
    let tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let what_changed = group.iter().find_map(|(_, c)| c.change.as_ref().and_then(describe));
    let claim = format!("A user corrected the agent: \"{head}\"{}", what_changed.unwrap_or_default());
    let pieces = of_sessions.values().map(|of| of.iter().flat_map(|c| c.evidence.clone()).collect());
    Some(Candidate {
        kind: NoteKind::Preference,
        reason: "correction".to_owned(),
        key: prose::stems(head).into_iter().collect::<Vec<_>>().join(" "),
        title: short(head, 90),
        claim,
        advice: None,
        applies_when: applies_to(group),
        tier,
        support,
        statistics: None,
        evidence: evidence(pieces.collect()),
        probe: Probe::Correction { sentences: wordings.values().map(|(_, text)| (*text).to_owned()).collect() },
        fact: None,
        first_seen,
        last_seen,
        author: "correction/1".to_owned(),
    })
}

/// The tool, where all that changed is what it was called with.
fn applies_to(group: &[(usize, &Correction)]) -> BTreeMap<String, String> {
    let mut tools: BTreeSet<&str> = BTreeSet::new();
    for (_, correction) in group {
        match &correction.change {
            Some(change) if change.before_tool == change.after_tool => tools.insert(&change.after_tool),
            _ => return BTreeMap::new(),
        };
    }
    match tools.first() {
        Some(tool) if tools.len() == 1 => super::error::applies_to_tool(tool),
        _ => BTreeMap::new(),
    }
}

fn describe(change: &CallChange) -> Option<String> {
    if change.before_tool != change.after_tool {
        return Some(format!(
            " The agent then called {} instead of {}.",
            code(&change.after_tool),
            code(&change.before_tool)
        ));
    }
    let name = changed(&change.before, &change.after).into_iter().next()?;
    let value = |of: &Arguments| of.get(&name).map_or("nothing".to_owned(), |v| code(&short(&plain(v), 60)));
    let (before, after) = (value(&change.before), value(&change.after));
    Some(format!(
        " The agent then called {} with {} {after} instead of {before}.",
        code(&change.after_tool),
        code(&name)
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    fn corrected(agent: &str, turn: &str, then: &str) -> Script {
        session(agent)
            .user(&format!("the shop is slow, says {agent}"))
            .ok("page", r#"{"team":"database"}"#, "paged")
            .user(turn)
            .ok("page", &format!(r#"{{"team":"{then}"}}"#), "paged")
    }

    #[test]
    fn a_correction_is_kept_in_the_users_words() {
        let turn = "Hm. No, don't page the database team for latency. Always page the platform team first.";
        let found = mined(mine, &[corrected("a", turn, "platform"), corrected("b", turn, "platform")]);
        assert_eq!(found.len(), 1);
        let words = "No, don't page the database team for latency. Always page the platform team first.";
        assert_eq!(found[0].probe, Probe::Correction { sentences: vec![words.to_owned()] });
        assert!(
            found[0].claim.contains(&format!("\"{words}\""))
                && found[0].claim.contains("`platform` instead of `database`")
        );
        assert_eq!(found[0].kind, NoteKind::Preference);
    }

    #[test]
    fn once_is_enough_only_for_what_lasts() {
        assert_eq!(mined(mine, &[corrected("a", "Please always page the platform team.", "platform")]).len(), 1);
        assert_eq!(mined(mine, &[corrected("a", "No, page the platform team.", "platform")]), []);
    }

    #[test]
    fn without_another_act_it_was_no_correction() {
        assert_eq!(mined(mine, &[corrected("a", "Please always page that team.", "database")]), []);
    }

    #[test]
    fn talk_is_not_taken_for_correction() {
        for turn in [
            "No, that's all. Thank you!",
            "I don't have the id.",
            "Should I always pay more?",
            "Never mind, leave the kettle as it is.",
        ] {
            assert_eq!(
                mined(mine, &[corrected("a", turn, "platform"), corrected("b", turn, "platform")]),
                [],
                "{turn}"
            );
        }
        let first = session("a").user("Always page the platform team first.").ok("page", "{}", "");
        assert_eq!(mined(mine, &[first]), [], "a task is no correction");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            let turns = ["No, always page the platform team first.", "No, always page the platform team first!", "Instead, use the canary host web-1."];
            let sessions: Vec<Script> = (0..6).map(|i| corrected(&format!("a{i}"), turns[i % 3], "platform")).collect();
            assert_order_is_nothing(mine, &sessions, seed);
        }
    }
}
