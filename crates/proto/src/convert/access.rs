//! Access: proto/reverie/memory/v1/access.proto.

use domain::access::{Access, AttachSession, Attachment, Grant, Grants, NewToken, Principal, Role, Scope, Token};
use domain::id::{DreamId, SessionId, TokenId};
use domain::limits::{ATTACHMENTS_MAX, GRANTS_MAX, TEXT_BYTES_MAX};
use domain::path::Prefix;
use domain::store::StoreRef;
use domain::{Error, Result};

use crate::convert::store_ref::to_store_ref;
use crate::convert::version::required_time;
use crate::convert::violations::Violations;
use crate::convert::{text, time};
use crate::memory as pb;

#[cfg(test)]
mod tests;

impl From<Role> for pb::Role {
    fn from(role: Role) -> pb::Role {
        match role {
            Role::Reader => pb::Role::Reader,
            Role::Writer => pb::Role::Writer,
            Role::Curator => pb::Role::Curator,
            Role::Admin => pb::Role::Admin,
        }
    }
}

pub fn to_role(field: &str, role: i32) -> Result<Role> {
    match pb::Role::try_from(role) {
        Ok(pb::Role::Reader) => Ok(Role::Reader),
        Ok(pb::Role::Writer) => Ok(Role::Writer),
        Ok(pb::Role::Curator) => Ok(Role::Curator),
        Ok(pb::Role::Admin) => Ok(Role::Admin),
        Ok(pb::Role::Unspecified) => Err(Error::invalid(field, "must be READER, WRITER, CURATOR or ADMIN")),
        Err(_) => Err(Error::invalid(field, format!("{role} is not a role"))),
    }
}

impl From<Access> for pb::Access {
    fn from(access: Access) -> pb::Access {
        match access {
            Access::ReadOnly => pb::Access::ReadOnly,
            Access::ReadWrite => pb::Access::ReadWrite,
        }
    }
}

pub fn to_access(field: &str, access: i32) -> Result<Access> {
    match pb::Access::try_from(access) {
        Ok(pb::Access::ReadOnly) => Ok(Access::ReadOnly),
        Ok(pb::Access::ReadWrite) => Ok(Access::ReadWrite),
        Ok(pb::Access::Unspecified) => Err(Error::invalid(field, "must be READ_ONLY or READ_WRITE")),
        Err(_) => Err(Error::invalid(field, format!("{access} is not an access"))),
    }
}

impl From<Grant> for pb::Grant {
    fn from(grant: Grant) -> pb::Grant {
        pb::Grant {
            store: grant.store.to_string(),
            access: pb::Access::from(grant.access) as i32,
            path_prefix: grant.prefix.as_str().to_owned(),
        }
    }
}

impl From<Scope> for pb::Scope {
    fn from(scope: Scope) -> pb::Scope {
        let (all_stores, grants) = match scope.grants {
            Grants::All => (true, Vec::new()),
            Grants::Only(grants) => (false, grants),
        };
        pb::Scope {
            role: pb::Role::from(scope.role) as i32,
            grants: grants.into_iter().map(Into::into).collect(),
            all_stores,
        }
    }
}

/// A scope as asked for: stores by id or handle, at most limits::GRANTS_MAX grants.
pub fn to_new_scope(field: &str, scope: Option<pb::Scope>) -> Result<Scope<StoreRef>> {
    let scope = scope.ok_or_else(|| Error::invalid(field, "must be set"))?;
    if scope.grants.len() > GRANTS_MAX {
        let count = scope.grants.len();
        return Err(Error::invalid(
            format!("{field}.grants"),
            format!("has {count} grants, at most {GRANTS_MAX} are allowed"),
        ));
    }
    to_scope_with(field, scope, to_store_ref)
}

/// A scope as answered: stores by id.
pub fn to_scope(field: &str, scope: Option<pb::Scope>) -> Result<Scope> {
    let scope = scope.ok_or_else(|| Error::invalid(field, "must be set"))?;
    to_scope_with(field, scope, |field, store| store.parse().map_err(|e: Error| e.within(field)))
}

fn to_scope_with<S>(field: &str, scope: pb::Scope, store: impl Fn(&str, &str) -> Result<S>) -> Result<Scope<S>> {
    let mut violations = Violations::default();
    let role = violations.take(to_role(&format!("{field}.role"), scope.role));
    if scope.all_stores && !scope.grants.is_empty() {
        violations.add(format!("{field}.grants"), "must be empty where all_stores is true");
    }
    let mut grants = Vec::with_capacity(scope.grants.len());
    for (i, grant) in scope.grants.into_iter().enumerate() {
        let field = format!("{field}.grants[{i}]");
        let name = violations.take(store(&format!("{field}.store"), &grant.store));
        let access = violations.take(to_access(&format!("{field}.access"), grant.access));
        let prefix = violations.take(to_prefix(&format!("{field}.path_prefix"), &grant.path_prefix));
        if let (Some(store), Some(access), Some(prefix)) = (name, access, prefix) {
            grants.push(Grant { store, access, prefix });
        }
    }
    let grants = if scope.all_stores { Grants::All } else { Grants::Only(grants) };
    violations.finish(role.map(|role| Scope { role, grants }))
}

fn to_prefix(field: &str, prefix: &str) -> Result<Prefix> {
    prefix.parse().map_err(|e: Error| e.within(field))
}

impl From<Token> for pb::Token {
    fn from(token: Token) -> pb::Token {
        pb::Token {
            id: token.id.to_string(),
            subject: token.subject,
            scope: Some(token.scope.into()),
            session: token.session.map(|s| s.to_string()).unwrap_or_default(),
            agent: token.agent,
            dream: token.dream,
            create_time: Some(time::from_time(token.create_time)),
            expire_time: Some(time::from_time(token.expire_time)),
            revoke_time: token.revoke_time.map(time::from_time),
        }
    }
}

/// What a client reads from an answer.
pub fn to_token(field: &str, token: Option<pb::Token>) -> Result<Token> {
    let token = token.ok_or_else(|| Error::invalid(field, "must be set"))?;
    let name = |part: &str| format!("{field}.{part}");
    Ok(Token {
        id: to_token_id(&name("id"), &token.id)?,
        subject: token.subject,
        scope: to_scope(&name("scope"), token.scope)?,
        session: to_optional_session(&name("session"), &token.session)?,
        agent: token.agent,
        dream: token.dream,
        create_time: required_time(&name("create_time"), token.create_time)?,
        expire_time: required_time(&name("expire_time"), token.expire_time)?,
        revoke_time: time::to_optional_time(&name("revoke_time"), token.revoke_time)?,
    })
}

pub fn to_token_id(field: &str, id: &str) -> Result<TokenId> {
    id.parse().map_err(|e: Error| e.within(field))
}

pub fn to_session(field: &str, id: &str) -> Result<SessionId> {
    id.parse().map_err(|e: Error| e.within(field))
}

/// None where empty.
pub fn to_optional_session(field: &str, id: &str) -> Result<Option<SessionId>> {
    if id.is_empty() { Ok(None) } else { to_session(field, id).map(Some) }
}

pub fn to_new_token(request: pb::CreateTokenRequest) -> Result<NewToken> {
    let mut violations = Violations::default();
    let subject = violations.take(text::to_name("subject", request.subject));
    let scope = violations.take(to_new_scope("scope", request.scope));
    let ttl = violations.take(to_ttl("ttl", request.ttl));
    let agent = violations.take(text::to_name("agent", request.agent));
    let dream = violations.take(to_dream("dream", request.dream));
    let request_id = violations.take(text::to_request_id("request_id", request.request_id));
    let token = (|| {
        Some(NewToken {
            subject: subject?,
            scope: scope?,
            ttl: ttl?,
            agent: agent?,
            dream: dream?,
            request_id: request_id?,
        })
    })();
    violations.finish(token)
}

fn to_ttl(field: &str, ttl: Option<prost_types::Duration>) -> Result<Option<std::time::Duration>> {
    let ttl = ttl.map(|d| time::to_duration(field, d)).transpose()?;
    if ttl.is_some_and(|d| d.is_zero()) {
        return Err(Error::invalid(field, "must be longer than nothing; leave it unset for 24 hours"));
    }
    Ok(ttl)
}

fn to_dream(field: &str, dream: String) -> Result<String> {
    if !dream.is_empty() {
        dream.parse::<DreamId>().map_err(|e| e.within(field))?;
    }
    Ok(dream)
}

pub fn to_attach_session(request: pb::AttachSessionRequest) -> Result<AttachSession> {
    let mut violations = Violations::default();
    let session = violations.take(to_session("session", &request.session));
    let agent = violations.take(text::to_name("agent", request.agent));
    let ttl = violations.take(to_ttl("ttl", request.ttl));
    let request_id = violations.take(text::to_request_id("request_id", request.request_id));
    let count = request.attachments.len();
    if count > ATTACHMENTS_MAX {
        violations.add("attachments", format!("has {count} attachments, at most {ATTACHMENTS_MAX} are allowed"));
    }
    let mut attachments = Vec::new();
    for (i, attachment) in request.attachments.into_iter().take(ATTACHMENTS_MAX).enumerate() {
        attachments.extend(violations.take(to_attachment(&format!("attachments[{i}]"), attachment)));
    }
    let new_token = request.new_token;
    let attach = (|| {
        Some(AttachSession {
            session: session?,
            agent: agent?,
            attachments,
            ttl: ttl?,
            new_token,
            request_id: request_id?,
        })
    })();
    violations.finish(attach)
}

fn to_attachment(field: &str, attachment: pb::Attachment) -> Result<Attachment<StoreRef>> {
    let name = |part: &str| format!("{field}.{part}");
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref(&name("store"), &attachment.store));
    let access = violations.take(to_access(&name("access"), attachment.access));
    let prefix = violations.take(to_prefix(&name("path_prefix"), &attachment.path_prefix));
    let instructions = violations.take(text::to_text(&name("instructions"), attachment.instructions, TEXT_BYTES_MAX));
    let mount_path = violations.take(text::to_name(&name("mount_path"), attachment.mount_path));
    let attachment = (|| {
        Some(Attachment {
            store: store?,
            access: access?,
            prefix: prefix?,
            instructions: instructions?,
            mount_path: mount_path?,
        })
    })();
    violations.finish(attachment)
}

/// `handle` is the store's as of now; empty where the store is gone.
pub fn from_attachment(attachment: Attachment, handle: &str) -> pb::Attachment {
    pb::Attachment {
        store: attachment.store.to_string(),
        access: pb::Access::from(attachment.access) as i32,
        path_prefix: attachment.prefix.as_str().to_owned(),
        instructions: attachment.instructions,
        mount_path: attachment.mount_path,
        store_handle: handle.to_owned(),
    }
}

/// What a client reads from an answer.
pub fn to_attachment_answer(field: &str, attachment: pb::Attachment) -> Result<Attachment> {
    let Attachment { store, access, prefix, instructions, mount_path } = to_attachment(field, attachment)?;
    match store {
        StoreRef::Id(store) => Ok(Attachment { store, access, prefix, instructions, mount_path }),
        StoreRef::Handle(_) => Err(Error::invalid(format!("{field}.store"), "must be a store's id")),
    }
}

/// Who a credential stands for, with the grants in force.
pub fn to_principal(answer: pb::WhoAmIResponse) -> Result<Principal> {
    let token = to_token("token", answer.token)?;
    Ok(Principal {
        workspace: answer.workspace.parse().map_err(|e: Error| e.within("workspace"))?,
        token: token.id,
        subject: token.subject,
        scope: to_scope("effective_scope", answer.effective_scope)?,
        session: token.session,
        agent: token.agent,
        dream: token.dream,
        expire_time: token.expire_time,
    })
}
