//! What a session did to the world: its state-changing calls, and how two sessions differ in them.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::Evidence;
use serde_json::Value;

use crate::analyse::{Analysis, CallOutcome};
use crate::arguments::{Arguments, plain, unordered};
use crate::candidate::{CallDifference, Difference};

/// First words of tools that only look.
const READING: &str = " get find list search calculate think read cat ls view show describe query fetch lookup look check count grep \
    glob head tail print inspect status help explain compute evaluate input ask webfetch websearch browse retrieve recall select \
    open diff tree whoami ping ";
/// Last words of such tools: kubectl_logs, db_locks.
const LOOKED_AT: &str = " log logs status locks metrics details info history stats list search query ";
/// Tools that take a program: what two of them did cannot be compared by their arguments.
const PROGRAMS: &str = " bash shell sh terminal execute exec run command python ipython code powershell cmd ";

/// A state-changing call that succeeded.
#[derive(Debug, Clone)]
pub struct Act<'a> {
    pub tool: &'a str,
    pub arguments: Arguments,
    pub evidence: &'a Evidence,
}

/// One difference, with the calls that show it.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    pub difference: CallDifference,
    pub failed: Option<Act<'a>>,
    pub succeeded: Option<Act<'a>>,
}

pub fn acts(analysis: &Analysis) -> Vec<Act<'_>> {
    let calls = analysis.calls.iter().filter(|c| c.outcome == CallOutcome::Ok && changes_state(&c.tool));
    calls.map(|c| Act { tool: &c.tool, arguments: unordered(&c.arguments), evidence: &c.evidence }).collect()
}

/// Whether a tool of this name changes anything, as far as names tell.
pub fn changes_state(tool: &str) -> bool {
    let own = tool.rsplit("__").next().unwrap_or(tool);
    let words = words_of(own);
    let is = |list: &str, word: Option<&String>| word.is_some_and(|w| list.contains(&format!(" {w} ")));
    !is(READING, words.first()) && !is(LOOKED_AT, words.last()) && !is(PROGRAMS, words.first())
}

/// The differences between a session's acts and its sibling's, the sibling being how it should have been. Equal
/// calls cancel out, as often as both made them; what is left of one tool is paired by most equal arguments.
pub fn differences<'a>(failed: &[Act<'a>], succeeded: &[Act<'a>]) -> Vec<Finding<'a>> {
    let mut only_failed: Vec<&Act<'a>> = failed.iter().collect();
    let mut only_succeeded: Vec<&Act<'a>> = Vec::new();
    for act in succeeded {
        match only_failed.iter().position(|other| is_same(other, act)) {
            Some(at) => drop(only_failed.remove(at)),
            None => only_succeeded.push(act),
        }
    }
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (f, ours) in only_failed.iter().enumerate() {
        for (s, theirs) in only_succeeded.iter().enumerate().filter(|(_, theirs)| theirs.tool == ours.tool) {
            pairs.push((wrong_arguments(ours, theirs).len(), f, s));
        }
    }
    pairs.sort_unstable();
    let (mut paired_failed, mut paired_succeeded) = (BTreeSet::new(), BTreeSet::new());
    let mut findings = Vec::new();
    for (_, f, s) in pairs {
        if paired_failed.contains(&f) || paired_succeeded.contains(&s) {
            continue;
        }
        paired_failed.insert(f);
        paired_succeeded.insert(s);
        let (ours, theirs) = (only_failed[f], only_succeeded[s]);
        findings.extend(
            wrong_arguments(ours, theirs)
                .into_iter()
                .map(|argument| finding(ours.tool, Difference::WrongArgument, argument, Some(ours), Some(theirs))),
        );
    }
    let left = |acts: &[&Act<'a>], paired: &BTreeSet<usize>| -> Vec<Act<'a>> {
        acts.iter().enumerate().filter(|(i, _)| !paired.contains(i)).map(|(_, act)| (*act).clone()).collect()
    };
    for act in left(&only_failed, &paired_failed) {
        findings.push(finding(act.tool, Difference::Extra, String::new(), Some(&act), None));
    }
    for act in left(&only_succeeded, &paired_succeeded) {
        findings.push(finding(act.tool, Difference::Missing, String::new(), None, Some(&act)));
    }
    findings
}

/// Each kind of difference once, with the first finding that shows it.
pub fn distinct<'a>(findings: &[Finding<'a>]) -> BTreeMap<CallDifference, Finding<'a>> {
    let mut kinds = BTreeMap::new();
    for finding in findings {
        kinds.entry(finding.difference.clone()).or_insert_with(|| finding.clone());
    }
    kinds
}

fn finding<'a>(
    tool: &str,
    difference: Difference,
    argument: String,
    failed: Option<&Act<'a>>,
    succeeded: Option<&Act<'a>>,
) -> Finding<'a> {
    let difference = CallDifference { tool: tool.to_owned(), difference, argument };
    Finding { difference, failed: failed.cloned(), succeeded: succeeded.cloned() }
}

fn is_same(a: &Act<'_>, b: &Act<'_>) -> bool {
    a.tool == b.tool && wrong_arguments(a, b).is_empty()
}

/// The arguments in which two calls differ. Prose says the same in other words every time: two texts are not
/// compared.
fn wrong_arguments(a: &Act<'_>, b: &Act<'_>) -> Vec<String> {
    let names: BTreeSet<&String> = a.arguments.keys().chain(b.arguments.keys()).collect();
    let differ = |name: &&String| match (a.arguments.get(*name), b.arguments.get(*name)) {
        (Some(x), Some(y)) => x != y && !(is_prose(x) && is_prose(y)) && !says_the_same(x, y),
        (x, y) => x != y,
    };
    names.into_iter().filter(differ).cloned().collect()
}

/// Lists of objects where one side only tells more members of each.
fn says_the_same(a: &str, b: &str) -> bool {
    let (Ok(Value::Array(a)), Ok(Value::Array(b))) = (serde_json::from_str(a), serde_json::from_str(b)) else {
        return false;
    };
    let agree = |x: &Value, y: &Value| match (x, y) {
        (Value::Object(x), Value::Object(y)) => {
            let shared = x.keys().filter(|name| y.contains_key(*name)).count();
            shared > 0 && shared == x.len().min(y.len()) && x.iter().all(|(name, v)| y.get(name).is_none_or(|w| v == w))
        }
        _ => x == y,
    };
    let mut left: Vec<&Value> = b.iter().collect();
    a.len() == b.len()
        && a.iter().all(|x| match left.iter().position(|y| agree(x, y)) {
            Some(at) => {
                left.remove(at);
                true
            }
            None => false,
        })
}

/// Two values of one argument, each shortened to what the other does not have.
pub fn contrast(a: &str, b: &str) -> (String, String) {
    if let (Ok(Value::Array(x)), Ok(Value::Array(y))) =
        (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b))
    {
        let only = |own: &[Value], other: &[Value]| {
            let left: Vec<String> = own.iter().filter(|v| !other.contains(v)).map(in_words).collect();
            if left.is_empty() { "nothing".to_owned() } else { left.join("; ") }
        };
        return (only(&x, &y), only(&y, &x));
    }
    (in_words_of(a), in_words_of(b))
}

/// A canonical value for people: text without quotes, an object as "name value, name value".
pub fn in_words_of(value: &str) -> String {
    serde_json::from_str(value).map_or_else(|_| value.to_owned(), |v| in_words(&v))
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            sorted.iter().map(|(name, v)| format!("{name} {}", in_words(v))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join("; "),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn is_prose(value: &str) -> bool {
    value.starts_with('"') && {
        let text = plain(value);
        text.split_whitespace().count() >= 5 || text.len() > 120
    }
}

/// "cancel_reservation", "cancelReservation", "cancel-reservation": cancel, reservation.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_lower {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    fn act<'a>(tool: &'a str, json: &str, evidence: &'a Evidence) -> Act<'a> {
        Act { tool, arguments: unordered(&arguments::read(json)), evidence }
    }

    fn told(failed: &[Act<'_>], succeeded: &[Act<'_>]) -> Vec<(Difference, String, String)> {
        let findings = differences(failed, succeeded);
        findings.into_iter().map(|f| (f.difference.difference, f.difference.tool, f.difference.argument)).collect()
    }

    #[test]
    fn names_tell_what_changes_state() {
        for tool in
            ["cancel_reservation", "bookFlight", "send_certificate", "mcp__shop__place_order", "think_tank_drain"]
        {
            assert_eq!(changes_state(tool), tool != "think_tank_drain", "{tool}");
        }
        for tool in
            ["get_user", "searchFlights", "mcp__shop__list_orders", "kubectl_logs", "Bash", "calculate", "think"]
        {
            assert!(!changes_state(tool), "{tool}");
        }
    }

    #[test]
    fn calls_are_missing_extra_or_wrong_in_an_argument() {
        let e = Evidence::of_event(domain::transcript::Digest([0; 32]), 1, "", 0..0);
        let same = || act("pay", r#"{"id":1,"note":"one two three four five"}"#, &e);
        let reworded = act("pay", r#"{"id":1,"note":"five other words are in here"}"#, &e);
        assert_eq!(told(&[same()], &[reworded]), []);
        assert_eq!(
            told(
                &[same(), act("ship", r#"{"to":"a","by":"air"}"#, &e)],
                &[act("ship", r#"{"to":"a","by":"sea"}"#, &e)]
            ),
            [(Difference::WrongArgument, "ship".into(), "by".into()), (Difference::Extra, "pay".into(), String::new())]
        );
        let (less, more) = (r#"{"flights":[{"n":1}]}"#, r#"{"flights":[{"n":1,"from":"x"}]}"#);
        assert_eq!(told(&[act("book", less, &e)], &[act("book", more, &e)]), []);
        assert_eq!(told(&[], &[same()]), [(Difference::Missing, "pay".into(), String::new())]);
        assert_eq!(told(&[same()], &[same(), same()]), [(Difference::Missing, "pay".into(), String::new())]);
    }

    #[test]
    fn a_contrast_tells_only_what_differs() {
        let (a, b) = contrast(r#"[{"n":1},{"n":2,"d":"x"}]"#, r#"[{"n":1},{"n":3,"d":"x"}]"#);
        assert_eq!((a.as_str(), b.as_str()), ("d x, n 2", "d x, n 3"));
        assert_eq!(contrast("\"economy\"", "\"business\""), ("economy".to_owned(), "business".to_owned()));
    }
}
