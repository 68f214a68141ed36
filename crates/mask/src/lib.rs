//! Masks secrets, and the personal data that no dream can want, before anything is stored.
//!
//! One table of shapes, with a version: what it finds is replaced by `[masked:KIND]`. Well-known
//! credentials are known by their shape; others by the name that they are assigned to, and where that
//! name is often innocent (`token`), by their entropy too. Payment cards are known by their layout,
//! issuer and check digit (ISO/IEC 7812).
//!
//! Not masked: ordinary ids (orders, reservations, stored payment methods, UUIDs, commits), because
//! they are what tasks are about; e-mail addresses, telephone numbers and names, because runs of one
//! task are compared by them. A workspace that must not hold them should mask them at its source.

mod judge;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

use judge::{assigned, bearer, card, flag, token};

/// Of the table: text masked under an older one may hold what a newer one finds.
pub const VERSION: u8 = 1;

/// After a key: its closing quote, the sign, and a value, quoted in one of three ways or bare.
macro_rules! assignment {
    () => {
        r#"(?P<close>\\*["'])?\s{0,4}(?:=>|:=|==?|:)\s{0,4}(?:(?P<open>\\+")|"(?P<double>(?:[^"\\\n]|\\.)+)|'(?P<single>(?:[^'\\\n]|\\.)+)|(?P<bare>[^\s"'\\,;&(){}\[\]<>]{4,}))"#
    };
}
/// A secret that begins a word; in JSON that is also after an escape such as \\n, whose letter would
/// else be taken for the word's.
macro_rules! word {
    ($pattern:literal) => {
        concat!(r"(?:(?-u:\b)|\\(?:[bfnrt]|u[0-9a-fA-F]{4}))(?P<secret>", $pattern, ")")
    };
}

/// What counts as a secret: the group `secret` where the pattern has one, else the whole match.
struct Rule {
    kind: &'static str,
    pattern: &'static str,
    /// Whether a match is one.
    judge: fn(&Match<'_>) -> bool,
}

const fn shape(kind: &'static str, pattern: &'static str) -> Rule {
    Rule { kind, pattern, judge: |_| true }
}

/// In order: a narrower shape stands before a wider one.
const RULES: [Rule; 30] = [
    shape("private_key", r"(?P<begin>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)"),
    shape("url_userinfo", r#"(?i)(?-u:\b)[a-z][a-z0-9+.-]*://(?P<secret>[^\s/?#@:"'<>\\\[]*:[^\s/?#@"'<>\\\[]+)@"#),
    shape("aws_access_key", word!(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?-u:\b)")),
    shape("github_token", word!(r"gh[pousr]_[A-Za-z0-9]{36,}(?-u:\b)")),
    shape("github_token", word!(r"github_pat_[A-Za-z0-9_]{22,}(?-u:\b)")),
    shape("gitlab_token", word!(r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{20,}")),
    shape("slack_token", word!(r"xox[abeoprs]-[A-Za-z0-9-]{10,}")),
    shape("slack_token", word!(r"xapp-[0-9]-[A-Za-z0-9-]{10,}")),
    shape("slack_webhook", r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_-]{20,})"),
    shape("stripe_key", word!(r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}(?-u:\b)")),
    shape("stripe_key", word!(r"whsec_[A-Za-z0-9]{24,}(?-u:\b)")),
    shape("google_key", word!(r"AIza[A-Za-z0-9_-]{35}")),
    shape("google_token", word!(r"ya29\.[A-Za-z0-9_-]{20,}")),
    shape("google_secret", word!(r"GOCSPX-[A-Za-z0-9_-]{20,}")),
    shape("anthropic_key", word!(r"sk-ant-[A-Za-z0-9_-]{20,}")),
    shape("openai_key", word!(r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}")),
    shape("openai_key", word!(r"sk-[A-Za-z0-9]{32,}(?-u:\b)")),
    shape("huggingface_token", word!(r"hf_[A-Za-z0-9]{30,}(?-u:\b)")),
    shape("npm_token", word!(r"npm_[A-Za-z0-9]{36}(?-u:\b)")),
    shape("pypi_token", word!(r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}")),
    shape("sendgrid_key", word!(r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")),
    shape("digitalocean_token", word!(r"do[opr]_v1_[a-f0-9]{64}(?-u:\b)")),
    shape("reverie_token", word!(r"rv1_[A-Za-z0-9_-]{16,}")),
    shape("jwt", word!(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")),
    Rule {
        kind: "bearer",
        pattern: r"(?i)(?:(?-u:\b)|\\[bfnrt])(?:bearer|basic)\s+(?P<secret>[a-z0-9._~+/=-]{16,})",
        judge: bearer,
    },
    Rule {
        kind: "password",
        pattern: concat!(
            r"(?i)(?P<key>[a-z0-9_.-]*(?:passw(?:or)?d|passphrase|pwd|secret|(?:api|access|secret|private|account|signing|encryption|master|shared)[_-]?key|client[_-]?secret|secret[_-]?access[_-]?key))",
            assignment!()
        ),
        judge: assigned,
    },
    Rule {
        kind: "token",
        pattern: concat!(
            r"(?i)(?P<key>[a-z0-9_.-]*(?:token|credentials?|authorization|auth|cookie|signature))",
            assignment!()
        ),
        judge: token,
    },
    Rule {
        kind: "password",
        pattern: r#"(?i)(?:^|[\s"'`])--?(?:password|passwd|passphrase|secret|api-?key|token|auth-token)(?:=|\s+)["']?(?P<secret>[^\s"'`\\]{4,})"#,
        judge: flag,
    },
    Rule {
        kind: "social_security_number",
        pattern: r"(?i)(?:(?-u:\b)|\\[bfnrt])(?:ssn|social security(?: number| no\.?)?)\W{0,3}(?:is\W{1,3})?(?P<secret>[0-9]{3}-[0-9]{2}-[0-9]{4})(?-u:\b)",
        judge: |_| true,
    },
    Rule {
        kind: "payment_card",
        pattern: r"[0-9]{4} [0-9]{4} [0-9]{4} [0-9]{4}|[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}|[0-9]{4} [0-9]{6} [0-9]{5}|[0-9]{4}-[0-9]{6}-[0-9]{5}|[0-9]{14,19}",
        judge: card,
    },
];

/// Bytes of the longest private key that is looked for as a whole.
const KEY_BYTES_MAX: usize = 16 << 10;

struct Table {
    any: RegexSet,
    rules: Vec<(Regex, &'static Rule)>,
}

/// None where the table does not compile, which a test excludes.
static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let any = RegexSet::new(RULES.iter().map(|r| r.pattern)).ok()?;
    let rules = RULES.iter().map(|r| Some((Regex::new(r.pattern).ok()?, r))).collect::<Option<Vec<_>>>()?;
    Some(Table { any, rules })
});

/// The text without what must not be stored, and how much that was.
pub fn mask(text: &str) -> (Cow<'_, str>, u64) {
    let Some(table) = TABLE.as_ref() else {
        // Fail closed: rather no text than an unmasked one.
        return (Cow::Borrowed("[masked:unreadable]"), 1);
    };
    let mut out = Cow::Borrowed(text);
    let mut count = 0;
    for index in table.any.matches(text) {
        let (regex, rule) = &table.rules[index];
        if let Some((masked, found)) = apply(rule, regex, &out) {
            out = Cow::Owned(masked);
            count += found;
        }
    }
    (out, count)
}

/// What a rule's pattern found, and where the secret in it would be.
struct Match<'a> {
    text: &'a str,
    found: Captures<'a>,
    secret: Range<usize>,
}

impl<'a> Match<'a> {
    fn new(text: &'a str, found: Captures<'a>) -> Match<'a> {
        let secret = match (found.name("open"), found.name("begin")) {
            (Some(open), _) => open.end()..end_of_escaped(text, open.range()),
            (_, Some(begin)) => begin.start()..end_of_key(text, begin.end()),
            (None, None) => {
                let named = ["secret", "double", "single", "bare"].iter().find_map(|name| found.name(name));
                named.or_else(|| found.get(0)).map_or(0..0, |m| m.range())
            }
        };
        Match { text, found, secret }
    }

    fn secret(&self) -> &'a str {
        &self.text[self.secret.clone()]
    }

    fn group(&self, name: &str) -> &'a str {
        self.found.name(name).map_or("", |m| m.as_str())
    }

    fn is_bare(&self) -> bool {
        self.found.name("bare").is_some()
    }
}

/// A string within a string ends at the quote with as many backslashes as opened it; one with more is
/// part of it.
fn end_of_escaped(text: &str, open: Range<usize>) -> usize {
    let depth = open.len() - 1;
    let mut at = open.end;
    while let Some(quote) = text[at..].find(['"', '\n']).map(|i| at + i) {
        let backslashes = text[open.end..quote].bytes().rev().take_while(|b| *b == b'\\').count();
        if backslashes <= depth || text.as_bytes()[quote] == b'\n' {
            return quote - backslashes;
        }
        at = quote + 1;
    }
    text.len()
}

/// A key's block ends with its last line; where that is missing, with what can be part of a key.
fn end_of_key(text: &str, from: usize) -> usize {
    let near = text.ceil_char_boundary(from + KEY_BYTES_MAX);
    let last = text[from..near].find("-----END ").map(|i| from + i + "-----END ".len());
    if let Some(close) = last.and_then(|last| text[last..near].find("-----").map(|i| last + i + 5)) {
        return close;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=:,-\\".contains(c);
    let run = text[from..].find(|c| !is_part(c)).map_or(text.len(), |i| from + i);
    text[..run].trim_end_matches('\\').len().max(from)
}

fn apply(rule: &Rule, regex: &Regex, text: &str) -> Option<(String, u64)> {
    let mut out = String::new();
    let (mut count, mut copied, mut at) = (0, 0, 0);
    while let Some(found) = regex.captures_at(text, at) {
        let found = Match::new(text, found);
        let secret = found.secret.clone();
        at = secret.end.max(at + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        if secret.is_empty() || !(rule.judge)(&found) {
            continue;
        }
        // A bare value after a quoted key is a number in JSON: the mask must be a string there.
        let quote = if found.is_bare() { found.group("close") } else { "" };
        out.push_str(&text[copied..secret.start]);
        out.push_str(&format!("{quote}[masked:{}]{quote}", rule.kind));
        copied = secret.end;
        count += 1;
    }
    out.push_str(&text[copied..]);
    (count > 0).then_some((out, count))
}

#[cfg(test)]
mod tests;
