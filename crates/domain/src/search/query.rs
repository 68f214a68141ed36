//! Queries: what people type into a search, as clauses.
//!
//! Words rank, and a memory with more of them, and with rarer ones, comes first. `"two words"` and
//! `+word` must be there, `-word` must not, `path:/runbooks` says where to look.

use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result};
use crate::limits::{SEARCH_CLAUSES_MAX, SEARCH_QUERY_BYTES_MAX};
use crate::path::{PathGlob, Prefix};

#[cfg(test)]
mod tests;

/// At least one clause is no exclusion.
#[derive(Debug, Clone)]
pub struct Query {
    pub clauses: Vec<Clause>,
    pub paths: Vec<PathClause>,
}

/// A word, or words in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub demand: Demand,
    /// Holds a letter or digit at least.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Ranks.
    Wanted,
    /// Ranks, and must be there.
    Required,
    /// Must not be there.
    Excluded,
}

/// Which paths to look at, or to pass over.
#[derive(Debug, Clone)]
pub struct PathClause {
    pub excluded: bool,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    Glob(PathGlob),
    Below(Prefix),
    /// A part of the path, in lower case.
    Part(String),
}

impl Query {
    /// Whether a memory may be at the path: at one of those that are asked for, and at none that is not.
    pub fn is_about(&self, path: &str) -> bool {
        let mut asked = self.paths.iter().filter(|clause| !clause.excluded).peekable();
        let wanted = asked.peek().is_none() || asked.any(|clause| clause.pattern.matches(path));
        wanted && !self.paths.iter().any(|clause| clause.excluded && clause.pattern.matches(path))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern> {
        if text.contains(['*', '?', '[', '{']) {
            return Ok(Pattern::Glob(text.parse()?));
        }
        if text.starts_with('/') {
            return Ok(Pattern::Below(text.parse()?));
        }
        Ok(Pattern::Part(text.to_lowercase()))
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Pattern::Glob(glob) => glob.matches(path),
            Pattern::Below(prefix) => prefix.contains(path),
            Pattern::Part(part) => path.to_lowercase().contains(part.as_str()),
        }
    }
}

impl FromStr for Query {
    type Err = Error;

    fn from_str(text: &str) -> Result<Query> {
        let refuse = |why: String| Err(Error::invalid("", why));
        if text.len() > SEARCH_QUERY_BYTES_MAX {
            return refuse(format!("must have at most {SEARCH_QUERY_BYTES_MAX} bytes"));
        }
        let text: String = text.nfc().collect();
        let mut query = Query { clauses: Vec::new(), paths: Vec::new() };
        let mut rest = Rest { all: &text, at: 0 };
        while let Some(token) = rest.next()? {
            match token {
                Token::Path { excluded, text } => {
                    query.paths.push(PathClause { excluded, pattern: Pattern::parse(text)? });
                }
                // Marks alone, as in "a -> b", are nothing to look for.
                Token::Words { text, .. } if !has_word(text) => {}
                Token::Words { demand, text } => query.clauses.push(Clause { demand, text: text.to_owned() }),
            }
        }
        let clauses = query.clauses.len() + query.paths.len();
        if clauses > SEARCH_CLAUSES_MAX {
            return refuse(format!("has {clauses} words and phrases, at most {SEARCH_CLAUSES_MAX} are looked for"));
        }
        if query.clauses.iter().all(|clause| clause.demand == Demand::Excluded) {
            return refuse(match (query.clauses.is_empty(), query.paths.is_empty()) {
                (true, true) => "name at least one word to look for".to_owned(),
                (true, false) => "path: only says where to look: add a word to look for".to_owned(),
                (false, _) => "says only what must not be there: add a word to look for".to_owned(),
            });
        }
        Ok(query)
    }
}

enum Token<'a> {
    Words { demand: Demand, text: &'a str },
    Path { excluded: bool, text: &'a str },
}

/// What is left to read.
struct Rest<'a> {
    all: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>> {
        let left = &self.all[self.at..];
        self.at += left.len() - left.trim_start().len();
        let Some(first) = self.first() else { return Ok(None) };
        // "--force" is a word with marks, and so is a mark that stands alone.
        let second = self.all[self.at..].chars().nth(1);
        let signed = matches!(first, '+' | '-') && second.is_some_and(|c| !c.is_whitespace() && c != '-' && c != '+');
        if signed {
            self.at += 1;
        }
        let excluded = signed && first == '-';
        if let Some(after) = self.all[self.at..].strip_prefix("path:") {
            self.at = self.all.len() - after.len();
            let text = if self.first().is_some_and(is_quote) { self.quotation()? } else { self.word() };
            if text.is_empty() {
                let why = "path: must be followed by a path, a part of one or a glob, for example path:/runbooks";
                return Err(Error::invalid("", why));
            }
            return Ok(Some(Token::Path { excluded, text }));
        }
        let quoted = self.first().is_some_and(is_quote);
        let text = if quoted { self.quotation()? } else { self.word() };
        let demand = match (excluded, quoted || signed) {
            (true, _) => Demand::Excluded,
            (false, true) => Demand::Required,
            (false, false) => Demand::Wanted,
        };
        Ok(Some(Token::Words { demand, text }))
    }

    fn first(&self) -> Option<char> {
        self.all[self.at..].chars().next()
    }

    fn word(&mut self) -> &'a str {
        let left = &self.all[self.at..];
        let word = left.split(char::is_whitespace).next().unwrap_or_default();
        self.at += word.len();
        word
    }

    /// What stands between the quotation mark that comes next and the one after.
    fn quotation(&mut self) -> Result<&'a str> {
        let begins = self.all[..self.at].chars().count() + 1;
        let left = &self.all[self.at..];
        let open = left.chars().next().map_or(0, char::len_utf8);
        let Some(length) = left[open..].find(is_quote) else {
            let why = format!("the quotation that begins at character {begins} is not closed: add a \" where it ends");
            return Err(Error::invalid("", why));
        };
        let text = &left[open..open + length];
        if !has_word(text) {
            let why = format!("the quotation that begins at character {begins} holds no word: leave it out");
            return Err(Error::invalid("", why));
        }
        let close = left[open + length..].chars().next().map_or(0, char::len_utf8);
        self.at += open + length + close;
        Ok(text)
    }
}

fn has_word(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Also as telephones and word processors write them.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}
