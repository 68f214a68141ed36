//! Failed tool results: which they are, and the one line of them that says why.

use std::ops::Range;
use std::sync::LazyLock;

use domain::transcript::ToolStatus;
use regex::Regex;
use serde_json::Value;

#[allow(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:Error\b|ERROR\b|error:|Exception\b|fatal:|Traceback \(most recent call last\)|thread '[^']*' panicked)",
    )
});
static EXIT_CODE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:\bexit(?:ed with)?[ _]?(?:code|status)\b[\s:=]*|<returncode>\s*)(-?\d+)"));
static HTTP_STATUS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:HTTP/[\d.]+ [45]\d\d\b|HTTP(?: status)?(?: code)?:? [45]\d\d\b|[45]\d\d [A-Z][a-z]+)")
});
static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Za-z_][\w.]*(?:Error|Exception)(?::|$)"));
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:error|exception|fail(?:ed|ure|s)?|fatal|denied|not found|no such|cannot|can't|could not|unable|invalid",
        r"|refused|timed? ?out|unknown|missing|required|unauthori[sz]ed|forbidden|panicked|aborted)\b",
        r"|\w(?:Error|Exception)\b"
    ))
});
/// Lines that frame an error and say nothing about it.
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r#"^(?:Traceback \(most recent call last\):?|File "[^"]*", line \d+.*|During handling of the above exception.*"#,
        r"|The above exception was.*|[\W_]*|(?i:\[?(?:process )?exit(?:ed with)?[ _]?(?:code|status)[\s:=]*-?\d+\]?)",
        r"|</?[a-z_]+>(?:-?\d+</[a-z_]+>)?|note: run with `RUST_BACKTRACE.*)$"
    ))
});

/// Whether a result is a failure: by its status, and where the harness recorded none, by what it says.
pub fn is_failure(status: ToolStatus, text: &str) -> bool {
    match status {
        ToolStatus::Error => true,
        ToolStatus::Ok => false,
        ToolStatus::Unknown => says_failure(text),
    }
}

/// The last informative line of a failed result: its text, and the bytes of the result that hold it. Of JSON,
/// the message in it.
pub fn reason(text: &str) -> Option<(String, Range<usize>)> {
    if let Some(message) = json_message(text) {
        let (line, _) = last_informative(&message)?;
        let quoted = Value::String(message.clone()).to_string();
        let inner = &quoted[1..quoted.len() - 1];
        let span = text.find(inner).map_or(0..text.len(), |at| at..at + inner.len());
        return Some((line, span));
    }
    last_informative(text)
}

fn says_failure(text: &str) -> bool {
    let text = text.trim();
    let first = text.lines().next().unwrap_or_default();
    if OPENING.is_match(text) || HTTP_STATUS.is_match(first) {
        return true;
    }
    if let Some(value) = json(text) {
        return says_json_failure(&value);
    }
    if EXIT_CODE.captures_iter(text).any(|c| c[1].parse::<i64>().is_ok_and(|code| code != 0)) {
        return true;
    }
    last_informative(text).is_some_and(|(line, _)| EXCEPTION.is_match(&line))
}

fn says_json_failure(value: &Value) -> bool {
    let says = |name: &str| match value.get(name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Bool(flag)) => *flag,
        _ => false,
    };
    says("error")
        || says("is_error")
        || value.get("success") == Some(&Value::Bool(false))
        || value.get("ok") == Some(&Value::Bool(false))
        || value.get("status").and_then(Value::as_str).is_some_and(|s| matches!(s, "error" | "failed" | "failure"))
}

fn json(text: &str) -> Option<Value> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

fn json_message(text: &str) -> Option<String> {
    let value = json(text)?;
    let inner = value.get("error").filter(|e| e.is_object()).unwrap_or(&value);
    let found = ["message", "error", "detail", "error_message", "reason", "stderr"]
        .iter()
        .filter_map(|name| inner.get(*name))
        .find_map(|v| v.as_str().filter(|s| !s.trim().is_empty()));
    found.map(str::to_owned)
}

fn last_informative(text: &str) -> Option<(String, Range<usize>)> {
    let mut found = None;
    let mut has_cue = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        if FRAME.is_match(trimmed) {
            continue;
        }
        let cue = CUE.is_match(trimmed);
        if cue || !has_cue {
            found = Some((trimmed.to_owned(), start..start + trimmed.len()));
            has_cue |= cue;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_status_is_believed_and_else_the_text_speaks() {
        assert!(is_failure(ToolStatus::Error, "fine"));
        assert!(!is_failure(ToolStatus::Ok, "Error: not really"));
        for failed in [
            "Error: user not found",
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'",
            "output\nvalue.TypeError: bad",
            "make: stopped\nexit code: 2",
            "<returncode>1</returncode>\n<output>no</output>",
            "HTTP/1.1 503 Service Unavailable",
            "404 Not Found",
            r#"{"error": {"code": 7, "message": "quota"}}"#,
            r#"{"success": false}"#,
        ] {
            assert!(is_failure(ToolStatus::Unknown, failed), "{failed}");
        }
        for fine in [
            "",
            "0 errors",
            "exit code: 0",
            r#"{"error": null, "id": 4}"#,
            "200 OK",
            "Errors are listed below",
            "404 items",
        ] {
            assert!(!is_failure(ToolStatus::Unknown, fine), "{fine}");
        }
    }

    #[test]
    fn the_reason_is_the_last_line_that_says_something() {
        let python =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n    ^^^\nKeyError: 'x'\n";
        let (line, span) = reason(python).unwrap();
        assert_eq!((line.as_str(), &python[span]), ("KeyError: 'x'", "KeyError: 'x'"));
        assert_eq!(reason("Error: no namespace\nTry `-n shop`.\nexit code: 1").unwrap().0, "Error: no namespace");
        assert_eq!(reason("it went away\n---\n").unwrap().0, "it went away");
        assert_eq!(reason(" \n"), None);
    }

    #[test]
    fn of_json_the_message_is_quoted() {
        let text = r#"{"error": {"code": 7, "message": "quota of \"web\" is spent"}}"#;
        let (line, span) = reason(text).unwrap();
        assert_eq!(line, r#"quota of "web" is spent"#);
        assert_eq!(&text[span], r#"quota of \"web\" is spent"#);
    }
}
