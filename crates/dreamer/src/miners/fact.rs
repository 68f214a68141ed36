//! Facts: what people and agents assert of a thing, in forms that leave no doubt: `key: value`, "the X of Y is Z",
//! "X moved to Z", "X now uses Z". Rather none than a wrong one: questions, conditions, denials and other
//! people's words are no assertions. Tool output asserts nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use domain::Timestamp;
use domain::dream::Evidence;
use domain::transcript::{Body, Digest, Event, EventActor};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, Fact, NoteKind, Probe, Trust};
use crate::config::Config;
use crate::normalise::words;
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::prose::{is_name, is_negated, sentences};
use crate::wording::short;

/// Distinct values of one attribute of a named thing, beyond which it is no lasting one.
const NAMED_VALUES_MAX: usize = 3;
/// The same where the subject is no name.
const UNNAMED_VALUES_MAX: usize = 2;

/// Who asserts each value of one key: by the value in lower case, then by session.
type Values<'a> = BTreeMap<String, BTreeMap<usize, Vec<&'a Assertion>>>;

/// (subject, attribute) has a value, somewhere in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// In lower case, without an article.
    pub subject: String,
    /// Empty where the subject is the whole key, as in "escalation number: 555-0199".
    pub attribute: String,
    /// As it was written.
    pub value: String,
    /// The sentence.
    pub span: Range<usize>,
}

/// A fact that somebody stated in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    pub stated: Stated,
    pub trust: Trust,
    pub time: Option<Timestamp>,
    pub evidence: Evidence,
}

#[allow(clippy::expect_used, reason = "constant patterns, compiled by every test of this file")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

static PAIR: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\*{0,2}([A-Za-z][\w .#/'-]{1,48}?)\*{0,2}\s*(?::\*{0,2}\s|=)\s*(\S.{0,79})$"));
static OF: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\w+[,:] )*(?:the )?(?:current |new )?([a-z][a-z ]{2,30}?) (?:of|for|at) (?:the )?([\w#./@-]+(?: [\w#./@-]+)?) (?:is|are)(?: now| currently)? (.+)$",
    )
});
static POSSESSIVE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\w+[,:] )*(?:the )?([\w#./@-]+)['’]s (?:current |new )?([a-z][a-z ]{2,30}?) (?:is|are)(?: now| currently)? (.+)$",
    )
});
static MOVED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\w+[,:] )*(?:the )?([\w#./@-]+(?: [\w#./@-]+){0,3}?) (?:has |have |was |were |is |are )?(?:now )?(moved to|runs on|lives (?:at|on|in)|switched to|uses|replaced by|renamed to|called)(?: now)? (.+)$",
    )
});
static IS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\w+[,:] )*((?:the |our )[a-z][\w -]{2,40}?|[\w#/@-]*[-_#/\d][\w#./@-]*(?: [a-z]+){0,2}) (?:is|are)(?: now| currently) (.+)$",
    )
});
/// Words that make a sentence less, or other, than an assertion of its speaker's.
static DOUBT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:if|unless|whether|when|would|could|might|may|maybe|perhaps|probably|possibly|likely|think|thought|believe|guess|assum\w+|suppos\w+",
        r"|seems?|appears?|imagine|example|e\.g|hypothetical\w*|used to|formerly|previously|planned|will|should|says?|said|claims?|claimed|according to|told|wrote|reads|i)\b",
    ))
});
/// Words before a colon that announce something other than a fact.
const NO_KEYS: &str = " note notes nb warning error errors todo example step question answer q a summary update hint tip important \
    fyi hi hello ps re subject from to cc date result results output input reason total details detail option options here \
    following https http plan next action actions cause time ";

/// What a text states. The curator reads the store with it too, so that both sides of a contradiction are read alike.
pub fn stated(text: &str) -> Vec<Stated> {
    sentences(text).into_iter().filter_map(|span| state(text, span)).collect()
}

fn state(text: &str, span: Range<usize>) -> Option<Stated> {
    let sentence = text[span.clone()].trim_end_matches(['.', '!', ';', ',']).trim();
    if sentence.len() > 200 || text[span.clone()].ends_with('?') {
        return None;
    }
    if let Some(found) = PAIR.captures(sentence) {
        let (subject, attribute) = key(&found[1])?;
        return finish(&subject, &attribute, &found[2], span);
    }
    if DOUBT.is_match(sentence) || is_negated(sentence) {
        return None;
    }
    if let Some(found) = OF.captures(sentence) {
        return finish(&found[2], &found[1], &found[3], span);
    }
    if let Some(found) = POSSESSIVE.captures(sentence) {
        return finish(&found[1], &found[2], &found[3], span);
    }
    if let Some(found) = MOVED.captures(sentence) {
        if !is_name(&found[1]) && !found[1].contains(' ') {
            return None;
        }
        let attribute = match found[2].to_lowercase().as_str() {
            "uses" | "switched to" => "uses",
            "replaced by" | "renamed to" | "called" => "name",
            _ => "location",
        };
        return finish(&found[1], attribute, &found[3], span);
    }
    let found = IS.captures(sentence)?;
    let (subject, attribute) = key(&found[1])?;
    finish(&subject, &attribute, &found[2], span)
}

/// "checkout-db primary" is the primary of checkout-db; "escalation number" is a thing of its own.
fn key(text: &str) -> Option<(String, String)> {
    let text = text.trim().trim_matches('*');
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let known = text.split(' ').map(str::to_lowercase).any(|w| NO_KEYS.contains(&format!(" {w} ")));
    if known || text.split(' ').count() > 4 {
        return None;
    }
    let starts_with_name = is_name(first) && !rest.is_empty();
    Some(if starts_with_name { (first.to_owned(), rest.to_owned()) } else { (text.to_owned(), String::new()) })
}

fn finish(subject: &str, attribute: &str, value: &str, span: Range<usize>) -> Option<Stated> {
    // The value ends where another thought begins.
    let ends = [", ", " (", "; ", " - ", " — ", " since ", " because ", " instead", " and ", " but ", " so "];
    let end = ends.iter().filter_map(|mark| value.find(mark)).min().unwrap_or(value.len());
    let value = words(value[..end].trim().trim_matches(['`', '"', '\'', '*', '.', ',']));
    let subject = normal(subject);
    let pronoun = ["it", "that", "this", "there", "he", "she", "they", "what", "which", "who", "everything", "one"];
    let first = subject.split(' ').next().unwrap_or_default();
    let is_fact = !value.is_empty()
        && value.split(' ').count() <= 5
        && value.len() <= 80
        && (is_name(&value) || value.split(' ').any(is_name) || !attribute.is_empty() && value.split(' ').count() <= 2)
        && !pronoun.contains(&first);
    is_fact.then(|| Stated { subject, attribute: normal(attribute), value, span })
}

fn normal(text: &str) -> String {
    let lower = words(&text.to_lowercase());
    let articles = ["the ", "our ", "a ", "an ", "current ", "new "];
    let mut rest = lower.as_str();
    while let Some(next) = articles.iter().find_map(|article| rest.strip_prefix(article)) {
        rest = next;
    }
    rest.trim_matches(['`', '*', '"', '\'']).to_owned()
}

pub fn read(digest: Digest, events: &[Event]) -> Vec<Assertion> {
    let mut found = Vec::new();
    for event in events.iter().filter(|e| !e.copied) {
        let Body::Message { text } = &event.body else { continue };
        let trust = match event.actor {
            EventActor::Operator => Trust::Operator,
            EventActor::User => Trust::User,
            EventActor::Agent => Trust::Agent,
            EventActor::Tool | EventActor::Environment => continue,
        };
        found.extend(stated(text).into_iter().map(|stated| {
            let evidence = Evidence::of_event(digest, event.seq, text, stated.span.clone());
            Assertion { stated, trust, time: event.time, evidence }
        }));
    }
    found
}

/// Facts that several sessions assert; and those that one person asserts of a named thing, which alone are no
/// reason for a note but may correct one (their support is one session).
pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let mut by_key: BTreeMap<(&str, &str), Values<'_>> = BTreeMap::new();
    for (i, session) in pool.sessions.iter().enumerate() {
        for assertion in &session.assertions {
            let key = (assertion.stated.subject.as_str(), assertion.stated.attribute.as_str());
            let values = by_key.entry(key).or_default().entry(assertion.stated.value.to_lowercase()).or_default();
            values.entry(i).or_default().push(assertion);
        }
    }
    by_key.retain(|(subject, _), values| is_one_thing(subject, values));
    let mut candidates = Vec::new();
    for values in by_key.values() {
        for (value, by_session) in values {
            let sessions: BTreeSet<usize> = by_session.keys().copied().collect();
            let agents: BTreeSet<&str> = sessions.iter().map(|i| pool.sessions[*i].agent.as_str()).collect();
            // What one agent says again and again is its manner.
            let by_person = by_session.values().flatten().any(|a| a.trust >= Trust::User);
            let recurs = sessions.len() >= config.sessions_min
                && !pool.is_one_task(&sessions)
                && (by_person || agents.len() >= 2);
            let corrects = by_session.values().flatten().any(|a| a.trust >= Trust::User && is_name(&a.stated.subject));
            if !recurs && (!corrects || pool.is_one_task(&sessions)) {
                continue;
            }
            let last = by_session.values().flatten().filter_map(|a| a.time).max();
            let contradicting =
                values.iter().filter(|(other, _)| *other != value).flat_map(|(_, by_session)| by_session);
            let counter: BTreeSet<usize> = contradicting
                .filter(|(i, of)| !sessions.contains(i) && of.iter().any(|a| a.time.is_some() && a.time > last))
                .map(|(i, _)| *i)
                .collect();
            candidates.extend(candidate(pool, by_session, last, counter.len()));
        }
    }
    candidates
}

/// Whether a key is a thing that has one value at a time. A field of a form ("arrival: 14:30") has another one for
/// everything that the form is filled in for: it is told by its many values, or by only agents using it.
fn is_one_thing(subject: &str, values: &Values<'_>) -> bool {
    if is_name(subject) {
        let sessions: BTreeSet<usize> = values.values().flat_map(|by_session| by_session.keys().copied()).collect();
        return values.len() <= NAMED_VALUES_MAX.max(sessions.len() / 4);
    }
    let by_person =
        values.values().flat_map(|by_session| by_session.values().flatten()).any(|a| a.trust >= Trust::User);
    by_person && values.len() <= UNNAMED_VALUES_MAX
}

fn candidate(
    pool: &Pool<'_>,
    by_session: &BTreeMap<usize, Vec<&Assertion>>,
    last: Option<Timestamp>,
    counter_examples: usize,
) -> Option<Candidate> {
    let sessions: BTreeSet<usize> = by_session.keys().copied().collect();
    let assertions = || by_session.values().flatten();
    let Stated { subject, attribute, .. } = &assertions().next()?.stated;
    let value = &assertions().map(|a| &a.stated.value).min()?;
    let trust = assertions().map(|a| a.trust).max()?;
    let support = pool.support(&sessions, counter_examples);
    let tier = tier_of_counts(&support);
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let name = if attribute.is_empty() { subject.clone() } else { format!("{subject} {attribute}") };
    let whose = match trust {
        Trust::Operator => "Stated by the operator",
        Trust::User => "Stated by users",
        Trust::Agent | Trust::Store | Trust::Tool => "Stated by agents",
    };
    let when = last.map_or(String::new(), |t| format!(", last on {}", t.strftime("%Y-%m-%d")));
    Some(Candidate {
        kind: NoteKind::Fact,
        reason: "fact".to_owned(),
        key: format!("{subject}|{attribute}"),
        title: short(&format!("{name}: {value}"), 90),
        claim: format!("{name}: {value}. {whose}{when}."),
        advice: None,
        applies_when: BTreeMap::new(),
        tier,
        support,
        statistics: None,
        evidence: evidence(by_session.values().map(|of| of.iter().map(|a| a.evidence.clone()).collect()).collect()),
        probe: Probe::FactAsserted { subject: subject.clone(), attribute: attribute.clone(), value: (*value).clone() },
        fact: Some(Fact {
            subject: subject.clone(),
            attribute: attribute.clone(),
            value: (*value).clone(),
            // An agent that repeats what a user said long ago does not make it newer.
            time: assertions().filter(|a| a.trust == trust).filter_map(|a| a.time).max(),
            trust,
            sessions: sessions.iter().map(|i| pool.sessions[*i].digest).collect(),
        }),
        first_seen,
        last_seen,
        author: "fact/1".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Script, assert_order_is_nothing, mined, session};

    fn triples(text: &str) -> Vec<(String, String, String)> {
        stated(text).into_iter().map(|s| (s.subject, s.attribute, s.value)).collect()
    }

    fn triple(subject: &str, attribute: &str, value: &str) -> Vec<(String, String, String)> {
        vec![(subject.into(), attribute.into(), value.into())]
    }

    #[test]
    fn one_fact_in_many_forms_is_one_fact() {
        for text in [
            "checkout-db primary: db-3.prod",
            "- **checkout-db primary**: `db-3.prod`",
            "The primary of checkout-db is db-3.prod.",
            "FYI, the new primary of checkout-db is now db-3.prod, since Monday.",
            "checkout-db's primary is db-3.prod",
        ] {
            assert_eq!(triples(text), triple("checkout-db", "primary", "db-3.prod"), "{text}");
        }
        assert_eq!(triples("The escalation number is now 555-0199."), triple("escalation number", "", "555-0199"));
        assert_eq!(triples("search-api moved to cluster-b."), triple("search-api", "location", "cluster-b"));
        assert_eq!(triples("payments-api now uses redis-7."), triple("payments-api", "uses", "redis-7"));
    }

    #[test]
    fn what_nobody_asserts_is_no_fact() {
        for text in [
            "Is the primary of checkout-db db-3.prod?",
            "The primary of checkout-db is not db-3.prod.",
            "If the primary of checkout-db is db-3.prod, stop.",
            "The runbook says that the primary of checkout-db is db-1.prod.",
            "I think the primary of checkout-db is db-3.prod.",
            "Note: all is well",
            "https://example.com/a",
            "It moved to db-3.prod.",
            "Next step: db-3.prod",
        ] {
            assert_eq!(triples(text), [], "{text}");
        }
    }

    fn told(agent: &str, second: i64, text: &str) -> Script {
        session(agent).at(second).user(text)
    }

    #[test]
    fn a_later_other_value_stands_against_the_earlier_one() {
        let found = mined(
            mine,
            &[
                told("a", 10, "checkout-db primary: db-1.prod"),
                told("b", 20, "The primary of checkout-db is db-3.prod."),
                told("c", 30, "checkout-db primary: db-3.prod"),
            ],
        );
        let of = |value: &str| found.iter().find(|c| c.fact.as_ref().is_some_and(|f| f.value == value)).unwrap();
        assert_eq!((of("db-1.prod").support.sessions, of("db-1.prod").support.counter_examples), (1, 2));
        assert_eq!((of("db-3.prod").support.sessions, of("db-3.prod").support.counter_examples), (2, 0));
        let fact = of("db-3.prod").fact.clone().unwrap();
        assert_eq!((fact.trust, fact.time.map(|t| t.as_second())), (Trust::User, Some(30)));
    }

    #[test]
    fn fields_of_forms_and_one_agents_manner_are_no_facts() {
        let forms: Vec<Script> =
            (0..6).map(|i| session("a").task(&i.to_string()).says(&format!("Arrival: 1{}:30 EST", i / 2))).collect();
        assert_eq!(mined(mine, &forms), []);
        let manner = |task: &str| session("a").task(task).says("web-fee total: $30");
        assert_eq!(mined(mine, &[manner("1"), manner("2")]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_sessions_is_nothing(seed in any::<u64>()) {
            let sessions: Vec<Script> = (0..6).map(|i| told(&format!("a{i}"), i, &format!("web-1 owner: team-{}", i % 2))).collect();
            assert_order_is_nothing(mine, &sessions, seed);
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,120}") {
            for fact in stated(&text) {
                prop_assert!(text.get(fact.span).is_some() && !fact.subject.is_empty());
            }
        }
    }
}
