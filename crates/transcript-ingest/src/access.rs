//! Who may do what with sessions. A session token reaches its own session only.

use domain::access::{Action, Permit, Principal};
use domain::id::SessionId;
use domain::transcript::request::NewSession;
use domain::{Error, Result};

/// Leave to read sessions: all of the workspace's, or one.
#[derive(Debug, Clone)]
pub struct Reach {
    permit: Permit,
    only: Option<SessionId>,
}

impl Reach {
    pub fn new(principal: &Principal) -> Result<Reach> {
        Ok(Reach { permit: principal.permit(Action::SessionRead)?, only: principal.session })
    }

    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The one session that can be seen, where it is not all of them.
    pub fn only(&self) -> Option<SessionId> {
        self.only
    }
}

/// Leave to begin a session. A session token may begin its own, and no other.
pub fn to_create(principal: &Principal, new: &mut NewSession) -> Result<Permit> {
    new.id = new.id.or(principal.session);
    match new.id {
        Some(id) => principal.permit_session(Action::SessionRecord, id),
        None => principal.permit(Action::SessionRecord),
    }
}

/// Leave to import files, which make sessions of their own.
pub fn to_import(principal: &Principal) -> Result<Permit> {
    match principal.session {
        None => principal.permit(Action::SessionRecord),
        Some(own) => {
            Err(Error::denied(format!("the token of session {own} records that session only; import with another")))
        }
    }
}
