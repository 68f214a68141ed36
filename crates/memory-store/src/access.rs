//! Access: who a credential stands for, and what it may do now.
//!
//! A token's secret is shown once; only its hash under the vault's key is kept, so that neither the
//! disk nor the time that a look-up takes tells anything of it. A token never allows more than the
//! one that it was made with, and ends with it: both are checked at each call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::{Access as Reach, Action, Authenticator, Grant, Grants, Principal, Role, Scope, Secret, Token};
use domain::id::{StoreId, TokenId, WorkspaceId};
use domain::path::Prefix;
use domain::store::StoreRef;
use domain::{Clock, Error, Handle, Ids, Kind, Result, Timestamp, limits};
use storage::Vault;

use crate::access::ledger::{Changes, Held, Ledger, Pen};
use crate::access::record::{TokenRow, WorkspaceRow};
use crate::governance::audit::Done;

pub mod attach;
pub mod audit;
mod key;
mod ledger;
mod prompt;
mod record;
mod replay;
pub mod token;

pub(crate) use key::OUTCOME;
pub(crate) use record::OutcomeRow;

#[cfg(test)]
mod tests;

/// What every secret begins with. A version: another kind of token gets another.
const SECRET_PREFIX: &str = "rv1_";
/// Characters of a secret that was chosen elsewhere: 32 bytes as base64url.
const GIVEN_DIGITS_MIN: usize = 43;
/// The workspace that a fresh deployment has.
const DEFAULT_WORKSPACE: &str = "default";

/// Finds stores for requests that name them.
#[async_trait::async_trait]
pub trait ResolveStore: Send + Sync {
    /// The store's id, and its handle as of now.
    ///
    /// # Errors
    /// NotFound where the workspace has no such store, or has deleted it.
    async fn resolve_store(&self, workspace: WorkspaceId, store: &StoreRef) -> Result<(StoreId, Handle)>;
}

/// Tokens and attachments. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    vault: Vault,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    ledger: Ledger,
}

impl Access {
    pub fn open(vault: Vault, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Access {
        Access(Arc::new(Inner { ledger: Ledger::new(vault.clone()), vault, clock, ids }))
    }

    pub fn authenticator(&self) -> Arc<dyn Authenticator> {
        Arc::new(self.clone())
    }

    /// Makes the workspace `default` with a token that may do everything in it, and returns the
    /// token's secret. None where that token still lives; one that has ended is replaced, so that
    /// whoever runs the process is never locked out. With a `given` secret the token has that one: a
    /// living token's own then opens nothing more, and what was made with the token lives on.
    ///
    /// # Errors
    /// Invalid for a given secret that is not of our form, Precondition for one that was revoked.
    pub async fn bootstrap_admin(&self, subject: &str, given: Option<Secret>) -> Result<Option<Secret>> {
        given.as_ref().map_or(Ok(()), check_given)?;
        let wanted = given.as_ref().map(|secret| self.hash(secret));
        let pen = self.0.ledger.pen().await;
        let mut changes = pen.changes();
        let key = key::workspace(&self.0.vault.keyed_hash("reverie workspace name", DEFAULT_WORKSPACE.as_bytes()));
        let known: Option<WorkspaceRow> = pen.row(&key).await?;
        let now = self.0.clock.now();
        let expire_time = after(now, limits::TOKEN_TTL_MAX_S).into();
        if let Some(WorkspaceRow { workspace, admin }) = known
            && let Some(held) = pen.token(workspace, admin).await?
        {
            let is_same = wanted.is_none_or(|wanted| wanted == held.row.secret);
            match wanted {
                _ if is_same && is_live(&held.row, now) => return Ok(None),
                Some(_) if is_same && held.row.revoke_time.is_some() => return Err(revoked()),
                Some(secret) if held.row.revoke_time.is_none() => {
                    let row = TokenRow { secret, expire_time, ..held.row.clone() };
                    changes.change_token(workspace, admin, &held, &row)?;
                    changes.commit().await?;
                    tracing::info!(%workspace, subject, token = %admin, "the workspace's admin token has another secret");
                    return Ok(given);
                }
                Some(_) | None => {}
            }
        }
        let workspace = known.as_ref().map_or_else(|| WorkspaceId::from_bytes(self.0.ids.fresh()), |row| row.workspace);
        let secret = given.unwrap_or_else(|| self.fresh_secret());
        let admin = TokenId::from_bytes(self.0.ids.fresh());
        let row = TokenRow {
            subject: subject.to_owned(),
            scope: Scope { role: Role::Admin, grants: Grants::All },
            session: None,
            attached: false,
            agent: String::new(),
            dream: String::new(),
            create_time: now.into(),
            expire_time,
            revoke_time: None,
            parent: None,
            depth: 0,
            secret: self.hash(&secret),
        };
        if known.is_none() {
            changes.require_absent(&key);
        }
        changes.add_token(workspace, admin, &row)?;
        changes.put(key, &WorkspaceRow { workspace, admin })?;
        changes.commit().await?;
        tracing::info!(%workspace, subject, token = %admin, "made the workspace's admin token");
        Ok(Some(secret))
    }

    /// Gives the maker of a store or fork leave to read and write it, and with it every token that
    /// its own was made with. Nothing to do for a token that reaches all stores.
    ///
    /// # Errors
    /// Exhausted at limits::GRANTS_MADE_MAX stores.
    pub async fn grant(&self, workspace: WorkspaceId, token: TokenId, store: StoreId) -> Result<()> {
        let pen = self.0.ledger.pen().await;
        let mut changes = pen.changes();
        let mut next = Some(token);
        let grant = Grant { store, access: Reach::ReadWrite, prefix: Prefix::ALL };
        while let Some(id) = next {
            let held = pen.token(workspace, id).await?.ok_or_else(unauthenticated)?;
            next = held.row.parent;
            if held.row.scope.grants == Grants::All || held.made.contains(&grant) {
                continue;
            }
            if held.made.len() >= limits::GRANTS_MADE_MAX {
                let message = format!(
                    "token {id} has made {} stores: make further ones with another token",
                    limits::GRANTS_MADE_MAX
                );
                return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
            }
            changes.add_made(workspace, id, &grant)?;
        }
        changes.commit().await
    }

    async fn principal(&self, secret: &Secret) -> Result<Principal> {
        let well_formed =
            secret.expose().len() <= limits::TOKEN_BYTES_MAX && secret.expose().starts_with(SECRET_PREFIX);
        if !well_formed {
            return Err(unauthenticated());
        }
        let hash = self.hash(secret);
        let found = self.0.ledger.secret(&hash).await?.ok_or_else(unauthenticated)?;
        let chain = self.chain(found.workspace, found.token).await?;
        let own = &chain[0].1.row;
        let now = self.0.clock.now();
        // A secret that was replaced may still be in memory: the token says which one is its own.
        if own.secret != hash || !chain.iter().all(|(_, held)| is_live(&held.row, now)) {
            return Err(unauthenticated());
        }
        Ok(Principal {
            workspace: found.workspace,
            token: found.token,
            subject: own.subject.clone(),
            scope: self.scope(found.workspace, &chain).await?,
            session: own.session,
            agent: own.agent.clone(),
            dream: own.dream.clone(),
            expire_time: own.expire_time.into(),
        })
    }

    /// A token, the one that it was made with, and so on.
    async fn chain(&self, workspace: WorkspaceId, token: TokenId) -> Result<Vec<(TokenId, Arc<Held>)>> {
        let mut chain = Vec::with_capacity(2);
        let mut next = Some(token);
        while let Some(id) = next {
            let held = self.0.ledger.token(workspace, id).await?.ok_or_else(unauthenticated)?;
            next = held.row.parent.filter(|_| chain.len() <= limits::TOKEN_DEPTH_MAX);
            chain.push((id, held));
        }
        Ok(chain)
    }

    /// What the first token of a chain allows now: no more than what those above it do, and the
    /// stores that its holder made.
    async fn scope(&self, workspace: WorkspaceId, chain: &[(TokenId, Arc<Held>)]) -> Result<Scope> {
        let mut scope = Scope { role: Role::Admin, grants: Grants::All };
        for (_, held) in chain.iter().rev() {
            scope = self.granted(workspace, &held.row).await?.meet(&scope);
            if let Grants::Only(grants) = &mut scope.grants {
                grants.extend(held.made.iter().cloned());
            }
        }
        Ok(scope)
    }

    /// What a token was given: its scope, or its session's attachments.
    async fn granted(&self, workspace: WorkspaceId, row: &TokenRow) -> Result<Scope> {
        let attachments = match row.session.filter(|_| row.attached) {
            Some(session) => self.0.ledger.attachments(workspace, session).await?,
            None => None,
        };
        Ok(attach::granted(attachments.as_deref(), row))
    }

    async fn shown(&self, workspace: WorkspaceId, id: TokenId, row: &TokenRow) -> Result<Token> {
        Ok(shown(id, row, self.granted(workspace, row).await?))
    }

    /// Has what is done recorded with it.
    fn record(
        &self,
        changes: &mut Changes<'_>,
        principal: &Principal,
        action: Action,
        description: String,
    ) -> Result<()> {
        let (workspace, actor) = (principal.workspace, principal.actor());
        let done = Done { workspace, actor, action, store: None, description };
        let (key, row) = done.row_at(&*self.0.clock, &*self.0.ids)?;
        changes.put_encoded(key, &row)
    }

    fn hash(&self, secret: &Secret) -> [u8; 32] {
        self.0.vault.keyed_hash("reverie token secret", secret.expose().as_bytes())
    }

    /// 32 bytes that nobody can foresee who lacks the vault's key, nor, as the ids are random and
    /// kept nowhere, anybody who gets the key later.
    fn fresh_secret(&self) -> Secret {
        let seed: [[u8; 16]; 4] = std::array::from_fn(|_| self.0.ids.fresh());
        let bytes = self.0.vault.keyed_hash("reverie token secret seed", seed.as_flattened());
        Secret::new(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }
}

impl Authenticator for Access {
    fn authenticate<'a>(&'a self, secret: &'a Secret) -> Pin<Box<dyn Future<Output = Result<Principal>> + Send + 'a>> {
        Box::pin(self.principal(secret))
    }
}

/// A token as people see it.
fn shown(id: TokenId, row: &TokenRow, scope: Scope) -> Token {
    Token {
        id,
        subject: row.subject.clone(),
        scope,
        session: row.session,
        agent: row.agent.clone(),
        dream: row.dream.clone(),
        create_time: row.create_time.into(),
        expire_time: row.expire_time.into(),
        revoke_time: row.revoke_time.map(Into::into),
    }
}

fn is_live(row: &TokenRow, now: Timestamp) -> bool {
    row.revoke_time.is_none() && now < row.expire_time.into()
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The same for a secret that never was, has expired or was revoked.
fn unauthenticated() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "UNAUTHENTICATED",
        "the credential is not valid: it is unknown, has expired or was revoked",
    )
}

/// A secret that somebody chose must be as hard to guess as ours are, as far as its length tells.
fn check_given(secret: &Secret) -> Result<()> {
    let digits = secret.expose().strip_prefix(SECRET_PREFIX).unwrap_or_default();
    let is_ours = digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_ours && digits.len() >= GIVEN_DIGITS_MIN && secret.expose().len() <= limits::TOKEN_BYTES_MAX {
        return Ok(());
    }
    let description = format!("must be {SECRET_PREFIX} and at least {GIVEN_DIGITS_MIN} characters of base64url");
    Err(Error::invalid("admin token", description))
}

fn revoked() -> Error {
    Error::new(
        Kind::Precondition,
        "PRECONDITION",
        "the admin token was revoked: give another, or none to have one made",
    )
}
