//! Analysing: the words of a text as they are looked for.
//!
//! A word is what Unicode takes for one (UAX #29), divided at the marks inside it: `db-1.prod` is three
//! words in a row, and so is a query for it. Words are equal that differ in case, in accents, or, in
//! English, in their endings (Porter's second stemmer). Of `getUserById` the parts are found too.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::limits;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

#[cfg(test)]
mod tests;

/// Makes words comparable. Remembers what it has seen, so one is to be made for each occasion.
pub struct Analyser {
    stemmer: Stemmer,
    seen: HashMap<Box<str>, Box<str>>,
}

impl Default for Analyser {
    fn default() -> Analyser {
        Analyser { stemmer: Stemmer::create(Algorithm::English), seen: HashMap::new() }
    }
}

impl Analyser {
    /// The words of a text that are the same for a search have the same stem.
    pub fn stem(&mut self, word: &str) -> &str {
        if !self.seen.contains_key(word) {
            if self.seen.len() >= limits::SEARCH_STEMS_KEPT_MAX {
                self.seen.clear();
            }
            let folded = fold(word);
            let folded = clip(&folded);
            let is_english = folded.len() > 2 && folded.bytes().all(|b| b.is_ascii_lowercase());
            let stem = if is_english { self.stemmer.stem(folded) } else { Cow::Borrowed(folded) };
            self.seen.insert(word.into(), stem.into());
        }
        self.seen.get(word).map_or("", |stem| stem)
    }
}

/// Calls back with each word and the byte at which it begins.
pub fn each_word<'a>(text: &'a str, mut found: impl FnMut(usize, &'a str)) {
    let mut start = 0;
    // No word goes over the end of a line.
    for line in text.split_inclusive('\n') {
        if line.is_ascii() {
            ascii_words(line, |at, word| found(start + at, word));
        } else {
            unicode_words(line, |at, word| found(start + at, word));
        }
        start += line.len();
    }
}

/// The same as `unicode_words` makes of ASCII, faster.
fn ascii_words<'a>(line: &'a str, mut found: impl FnMut(usize, &'a str)) {
    let bytes = line.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_alphanumeric() {
            at += 1;
        }
        found(start, &line[start..at]);
    }
}

fn unicode_words<'a>(line: &'a str, mut found: impl FnMut(usize, &'a str)) {
    for (start, whole) in line.unicode_word_indices() {
        let mut at = 0;
        for part in whole.split_inclusive(is_joint) {
            let word = part.trim_end_matches(is_joint);
            if word.contains(char::is_alphanumeric) {
                found(start + at, word);
            }
            at += part.len();
        }
    }
}

/// A mark that UAX #29 lets join letters or digits: MidLetter, MidNum, MidNumLet, ExtendNumLet.
fn is_joint(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '\u{b7}'
                | '\u{387}'
                | '\u{55f}'
                | '\u{589}'
                | '\u{5f4}'
                | '\u{60c}'
                | '\u{60d}'
                | '\u{66c}'
                | '\u{7f8}'
                | '\u{2018}'
                | '\u{2019}'
                | '\u{2024}'
                | '\u{2027}'
                | '\u{202f}'
                | '\u{203f}'
                | '\u{2040}'
                | '\u{2044}'
                | '\u{2054}'
                | '\u{fe10}'
                | '\u{fe13}'
                | '\u{fe14}'
                | '\u{fe33}'
                | '\u{fe34}'
                | '\u{fe4d}'
                ..='\u{fe50}'
                    | '\u{fe52}'
                    | '\u{fe54}'
                    | '\u{fe55}'
                    | '\u{ff07}'
                    | '\u{ff0c}'
                    | '\u{ff0e}'
                    | '\u{ff1a}'
                    | '\u{ff1b}'
                    | '\u{ff3f}'
        )
}

/// The parts of a word in camel case, where it has several: `getUserById`, `HTTPServer`.
pub fn humps(word: &str) -> impl Iterator<Item = &str> {
    let bytes = if word.is_ascii() { word.as_bytes() } else { &[] };
    let begins = move |at: usize| {
        let (before, here) = (bytes[at - 1], bytes[at]);
        let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        here.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_lower)
    };
    let mut start = 0;
    let parts = std::iter::from_fn(move || {
        if start >= bytes.len() {
            return None;
        }
        let end = (start + 1..bytes.len()).find(|&at| begins(at)).unwrap_or(bytes.len());
        let part = &word[start..end];
        start = end;
        Some(part)
    });
    // The whole word is found anyway, and one letter says nothing.
    parts.filter(move |part| part.len() > 1 && part.len() < word.len())
}

/// Whether a word is written without spaces around it, a character or two for each: then any two in a row
/// are looked for.
pub fn is_ideographic(word: &str) -> bool {
    let mut chars = word.chars();
    let (first, more) = (chars.next(), chars.next());
    more.is_none()
        && matches!(
            first,
            Some(
                '\u{3041}'..='\u{30ff}'
                | '\u{3400}'..='\u{4dbf}'
                | '\u{4e00}'..='\u{9fff}'
                | '\u{f900}'..='\u{faff}'
                | '\u{20000}'..='\u{323af}'
                | '\u{e00}'..='\u{eff}'
                | '\u{1000}'..='\u{109f}'
                | '\u{1780}'..='\u{17ff}',
            )
        )
}

/// Without case, accents and compatibility forms.
fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        if word.bytes().any(|b| b.is_ascii_uppercase()) {
            return word.to_ascii_lowercase().into();
        }
        return word.into();
    }
    // Accents of Latin, Greek and Cyrillic go; marks of other scripts are letters of their own.
    let is_accent = |c: &char| matches!(c, '\u{300}'..='\u{36f}');
    word.to_lowercase().nfkd().filter(|c| !is_accent(c)).nfc().flat_map(char::to_lowercase).collect::<String>().into()
}

/// A long word is told from others by its beginning.
fn clip(word: &str) -> &str {
    &word[..word.floor_char_boundary(limits::SEARCH_WORD_BYTES_MAX)]
}
