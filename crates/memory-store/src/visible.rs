//! What a reader may see of commits: only what concerns readable paths.

use domain::access::StorePermit;
use domain::commit::{ChangeKind, Commit, Version};
use domain::path::PathGlob;

/// A commit with only the versions that the reader may see and that the glob is about. None where no
/// version is left.
pub fn commit(commit: &Commit, permit: &StorePermit, glob: Option<&PathGlob>) -> Option<Commit> {
    let versions: Vec<Version> = versions(commit, permit, glob).collect();
    if versions.is_empty() {
        return None;
    }
    Some(Commit {
        versions,
        revision: commit.revision,
        time: commit.time,
        actor: commit.actor.clone(),
        message: commit.message.clone(),
        chain_hash: commit.chain_hash,
        merged: commit.merged,
    })
}

pub fn versions(commit: &Commit, permit: &StorePermit, glob: Option<&PathGlob>) -> impl Iterator<Item = Version> {
    let matches = move |path: &str| glob.is_none_or(|g| g.matches(path));
    commit.versions.iter().filter_map(move |v| {
        let before = v.previous_path.as_ref().is_some_and(|p| matches(p.as_str()));
        if matches(v.path.as_str()) || before { version(v, permit) } else { None }
    })
}

/// A move across the edge of what may be read is, seen from there, a creation or a deletion.
pub fn version(version: &Version, permit: &StorePermit) -> Option<Version> {
    let Some(previous) = version.previous_path.as_ref() else {
        return permit.may_read(version.path.as_str()).then(|| version.clone());
    };
    match (permit.may_read(previous.as_str()), permit.may_read(version.path.as_str())) {
        (true, true) => Some(version.clone()),
        (false, true) => Some(Version { kind: ChangeKind::Created, previous_path: None, ..version.clone() }),
        (true, false) => Some(Version {
            kind: ChangeKind::Deleted,
            path: previous.clone(),
            previous_path: None,
            sha256: None,
            size_bytes: 0,
            origins: Vec::new(),
            erased: None,
            ..version.clone()
        }),
        (false, false) => None,
    }
}
