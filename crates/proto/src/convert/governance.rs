//! Redaction, verification and the audit trail: proto/reverie/memory/v1/governance.proto.

use domain::actor::ActorFilter;
use domain::governance::{
    AuditEvent, AuditFilter, Problem, Redact, RedactedVersion, Redaction, RedactionCounts, Selector, Verification,
};
use domain::id::RedactionId;
use domain::limits::{NAME_BYTES_MAX, PATTERN_BYTES_MAX, REDACTION_VERSIONS_MAX, TEXT_BYTES_MAX};
use domain::page::Page;
use domain::path::Prefix;
use domain::store::StoreRef;
use domain::{Error, Result};

use crate::convert::history::{to_actor_filter, to_time_range};
use crate::convert::store_ref::to_store_ref;
use crate::convert::time::from_time;
use crate::convert::violations::Violations;
use crate::convert::{hex, page, text};
use crate::memory as pb;

pub fn to_redact(request: pb::RedactRequest) -> Result<(StoreRef, Redact)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let selector = violations.take(to_selector(request.selector));
    if request.reason.trim().is_empty() {
        violations.add("reason", "say why: the receipt keeps it, and never what was redacted");
    }
    let reason = violations.take(text::one_line("reason", request.reason, TEXT_BYTES_MAX));
    let request_id = violations.take(text::to_request_id("request_id", request.request_id));
    let redact = (|| {
        let redact = Redact { selector: selector?, reason: reason?, dry_run: request.dry_run, request_id: request_id? };
        Some((store?, redact))
    })();
    violations.finish(redact)
}

fn to_selector(selector: Option<pb::RedactionSelector>) -> Result<Selector> {
    use pb::redaction_selector::Selector as Wire;
    let none =
        || Error::invalid("selector", "set one of version_ids, path, regex, session, actor, derived_from_session");
    let name = |field: &str, name: String| {
        let field = format!("selector.{field}");
        if name.is_empty() {
            return Err(Error::invalid(field, "must be a session's id"));
        }
        text::one_line(&field, name, NAME_BYTES_MAX)
    };
    Ok(match selector.and_then(|s| s.selector).ok_or_else(none)? {
        Wire::VersionIds(versions) => Selector::Versions(to_version_ids(&versions.ids)?),
        Wire::Path(path) => {
            let path: Prefix = path.parse().map_err(|e: Error| e.within("selector.path"))?;
            if path.is_all() {
                return Err(Error::invalid("selector.path", "must not be the whole store: delete the store instead"));
            }
            Selector::Path(path)
        }
        Wire::Regex(regex) => {
            if regex.is_empty() || regex.len() > PATTERN_BYTES_MAX {
                return Err(Error::invalid("selector.regex", format!("must have 1 to {PATTERN_BYTES_MAX} bytes")));
            }
            Selector::Regex(regex)
        }
        Wire::Session(session) => Selector::Session(name("session", session)?),
        Wire::Actor(actor) => {
            let actor: ActorFilter = to_actor_filter("selector.actor", Some(actor))?;
            if actor.is_any() {
                return Err(Error::invalid("selector.actor", "set at least one field"));
            }
            Selector::Actor(actor)
        }
        Wire::DerivedFromSession(session) => Selector::DerivedFromSession(name("derived_from_session", session)?),
    })
}

fn to_version_ids(ids: &[String]) -> Result<Vec<domain::id::VersionId>> {
    let field = "selector.version_ids.ids";
    if ids.is_empty() || ids.len() > REDACTION_VERSIONS_MAX {
        return Err(Error::invalid(field, format!("name 1 to {REDACTION_VERSIONS_MAX} versions")));
    }
    let mut violations = Violations::default();
    let ids = ids.iter().enumerate();
    let ids: Vec<_> = ids
        .filter_map(|(i, id)| violations.take(id.parse().map_err(|e: Error| e.within(&format!("{field}[{i}]")))))
        .collect();
    violations.finish(Some(ids))
}

impl From<Redaction> for pb::Redaction {
    fn from(r: Redaction) -> pb::Redaction {
        use pb::redaction::State;
        let state = match (r.id, r.finish_time) {
            (None, _) => State::Unspecified,
            (Some(_), None) => State::Running,
            (Some(_), Some(_)) => State::Succeeded,
        };
        pb::Redaction {
            id: r.id.map(|id| id.to_string()).unwrap_or_default(),
            state: state as i32,
            store: r.store.to_string(),
            reason: r.reason,
            actor: Some(r.actor.into()),
            create_time: Some(from_time(r.create_time)),
            finish_time: r.finish_time.map(from_time),
            counts: Some(r.counts.into()),
            versions: r.versions.into_iter().map(Into::into).collect(),
            commits: r.commits.into_iter().map(Into::into).collect(),
            key_epoch: r.key_epoch,
        }
    }
}

impl From<RedactionCounts> for pb::RedactionCounts {
    fn from(c: RedactionCounts) -> pb::RedactionCounts {
        pb::RedactionCounts {
            stores: c.stores,
            memories: c.memories,
            versions: c.versions,
            contents: c.contents,
            content_bytes: c.content_bytes,
        }
    }
}

impl From<RedactedVersion> for pb::RedactedVersion {
    fn from(v: RedactedVersion) -> pb::RedactedVersion {
        pb::RedactedVersion {
            store: v.store.to_string(),
            version_id: v.version.to_string(),
            memory_id: v.memory.to_string(),
            revision: v.revision,
        }
    }
}

pub fn to_redaction_id(field: &str, id: &str) -> Result<RedactionId> {
    id.parse().map_err(|e: Error| e.within(field))
}

pub fn to_list_redactions(request: pb::ListRedactionsRequest) -> Result<(StoreRef, Page)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let page = violations.take(page::to_page(request.page_size, request.page_token));
    violations.finish(store.zip(page))
}

impl From<Verification> for pb::VerifyHistoryResponse {
    fn from(v: Verification) -> pb::VerifyHistoryResponse {
        pb::VerifyHistoryResponse {
            commits: v.commits,
            head_revision: v.head,
            chain_hash: hex::encode(&v.chain_hash),
            opened: v.opened,
            redacted: v.redacted,
            problems: v.problems.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Problem> for pb::HistoryProblem {
    fn from(p: Problem) -> pb::HistoryProblem {
        pb::HistoryProblem { store: p.store.to_string(), revision: p.revision, description: p.description }
    }
}

/// Which events, of which page; the store is looked up by the caller.
pub fn to_list_audit_events(request: pb::ListAuditEventsRequest) -> Result<(Option<StoreRef>, AuditFilter, Page)> {
    let mut violations = Violations::default();
    let store = match request.store.as_str() {
        "" => Some(None),
        store => violations.take(to_store_ref("store", store)).map(Some),
    };
    let principal = violations.take(text::to_name("principal", request.principal));
    let action = violations.take(text::to_name("action", request.action));
    let time = violations.take(to_time_range(request.start_time, request.end_time));
    let page = violations.take(page::to_page(request.page_size, request.page_token));
    let refused_only = request.refused_only;
    let listed = (|| {
        let filter = AuditFilter { store: None, principal: principal?, action: action?, refused_only, time: time? };
        Some((store?, filter, page?))
    })();
    violations.finish(listed)
}

impl From<AuditEvent> for pb::AuditEvent {
    fn from(e: AuditEvent) -> pb::AuditEvent {
        pb::AuditEvent {
            id: e.id.to_string(),
            create_time: Some(from_time(e.time)),
            actor: Some(e.actor.into()),
            action: e.action,
            store: e.store.map(|s| s.to_string()).unwrap_or_default(),
            allowed: e.allowed,
            description: e.description,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::redaction_selector::Selector as Wire;

    fn request(selector: Wire) -> pb::RedactRequest {
        pb::RedactRequest {
            store: "team".into(),
            selector: Some(pb::RedactionSelector { selector: Some(selector) }),
            reason: "a key was pasted".into(),
            ..Default::default()
        }
    }

    fn fields(request: pb::RedactRequest) -> Vec<String> {
        let error = to_redact(request).unwrap_err();
        error.details().violations.iter().map(|v| v.field.clone()).collect()
    }

    #[test]
    fn a_selector_that_would_take_all_or_nothing_is_refused_by_its_field() {
        assert_eq!(fields(request(Wire::Path("/".into()))), ["selector.path"]);
        assert_eq!(fields(request(Wire::Regex(String::new()))), ["selector.regex"]);
        assert_eq!(fields(request(Wire::Session(String::new()))), ["selector.session"]);
        assert_eq!(fields(request(Wire::Actor(pb::ActorFilter::default()))), ["selector.actor"]);
        let ids = pb::redaction_selector::VersionIds { ids: vec!["x".into()] };
        assert_eq!(fields(request(Wire::VersionIds(ids))), ["selector.version_ids.ids[0]"]);
        assert_eq!(fields(pb::RedactRequest::default()), ["store", "selector", "reason"]);
    }

    #[test]
    fn a_path_is_taken_with_and_without_its_last_slash() {
        let (_, redact) = to_redact(request(Wire::Path("/secret/".into()))).unwrap();
        assert_eq!(redact.selector, Selector::Path("/secret".parse().unwrap()));
    }
}
