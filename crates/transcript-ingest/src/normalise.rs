//! Brings what is to be stored into its normal form: masked, and within the limits.

use domain::limits::{EVENT_NAME_BYTES_MAX, EVENT_TEXT_BYTES_MAX, NAME_BYTES_MAX, TASK_TEXT_BYTES_MAX};
use domain::transcript::request::NewSession;
use domain::transcript::{Agent, Body, Event, EventActor, Outcome, Session};

use mask::mask;

/// Masks every text of an event, cuts what is too long, and says how much was masked.
pub fn event(event: &mut Event) -> u64 {
    let mut masked = text(&mut event.thread, NAME_BYTES_MAX);
    one_line(&mut event.thread);
    if let Some(source) = &mut event.source {
        masked += text(&mut source.file, EVENT_NAME_BYTES_MAX);
    }
    masked
        + match &mut event.body {
            Body::Message { text: t }
            | Body::Thought { text: t }
            | Body::Error { text: t }
            | Body::Compaction { text: t } => long(t),
            Body::ToolCall { call_id, name, arguments } => short(call_id) + short(name) + long(arguments),
            Body::ToolResult { call_id, name, text, .. } => short(call_id) + short(name) + long(text),
            Body::Verdict { label, text, .. } => short(label) + long(text),
            Body::Opaque { kind, text } => short(kind) + long(text),
        }
}

/// The same for what a caller says of a session.
pub fn session(new: &mut NewSession) -> u64 {
    let labels = new.labels.values_mut().map(|value| text(value, usize::MAX)).sum::<u64>();
    labels + agent(&mut new.agent) + text(&mut new.task_key, usize::MAX)
}

pub fn agent(agent: &mut Agent) -> u64 {
    one_line(&mut agent.name);
    one_line(&mut agent.version);
    text(&mut agent.name, NAME_BYTES_MAX) + text(&mut agent.version, NAME_BYTES_MAX)
}

pub fn outcome(outcome: &mut Outcome) -> u64 {
    text(&mut outcome.label, NAME_BYTES_MAX)
}

/// A key or an id from a file.
pub fn name(name: &mut String) -> u64 {
    one_line(name);
    text(name, NAME_BYTES_MAX)
}

/// Takes what a session says of its events from events that were added: their number, bytes and
/// masks, what was asked, and when it began.
pub fn count(session: &mut Session, events: &[Event], masked: u64) {
    for event in events {
        session.last_seq = event.seq;
        session.content_bytes += event.body.text().len() as u64;
        if event.seq == 1 {
            session.start_time = event.time;
        }
        if session.task_text.is_empty()
            && let Body::Message { text } = &event.body
            && event.actor == EventActor::User
            && event.thread.is_empty()
            && !event.copied
        {
            session.task_text = cut(text, TASK_TEXT_BYTES_MAX).unwrap_or_else(|| text.clone());
        }
    }
    session.masked_count += masked;
}

fn long(t: &mut String) -> u64 {
    text(t, EVENT_TEXT_BYTES_MAX)
}

fn short(t: &mut String) -> u64 {
    text(t, EVENT_NAME_BYTES_MAX)
}

/// Masks first: a secret that was cut in two would no longer look like one.
fn text(t: &mut String, bytes_max: usize) -> u64 {
    let (masked, count) = mask(t);
    if count > 0 {
        *t = masked.into_owned();
    }
    if let Some(cut) = cut(t, bytes_max) {
        *t = cut;
    }
    count
}

fn one_line(t: &mut String) {
    if t.contains(char::is_control) {
        *t = t.replace(char::is_control, " ");
    }
}

/// The beginning of a text that is too long, and how much is missing. At most `bytes_max` bytes.
fn cut(t: &str, bytes_max: usize) -> Option<String> {
    if t.len() <= bytes_max {
        return None;
    }
    let mark = |kept: usize| format!("… [cut: {} bytes more]", t.len() - kept);
    let kept = t.floor_char_boundary(bytes_max.saturating_sub(mark(0).len()));
    Some(format!("{}{}", &t[..kept], mark(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_within_its_limit_and_says_so() {
        let mut t = "é".repeat(EVENT_TEXT_BYTES_MAX);
        assert_eq!(long(&mut t), 0);
        assert!(t.len() <= EVENT_TEXT_BYTES_MAX && t.len() > EVENT_TEXT_BYTES_MAX - 8, "{}", t.len());
        let kept = t.chars().filter(|c| *c == 'é').count() * 2;
        assert!(t.ends_with(&format!("… [cut: {} bytes more]", 2 * EVENT_TEXT_BYTES_MAX - kept)));
    }

    #[test]
    fn a_secret_at_the_limit_is_masked_and_not_cut_in_two() {
        let mut t = format!("{} password=hunter2", "x".repeat(EVENT_TEXT_BYTES_MAX - 15));
        assert_eq!(long(&mut t), 1);
        assert!(!t.contains("hun"), "{}", &t[t.len() - 60..]);
    }

    #[test]
    fn every_text_of_an_event_is_masked() {
        let secret = || "password=hunter2".to_owned();
        let bodies = [
            (1, Body::Message { text: secret() }),
            (1, Body::Thought { text: secret() }),
            (1, Body::Error { text: secret() }),
            (1, Body::Compaction { text: secret() }),
            (3, Body::ToolCall { call_id: secret(), name: secret(), arguments: secret() }),
            (
                3,
                Body::ToolResult {
                    call_id: secret(),
                    name: secret(),
                    status: domain::transcript::ToolStatus::Ok,
                    text: secret(),
                },
            ),
            (2, Body::Verdict { value: 0.0, label: secret(), text: secret() }),
            (2, Body::Opaque { kind: secret(), text: secret() }),
        ];
        for (count, body) in bodies {
            let source = domain::transcript::SourceSpan { file: secret(), byte_start: 0, byte_end: 1 };
            let mut e = Event {
                seq: 1,
                time: None,
                actor: EventActor::User,
                thread: secret(),
                body,
                source: Some(source),
                copied: false,
            };
            assert_eq!(event(&mut e), count + 2);
            assert!(!format!("{e:?}").contains("hunter2"), "{e:?}");
        }
    }
}
