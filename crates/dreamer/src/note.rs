//! Notes: the files that a dream writes. Readable text first; a small head for machines; links to the
//! evidence. Files by people have no such head and are never rendered again.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::dream::{Evidence, Source, Support, Tier};

use crate::candidate::{Candidate, NoteKind};

/// Evidence links that a note shows; the report has all of them.
const LINKS_SHOWN: usize = 3;
const FENCE: &str = "---";

/// The id of a candidate's note: the same finding has the same note in every dream.
pub fn id(candidate: &Candidate) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(candidate.reason.as_bytes()).update(&[0]).update(candidate.key.as_bytes());
    format!("n-{}", &hasher.finalize().to_hex()[..8])
}

/// The note's whole text.
pub fn render(candidate: &Candidate) -> String {
    let mut text = format!("{FENCE}\nkind: {}\nid: {}\n", kind_word(candidate.kind), id(candidate));
    if !candidate.applies_when.is_empty() {
        text += &format!("applies_when: {}\n", flow(&candidate.applies_when));
    }
    text += &format!("tier: {}\nsupport: {}\n", candidate.tier.as_str(), support(&candidate.support));
    for (key, time) in [("first_seen", candidate.first_seen), ("last_seen", candidate.last_seen)] {
        if let Some(time) = time {
            text += &format!("{key}: {}\n", day(time));
        }
    }
    text += &format!(
        "{FENCE}\n# {}\n\n{} {}\n",
        candidate.title,
        candidate.claim.trim_end(),
        crate::wording::tally(candidate.tier, &candidate.support)
    );
    if let Some(advice) = candidate.advice.as_deref().filter(|_| may_advise(candidate.tier)) {
        text += &format!("\n{}\n", advice.trim_end());
    }
    let links = links(&candidate.evidence);
    if !links.is_empty() {
        text += &format!("\n{links}\n");
    }
    text
}

/// Only what was tested, or shown by a success, speaks as advice.
pub fn may_advise(tier: Tier) -> bool {
    matches!(tier, Tier::Tested | Tier::Shown)
}

/// The head of one of our notes; None for a file by people.
pub fn head(text: &str) -> Option<BTreeMap<&str, &str>> {
    let (head, _) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    let pairs: BTreeMap<&str, &str> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    (pairs.contains_key("kind") && pairs.get("id").is_some_and(|id| id.starts_with("n-"))).then_some(pairs)
}

/// A file's title: its first heading, or its first line.
pub fn title(text: &str) -> &str {
    let body = match head(text) {
        Some(_) => text[4..].split_once("\n---\n").map_or(text, |(_, body)| body),
        None => text,
    };
    let heading = body.lines().find_map(|line| line.strip_prefix("# "));
    heading.or(body.lines().find(|line| !line.trim().is_empty())).unwrap_or_default().trim()
}

pub fn folder(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Fact => "facts",
        NoteKind::Preference => "preferences",
        NoteKind::Procedure => "procedures",
        NoteKind::Pitfall => "pitfalls",
        NoteKind::Pattern => "patterns",
    }
}

fn kind_word(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Fact => "fact",
        NoteKind::Preference => "preference",
        NoteKind::Procedure => "procedure",
        NoteKind::Pitfall => "pitfall",
        NoteKind::Pattern => "pattern",
    }
}

/// `{tool: pip, task: "a, b"}`: quoted where YAML asks for it.
fn flow(pairs: &BTreeMap<String, String>) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let value = |v: &str| match !v.is_empty() && v == v.trim() && v.chars().all(plain) {
        true => v.to_owned(),
        false => serde_json::Value::from(v).to_string(),
    };
    let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{}: {}", value(k), value(v))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn support(s: &Support) -> String {
    format!("{{sessions: {}, tasks: {}, agents: {}, counter: {}}}", s.sessions, s.tasks, s.agents, s.counter_examples)
}

fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn links(evidence: &[Evidence]) -> String {
    let link = |e: &Evidence| match &e.source {
        Source::Event { session, seq, .. } => format!("[s:{}#{seq}]", session.short()),
        Source::Memory { path, revision, .. } => format!("[{path}@{revision}]"),
    };
    let mut links: Vec<String> = evidence.iter().map(link).collect();
    links.dedup();
    let more = links.len().saturating_sub(LINKS_SHOWN);
    let shown = links.into_iter().take(LINKS_SHOWN).collect::<Vec<_>>().join(" ");
    match (shown.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("Evidence: {shown}"),
        (false, more) => format!("Evidence: {shown} (+{more})"),
    }
}
