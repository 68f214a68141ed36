//! Who made a git commit: its author, or, of what we exported, what the trailer lines say.

use domain::actor::Claim;
use domain::{Timestamp, limits};

use crate::export::git::TRAILER;

/// The claim and the message that a git commit comes to. None where the author's line has no time.
pub fn read(author: &str, message: &str) -> Option<(Claim, String)> {
    let (who, time) = ident(author)?;
    let message = message.trim_end();
    if let Some((text, trailers)) = split(message) {
        let mut claim = Claim { time, ..Claim::default() };
        let mut revision = "";
        for (key, value) in trailers {
            match key {
                "Revision" => revision = value,
                "Time" => claim.time = value.parse().unwrap_or(time),
                "Actor" => claim.principal = bounded(value),
                "Agent" => claim.agent = bounded(value),
                "Session" => claim.session = bounded(value),
                "Tool-Call" => claim.tool_call = bounded(value),
                "On-Behalf-Of" => claim.on_behalf_of = bounded(value),
                "Dream" => claim.dream = bounded(value),
                _ => {}
            }
        }
        let placeholder = format!("Revision {revision}");
        return Some((claim, if text == placeholder { String::new() } else { text.to_owned() }));
    }
    Some((Claim { principal: bounded(&who), time, ..Claim::default() }, message.to_owned()))
}

/// The name with its address, and the time, of `NAME <ADDRESS> SECONDS ZONE`.
fn ident(line: &str) -> Option<(String, Timestamp)> {
    let (who, when) = line.rsplit_once('>')?;
    let seconds: i64 = when.split_whitespace().next()?.parse().ok()?;
    let time = Timestamp::from_second(seconds.clamp(0, Timestamp::MAX.as_second())).ok()?;
    Some((format!("{}>", who.trim_start()), time))
}

/// The message and our trailer lines, where its last paragraph is made of them.
fn split(message: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (text, last) = message.rsplit_once("\n\n")?;
    let trailers: Option<Vec<_>> = last.lines().map(|line| line.strip_prefix(TRAILER)?.split_once(": ")).collect();
    Some((text, trailers?))
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(limits::NAME_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_of_git_is_a_name_and_an_address() {
        let (claim, message) = read("Ana Ng <ana@x.org> 1700000000 +0200", "Subject\n\nBody\n").unwrap();
        assert_eq!((claim.principal.as_str(), claim.time.as_second()), ("Ana Ng <ana@x.org>", 1_700_000_000));
        assert_eq!(message, "Subject\n\nBody");
        assert!(read("nobody", "").is_none() && read("a <b>", "").is_none());
    }

    #[test]
    fn what_we_exported_says_more_than_git_can() {
        let message = "Revision 7\n\nReverie-Revision: 7\nReverie-Time: 2026-11-02T03:04:05.6Z\nReverie-Actor: ana\nReverie-Session: s\n";
        let (claim, message) = read("x <y> 7 +0000", message).unwrap();
        assert_eq!((claim.principal.as_str(), claim.session.as_str(), message.as_str()), ("ana", "s", ""));
        assert_eq!(claim.time.to_string(), "2026-11-02T03:04:05.6Z");
    }

    #[test]
    fn a_paragraph_that_only_begins_like_ours_is_text() {
        let (claim, message) = read("x <y> 7 +0000", "S\n\nReverie-Actor: ana\nSigned-off-by: x").unwrap();
        assert_eq!(
            (claim.principal.as_str(), message.as_str()),
            ("x <y>", "S\n\nReverie-Actor: ana\nSigned-off-by: x")
        );
    }
}
