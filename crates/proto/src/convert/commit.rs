//! Commits: proto/reverie/memory/v1/commit.proto, and the conflicts of memory.proto and history.proto.

use domain::actor::Claim;
use domain::commit::{Conflict, MergeConflict, Precondition};
use domain::{Actor, Error, Result, Timestamp};

use crate::convert::hex;
use crate::convert::time::from_time;
use crate::memory as pb;
use crate::memory::precondition::Condition;

impl From<Actor> for pb::Actor {
    fn from(a: Actor) -> pb::Actor {
        pb::Actor {
            principal: a.principal,
            session: a.session,
            agent: a.agent,
            tool_call: a.tool_call,
            on_behalf_of: a.on_behalf_of,
            dream: a.dream,
            claim: a.claim.map(|claim| (*claim).into()),
        }
    }
}

impl From<Claim> for pb::Claim {
    fn from(c: Claim) -> pb::Claim {
        pb::Claim {
            principal: c.principal,
            session: c.session,
            agent: c.agent,
            tool_call: c.tool_call,
            on_behalf_of: c.on_behalf_of,
            dream: c.dream,
            time: Some(from_time(c.time)),
        }
    }
}

impl From<pb::Claim> for Claim {
    fn from(c: pb::Claim) -> Claim {
        Claim {
            principal: c.principal,
            session: c.session,
            agent: c.agent,
            tool_call: c.tool_call,
            on_behalf_of: c.on_behalf_of,
            dream: c.dream,
            time: c.time.and_then(|t| Timestamp::new(t.seconds, t.nanos).ok()).unwrap_or_default(),
        }
    }
}

impl From<pb::Actor> for Actor {
    fn from(a: pb::Actor) -> Actor {
        Actor {
            principal: a.principal,
            session: a.session,
            agent: a.agent,
            tool_call: a.tool_call,
            on_behalf_of: a.on_behalf_of,
            dream: a.dream,
            claim: a.claim.map(|claim| Box::new(claim.into())),
        }
    }
}

impl From<Precondition> for pb::Precondition {
    fn from(p: Precondition) -> pb::Precondition {
        let condition = match p {
            Precondition::Absent => Condition::Absent(true),
            Precondition::Revision(revision) => Condition::Revision(revision),
            Precondition::ContentSha256(sha256) => Condition::ContentSha256(hex::encode(&sha256)),
            Precondition::VersionId(id) => Condition::VersionId(id.to_string()),
        };
        pb::Precondition { condition: Some(condition) }
    }
}

/// `field` is the request's field that holds the precondition.
pub fn to_precondition(field: &str, p: pb::Precondition) -> Result<Precondition> {
    match p.condition {
        Some(Condition::Absent(true)) => Ok(Precondition::Absent),
        Some(Condition::Absent(false)) => Err(Error::invalid(
            format!("{field}.absent"),
            "must be true where set; name a revision or content_sha256 to expect a memory",
        )),
        Some(Condition::Revision(revision)) => Ok(Precondition::Revision(revision)),
        Some(Condition::ContentSha256(text)) => {
            Ok(Precondition::ContentSha256(hex::decode(&format!("{field}.content_sha256"), &text)?))
        }
        Some(Condition::VersionId(text)) => {
            Ok(Precondition::VersionId(text.parse().map_err(|e: Error| e.within(&format!("{field}.version_id")))?))
        }
        None => Err(Error::invalid(field, "set one of absent, revision, content_sha256, version_id")),
    }
}

impl From<Conflict> for pb::CommitConflict {
    fn from(c: Conflict) -> pb::CommitConflict {
        pb::CommitConflict {
            path: c.path.map(|p| p.to_string()).unwrap_or_default(),
            expected: c.expected.map(Into::into),
            actual_revision: c.actual_revision,
            actual_sha256: c.actual_sha256.map(|s| hex::encode(&s)).unwrap_or_default(),
            actual_actor: c.actual_actor.map(Into::into),
            actual_content: c.actual_content,
            already_equal: c.already_equal,
            actual_version_id: c.actual_version.map(|v| v.to_string()).unwrap_or_default(),
        }
    }
}

pub fn to_conflict(c: pb::CommitConflict) -> Result<Conflict> {
    let optional = |text: &str| !text.is_empty();
    Ok(Conflict {
        path: Some(c.path).filter(|p| optional(p)).map(|p| p.parse()).transpose()?,
        expected: c.expected.map(|p| to_precondition("expected", p)).transpose()?,
        actual_revision: c.actual_revision,
        actual_sha256: Some(c.actual_sha256)
            .filter(|s| optional(s))
            .map(|s| hex::decode("actual_sha256", &s))
            .transpose()?,
        actual_version: Some(c.actual_version_id).filter(|v| optional(v)).map(|v| v.parse()).transpose()?,
        actual_actor: c.actual_actor.map(Into::into),
        actual_content: c.actual_content,
        already_equal: c.already_equal,
    })
}

impl From<MergeConflict> for pb::MergeConflict {
    fn from(c: MergeConflict) -> pb::MergeConflict {
        pb::MergeConflict { path: c.path.to_string(), base: c.base, ours: c.ours, theirs: c.theirs }
    }
}

pub fn to_merge_conflict(c: pb::MergeConflict) -> Result<MergeConflict> {
    Ok(MergeConflict { path: c.path.parse()?, base: c.base, ours: c.ours, theirs: c.theirs })
}
