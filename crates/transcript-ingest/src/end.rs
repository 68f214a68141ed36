//! Ends a session: closes its log and says so, in one batch.

use domain::access::Permit;
use domain::transcript::request::End;
use domain::transcript::{Session, SessionState, digest};
use domain::{Error, Kind, Result};
use storage::engine;

use crate::ingest::{ATTEMPTS_MAX, TranscriptIngest, off_executor};
use crate::{fault, key, normalise, record};

impl TranscriptIngest {
    /// Ends a session. Asking again with the same outcome gives the same answer.
    ///
    /// # Errors
    /// Precondition: SESSION_ENDED where it has ended with another outcome, SEQ_GAP with last_seq
    /// where the log does not end where the caller says.
    pub async fn end(&self, permit: &Permit, mut end: End) -> Result<Session> {
        let workspace = permit.workspace();
        let masked = end.outcome.as_mut().map_or(0, normalise::outcome);
        for _ in 0..ATTEMPTS_MAX {
            let (row, mut session) = self.0.session(workspace, end.session).await?;
            check_last(&session, end.last_seq)?;
            if session.state == SessionState::Ended {
                return if session.outcome == end.outcome { Ok(session) } else { Err(ended_otherwise(&session)) };
            }
            let events = self.all_events(workspace, &session).await?;
            let (agent, task_key, outcome) = (session.agent.clone(), session.task_key.clone(), end.outcome.clone());
            let digest = off_executor(move || digest(&agent, &task_key, outcome.as_ref(), &events)).await?;

            let now = self.0.clock.now();
            session.state = SessionState::Ended;
            session.outcome = end.outcome.clone();
            session.end_time = Some(now);
            session.content_digest = Some(digest);
            session.masked_count += masked;
            let mut turn = self.0.logs.turn(workspace).await?;
            let mut batch = self.0.vault.batch();
            let session_key = key::session(workspace, session.id);
            batch.replace(session_key, &row, &record::encode(&session)?).map_err(fault::of)?;
            turn.note(&mut batch, record::Kind::Ended, session.id, now)?;
            match turn.commit(batch).await {
                Ok(()) => return Ok(session),
                Err(engine::Error::Conflict(_)) => {} // An append or another end came first: judge anew.
                Err(e) => return Err(fault::of(e)),
            }
        }
        Err(fault::busy())
    }
}

fn check_last(session: &Session, last_seq: Option<u64>) -> Result<()> {
    match last_seq {
        Some(expected) if expected != session.last_seq => {
            let message = format!("session {} has events up to seq {}, not {expected}", session.id, session.last_seq);
            Err(Error::new(Kind::Precondition, "SEQ_GAP", message).with("last_seq", session.last_seq))
        }
        _ => Ok(()),
    }
}

fn ended_otherwise(session: &Session) -> Error {
    let message = format!("session {} has ended already, with another outcome", session.id);
    Error::new(Kind::Precondition, "SESSION_ENDED", message).with("last_seq", session.last_seq)
}
