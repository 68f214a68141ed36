//! Access: who may do what. A check hands out a permit, and the services' methods take permits, so
//! that a call without a check does not compile.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::id::{SessionId, StoreId, TokenId, WorkspaceId};
use crate::path::{MemoryPath, Prefix};

#[cfg(test)]
mod tests;
pub mod token;

pub use token::{AttachSession, Attachment, NewToken, Token};

/// What a token's holder is, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    Reader,
    Writer,
    Curator,
    Admin,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Reader, Role::Writer, Role::Curator, Role::Admin];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Curator => "curator",
            Role::Admin => "admin",
        })
    }
}

/// Everything that can be asked for. `least_role` is the authorisation table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    StoreCreate,
    StoreRead,
    StoreWrite,
    StoreFork,
    StoreMerge,
    StoreDelete,
    StoreAdminister,
    StoreRedact,
    TokenCreate,
    TokenAdminister,
    SessionAttach,
    SessionRecord,
    SessionRead,
    DreamStart,
    DreamRead,
    DreamReview,
    DreamAdopt,
    WhoAmI,
}

impl Action {
    pub const ALL: [Action; 18] = [
        Action::StoreCreate,
        Action::StoreRead,
        Action::StoreWrite,
        Action::StoreFork,
        Action::StoreMerge,
        Action::StoreDelete,
        Action::StoreAdminister,
        Action::StoreRedact,
        Action::TokenCreate,
        Action::TokenAdminister,
        Action::SessionAttach,
        Action::SessionRecord,
        Action::SessionRead,
        Action::DreamStart,
        Action::DreamRead,
        Action::DreamReview,
        Action::DreamAdopt,
        Action::WhoAmI,
    ];

    /// The least role that may do it.
    pub const fn least_role(self) -> Role {
        match self {
            Action::StoreRead | Action::SessionRead | Action::DreamRead | Action::TokenCreate | Action::WhoAmI => {
                Role::Reader
            }
            Action::StoreWrite
            | Action::StoreFork
            | Action::StoreMerge
            | Action::SessionRecord
            | Action::DreamStart => Role::Writer,
            Action::DreamReview
            | Action::DreamAdopt
            | Action::StoreCreate
            | Action::StoreDelete
            | Action::StoreRedact
            | Action::SessionAttach => Role::Curator,
            Action::StoreAdminister | Action::TokenAdminister => Role::Admin,
        }
    }

    /// Whether it changes a store, and so needs READ_WRITE access to it.
    pub const fn writes_store(self) -> bool {
        matches!(
            self,
            Action::StoreWrite
                | Action::StoreMerge
                | Action::StoreDelete
                | Action::StoreAdminister
                | Action::StoreRedact
                | Action::DreamAdopt
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    ReadOnly,
    ReadWrite,
}

/// Access to one store, or to the part of it within a prefix. `S` is how the store is named: by its
/// id, or, in requests, by a `StoreRef` that has not been looked up yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant<S = StoreId> {
    pub store: S,
    pub access: Access,
    pub prefix: Prefix,
}

/// Which stores a scope reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grants<S = StoreId> {
    /// Every store of the workspace, read and write.
    All,
    Only(Vec<Grant<S>>),
}

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope<S = StoreId> {
    pub role: Role,
    pub grants: Grants<S>,
}

impl Scope {
    /// Whether everything that `other` allows is allowed here too.
    pub fn covers(&self, other: &Scope) -> bool {
        if other.role > self.role {
            return false;
        }
        match (&self.grants, &other.grants) {
            (Grants::All, _) => true,
            (Grants::Only(_), Grants::All) => false,
            (Grants::Only(have), Grants::Only(want)) => want.iter().all(|w| have.iter().any(|h| h.covers(w))),
        }
    }

    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Scope) -> Scope {
        let grants = match (&self.grants, &other.grants) {
            (Grants::All, grants) | (grants, Grants::All) => grants.clone(),
            (Grants::Only(some), Grants::Only(others)) => {
                let mut both: Vec<Grant> = Vec::new();
                for grant in some.iter().flat_map(|a| others.iter().filter_map(|b| a.meet(b))) {
                    if !both.iter().any(|known| known.covers(&grant)) {
                        both.retain(|known| !grant.covers(known));
                        both.push(grant);
                    }
                }
                Grants::Only(both)
            }
        };
        Scope { role: self.role.min(other.role), grants }
    }
}

impl Grant {
    fn covers(&self, other: &Grant) -> bool {
        self.store == other.store && self.access >= other.access && self.prefix.contains(other.prefix.as_str())
    }

    fn meet(&self, other: &Grant) -> Option<Grant> {
        let (wide, narrow) = if self.prefix.contains(other.prefix.as_str()) { (self, other) } else { (other, self) };
        let meets = self.store == other.store && wide.prefix.contains(narrow.prefix.as_str());
        meets.then(|| Grant { store: self.store, access: self.access.min(other.access), prefix: narrow.prefix.clone() })
    }
}

/// A credential as presented. Its bytes are opaque, and never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Turns a credential into a principal.
pub trait Authenticator: Send + Sync + 'static {
    fn authenticate<'a>(&'a self, secret: &'a Secret) -> Pin<Box<dyn Future<Output = Result<Principal>> + Send + 'a>>;
}

/// Who is calling, as the credential says, with the grants in force now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub workspace: WorkspaceId,
    pub token: TokenId,
    pub subject: String,
    pub scope: Scope,
    /// The session that the token was issued to: it reaches no other session.
    pub session: Option<SessionId>,
    pub agent: String,
    /// Commits made with the token carry this as their dream.
    pub dream: String,
    pub expire_time: Timestamp,
}

impl Principal {
    /// Leave to do what concerns no single store or session.
    pub fn permit(&self, action: Action) -> Result<Permit> {
        self.role_allows(action)?;
        Ok(Permit { workspace: self.workspace, actor: self.actor() })
    }

    /// Leave to do something with one store. A store without a grant is absent to the caller.
    pub fn permit_store(&self, action: Action, store: StoreId) -> Result<StorePermit> {
        let reach: Vec<(Prefix, Access)> = match &self.scope.grants {
            Grants::All => vec![(Prefix::ALL, Access::ReadWrite)],
            Grants::Only(grants) => {
                grants.iter().filter(|g| g.store == store).map(|g| (g.prefix.clone(), g.access)).collect()
            }
        };
        if reach.is_empty() {
            return Err(Error::not_found(format_args!("store {store}")));
        }
        self.role_allows(action)?;
        if action.writes_store() && reach.iter().all(|(_, access)| *access == Access::ReadOnly) {
            return Err(Error::denied(format!(
                "store {store} is read-only for {}: ask for READ_WRITE access to it",
                self.actor().name()
            )));
        }
        Ok(StorePermit { workspace: self.workspace, store, actor: self.actor(), reach })
    }

    /// Leave to do something with one session. A session token reaches its own session only.
    pub fn permit_session(&self, action: Action, session: SessionId) -> Result<Permit> {
        if self.session.is_some_and(|own| own != session) {
            return Err(Error::not_found(format_args!("session {session}")));
        }
        self.permit(action)
    }

    /// Whether it may see that the store exists.
    pub fn sees_store(&self, store: StoreId) -> bool {
        match &self.scope.grants {
            Grants::All => true,
            Grants::Only(grants) => grants.iter().any(|g| g.store == store),
        }
    }

    fn role_allows(&self, action: Action) -> Result<()> {
        let least = action.least_role();
        if self.scope.role < least {
            return Err(Error::denied(format!(
                "{action:?} needs the role {least}; {} has the role {}",
                self.subject, self.scope.role
            )));
        }
        Ok(())
    }

    /// Whom what it does is put down to.
    pub fn actor(&self) -> Actor {
        Actor {
            principal: self.subject.clone(),
            session: self.session.map(|s| s.to_string()).unwrap_or_default(),
            agent: self.agent.clone(),
            tool_call: String::new(),
            on_behalf_of: String::new(),
            dream: self.dream.clone(),
            claim: None,
        }
    }
}

/// Proof that a principal may do something in its workspace. Only `Principal` makes one.
#[derive(Debug, Clone)]
pub struct Permit {
    workspace: WorkspaceId,
    actor: Actor,
}

impl Permit {
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

/// Proof that a principal may do something with one store, and with which of its paths.
#[derive(Debug, Clone)]
pub struct StorePermit {
    workspace: WorkspaceId,
    store: StoreId,
    actor: Actor,
    reach: Vec<(Prefix, Access)>,
}

impl StorePermit {
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub fn store(&self) -> StoreId {
        self.store
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether the permit reaches the whole store, as forks and merges need.
    pub fn reads_all(&self) -> bool {
        self.reach.iter().any(|(prefix, _)| prefix.is_all())
    }

    pub fn may_read(&self, path: &str) -> bool {
        self.reach.iter().any(|(prefix, _)| prefix.contains(path))
    }

    pub fn may_write(&self, path: &str) -> bool {
        self.reach.iter().any(|(prefix, access)| *access == Access::ReadWrite && prefix.contains(path))
    }

    /// A path outside the readable prefixes is absent; one inside them that is not writable is denied.
    pub fn check_read(&self, path: &MemoryPath) -> Result<()> {
        if self.may_read(path.as_str()) { Ok(()) } else { Err(Error::not_found(format_args!("memory {path}"))) }
    }

    pub fn check_write(&self, path: &MemoryPath) -> Result<()> {
        if self.may_write(path.as_str()) {
            return Ok(());
        }
        self.check_read(path)?;
        Err(Error::denied(format!("{path} is read-only for {}: ask for READ_WRITE access to it", self.actor.name())))
    }

    pub fn check_reads_all(&self) -> Result<()> {
        if self.reads_all() {
            return Ok(());
        }
        Err(Error::denied(format!("this needs access to the whole store {}, not only to a path prefix", self.store)))
    }

    pub fn check_writes_all(&self) -> Result<()> {
        if self.reach.iter().any(|(prefix, access)| prefix.is_all() && *access == Access::ReadWrite) {
            return Ok(());
        }
        Err(Error::denied(format!("this needs READ_WRITE access to the whole store {}", self.store)))
    }

    /// The same permit for a caller that names its tool call.
    #[must_use]
    pub fn with_tool_call(mut self, tool_call: &str) -> StorePermit {
        self.actor.tool_call = tool_call.to_owned();
        self
    }
}
