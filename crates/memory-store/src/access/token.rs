//! Making, listing and ending tokens.

use std::sync::Arc;
use std::time::Duration;

use domain::access::{Action, Grant, Grants, NewToken, Principal, Scope, Secret, Token};
use domain::id::{StoreId, TokenId};
use domain::page::{Page, Paged};
use domain::store::StoreRef;
use domain::{Error, Handle, Kind, Result, Timestamp, limits};

use crate::access::record::TokenRow;
use crate::access::{Access, Held, Pen, ResolveStore, after, attach, is_live, shown, unauthenticated};

/// A token with its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct Issued {
    pub token: Token,
    pub secret: Secret,
}

impl Access {
    /// Makes a token that may do at most what the caller may. A request that was made before gets the
    /// same token with a new secret.
    ///
    /// # Errors
    /// Denied where it would allow more than the caller's own, outlive it, or carry another's name.
    pub async fn create_token(
        &self,
        principal: &Principal,
        new: NewToken,
        stores: &dyn ResolveStore,
    ) -> Result<Issued> {
        principal.permit(Action::TokenCreate)?;
        let replay = self.replay(principal, "CreateToken", &new.request_id, &new)?;
        if !new.subject.is_empty() && new.subject != principal.subject {
            principal.permit(Action::TokenAdminister)?;
        }
        if !principal.dream.is_empty() && !new.dream.is_empty() && new.dream != principal.dream {
            return Err(Error::denied(format!("a token of the dream {} cannot be made another's", principal.dream)));
        }
        let scope = resolved(principal, new.scope, stores).await?;
        if !principal.scope.covers(&scope) {
            return Err(Error::denied(format!(
                "the scope goes beyond your own: ask for at most the role {} and the grants that WhoAmI lists",
                principal.scope.role
            )));
        }
        let now = self.0.clock.now();
        let pen = self.0.ledger.pen().await;
        if let Some(replay) = &replay
            && let Some(outcome) = replay.outcome(&pen, now).await?
        {
            let token = outcome.token.ok_or_else(|| Error::internal("a request for a token made none"))?;
            return self.reissue(&pen, principal, token, now).await;
        }

        let or = |given: String, own: &str| if given.is_empty() { own.to_owned() } else { given };
        let id = TokenId::from_bytes(self.0.ids.fresh());
        let secret = self.fresh_secret();
        let row = TokenRow {
            subject: or(new.subject, &principal.subject),
            scope,
            session: principal.session,
            attached: false,
            agent: or(new.agent, &principal.agent),
            dream: or(new.dream, &principal.dream),
            create_time: now.into(),
            expire_time: expiry(now, new.ttl, principal.expire_time)?.into(),
            revoke_time: None,
            parent: Some(principal.token),
            depth: depth_below(&pen, principal).await?,
            secret: self.hash(&secret),
        };
        let mut changes = pen.changes();
        changes.add_token(principal.workspace, id, &row)?;
        if let Some(replay) = &replay {
            replay.keep(&mut changes, now, Some(id))?;
        }
        let made = format!("made {id} for {} with the role {}", row.subject, row.scope.role);
        self.record(&mut changes, principal, Action::TokenCreate, made)?;
        changes.commit().await?;
        drop(pen);
        tracing::info!(workspace = %principal.workspace, by = principal.subject, token = %id, "made a token");
        Ok(Issued { token: self.shown(principal.workspace, id, &row).await?, secret })
    }

    /// Gives a token that was made before a new secret.
    pub(super) async fn reissue(
        &self,
        pen: &Pen<'_>,
        principal: &Principal,
        id: TokenId,
        now: Timestamp,
    ) -> Result<Issued> {
        let workspace = principal.workspace;
        let held = pen.token(workspace, id).await?.filter(|held| is_live(&held.row, now)).ok_or_else(|| {
            Error::new(Kind::Precondition, "TOKEN_ENDED", "the token of this request has ended; use a fresh request_id")
        })?;
        let secret = self.fresh_secret();
        let row = TokenRow { secret: self.hash(&secret), ..held.row.clone() };
        let mut changes = pen.changes();
        changes.change_token(workspace, id, &held, &row)?;
        changes.commit().await?;
        let attachments = match row.session.filter(|_| row.attached) {
            Some(session) => pen.attachments(workspace, session).await?,
            None => None,
        };
        Ok(Issued { token: shown(id, &row, attach::granted(attachments.as_deref(), &row)), secret })
    }

    /// The workspace's tokens, oldest first: all for an admin, else the caller's own and those made
    /// with it.
    pub async fn list_tokens(&self, principal: &Principal, page: Page, include_ended: bool) -> Result<Paged<Token>> {
        principal.permit(Action::TokenCreate)?;
        let size = page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let mut after = match page.token.as_str() {
            "" => None,
            token => Some(token.parse::<TokenId>().map_err(|_| {
                Error::invalid("page_token", "must be what the page before gave, for the same request")
            })?),
        };
        let now = self.0.clock.now();
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while looked_at < limits::TOKEN_PAGE_SCAN_MAX {
            let rows = self.0.ledger.page(principal.workspace, after, limits::PAGE_SIZE_MAX).await?;
            let is_last = rows.len() < limits::PAGE_SIZE_MAX;
            looked_at += rows.len();
            for (id, row) in rows {
                if items.len() == size {
                    return Ok(Paged { items, next_page_token: after.map(|t| t.to_string()).unwrap_or_default() });
                }
                after = Some(id);
                if (include_ended || self.lives(principal, id, now).await?) && self.sees(principal, id).await? {
                    items.push(self.shown(principal.workspace, id, &row).await?);
                }
            }
            if is_last {
                return Ok(Paged { items, next_page_token: String::new() });
            }
        }
        Ok(Paged { items, next_page_token: after.map(|t| t.to_string()).unwrap_or_default() })
    }

    /// Ends a token, and with it all that were made with it. One that has been revoked stays so.
    pub async fn revoke_token(&self, principal: &Principal, id: TokenId) -> Result<Token> {
        principal.permit(Action::TokenCreate)?;
        if !self.sees(principal, id).await? {
            return Err(Error::not_found(format_args!("token {id}")));
        }
        let workspace = principal.workspace;
        let pen = self.0.ledger.pen().await;
        let held = pen.token(workspace, id).await?;
        let held = held.ok_or_else(|| Error::not_found(format_args!("token {id}")))?;
        let mut row = held.row.clone();
        if row.revoke_time.is_none() {
            row.revoke_time = Some(self.0.clock.now().into());
            let mut changes = pen.changes();
            changes.change_token(workspace, id, &held, &row)?;
            self.record(&mut changes, principal, Action::TokenCreate, format!("revoked {id}"))?;
            changes.commit().await?;
            tracing::info!(%workspace, by = principal.subject, token = %id, "revoked a token");
        }
        drop(pen);
        self.shown(workspace, id, &row).await
    }

    /// The caller's own token. Its principal holds the grants in force.
    pub async fn who_am_i(&self, principal: &Principal) -> Result<Token> {
        let held = self.0.ledger.token(principal.workspace, principal.token).await?;
        let held = held.ok_or_else(unauthenticated)?;
        self.shown(principal.workspace, principal.token, &held.row).await
    }

    async fn sees(&self, principal: &Principal, id: TokenId) -> Result<bool> {
        if principal.permit(Action::TokenAdminister).is_ok() {
            return Ok(true);
        }
        let chain = self.known_chain(principal, id).await?;
        Ok(chain.iter().any(|(above, _)| *above == principal.token))
    }

    async fn lives(&self, principal: &Principal, id: TokenId, now: Timestamp) -> Result<bool> {
        let chain = self.known_chain(principal, id).await?;
        Ok(!chain.is_empty() && chain.iter().all(|(_, held)| is_live(&held.row, now)))
    }

    /// Empty for a token that is not there.
    async fn known_chain(&self, principal: &Principal, id: TokenId) -> Result<Vec<(TokenId, Arc<Held>)>> {
        match self.chain(principal.workspace, id).await {
            Err(e) if e.kind() == Kind::Unauthenticated => Ok(Vec::new()),
            chain => chain,
        }
    }
}

/// The scope with its stores looked up. One that the caller may not see is absent.
async fn resolved(principal: &Principal, scope: Scope<StoreRef>, stores: &dyn ResolveStore) -> Result<Scope> {
    let Grants::Only(wanted) = scope.grants else {
        return Ok(Scope { role: scope.role, grants: Grants::All });
    };
    let mut grants = Vec::with_capacity(wanted.len());
    for grant in wanted {
        let (store, _) = resolve_visible(principal, &grant.store, stores).await?;
        grants.push(Grant { store, access: grant.access, prefix: grant.prefix });
    }
    Ok(Scope { role: scope.role, grants: Grants::Only(grants) })
}

/// Absent and invisible are the same, down to the words.
pub(super) async fn resolve_visible(
    principal: &Principal,
    store: &StoreRef,
    stores: &dyn ResolveStore,
) -> Result<(StoreId, Handle)> {
    match stores.resolve_store(principal.workspace, store).await {
        Ok((id, handle)) if principal.sees_store(id) => Ok((id, handle)),
        Err(e) if e.kind() != Kind::NotFound => Err(e),
        Ok(_) | Err(_) => Err(Error::not_found(format_args!("store {store}"))),
    }
}

/// When a token made now ends.
///
/// # Errors
/// Invalid for a time beyond limits::TOKEN_TTL_MAX_S, Denied for one beyond the maker's own. Without
/// a time it ends with the maker's at the latest.
pub(super) fn expiry(now: Timestamp, ttl: Option<Duration>, makers: Timestamp) -> Result<Timestamp> {
    let Some(ttl) = ttl else {
        return Ok(after(now, limits::TOKEN_TTL_DEFAULT_S).min(makers));
    };
    if ttl > Duration::from_secs(limits::TOKEN_TTL_MAX_S.unsigned_abs()) {
        return Err(Error::invalid("ttl", format!("must be at most {} days", limits::TOKEN_TTL_MAX_S / 86_400)));
    }
    let end = now.checked_add(ttl).unwrap_or(Timestamp::MAX);
    if end > makers {
        return Err(Error::denied(format!(
            "ttl: the token would outlive your own, which ends at {makers}; leave ttl unset for one that ends with it"
        )));
    }
    Ok(end)
}

/// # Errors
/// Precondition where tokens would be made with tokens beyond limits::TOKEN_DEPTH_MAX.
pub(super) async fn depth_below(pen: &Pen<'_>, principal: &Principal) -> Result<u8> {
    let held = pen.token(principal.workspace, principal.token).await?.ok_or_else(unauthenticated)?;
    let depth = held.row.depth + 1;
    if usize::from(depth) > limits::TOKEN_DEPTH_MAX {
        let message = format!("a token can be at most {} tokens away from the first", limits::TOKEN_DEPTH_MAX);
        return Err(Error::new(Kind::Precondition, "LIMIT_REACHED", message));
    }
    Ok(depth)
}
