//! Tokens, and the attachments of sessions to stores.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Access, Scope};
use crate::id::{SessionId, StoreId, TokenId};
use crate::path::Prefix;
use crate::store::StoreRef;

/// A credential without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// The name that commits made with it carry as principal.
    pub subject: String,
    pub scope: Scope,
    /// The session that it was issued to: it reaches no other session.
    pub session: Option<SessionId>,
    pub agent: String,
    /// Commits made with it carry this as their dream.
    pub dream: String,
    pub create_time: Timestamp,
    pub expire_time: Timestamp,
    pub revoke_time: Option<Timestamp>,
}

/// What a token to be made should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// The caller's own where empty.
    pub subject: String,
    pub scope: Scope<StoreRef>,
    /// None: limits::TOKEN_TTL_DEFAULT_S, or as long as the caller's own lives, whichever ends first.
    pub ttl: Option<Duration>,
    pub agent: String,
    pub dream: String,
    /// Empty for no protection against a repeated request.
    pub request_id: String,
}

/// A session's access to one store. `S` as in `Grant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment<S = StoreId> {
    pub store: S,
    pub access: Access,
    pub prefix: Prefix,
    /// What the agent is told about the store.
    pub instructions: String,
    /// Where a mount shows the store.
    pub mount_path: String,
}

/// A session's attachments, all of them, as they should be from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachSession {
    pub session: SessionId,
    pub agent: String,
    pub attachments: Vec<Attachment<StoreRef>>,
    pub ttl: Option<Duration>,
    /// Issue a further token for a session that has one.
    pub new_token: bool,
    pub request_id: String,
}
