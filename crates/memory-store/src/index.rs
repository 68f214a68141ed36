//! The index: all paths of a snapshot, as a persistent ordered map.
//!
//! Maps of neighbouring revisions and of forks share their structure, so that keeping one costs what
//! changed, and a fork costs nothing.

use std::ops::Bound;
use std::sync::Arc;

use domain::commit::{ChangeKind, Origin, Revision};
use domain::id::{MemoryId, StoreId, VersionId};
use domain::path::Prefix;
use domain::{Actor, MemoryPath, Timestamp};

use crate::record::{CommitRecord, ContentRef, Detail};

pub type Map = imbl::OrdMap<MemoryPath, Arc<Entry>>;

/// One memory of a snapshot, without its content.
#[derive(Debug, Clone)]
pub struct Entry {
    pub memory: MemoryId,
    pub version: VersionId,
    pub revision: Revision,
    pub content: ContentRef,
    pub origins: Vec<Origin>,
    pub actor: Arc<Actor>,
    pub create_time: Timestamp,
    pub update_time: Timestamp,
}

/// A version is of one memory, in one store, at one revision: equal versions, equal entries. An import
/// keeps the versions' ids that its file names, and a file may say anything: hence the contents too.
impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.version == other.version && self.content.sha256 == other.content.sha256
    }
}

/// The id of the version that a commit of a store makes of a memory. It begins with the revision, so
/// that a version is found in the log without an index.
pub fn version_id(store: StoreId, memory: MemoryId, revision: Revision) -> VersionId {
    let mut hasher = blake3::Hasher::new_derive_key("reverie 2026-11 version id v1");
    hasher.update(store.as_bytes()).update(memory.as_bytes()).update(&revision.to_be_bytes());
    let mut id = [0; 16];
    id[..8].copy_from_slice(&revision.to_be_bytes());
    id[8..].copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    VersionId::from_bytes(id)
}

/// The commit that made a version.
pub fn revision_of(version: VersionId) -> Revision {
    let bytes = version.as_bytes();
    Revision::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The entries at a directory's path or below it, in path order. All for the root.
pub fn within<'a>(map: &'a Map, prefix: &Prefix) -> impl Iterator<Item = (&'a MemoryPath, &'a Arc<Entry>)> + use<'a> {
    let prefix = prefix.clone();
    let start = if prefix.is_all() { Bound::Unbounded } else { Bound::Included(prefix.as_str()) };
    // "/a!" sorts between "/a" and "/a/b": namesakes are passed over, and "0" comes right after "/".
    let end = format!("{prefix}0");
    let end = if prefix.is_all() { Bound::Unbounded } else { Bound::Excluded(end.as_str()) };
    map.range::<(Bound<&str>, Bound<&str>), str>((start, end)).filter(move |(path, _)| prefix.contains(path.as_str()))
}

/// The entries strictly below a directory's path.
pub fn below<'a>(map: &'a Map, path: &str) -> impl Iterator<Item = (&'a MemoryPath, &'a Arc<Entry>)> + use<'a> {
    let (start, end) = (format!("{path}/"), format!("{path}0"));
    map.range::<(Bound<&str>, Bound<&str>), str>((Bound::Included(start.as_str()), Bound::Excluded(end.as_str())))
}

/// The memory that keeps another from being at `path`: one below it, or one where it needs a
/// directory.
pub fn blocker<'a>(map: &'a Map, path: &'a MemoryPath) -> Option<&'a str> {
    let above = path.ancestors().find(|a| map.contains_key::<str>(a));
    above.or_else(|| below(map, path.as_str()).next().map(|(p, _)| p.as_str()))
}

/// Replays a commit.
pub fn apply(map: &mut Map, record: &CommitRecord, detail: &Detail) {
    let actor = Arc::new(record.actor.clone());
    let versions = || record.versions.iter().zip(&detail.versions);
    // Paths that the commit frees go first: another of its versions may take them.
    for (version, at) in versions() {
        match version.kind {
            ChangeKind::Deleted => map.remove::<str>(at.path.as_str()),
            ChangeKind::Renamed => at.previous_path.as_ref().and_then(|p| map.remove::<str>(p.as_str())),
            ChangeKind::Created => continue,
            ChangeKind::Modified => None,
        };
        // An erasure that is not done has redacted the path in the commit before, and not yet in this one.
        map.remove::<str>(MemoryPath::redacted(version.memory).as_str());
    }
    for (version, at) in versions() {
        let Some(content) = at.content else { continue };
        let entry = Entry {
            memory: version.memory,
            version: version.id,
            revision: record.revision,
            content,
            origins: at.origins.clone(),
            actor: actor.clone(),
            create_time: at.create_time.into(),
            update_time: record.time.into(),
        };
        map.insert(at.path.clone(), Arc::new(entry));
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A snapshot with memories at these paths.
    pub fn map<P: AsRef<str>>(paths: &[P]) -> Map {
        let entry = |i: usize| {
            Arc::new(Entry {
                memory: MemoryId::from_bytes([i as u8; 16]),
                version: VersionId::from_bytes([i as u8; 16]),
                revision: 1,
                content: ContentRef { hash: [0; 32], sha256: [0; 32], size_bytes: 0 },
                origins: Vec::new(),
                actor: Arc::default(),
                create_time: Timestamp::UNIX_EPOCH,
                update_time: Timestamp::UNIX_EPOCH,
            })
        };
        paths.iter().enumerate().map(|(i, p)| (p.as_ref().parse().unwrap(), entry(i))).collect()
    }

    #[test]
    fn a_directory_holds_what_is_below_it_and_not_its_namesakes() {
        let map = map(&["/a", "/a!", "/b/c", "/b/d/e", "/b0", "/bb"]);
        let paths = |prefix: &str| -> Vec<String> {
            within(&map, &prefix.parse().unwrap()).map(|(p, _)| p.to_string()).collect()
        };
        assert_eq!(paths("/b"), ["/b/c", "/b/d/e"]);
        assert_eq!(paths("/a"), ["/a"]);
        assert_eq!(paths("").len(), 6);
    }

    #[test]
    fn a_memory_and_a_directory_exclude_each_other() {
        let map = map(&["/a", "/b/c"]);
        let blocker = |path: &str| blocker(&map, &path.parse().unwrap()).map(str::to_owned);
        assert_eq!(blocker("/a/x/y"), Some("/a".into()));
        assert_eq!(blocker("/b"), Some("/b/c".into()));
        assert_eq!(blocker("/bb"), None);
    }

    #[test]
    fn a_version_id_leads_to_its_commit() {
        let (store, memory) = (StoreId::from_bytes([1; 16]), MemoryId::from_bytes([2; 16]));
        assert_eq!(revision_of(version_id(store, memory, 1 << 40)), 1 << 40);
        assert_ne!(version_id(store, memory, 7), version_id(StoreId::from_bytes([3; 16]), memory, 7));
    }
}
