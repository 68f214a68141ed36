//! Scrubbing: what is redacted goes out of the words beside it too.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::governance::{NOTICE, Selector};
use domain::path::Prefix;
use domain::{Error, Result, limits};
use regex::{NoExpand, Regex, RegexBuilder};

/// What to take out of messages and sources.
pub enum Scrub {
    Nothing,
    Matches(Regex),
    /// The path, and any below it.
    Path(Prefix),
}

impl Scrub {
    pub fn new(selector: &Selector) -> Result<Scrub> {
        Ok(match selector {
            Selector::Regex(regex) => Scrub::Matches(compile(regex)?),
            Selector::Path(path) => Scrub::Path(path.clone()),
            _ => Scrub::Nothing,
        })
    }

    /// The text with a notice in the place of what is taken out. None where it stays as it is.
    pub fn text(&self, text: &str) -> Option<String> {
        match self {
            Scrub::Nothing => None,
            Scrub::Matches(regex) if regex.is_match(text) => {
                Some(regex.replace_all(text, NoExpand(NOTICE)).into_owned())
            }
            Scrub::Matches(_) => None,
            Scrub::Path(path) => without_path(text, path.as_str()),
        }
    }
}

/// # Errors
/// Invalid for a bad expression, and for one that matches the empty text: it would take everything.
pub fn compile(regex: &str) -> Result<Regex> {
    let compiled = RegexBuilder::new(regex)
        .multi_line(true)
        .size_limit(limits::PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(limits::PATTERN_COMPILED_BYTES_MAX)
        .build()
        .map_err(|e| Error::invalid("selector.regex", e.to_string()))?;
    if compiled.is_match("") {
        return Err(Error::invalid("selector.regex", "matches the empty text: it would take everything"));
    }
    Ok(compiled)
}

/// The lines of contents that go, to find them in messages.
#[derive(Debug, Default)]
pub struct Quotable {
    /// By how a line begins: how long it is, and its hash.
    lines: HashMap<[u8; limits::QUOTED_LINE_BYTES_MIN], BTreeMap<usize, HashSet<[u8; 32]>>>,
}

impl Quotable {
    pub fn add(&mut self, content: &str) {
        for line in long_lines(content) {
            let Some(begin) = line.as_bytes().first_chunk() else { continue };
            let hash = *blake3::hash(line.as_bytes()).as_bytes();
            self.lines.entry(*begin).or_default().entry(line.len()).or_default().insert(hash);
        }
    }

    /// Whether a message repeats a line of any of them.
    pub fn is_quoted_in(&self, message: &str) -> bool {
        let message = message.as_bytes();
        (0..message.len()).any(|at| {
            let rest = &message[at..];
            let known = rest.first_chunk().and_then(|begin| self.lines.get(begin));
            known.into_iter().flatten().any(|(length, hashes)| {
                rest.get(..*length).is_some_and(|line| hashes.contains(blake3::hash(line).as_bytes()))
            })
        })
    }
}

/// Whether a content repeats a line of a message.
pub fn repeats(content: &str, message: &str) -> bool {
    long_lines(message).any(|line| content.contains(line))
}

fn long_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| line.len() >= limits::QUOTED_LINE_BYTES_MIN)
}

/// Whether a source names a session: as a whole, not as the beginning of another.
pub fn names(source: &str, session: &str) -> bool {
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
    let found = source.match_indices(session);
    found
        .into_iter()
        .any(|(at, _)| apart(source[..at].chars().next_back()) && apart(source[at + session.len()..].chars().next()))
}

fn without_path(text: &str, path: &str) -> Option<String> {
    // "runbooks/disk.md" is that path as well; "notes" is a word like others.
    let bare = path.trim_start_matches('/');
    let wanted = if bare.contains('/') { bare } else { path };
    let (mut out, mut rest, mut before) = (String::new(), text, None);
    let mut found = false;
    while let Some(at) = rest.find(wanted) {
        let start = if wanted == bare && rest[..at].ends_with('/') { at - 1 } else { at };
        let left = rest[..start].chars().next_back().or(before);
        let end = at + wanted.len();
        let own = left.is_none_or(|c| !is_of_path(c)) && ends(&rest[end..]);
        // All below the path goes with it.
        let below = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ')' | ']' | ',' | ';');
        let tail = if rest[end..].starts_with('/') { rest[end..].find(below).unwrap_or(rest.len() - end) } else { 0 };
        let (kept, next) = if own { (start, end + tail) } else { (end, end) };
        out.push_str(&rest[..kept]);
        if own {
            out.push_str(NOTICE);
            found = true;
        }
        before = rest[..next].chars().next_back();
        rest = &rest[next..];
    }
    out.push_str(rest);
    found.then_some(out)
}

fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

/// Whether a path ends before this, or goes on below.
fn ends(after: &str) -> bool {
    let mut chars = after.chars();
    match chars.next() {
        None | Some('/') => true,
        Some('.') => !chars.next().is_some_and(is_of_path),
        Some(c) => !is_of_path(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_out_of_a_message_with_all_below_it_and_nothing_else_does() {
        let scrubbed = |text: &str, path: &str| Scrub::Path(path.parse().unwrap()).text(text);
        let cases = [
            ("moved /secret/plan.md away", "/secret", Some("moved [redacted] away")),
            ("see /secret.", "/secret", Some("see [redacted].")),
            ("team:/secret/a, and /secret", "/secret", Some("team:[redacted], and [redacted]")),
            ("/secrets and /secret.md and /other/secret", "/secret", None),
            ("the secret", "/secret", None),
            ("wrote runbooks/disk.md", "/runbooks/disk.md", Some("wrote [redacted]")),
            ("my/runbooks/disk.md", "/runbooks/disk.md", None),
            ("/runbooks/disk.md", "/runbooks/disk.md", Some("[redacted]")),
        ];
        for (text, path, expected) in cases {
            assert_eq!(scrubbed(text, path).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn matches_go_and_what_stands_around_them_stays() {
        let scrub = Scrub::new(&Selector::Regex("key-[0-9]+$".into())).unwrap();
        assert_eq!(scrub.text("a key-12\nb").as_deref(), Some("a [redacted]\nb"));
        assert_eq!(scrub.text("a key-x"), None);
        for bad in ["a*", "(", ""] {
            assert!(compile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_that_repeats_a_line_quotes_it() {
        let mut quotable = Quotable::default();
        quotable.add("Notes\n  the door code is 4711\n");
        quotable.add("the door key\n");
        assert!(quotable.is_quoted_in("add: the door code is 4711"));
        assert!(quotable.is_quoted_in("the door key, again"));
        assert!(!quotable.is_quoted_in("Notes: the door code is secret"));
        assert!(repeats("# x\nthe door code is 4711\n", "the door code"));
        assert!(!repeats("# notes\nthe door code is 4711\n", "notes"));
    }

    #[test]
    fn a_session_is_named_as_a_whole() {
        assert!(names("reverie:session/sesn_1/event/4", "sesn_1"));
        assert!(!names("reverie:session/sesn_12", "sesn_1"));
    }
}
