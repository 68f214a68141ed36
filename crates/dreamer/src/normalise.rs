//! Masking: a line with everything that varies from run to run replaced by `<*>`, so that equal causes
//! look equal. For finding groups only; what a note says is always quoted from the original.

use std::sync::LazyLock;

use domain::Timestamp;
use regex::Regex;

use crate::candidate::LINE_BYTES_MAX;

/// What stands for anything in a template.
pub const SLOT: &str = "<*>";

/// Things that vary, the longer forms first: URL, e-mail address, time, hexadecimal, quotation, path, and
/// last any word, of which only those with a digit are masked.
#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static VARYING: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r#"(?P<url>[a-z][a-z0-9+.-]*://[^\s"'<>()\[\]]+)"#,
        r"(?P<email>[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)",
        r"(?P<time>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?\b)",
        r"(?P<hex>\b0x[0-9a-fA-F]+\b)",
        r#"(?P<double>"[^"\n]{0,400}")"#,
        r"(?P<single>'[^'\n]{0,400}')",
        r"(?P<tick>`[^`\n]{0,400}`)",
        r"(?P<path>(?:[A-Za-z]:\\|~|\.{1,2})?/[\w.@%+~-]+(?:/[\w.@%+~-]+)*/?)",
        r"(?P<word>#?[A-Za-z0-9_]+(?:[-.:/#@][A-Za-z0-9_]+)*)",
    ];
    Regex::new(&parts.join("|")).expect("a valid pattern")
});

#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static LEADING_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\s*[\[(]?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(Z|[+-]\d\d:?\d\d)?[\])]?[\s:,|-]*")
        .expect("a valid pattern")
});

/// The line's template: trimmed, white space made single, cut at `LINE_BYTES_MAX`, masked.
pub fn template(line: &str) -> String {
    let (line, cut) = clip(line.trim());
    let mut masked = words(&mask(line));
    if cut && !masked.ends_with(SLOT) {
        masked.push_str(SLOT);
    }
    masked
}

/// Whether a template (see `Probe`) matches the line as a whole.
pub fn matches(template: &str, line: &str) -> bool {
    let line = words(line);
    let parts: Vec<&str> = template.split(SLOT).collect();
    let (Some(head), Some(tail)) = (parts.first(), parts.last()) else { return false };
    if parts.len() == 1 {
        return line == *head;
    }
    let Some(mut rest) = line.strip_prefix(head) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(skipped) = after_one(rest) else { return false };
        match skipped.find(part) {
            Some(at) => rest = &skipped[at + part.len()..],
            None => return false,
        }
    }
    after_one(rest).is_some_and(|skipped| skipped.ends_with(tail))
}

/// Splits a leading timestamp (RFC 3339, or the same without a zone, which is read as UTC) from a line: the
/// time, and the byte at which the rest begins.
pub fn leading_time(line: &str) -> Option<(Timestamp, usize)> {
    let found = LEADING_TIME.captures(line)?;
    let zone = found.get(3).map_or("Z", |z| z.as_str());
    let zone = if zone.len() == 5 { format!("{}:{}", &zone[..3], &zone[3..]) } else { zone.to_owned() };
    let time: Timestamp = format!("{}T{}{}", &found[1], found[2].replace(',', "."), zone).parse().ok()?;
    Some((time, found[0].len()))
}

/// The same template, with the value of every `key=value` masked too: what kind of event it is, whatever
/// it is about.
pub fn generalise(template: &str) -> String {
    let mut out = Vec::new();
    for word in template.split(' ') {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => out.push(format!("{key}={SLOT}")),
            _ => out.push(word.to_owned()),
        }
    }
    out.join(" ")
}

/// White space made single, and none at the ends.
pub fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sentence as `Probe::Correction` and `Probe::Noted` compare it: without regard to case, white space
/// and closing punctuation.
pub fn sentence(text: &str) -> String {
    words(&text.to_lowercase()).trim_end_matches(['.', '!', '?', ';', ':', ',', ' ']).to_owned()
}

fn clip(line: &str) -> (&str, bool) {
    if line.len() <= LINE_BYTES_MAX {
        return (line, false);
    }
    let mut end = LINE_BYTES_MAX;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    (&line[..end], true)
}

fn after_one(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    Some(&text[first.len_utf8()..])
}

fn mask(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while let Some(found) = VARYING.captures_at(line, at) {
        let Some(whole) = found.get(0) else { break };
        let before = line[..whole.start()].chars().next_back();
        let after = line[whole.end()..].chars().next();
        let inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        out.push_str(&line[at..whole.start()]);
        if let Some(quoted) = found.name("double").or(found.name("single")).or(found.name("tick")) {
            if inside_word || after.is_some_and(char::is_alphanumeric) {
                // An apostrophe, not a quotation.
                out.push_str(&line[whole.start()..whole.start() + 1]);
                at = whole.start() + 1;
                continue;
            }
            let inner = &quoted.as_str()[1..quoted.len() - 1];
            out.push_str(if is_plain_name(inner) { quoted.as_str() } else { SLOT });
        } else if found.name("word").is_some() {
            let keep =
                after == Some('=') || !varies(whole.as_str()) || is_status_code(whole.as_str(), &line[..whole.start()]);
            out.push_str(if keep { whole.as_str() } else { SLOT });
        } else if found.name("path").is_some() && inside_word {
            out.push_str(whole.as_str());
        } else {
            out.push_str(SLOT);
        }
        at = whole.end();
    }
    out.push_str(&line[at..]);
    // Slots side by side say no more than one.
    let mut joined = out.replace("<*><*>", SLOT);
    while joined.contains("<*><*>") {
        joined = joined.replace("<*><*>", SLOT);
    }
    joined
}

/// A word with a digit varies, except for a long name in camel case such as Http5xxRateHigh.
fn varies(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_name = letters >= 8 && letters >= 5 * digits && digits + letters == word.len() && {
        let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
        (2..letters).contains(&upper)
    };
    digits > 0 && !is_name
}

fn is_plain_name(quoted: &str) -> bool {
    (1..=24).contains(&quoted.len()) && quoted.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
}

fn is_status_code(word: &str, before: &str) -> bool {
    let start = before.char_indices().rev().take(12).last().map_or(0, |(at, _)| at);
    let near = before[start..].to_lowercase();
    word.len() == 3
        && word.bytes().all(|b| b.is_ascii_digit())
        && matches!(word.as_bytes()[0], b'1'..=b'5')
        && ["http", "status", "code"].iter().any(|cue| near.contains(cue))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_varies_is_masked_and_names_stay() {
        for (line, expected) in [
            ("cpu_spike host=web-2 percent=92", "cpu_spike host=<*> percent=<*>"),
            ("ALERT name=Http5xxRateHigh p99_ms=1800", "ALERT name=Http5xxRateHigh p99_ms=<*>"),
            ("Error: namespace 'payments' not found", "Error: namespace 'payments' not found"),
            ("Error: no pod \"api-7f\" in 'shop'", "Error: no pod <*> in 'shop'"),
            ("can't open /etc/app.conf: it isn't there", "can't open <*>: it isn't there"),
            ("GET https://a.b/c?d=1 gave HTTP 404 after 30 ms", "GET <*> gave HTTP 404 after <*> ms"),
            ("payment method certificate_7504069   not found", "payment method <*> not found"),
            ("ask dana@example.com before 2026-01-02T03:04:05Z", "ask <*> before <*>"),
        ] {
            assert_eq!(template(line), expected);
        }
    }

    #[test]
    fn a_slot_matches_something_but_not_nothing() {
        assert!(matches("a <*> b", "a  x y b"));
        assert!(!matches("a<*>", "a"));
        assert!(!matches("a <*> b", "a b"));
        assert!(!matches("cpu_spike host=<*>", "no cpu_spike host=web-1"));
        assert!(matches("plain", " plain "));
    }

    #[test]
    fn a_leading_time_is_split_off_in_its_usual_forms() {
        for line in ["2026-11-02T12:01:07Z x", "[2026-11-02 12:01:07,250] x", "2026-11-02T13:01:07+0100 - x"] {
            let (time, rest) = leading_time(line).unwrap();
            assert_eq!(time.as_second(), 1_793_620_867, "{line}");
            assert_eq!(&line[rest..], "x");
        }
        assert_eq!(leading_time("at 2026-11-02T12:01:07Z"), None);
        assert_eq!(leading_time("2026-13-02T12:01:07Z"), None);
    }

    #[test]
    fn generalising_keeps_the_keys() {
        assert_eq!(generalise("ALERT name=Slow state=firing"), "ALERT name=<*> state=<*>");
    }

    proptest! {
        #[test]
        fn a_lines_own_template_matches_it(line in "[a-zA-Z0-9 ='\"/:._#é-]{1,80}") {
            prop_assume!(!line.trim().is_empty());
            let template = template(&line);
            prop_assert!(matches(&template, &line), "{template:?}");
        }

        #[test]
        fn a_long_line_of_anything_is_matched_by_its_template(line in "\\PC{280,400}") {
            prop_assume!(!line.contains(SLOT) && !line.trim().is_empty());
            prop_assert!(matches(&template(&line), &line));
        }
    }
}
