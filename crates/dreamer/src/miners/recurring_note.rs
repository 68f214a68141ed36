//! Notes that several agents made without knowing of each other: nearly the same sentence in a message that says
//! it is a note, or in a call that writes one, in sessions of two or more agents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use domain::dream::Evidence;
use domain::transcript::{Body, Digest, Event, EventActor};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::statement;
use crate::arguments::{self, plain};
use crate::candidate::{Candidate, NoteKind, Probe};
use crate::config::Config;
use crate::normalise;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::prose;
use crate::wording::short;

#[allow(clippy::expect_used, reason = "constant patterns, compiled by every test of this file")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// How a message says that it is a note.
static NOTE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)(?:^|\n)\W*(?:note|nb|fyi|heads[- ]up|for the record|reminder|known issue|til|handover|hand-over|memo|remember)\b",
        r"|\b(?:known issue|work ?around|in[- ]flight|is being fixed|already (?:being )?fix(?:ed|ing)|fix is in progress)\b",
    ))
});
/// Tools with which agents write notes.
static NOTE_TOOL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)memor|note|remember|knowledge|wiki|handover|scratchpad|journal"));
static READ_TOOL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|[_.-])(?:get|read|list|search|find|view|grep|delete|query)(?:$|[_.-])"));
/// How agents speak of what they are about to do.
static PLAN: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\W*(?:i |i['’]|let me|let['’]s|now |next,? |we )"));

/// A sentence that an agent noted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotedSentence {
    pub text: String,
    /// The event and the place of the sentence in it, so that neighbours are known.
    pub seq: u64,
    pub place: u32,
    pub evidence: Evidence,
}

/// One statement, by everybody who made it: the session's place, and the sentence.
type Statement<'a> = Vec<(usize, &'a NotedSentence)>;

pub fn read(digest: Digest, events: &[Event]) -> Vec<NotedSentence> {
    let mut found = Vec::new();
    for event in events.iter().filter(|e| !e.copied && e.actor == EventActor::Agent) {
        match &event.body {
            Body::Message { text } if NOTE.is_match(text) => {
                for (place, span) in prose::sentences(text).into_iter().enumerate() {
                    let evidence = Evidence::of_event(digest, event.seq, text, span.clone());
                    push(&mut found, event.seq, place, &text[span], evidence);
                }
            }
            Body::ToolCall { name, arguments, .. } if NOTE_TOOL.is_match(name) && !READ_TOOL.is_match(name) => {
                let mut place = 0;
                for value in arguments::read(arguments).values() {
                    let value = plain(value);
                    for sentence in prose::sentences(&value) {
                        let sentence = &value[sentence];
                        let span = arguments.find(sentence).map_or(0..arguments.len(), |at| at..at + sentence.len());
                        let evidence = Evidence::of_event(digest, event.seq, arguments, span);
                        push(&mut found, event.seq, place, sentence, evidence);
                        place += 1;
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn push(found: &mut Vec<NotedSentence>, seq: u64, place: usize, text: &str, evidence: Evidence) {
    let worth = !text.ends_with('?') && !PLAN.is_match(text) && prose::stems(text).len() >= 3;
    // A sentence that names nothing is a manner of speaking.
    if worth && !prose::names(text).is_empty() {
        found.push(NotedSentence { text: text.to_owned(), seq, place: place as u32, evidence });
    }
}

pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let all: Vec<(usize, &NotedSentence)> = pool
        .sessions
        .iter()
        .enumerate()
        .flat_map(|(i, session)| session.notes.iter().map(move |note| (i, note)))
        .collect();
    let texts: Vec<&str> = all.iter().map(|(_, n)| n.text.as_str()).collect();
    let mut statements: Vec<Statement<'_>> = Vec::new();
    for group in statement::group(&texts, config.duplicate_jaccard_min) {
        let group: Vec<_> = group.into_iter().map(|i| all[i]).collect();
        let agents: BTreeSet<&str> = group.iter().map(|(i, _)| pool.sessions[*i].agent.as_str()).collect();
        let sessions: BTreeSet<usize> = group.iter().map(|(i, _)| *i).collect();
        if agents.len() >= 2 && sessions.len() >= config.sessions_min && !pool.is_one_task(&sessions) {
            statements.push(group);
        }
    }
    // Sentences of the same notes are one note: those noted in the same events.
    let mut notes: BTreeMap<Vec<(usize, u64)>, Vec<Statement<'_>>> = BTreeMap::new();
    for group in statements {
        let mut events: Vec<(usize, u64)> = group.iter().map(|(i, note)| (*i, note.seq)).collect();
        events.sort_unstable();
        events.dedup();
        notes.entry(events).or_default().push(group);
    }
    notes.into_values().filter_map(|note| candidate(pool, note)).collect()
}

fn candidate(pool: &Pool<'_>, mut note: Vec<Statement<'_>>) -> Option<Candidate> {
    note.sort_by_key(|group| group.first().map(|(i, sentence)| (*i, sentence.seq, sentence.place)));
    let first = note.first()?;
    let sessions: BTreeSet<usize> = first.iter().map(|(i, _)| *i).collect();
    let support = pool.support(&sessions, 0);
    let tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    // The longest wording says the most; the first in order of equals.
    let heads: Vec<&str> = note
        .iter()
        .filter_map(|group| group.iter().map(|(_, n)| n.text.as_str()).min_by_key(|t| (std::cmp::Reverse(t.len()), *t)))
        .collect();
    let text = heads.join(" ");
    let mut pieces: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
    for (i, sentence) in note.iter().flatten() {
        pieces.entry(*i).or_default().push(sentence.evidence.clone());
    }
    let mut names: BTreeSet<String> = heads.iter().flat_map(|head| prose::names(head)).collect();
    if names.len() < 2 {
        names.extend(prose::stems(heads[0]));
    }
    let sentences: BTreeSet<String> = first.iter().map(|(_, n)| n.text.clone()).collect();
    let agents: BTreeSet<String> = sessions.iter().map(|i| pool.sessions[*i].agent.clone()).collect();
    let agents: Vec<String> = agents.into_iter().collect();
    Some(Candidate {
        kind: NoteKind::Fact,
        reason: "recurring_note".to_owned(),
        key: names.into_iter().collect::<Vec<_>>().join(" "),
        title: short(&strip_label(heads[0]), 90),
        claim: format!(
            "{} Noted by the agents {} independently.",
            normalise::words(&text),
            crate::wording::list(&agents),
        ),
        advice: None,
        applies_when: BTreeMap::new(),
        tier,
        support,
        statistics: None,
        evidence: evidence(pieces.into_values().collect()),
        probe: Probe::Noted { sentences: sentences.into_iter().collect() },
        fact: None,
        first_seen,
        last_seen,
        author: "recurring-note/1".to_owned(),
    })
}

/// "Note for the team: x" is titled "x".
fn strip_label(text: &str) -> String {
    match text.split_once(": ") {
        Some((label, rest)) if NOTE.is_match(label) && label.len() <= 40 && !rest.is_empty() => rest.to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    const ONE: &str = "Note for the team: the leak in payments-api is being fixed in payments-api#4812. Do not restart payments-api by hand.";
    const OTHER: &str =
        "Note for the team: payments-api#4812 is fixing the leak in payments-api. Do not restart payments-api by hand.";

    #[test]
    fn two_agents_that_note_one_thing_make_one_note() {
        let found = mined(mine, &[session("a").says(ONE), session("b").says(OTHER)]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].support.sessions, found[0].support.agents), (2, 2));
        assert!(found[0].claim.contains("Do not restart payments-api by hand."), "{}", found[0].claim);
        assert!(found[0].title.starts_with("the leak in payments-api"), "{}", found[0].title);
    }

    #[test]
    fn a_note_may_be_written_with_a_tool() {
        let write =
            |agent: &str, text: &str| session(agent).ok("memory_write", &format!(r#"{{"text":"{text}"}}"#), "ok");
        let found =
            mined(mine, &[write("a", "web-3 is drained until Friday."), write("b", "web-3 is drained until Friday")]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn one_agents_habit_talk_and_other_numbers_are_no_common_note() {
        assert_eq!(mined(mine, &[session("a").says(ONE), session("a").user("x").says(OTHER)]), []);
        let talk = "I will look at web-1 and its logs now.";
        assert_eq!(mined(mine, &[session("a").says(talk), session("b").says(talk)]), []);
        let note = |agent, n| session(agent).says(&format!("Note: web-{n} is drained until Friday."));
        assert_eq!(mined(mine, &[note("a", 1), note("b", 2)]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            let sessions: Vec<Script> = (0..6).map(|i| session(&format!("a{i}")).user(&i.to_string()).says([ONE, OTHER][i % 2])).collect();
            assert_order_is_nothing(mine, &sessions, seed);
        }
    }
}
