//! Versions and commits: proto/reverie/memory/v1/commit.proto.

use domain::commit::{ChangeKind, Commit, Erased, Origin, Version};
use domain::history::Recorded;
use domain::limits::{ORIGIN_SOURCE_BYTES_MAX, ORIGINS_MAX};
use domain::{Error, Result, Timestamp};

use crate::convert::violations::Violations;
use crate::convert::{hex, text, time};
use crate::memory as pb;

impl From<ChangeKind> for pb::ChangeKind {
    fn from(kind: ChangeKind) -> pb::ChangeKind {
        match kind {
            ChangeKind::Created => pb::ChangeKind::Created,
            ChangeKind::Modified => pb::ChangeKind::Modified,
            ChangeKind::Deleted => pb::ChangeKind::Deleted,
            ChangeKind::Renamed => pb::ChangeKind::Renamed,
        }
    }
}

/// None for any kind.
pub fn to_change_kind(field: &str, kind: i32) -> Result<Option<ChangeKind>> {
    match pb::ChangeKind::try_from(kind) {
        Ok(pb::ChangeKind::Unspecified) => Ok(None),
        Ok(pb::ChangeKind::Created) => Ok(Some(ChangeKind::Created)),
        Ok(pb::ChangeKind::Modified) => Ok(Some(ChangeKind::Modified)),
        Ok(pb::ChangeKind::Deleted) => Ok(Some(ChangeKind::Deleted)),
        Ok(pb::ChangeKind::Renamed) => Ok(Some(ChangeKind::Renamed)),
        Err(_) => Err(Error::invalid(field, format!("{kind} is not a kind of change"))),
    }
}

/// Each must be one.
pub fn to_change_kinds(field: &str, kinds: &[i32]) -> Result<Vec<ChangeKind>> {
    let kind = |(i, kind): (usize, &i32)| {
        let field = format!("{field}[{i}]");
        to_change_kind(&field, *kind)?.ok_or_else(|| Error::invalid(field, "must be a kind of change"))
    };
    kinds.iter().enumerate().map(kind).collect()
}

impl From<Origin> for pb::Origin {
    fn from(o: Origin) -> pb::Origin {
        pb::Origin { start_line: o.start_line, end_line: o.end_line, source: o.source }
    }
}

/// `field` is the request's list of origins.
pub fn to_origins(field: &str, origins: Vec<pb::Origin>) -> Result<Vec<Origin>> {
    if origins.len() > ORIGINS_MAX {
        let count = origins.len();
        return Err(Error::invalid(field, format!("has {count} origins, at most {ORIGINS_MAX} are allowed")));
    }
    let mut violations = Violations::default();
    let mut converted = Vec::with_capacity(origins.len());
    for (i, origin) in origins.into_iter().enumerate() {
        converted.extend(violations.take(to_origin(&format!("{field}[{i}]"), origin)));
    }
    violations.finish(Some(converted))
}

fn to_origin(field: &str, origin: pb::Origin) -> Result<Origin> {
    let pb::Origin { start_line, end_line, source } = origin;
    let mut violations = Violations::default();
    if start_line == 0 || end_line < start_line {
        violations.add(
            format!("{field}.end_line"),
            format!("{start_line} to {end_line} is not a range of lines: lines count from 1, both ends are inclusive"),
        );
    }
    let name = format!("{field}.source");
    if source.is_empty() {
        violations.add(&name, "must be a URI that says where the lines came from");
    }
    let source = violations.take(text::one_line(&name, source, ORIGIN_SOURCE_BYTES_MAX));
    violations.finish(source.map(|source| Origin { start_line, end_line, source }))
}

impl From<Version> for pb::Version {
    fn from(v: Version) -> pb::Version {
        pb::Version {
            id: v.id.to_string(),
            memory_id: v.memory.to_string(),
            path: v.path.to_string(),
            previous_path: v.previous_path.map(|p| p.to_string()).unwrap_or_default(),
            revision: v.revision,
            kind: pb::ChangeKind::from(v.kind) as i32,
            content_sha256: v.sha256.map(|s| hex::encode(&s)).unwrap_or_default(),
            size_bytes: v.size_bytes,
            actor: Some(v.actor.into()),
            create_time: Some(time::from_time(v.time)),
            message: v.message,
            origins: v.origins.into_iter().map(Into::into).collect(),
            redacted: v.erased == Some(Erased::Redacted),
            expired: v.erased == Some(Erased::Expired),
            redaction: None,
        }
    }
}

impl From<Recorded> for pb::Version {
    fn from(r: Recorded) -> pb::Version {
        let redaction = r.redaction.map(|r| pb::VersionRedaction {
            id: r.id.to_string(),
            create_time: Some(time::from_time(r.create_time)),
            actor: Some(r.actor.into()),
        });
        pb::Version { redaction, ..r.version.into() }
    }
}

/// What a client reads from an answer.
pub fn to_version(v: pb::Version) -> Result<Version> {
    let kind = to_change_kind("kind", v.kind)?.ok_or_else(|| Error::invalid("kind", "must be set"))?;
    Ok(Version {
        id: v.id.parse().map_err(|e: Error| e.within("id"))?,
        memory: v.memory_id.parse().map_err(|e: Error| e.within("memory_id"))?,
        path: v.path.parse().map_err(|e: Error| e.within("path"))?,
        previous_path: Some(v.previous_path)
            .filter(|p| !p.is_empty())
            .map(|p| p.parse().map_err(|e: Error| e.within("previous_path")))
            .transpose()?,
        revision: v.revision,
        kind,
        sha256: Some(v.content_sha256)
            .filter(|s| !s.is_empty())
            .map(|s| hex::decode("content_sha256", &s))
            .transpose()?,
        size_bytes: v.size_bytes,
        actor: v.actor.unwrap_or_default().into(),
        time: required_time("create_time", v.create_time)?,
        message: v.message,
        origins: to_origins("origins", v.origins)?,
        erased: match (v.redacted, v.expired) {
            (true, _) => Some(Erased::Redacted),
            (false, true) => Some(Erased::Expired),
            (false, false) => None,
        },
    })
}

impl From<Commit> for pb::CommitRecord {
    fn from(c: Commit) -> pb::CommitRecord {
        pb::CommitRecord {
            revision: c.revision,
            create_time: Some(time::from_time(c.time)),
            actor: Some(c.actor.into()),
            message: c.message,
            versions: c.versions.into_iter().map(Into::into).collect(),
            chain_hash: hex::encode(&c.chain_hash),
            merged_store: c.merged.map(|(store, _)| store.to_string()).unwrap_or_default(),
            merged_revision: c.merged.map(|(_, revision)| revision).unwrap_or_default(),
        }
    }
}

/// What a client reads from an answer.
pub fn to_commit(c: pb::CommitRecord) -> Result<Commit> {
    let merged_store = Some(c.merged_store).filter(|s| !s.is_empty());
    Ok(Commit {
        revision: c.revision,
        time: required_time("create_time", c.create_time)?,
        actor: c.actor.unwrap_or_default().into(),
        message: c.message,
        versions: c
            .versions
            .into_iter()
            .enumerate()
            .map(|(i, v)| to_version(v).map_err(|e| e.within(&format!("versions[{i}]"))))
            .collect::<Result<_>>()?,
        chain_hash: hex::decode("chain_hash", &c.chain_hash)?,
        merged: merged_store
            .map(|s| s.parse().map(|store| (store, c.merged_revision)).map_err(|e: Error| e.within("merged_store")))
            .transpose()?,
    })
}

pub(crate) fn required_time(field: &str, time: Option<prost_types::Timestamp>) -> Result<Timestamp> {
    time::to_time(field, time.ok_or_else(|| Error::invalid(field, "must be set"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Actor;
    use domain::id::{MemoryId, StoreId, VersionId};

    fn version(kind: ChangeKind) -> Version {
        let deleted = kind == ChangeKind::Deleted;
        Version {
            id: VersionId::from_bytes([1; 16]),
            memory: MemoryId::from_bytes([2; 16]),
            path: "/a/b.md".parse().unwrap(),
            previous_path: (kind == ChangeKind::Renamed).then(|| "/old.md".parse().unwrap()),
            revision: 7,
            kind,
            sha256: (!deleted).then_some([3; 32]),
            size_bytes: 4,
            actor: Actor { principal: "ana".into(), tool_call: "call-1".into(), ..Actor::default() },
            time: Timestamp::new(1_700_000_000, 5).unwrap(),
            message: "why".into(),
            origins: vec![Origin { start_line: 1, end_line: 2, source: "reverie:dream/drm_1".into() }],
            erased: (kind == ChangeKind::Renamed).then_some(Erased::Redacted),
        }
    }

    #[test]
    fn a_commit_comes_back_as_it_went() {
        let kinds = [ChangeKind::Created, ChangeKind::Modified, ChangeKind::Deleted, ChangeKind::Renamed];
        for merged in [None, Some((StoreId::from_bytes([9; 16]), 4))] {
            let commit = Commit {
                revision: 7,
                time: Timestamp::new(1_700_000_000, 0).unwrap(),
                actor: Actor { principal: "ana".into(), ..Actor::default() },
                message: "why".into(),
                versions: kinds.map(version).into(),
                chain_hash: [5; 32],
                merged,
            };
            assert_eq!(to_commit(commit.clone().into()).unwrap(), commit);
        }
    }

    #[test]
    fn every_wrong_origin_is_named() {
        let origin = |start_line, end_line, source: &str| pb::Origin { start_line, end_line, source: source.into() };
        let error = to_origins("origins", vec![origin(1, 1, "s"), origin(0, 1, "s"), origin(2, 1, "")]).unwrap_err();
        let fields: Vec<&str> = error.details().violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["origins[1].end_line", "origins[2].end_line", "origins[2].source"]);
    }
}
