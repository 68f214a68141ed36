//! Reading what people and agents say: sentences, stems, names, and which of them say no.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use rust_stemmers::{Algorithm, Stemmer};

#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\p{L}\p{N}_#][\p{L}\p{N}_#./@:+'-]*").expect("a valid pattern"));
#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static MARKER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(?:[-*+>•]\s+|#{1,6}\s+|\d{1,3}[.)]\s+)*").expect("a valid pattern"));
#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static NEGATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:not|no|never|none|without|cannot|neither|nor)\b|n't\b").expect("a valid pattern")
});

/// Words that carry nothing alone.
const STOP: &str = " a an and are as at be been being but by can could did do does for from had has have he her his \
    how i if in into is it its just me my of on or our please she should so some than thank thanks that the their \
    them then there these they this those to too up us very was we were what when where which who will with would \
    you your ";

/// The sentences of a text, in order: a line never belongs to two, and list markers to none.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let marker = MARKER.find(line).map_or(0, |m| m.end());
        let mut start = marker;
        for (at, c) in line.char_indices().skip_while(|(at, _)| *at < marker) {
            let end = at + c.len_utf8();
            if matches!(c, '.' | '!' | '?') && ends_sentence(&line[start..end], &line[end..]) {
                push(&mut found, line, start..end, line_start);
                start = end;
            }
        }
        push(&mut found, line, start..line.len(), line_start);
        line_start += line.len();
    }
    found
}

/// The stems of a text's words, without those that carry nothing. Names with marks inside stay whole.
pub fn stems(text: &str) -> BTreeSet<String> {
    stem_list(text).into_iter().collect()
}

/// The same in order, with repetitions.
pub fn stem_list(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    words(text)
        .map(str::to_lowercase)
        .filter(|word| !STOP.contains(&format!(" {word} ")))
        .map(|word| if word.chars().all(char::is_alphabetic) { stemmer.stem(&word).into_owned() } else { word })
        .collect()
}

/// What a text names: words with a digit, an inner mark or an inner capital, in lower case. Two statements
/// with other names are about other things, however alike they read.
pub fn names(text: &str) -> BTreeSet<String> {
    words(text).filter(|w| is_name(w)).map(str::to_lowercase).collect()
}

/// Whether a word is a name as above: web-2, INC-77, CheckoutLatencyHigh, db.prod.
pub fn is_name(word: &str) -> bool {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
    inner.bytes().any(|b| b.is_ascii_digit())
        || inner.contains(['-', '_', '.', '/', '#', '@', ':'])
        || inner.chars().skip(1).any(char::is_uppercase)
}

pub fn is_negated(text: &str) -> bool {
    NEGATION.is_match(text)
}

/// Shared stems over all stems; 1 for two empty texts.
pub fn jaccard(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let shared = a.intersection(b).count();
    let all = a.len() + b.len() - shared;
    if all == 0 { 1.0 } else { shared as f64 / all as f64 }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    WORD.find_iter(text)
        .map(|m| m.as_str().trim_end_matches(['.', ':', '/', '-', '\'', '#', '@']))
        .filter(|w| !w.is_empty())
}

fn ends_sentence(so_far: &str, after: &str) -> bool {
    if after.trim().is_empty() {
        return true;
    }
    let mut next = after.trim_start_matches(['"', '\'', ')', '*', '”']).chars();
    if !next.next().is_some_and(char::is_whitespace) {
        return false;
    }
    let word = so_far.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_short_form = word.ends_with('.')
        && (["e.g.", "i.e.", "etc.", "vs.", "Mr.", "Ms.", "Mrs.", "Dr.", "No.", "approx.", "cf."].contains(&word)
            || word.len() == 2 && word.starts_with(|c: char| c.is_ascii_uppercase()));
    !is_short_form && next.find(|c| !c.is_whitespace()).is_none_or(|c| !c.is_lowercase())
}

fn push(found: &mut Vec<Range<usize>>, line: &str, span: Range<usize>, offset: usize) {
    let text = &line[span.clone()];
    let start = span.start + (text.len() - text.trim_start().len());
    let end = start + text.trim().len();
    if text.chars().any(char::is_alphanumeric) {
        found.push(offset + start..offset + end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|s| &text[s]).collect()
    }

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        assert_eq!(
            split("No, don't. Always page A first! See db-1.prod e.g. now."),
            ["No, don't.", "Always page A first!", "See db-1.prod e.g. now.",]
        );
        assert_eq!(split("- one\n2. two (owner: dana). Do it.\n---\n"), ["one", "two (owner: dana).", "Do it."]);
    }

    #[test]
    fn names_keep_their_marks_and_words_lose_their_endings() {
        let said = stems("The leak in payments-api is being fixed in payments-api#4812.");
        assert_eq!(said, stems("payments-api#4812 is fixing the leak in payments-api"));
        assert_eq!(
            names("restart web-2, then CheckoutApi"),
            BTreeSet::from(["web-2".to_owned(), "checkoutapi".to_owned()])
        );
    }

    #[test]
    fn a_no_is_heard() {
        assert!(is_negated("do not restart") && is_negated("don't") && !is_negated("restart now, nothing else"));
    }

    proptest! {
        #[test]
        fn sentences_are_in_order_apart_and_within_the_text(text in "[a-zé .!?\n-]{0,120}") {
            let mut last = 0;
            for span in sentences(&text) {
                prop_assert!(span.start >= last && span.end > span.start);
                prop_assert_eq!(text[span.clone()].trim(), &text[span.clone()]);
                last = span.end;
            }
        }
    }
}
