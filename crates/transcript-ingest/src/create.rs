//! Begins a session.

use domain::access::Permit;
use domain::id::{SessionId, WorkspaceId};
use domain::limits::REQUEST_ID_TTL_S;
use domain::transcript::request::NewSession;
use domain::transcript::{Session, SessionState};
use domain::{Error, Kind as ErrorKind, Result, Timestamp};
use storage::engine::{self, Key};

use crate::ingest::{ATTEMPTS_MAX, TranscriptIngest};
use crate::record::{Answered, Kind};
use crate::{fault, key, normalise, record};

const REQUEST_CONTEXT: &str = "reverie 2026-11 transcript request v1";

impl TranscriptIngest {
    /// Begins a session. Asking again for the same, with the same request id or under the caller's
    /// own id, gives the same session as it is now.
    ///
    /// # Errors
    /// Exists where another session has the id; Invalid where the request id was used for another
    /// request in the last 24 hours.
    pub async fn create(&self, permit: &Permit, mut new: NewSession) -> Result<Session> {
        let workspace = permit.workspace();
        let masked = normalise::session(&mut new);
        let request = self.request_key(permit, &new.request_id);
        for _ in 0..ATTEMPTS_MAX {
            let now = self.0.clock.now();
            let mut turn = self.0.logs.turn(workspace).await?;
            let answered = match &request {
                Some(key) => self.0.vault.get(key).await.map_err(fault::of)?,
                None => None,
            };
            let live = answered.as_ref().map(|row| record::decode::<Answered>(row.value())).transpose()?;
            if let Some(live) = live.filter(|a| now.as_second() - a.time.as_second() < REQUEST_ID_TTL_S) {
                turn.release();
                return self.replay(workspace, &live, &new).await;
            }
            if let Some(id) = new.id {
                match self.0.session(workspace, id).await {
                    Ok((_, there)) => {
                        turn.release();
                        return same(there, &new);
                    }
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }

            let session = open(new.id.unwrap_or_else(|| SessionId::from_bytes(self.0.ids.fresh())), &new, masked, now);
            let mut batch = self.0.vault.batch();
            let row = key::session(workspace, session.id);
            batch.require_absent(row.clone());
            batch.put(row, &record::encode(&session)?).map_err(fault::of)?;
            if let Some(key) = &request {
                let asked = Answered { session: session.id, request: digest(&new)?, time: now };
                let asked = record::encode(&asked)?;
                match &answered {
                    Some(old) => batch.replace(key.clone(), old, &asked).map_err(fault::of)?,
                    None => {
                        batch.require_absent(key.clone());
                        batch.put(key.clone(), &asked).map_err(fault::of)?
                    }
                };
            }
            turn.note(&mut batch, Kind::Created, session.id, now)?;
            match turn.commit(batch).await {
                Ok(()) => return Ok(session),
                Err(engine::Error::Conflict(_)) => {}
                Err(e) => return Err(fault::of(e)),
            }
        }
        Err(fault::busy())
    }

    fn request_key(&self, permit: &Permit, request_id: &str) -> Option<Key> {
        let asked = [permit.actor().principal.as_bytes(), &[0], request_id.as_bytes()].concat();
        let key = || key::request(permit.workspace(), &self.0.vault.keyed_hash(REQUEST_CONTEXT, &asked));
        (!request_id.is_empty()).then(key)
    }

    async fn replay(&self, workspace: WorkspaceId, answered: &Answered, new: &NewSession) -> Result<Session> {
        if answered.request != digest(new)? {
            let message = "request_id: was used for another request in the last 24 hours; take a fresh one";
            return Err(Error::new(ErrorKind::Invalid, "REQUEST_ID_REUSED", message));
        }
        self.0.session(workspace, answered.session).await.map(|(_, session)| session)
    }
}

fn open(id: SessionId, new: &NewSession, masked_count: u64, now: Timestamp) -> Session {
    Session {
        id,
        agent: new.agent.clone(),
        task_key: new.task_key.clone(),
        labels: new.labels.clone(),
        state: SessionState::Open,
        outcome: None,
        last_seq: 0,
        content_bytes: 0,
        create_time: now,
        end_time: None,
        start_time: None,
        external_id: String::new(),
        format: String::new(),
        content_digest: None,
        task_text: String::new(),
        masked_count,
        attached_stores: new.attached_stores.clone(),
    }
}

/// The session that is there, where it is what was asked for.
fn same(there: Session, new: &NewSession) -> Result<Session> {
    let equal = there.agent == new.agent
        && there.task_key == new.task_key
        && there.labels == new.labels
        && there.attached_stores == new.attached_stores;
    if equal {
        return Ok(there);
    }
    let message = format!("there is a session {} already, with another agent, task, labels or stores", there.id);
    Err(Error::new(ErrorKind::Exists, "ALREADY_EXISTS", message))
}

fn digest(new: &NewSession) -> Result<[u8; 32]> {
    let asked = (new.id, &new.agent, &new.task_key, &new.labels, &new.attached_stores);
    Ok(*blake3::hash(&postcard::to_stdvec(&asked).map_err(Error::internal)?).as_bytes())
}
