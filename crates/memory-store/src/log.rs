//! The log: every commit of a store, in order. It is the only source of events: a watcher reads it.

use std::ops::Bound;
use std::sync::Arc;

use domain::commit::{Commit, Revision, Version};
use domain::id::{MemoryId, StoreId};
use domain::{Result, limits};
use storage::Vault;
use storage::engine::{Direction, Range};

use crate::era::{Era, Eras};
use crate::lineage::{Lineage, Segment};
use crate::record::{self, CommitRecord, CommitRow, Detail};
use crate::{fault, key};

/// One commit as it is on disk.
#[derive(Debug, Clone)]
pub struct Row {
    pub record: CommitRecord,
    pub detail: Detail,
    pub chain: [u8; 32],
}

/// Reads commits, the newest from memory.
#[derive(Clone)]
pub struct Log {
    vault: Vault,
    eras: Eras,
    recent: moka::sync::Cache<(Era, StoreId, Revision), Arc<Commit>>,
}

impl Log {
    pub fn new(vault: Vault, eras: Eras) -> Log {
        let recent = moka::sync::Cache::builder()
            .weigher(|_, commit: &Arc<Commit>| u32::try_from(commit.versions.len() * 512 + 512).unwrap_or(u32::MAX))
            .max_capacity(limits::COMMIT_CACHE_BYTES_MAX)
            .build();
        Log { vault, eras, recent }
    }

    /// To be called once the commit, which was judged in the era, is durable.
    pub fn keep(&self, era: Era, store: StoreId, commit: &Arc<Commit>) {
        self.recent.insert((era, store, commit.revision), commit.clone());
    }

    /// Forgets all.
    pub fn forget(&self) {
        self.recent.invalidate_all();
    }

    pub async fn commit(&self, lineage: &Lineage, revision: Revision) -> Result<Arc<Commit>> {
        let (era, store) = (self.eras.now(), lineage.owner(revision));
        if let Some(commit) = self.recent.get(&(era, store, revision)) {
            return Ok(commit);
        }
        let row = self.row(store, revision).await?;
        let commit = Arc::new(row.commit());
        self.recent.insert((era, store, revision), commit.clone());
        Ok(commit)
    }

    /// The commits after `after`, up to and with `to`, oldest first; at most limits::LOG_SCAN_MAX.
    pub async fn commits(&self, lineage: &Lineage, after: Revision, to: Revision) -> Result<Vec<Arc<Commit>>> {
        let to = to.min(after.saturating_add(limits::LOG_SCAN_MAX as u64));
        let (era, mut commits) = (self.eras.now(), Vec::new());
        for segment in lineage.segments(after, to) {
            let mut next = segment.first;
            while let Some(commit) = self.recent.get(&(era, segment.store, next)).filter(|_| next <= segment.last) {
                commits.push(commit);
                next += 1;
            }
            if next <= segment.last {
                let rows = self.rows(Segment { first: next, ..segment }).await?;
                commits.extend(rows.iter().map(|row| Arc::new(row.commit())));
            }
        }
        Ok(commits)
    }

    /// All rows of a segment, of which none may be absent.
    pub async fn rows(&self, segment: Segment) -> Result<Vec<Row>> {
        Ok(self.sealed_rows(segment).await?.into_iter().map(|(row, _)| row).collect())
    }

    /// The same, each with its detail as it is on disk.
    pub async fn sealed_rows(&self, segment: Segment) -> Result<Vec<(Row, storage::Record)>> {
        let Segment { store, first, last } = segment;
        let (records, details) = tokio::try_join!(
            self.scan(key::commit(store, first), key::commit(store, last)),
            self.scan(key::detail(store, first), key::detail(store, last))
        )?;
        let expected = (last + 1 - first) as usize;
        if records.len() != expected || details.len() != expected {
            return Err(fault::damaged(format_args!("commits {first} to {last} of {store} are not all there")));
        }
        let mut rows: Vec<(Row, storage::Record)> = Vec::with_capacity(expected);
        for ((commit, detail), revision) in records.iter().zip(details).zip(first..) {
            let commit = record::decode_commit(commit.value())?;
            let row = decode(&commit, detail.value())?;
            let follows =
                rows.last().is_none_or(|(last, _)| record::chain(&last.chain, commit.canonical) == commit.chain);
            if row.record.revision != revision || !follows {
                return Err(fault::damaged(format_args!(
                    "commit {revision} of {store} does not follow the one before"
                )));
            }
            rows.push((row, detail));
        }
        Ok(rows)
    }

    pub async fn row(&self, store: StoreId, revision: Revision) -> Result<Row> {
        let rows = self.rows(Segment { store, first: revision, last: revision }).await?;
        rows.into_iter().next().ok_or_else(|| fault::damaged("a commit is absent"))
    }

    /// The commits in which a memory was touched, newest first, at or below `revision`: each with the
    /// store whose log has it and the version's place in it. At most `limit`.
    pub async fn touches(
        &self,
        lineage: &Lineage,
        memory: MemoryId,
        revision: Revision,
        limit: usize,
    ) -> Result<Vec<Touch>> {
        let mut touches = Vec::new();
        for Segment { store, first, last } in lineage.segments(0, revision).into_iter().rev() {
            let range = Range {
                start: Bound::Included(key::version(store, memory, last)),
                end: Bound::Included(key::version(store, memory, first)),
            };
            let rows = self.vault.scan(range, limit - touches.len(), Direction::Ascending).await.map_err(fault::of)?;
            for (key, row) in rows {
                let revision = key::newest_first_revision_of(&key).ok_or_else(|| fault::damaged("a version's key"))?;
                let row: record::VersionRow = record::decode(row.value())?;
                touches.push(Touch { store, revision, index: row.index as usize });
            }
            if touches.len() >= limit {
                break;
            }
        }
        Ok(touches)
    }

    async fn scan(&self, first: bytes::Bytes, last: bytes::Bytes) -> Result<Vec<storage::Record>> {
        let mut records = Vec::new();
        let mut range = Range { start: Bound::Included(first), end: Bound::Included(last) };
        loop {
            let page = self.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
            let page = page.map_err(fault::of)?;
            let full = page.len() == limits::LOG_SCAN_MAX;
            let last_key = page.last().map(|(key, _)| key.clone());
            records.extend(page.into_iter().map(|(_, record)| record));
            match last_key.filter(|_| full) {
                Some(key) => range = range.after(key),
                None => return Ok(records),
            }
        }
    }
}

/// Where a version of a memory is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    pub store: StoreId,
    pub revision: Revision,
    pub index: usize,
}

fn decode(commit: &CommitRow<'_>, detail: &[u8]) -> Result<Row> {
    let record: CommitRecord = record::decode(commit.canonical)?;
    let detail: Detail = record::decode(detail)?;
    if record.versions.len() != detail.versions.len() {
        return Err(fault::damaged("a commit's record and its detail differ"));
    }
    Ok(Row { record, detail, chain: commit.chain })
}

impl Row {
    pub fn commit(&self) -> Commit {
        Commit {
            revision: self.record.revision,
            time: self.record.time.into(),
            actor: self.record.actor.clone(),
            message: self.detail.message.clone(),
            versions: (0..self.record.versions.len()).filter_map(|i| self.version(i)).collect(),
            chain_hash: self.chain,
            merged: self.record.merged.map(|m| (m.store, m.revision)),
        }
    }

    pub fn version(&self, index: usize) -> Option<Version> {
        let (version, at) = (self.record.versions.get(index)?, self.detail.versions.get(index)?);
        Some(Version {
            id: version.id,
            memory: version.memory,
            path: at.path.clone(),
            previous_path: at.previous_path.clone(),
            revision: self.record.revision,
            kind: version.kind,
            sha256: at.content.and_then(|c| c.shown_sha256()),
            size_bytes: u64::from(version.size_bytes),
            actor: self.record.actor.clone(),
            time: self.record.time.into(),
            message: self.detail.message.clone(),
            origins: at.origins.clone(),
            erased: at.content.and_then(|c| c.erasure()),
        })
    }
}
