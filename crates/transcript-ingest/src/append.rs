//! Adds events to a session's log.

use std::sync::Arc;

use domain::access::Permit;
use domain::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, SESSION_BYTES_MAX, SESSION_EVENTS_MAX};
use domain::transcript::request::Append;
use domain::transcript::{Event, Session, SessionState};
use domain::{Error, Kind, Result};
use storage::engine;

use crate::ingest::{ATTEMPTS_MAX, TranscriptIngest, off_executor};
use crate::{fault, key, normalise, record};

impl TranscriptIngest {
    /// Appends durably, and gives the seq of the last of these events. (session, seq) is the key:
    /// events that are there already are acknowledged without a look at what they say, so that a
    /// caller that lost the answer may send the same again, also after the end.
    ///
    /// # Errors
    /// Precondition: SEQ_GAP with expected_seq where events are missing before these, SESSION_ENDED
    /// where the log is closed. Exhausted where the session would outgrow its limits.
    pub async fn append(&self, permit: &Permit, append: Append) -> Result<u64> {
        let last = check(&append)?;
        let workspace = permit.workspace();
        let mut events = Some(append.events);
        let mut normal: Option<Arc<Vec<(Event, u64)>>> = None;
        for _ in 0..ATTEMPTS_MAX {
            let (row, mut session) = self.0.session(workspace, append.session).await?;
            if last <= session.last_seq {
                return Ok(last);
            }
            judge(&session, append.first_seq)?;
            let normal = match &normal {
                Some(normal) => Arc::clone(normal),
                None => {
                    let events = events.take().unwrap_or_default();
                    Arc::clone(normal.insert(Arc::new(off_executor(move || normalised(events)).await?)))
                }
            };
            let (session, blocks) = off_executor(move || {
                let (fresh, masked) = fresh(&normal, session.last_seq);
                normalise::count(&mut session, &fresh, masked);
                check_session(&session)?;
                Ok::<_, Error>((session, record::encode_blocks(&fresh)?))
            })
            .await??;

            let mut batch = self.0.vault.batch();
            for (first_seq, block) in blocks {
                let key = key::events(workspace, session.id, first_seq);
                batch.require_absent(key.clone());
                batch.put(key, &block).map_err(fault::of)?;
            }
            let session_key = key::session(workspace, session.id);
            batch.replace(session_key, &row, &record::encode(&session)?).map_err(fault::of)?;
            match self.0.vault.commit(batch).await {
                Ok(()) => return Ok(last),
                Err(engine::Error::Conflict(_)) => {} // Another append came first: judge anew.
                Err(e) => return Err(fault::of(e)),
            }
        }
        Err(fault::busy())
    }
}

/// The seq of the last event.
fn check(append: &Append) -> Result<u64> {
    let count = append.events.len();
    if count == 0 || append.first_seq == 0 {
        return Err(Error::invalid("events", "must not be empty, and first_seq must be at least 1"));
    }
    if count > APPEND_EVENTS_MAX {
        return Err(Error::invalid("events", format!("are {count}, at most {APPEND_EVENTS_MAX} are taken at once")));
    }
    let bytes: usize = append.events.iter().map(|e| e.body.text().len()).sum();
    if bytes > APPEND_BYTES_MAX {
        return Err(Error::invalid(
            "events",
            format!("have {bytes} bytes, at most {APPEND_BYTES_MAX} are taken at once"),
        ));
    }
    let last = append.first_seq.checked_add(count as u64 - 1);
    last.ok_or_else(|| Error::invalid("first_seq", "is too high"))
}

fn judge(session: &Session, first_seq: u64) -> Result<()> {
    if session.state == SessionState::Ended {
        let message = format!("session {} has ended at seq {}: nothing can be added", session.id, session.last_seq);
        return Err(Error::new(Kind::Precondition, "SESSION_ENDED", message).with("last_seq", session.last_seq));
    }
    let expected = session.last_seq + 1;
    if first_seq > expected {
        let message =
            format!("session {} goes on at seq {expected}, not at {first_seq}: send what lies between", session.id);
        return Err(Error::new(Kind::Precondition, "SEQ_GAP", message).with("expected_seq", expected));
    }
    Ok(())
}

/// Whether a session keeps to its limits.
pub(crate) fn check_session(session: &Session) -> Result<()> {
    let (events, bytes) = (session.last_seq, session.content_bytes);
    if events > SESSION_EVENTS_MAX || bytes > SESSION_BYTES_MAX {
        let message = format!(
            "it would have {events} events and {bytes} bytes: a session may have {SESSION_EVENTS_MAX} events and {SESSION_BYTES_MAX} bytes; end it and begin another"
        );
        return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
    }
    Ok(())
}

/// The events after a seq, and how much in them is masked.
fn fresh(events: &[(Event, u64)], after_seq: u64) -> (Vec<Event>, u64) {
    let fresh = events.iter().filter(|(event, _)| event.seq > after_seq);
    (fresh.clone().map(|(event, _)| event.clone()).collect(), fresh.map(|(_, masked)| masked).sum())
}

fn normalised(events: Vec<Event>) -> Vec<(Event, u64)> {
    let normal = |mut event: Event| {
        let masked = normalise::event(&mut event);
        (event, masked)
    };
    events.into_iter().map(normal).collect()
}
