//! Attachments: which stores a session reaches. They are looked up at each check, so that attaching
//! and detaching works under a live token.

use domain::access::{
    Access as Reach, Action, AttachSession, Attachment, Grant, Grants, Principal, Role, Scope, Secret, Token,
};
use domain::id::{SessionId, TokenId, WorkspaceId};
use domain::store::StoreRef;
use domain::{Error, Handle, Kind, Result, Timestamp};

use crate::access::record::{AttachmentsRow, TokenRow};
use crate::access::token::{Issued, depth_below, expiry, resolve_visible};
use crate::access::{Access, Pen, ResolveStore, is_live, prompt, shown};

/// A session's attachments, with what its agent is to be told.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Each with the store's handle as of now. `mount_path` is never empty.
    pub attachments: Vec<(Attachment, Handle)>,
    pub prompt_note: String,
    /// The session's newest token, where it has one.
    pub token: Option<Token>,
    /// Where a token was made: shown this once.
    pub secret: Option<Secret>,
}

impl Access {
    /// Replaces a session's attachments, for the tokens that it has too, and issues a token where it
    /// has none that lives or a new one is asked for.
    ///
    /// # Errors
    /// NotFound for a store that the caller may not see, Denied for access beyond the caller's own.
    pub async fn attach_session(
        &self,
        principal: &Principal,
        request: AttachSession,
        stores: &dyn ResolveStore,
    ) -> Result<Attached> {
        let session = request.session;
        principal.permit_session(Action::SessionAttach, session)?;
        let replay = self.replay(principal, "AttachSession", &request.request_id, &request)?;
        let mut attachments = Vec::with_capacity(request.attachments.len());
        for (i, attachment) in request.attachments.into_iter().enumerate() {
            let (attachment, handle) = checked(principal, attachment, stores).await?;
            if attachments.iter().any(|(a, _): &(Attachment, _)| same_place(a, &attachment)) {
                return Err(Error::invalid(format!("attachments[{i}].store"), "is attached twice at the same prefix"));
            }
            attachments.push((attachment, handle));
        }

        let workspace = principal.workspace;
        let now = self.0.clock.now();
        let pen = self.0.ledger.pen().await;
        if let Some(replay) = &replay
            && let Some(outcome) = replay.outcome(&pen, now).await?
        {
            let issued = match outcome.token {
                Some(token) => Some(self.reissue(&pen, principal, token, now).await?),
                None => None,
            };
            let row = pen.attachments(workspace, session).await?;
            drop(pen);
            let current = row.map(|row| row.attachments.clone()).unwrap_or_default();
            return Ok(answer(self.visible(principal, current, stores).await?, issued));
        }

        let mut changes = pen.changes();
        let row = AttachmentsRow {
            attachments: attachments.iter().map(|(a, _)| a.clone()).collect(),
            by: principal.token,
            time: now.into(),
        };
        changes.put_attachments(workspace, session, &row)?;
        let live = self.live_token(&pen, workspace, session, now).await?;
        let mut secret = None;
        let (id, token) = match live.filter(|_| !request.new_token) {
            Some(live) => live,
            None => {
                let fresh = self.fresh_secret();
                let token = TokenRow {
                    subject: principal.subject.clone(),
                    scope: Scope { role: Role::Writer.min(principal.scope.role), grants: Grants::Only(Vec::new()) },
                    session: Some(session),
                    attached: true,
                    agent: if request.agent.is_empty() { principal.agent.clone() } else { request.agent },
                    dream: principal.dream.clone(),
                    create_time: now.into(),
                    expire_time: expiry(now, request.ttl, principal.expire_time)?.into(),
                    revoke_time: None,
                    parent: Some(principal.token),
                    depth: depth_below(&pen, principal).await?,
                    secret: self.hash(&fresh),
                };
                let id = TokenId::from_bytes(self.0.ids.fresh());
                changes.add_token(workspace, id, &token)?;
                secret = Some(fresh);
                (id, token)
            }
        };
        if let Some(replay) = &replay {
            replay.keep(&mut changes, now, secret.as_ref().map(|_| id))?;
        }
        let attached = format!("attached {session} to {} stores", row.attachments.len());
        self.record(&mut changes, principal, Action::SessionAttach, attached)?;
        changes.commit().await?;
        drop(pen);
        tracing::info!(%workspace, by = principal.subject, %session, stores = row.attachments.len(), "attached a session");
        let token = shown(id, &token, granted(Some(&row), &token));
        Ok(Attached { token: Some(token), secret, ..answer(attachments, None) })
    }

    /// A session's attachments, of those stores that the caller may see: the caller's own session
    /// where none is named.
    pub async fn attachments(
        &self,
        principal: &Principal,
        session: Option<SessionId>,
        stores: &dyn ResolveStore,
    ) -> Result<Attached> {
        let session = session
            .or(principal.session)
            .ok_or_else(|| Error::invalid("session", "must be set: the credential is not a session's"))?;
        principal.permit_session(Action::SessionRead, session)?;
        let row = self.0.ledger.attachments(principal.workspace, session).await?;
        let current = row.map(|row| row.attachments.clone()).unwrap_or_default();
        Ok(answer(self.visible(principal, current, stores).await?, None))
    }

    async fn visible(
        &self,
        principal: &Principal,
        attachments: Vec<Attachment>,
        stores: &dyn ResolveStore,
    ) -> Result<Vec<(Attachment, Handle)>> {
        let mut visible = Vec::with_capacity(attachments.len());
        for attachment in attachments {
            match resolve_visible(principal, &StoreRef::Id(attachment.store), stores).await {
                Ok((_, handle)) => visible.push((attachment, handle)),
                Err(e) if e.kind() == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(visible)
    }

    /// The newest token of a session that still lives.
    async fn live_token(
        &self,
        pen: &Pen<'_>,
        workspace: WorkspaceId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<(TokenId, TokenRow)>> {
        for id in self.0.ledger.session_tokens(workspace, session).await? {
            let mut next = Some(id);
            let mut found = None;
            while let Some(above) = next {
                let held = pen.token(workspace, above).await?.filter(|held| is_live(&held.row, now));
                let Some(held) = held else {
                    found = None;
                    break;
                };
                next = held.row.parent;
                found.get_or_insert_with(|| held.row.clone());
            }
            if let Some(row) = found {
                return Ok(Some((id, row)));
            }
        }
        Ok(None)
    }
}

/// What a token was given: its scope, or its session's attachments.
pub(super) fn granted(attachments: Option<&AttachmentsRow>, token: &TokenRow) -> Scope {
    if !token.attached {
        return token.scope.clone();
    }
    let attachments = attachments.map(|row| row.attachments.as_slice()).unwrap_or_default();
    let grant = |a: &Attachment| Grant { store: a.store, access: a.access, prefix: a.prefix.clone() };
    Scope { role: token.scope.role, grants: Grants::Only(attachments.iter().map(grant).collect()) }
}

/// An attachment whose store the caller may see, and which is within the caller's own access.
async fn checked(
    principal: &Principal,
    attachment: Attachment<StoreRef>,
    stores: &dyn ResolveStore,
) -> Result<(Attachment, Handle)> {
    let Attachment { store, access, prefix, instructions, mount_path } = attachment;
    let (store, handle) = resolve_visible(principal, &store, stores).await?;
    let (action, word) = match access {
        Reach::ReadOnly => (Action::StoreRead, "read"),
        Reach::ReadWrite => (Action::StoreWrite, "write"),
    };
    let permit = principal.permit_store(action, store)?;
    let reaches = match access {
        Reach::ReadOnly => permit.may_read(prefix.as_str()),
        Reach::ReadWrite => permit.may_write(prefix.as_str()),
    };
    if !reaches {
        return Err(Error::denied(format!("you may not {word} all below {prefix} of {handle} yourself")));
    }
    Ok((Attachment { store, access, prefix, instructions, mount_path }, handle))
}

fn same_place(a: &Attachment, b: &Attachment) -> bool {
    a.store == b.store && a.prefix == b.prefix
}

fn answer(attachments: Vec<(Attachment, Handle)>, issued: Option<Issued>) -> Attached {
    let prompt_note = prompt::note(&attachments);
    let named = attachments.into_iter().map(|(mut attachment, handle)| {
        if attachment.mount_path.is_empty() {
            attachment.mount_path = handle.to_string();
        }
        (attachment, handle)
    });
    let attachments = named.collect();
    let (token, secret) = issued.map(|i| (i.token, i.secret)).unzip();
    Attached { attachments, prompt_note, token, secret }
}
