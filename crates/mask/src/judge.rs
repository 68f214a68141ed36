//! Whether what has a secret's shape is one.

use crate::Match;

/// Values that stand for a secret and are none.
const PLACEHOLDERS: [&str; 12] =
    ["none", "null", "nil", "true", "false", "undefined", "string", "str", "required", "redacted", "hidden", "empty"];
/// Tokens that say where a listing goes on.
const PAGE_TOKENS: [&str; 7] =
    ["page_token", "page-token", "pagetoken", "next_token", "nexttoken", "continuation_token", "sync_token"];
/// Bits per character from which on text looks drawn at random: English words lie near 3, 20 random
/// letters and digits near 4.
const ENTROPY_BITS_MIN: f64 = 3.0;

/// A value under a name that says that it is secret.
pub fn assigned(m: &Match<'_>) -> bool {
    let value = m.secret();
    let key = m.group("key");
    if is_placeholder(value) || is_path(value) && !key.to_ascii_lowercase().contains("pass") {
        return false;
    }
    if !m.is_bare() {
        return true;
    }
    let is_code = m.text[m.secret.end..].starts_with(['(', '['])
        || ["os.", "self.", "env.", "process.env", "config.", "settings."].iter().any(|p| value.starts_with(p));
    // `password: please reset it` is prose, and `password: str` a type.
    let is_word = value.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '-' | '_' | '`' | '*'));
    let whole = m.found.get(0).map_or("", |whole| whole.as_str());
    let is_prose = m.group("close").is_empty() && whole[key.len()..].trim_start().starts_with(':') && is_word;
    !is_code && !is_prose
}

/// A value under a name that is often innocent: random enough to be a secret, and no ordinary id.
pub fn token(m: &Match<'_>) -> bool {
    let key = m.group("key").to_ascii_lowercase();
    let value = m.secret();
    !PAGE_TOKENS.iter().any(|p| key.ends_with(p))
        && !value.contains(' ')
        && !is_placeholder(value)
        && !is_path(value)
        && !is_uuid(value)
        && is_random(value)
}

pub fn bearer(m: &Match<'_>) -> bool {
    is_random(m.secret())
}

/// `--password x`, as commands take it.
pub fn flag(m: &Match<'_>) -> bool {
    let value = m.secret();
    !is_placeholder(value) && !is_path(value) && !value.starts_with('-')
}

/// A number of an issuer's range and length whose check digit is right, and that stands by itself.
pub fn card(m: &Match<'_>) -> bool {
    let touches = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '#' | '-');
    let lead = &m.text[..m.secret.start];
    let escape = ["\\n", "\\t", "\\r"].iter().any(|e| lead.ends_with(e));
    let before = !escape && lead.chars().next_back().is_some_and(touches);
    let after = m.text[m.secret.end..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let digits: Vec<u32> = m.secret().chars().filter_map(|c| c.to_digit(10)).collect();
    let first = |n: usize| digits.iter().take(n).fold(0, |sum, d| sum * 10 + d);
    let issued = match digits.len() {
        14 => matches!(first(2), 36 | 38) || matches!(first(3), 300..=305),
        15 => matches!(first(2), 34 | 37),
        16 => {
            first(1) == 4
                || matches!(first(2), 51..=55 | 65)
                || matches!(first(3), 644..=649)
                || matches!(first(4), 2221..=2720 | 3528..=3589 | 6011)
        }
        _ => false,
    };
    !before && !after && issued && luhn(&digits)
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    sum.is_multiple_of(10)
}

fn is_placeholder(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let first = lower.chars().next();
    lower.is_empty()
        || PLACEHOLDERS.contains(&lower.as_str())
        || lower.contains("[masked:")
        || lower.starts_with(['$', '<', '{', '%'])
        || lower.starts_with("your")
        || lower.chars().all(|c| Some(c) == first && !c.is_alphanumeric() || c == 'x')
}

fn is_path(value: &str) -> bool {
    ["/", "./", "../", "~/"].iter().any(|p| value.starts_with(p))
}

fn is_random(value: &str) -> bool {
    let has = |f: fn(&char) -> bool| value.chars().any(|c| f(&c));
    value.len() >= 16
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
        && entropy_bits(value) >= ENTROPY_BITS_MIN
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value
            .char_indices()
            .all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { c == '-' } else { c.is_ascii_hexdigit() })
}

/// Shannon's entropy of the bytes, in bits a byte.
fn entropy_bits(value: &str) -> f64 {
    let mut counts = [0u32; 256];
    value.bytes().for_each(|b| counts[b as usize] += 1);
    let total = value.len() as f64;
    counts.iter().filter(|n| **n > 0).map(|n| f64::from(*n) / total).map(|p| -p * p.log2()).sum()
}
