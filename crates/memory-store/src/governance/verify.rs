//! Verifying: the chain is made again from the rows on disk, and every commitment opened that can be.
//!
//! Nothing that is cached has a say. A row that cannot be read is a problem like others: the check goes
//! on from what the next row says, so that all problems are found at once.

use std::collections::HashMap;

use domain::access::StorePermit;
use domain::commit::{ChangeKind, Revision};
use domain::error::Result;
use domain::governance::{Problem, Verification};
use domain::id::StoreId;
use domain::store::Snapshot;
use domain::{Error, MemoryPath, limits};
use sha2::{Digest as _, Sha256};
use storage::engine::{self, Direction, Range};

use crate::context::Context;
use crate::key::Family;
use crate::lineage::{Lineage, Segment};
use crate::record::{self, CommitRecord, Commitment, ContentRef, Detail, Part, StoreRow, VersionDetail, VersionRecord};
use crate::{MemoryStore, fault, key};

impl MemoryStore {
    /// Checks a store's history from its first commit, through the stores that it was forked from.
    ///
    /// # Errors
    /// Denied without access to the whole store. Damage is no error: it is among the problems.
    pub async fn verify_history(&self, permit: &StorePermit) -> Result<Verification> {
        permit.check_reads_all()?;
        let context = self.context();
        let found = context.vault.get(&key::store(permit.workspace(), permit.store())).await.map_err(fault::of)?;
        let found = found.ok_or_else(|| Error::not_found(format_args!("store {}", permit.store())))?;
        let row: StoreRow = record::decode(found.value())?;
        let mut check = Check::new(context, row.family);
        let head = row.head;
        let (mut ancestors, mut next) = (Vec::new(), row.forked_from);
        while let Some(from) = next {
            ancestors.push(from);
            let found = context.vault.get(&key::store(permit.workspace(), from.store)).await.map_err(fault::of)?;
            let parent: Option<StoreRow> = found.map(|found| record::decode(found.value())).transpose()?;
            let Some(parent) = parent.filter(|_| ancestors.len() <= limits::FORK_DEPTH_MAX) else {
                check.problem(from.store, 0, "the store that this one was forked from is not there");
                return Ok(check.done);
            };
            next = parent.forked_from;
        }
        let lineage = Lineage::new(permit.store(), &ancestors);
        // What a store was forked from comes after it among the ancestors, and first for the store itself.
        let began = |store| ancestors.iter().position(|from| from.store == store).map_or(0, |at| at + 1);
        check.chain = record::chain(&[0; 32], lineage.owner(0).as_bytes());
        for segment in lineage.segments(0, head) {
            // A store goes on from the snapshot that it was forked at.
            if let Some(from) = ancestors.get(began(segment.store)) {
                check.begin(segment.store, *from);
            }
            check.log(segment).await?;
        }
        if let Some(from) = row.forked_from.filter(|from| from.revision == head) {
            check.begin(permit.store(), from);
        }
        check.end(permit.store(), &row).await?;
        Ok(check.done)
    }
}

struct Check<'a> {
    context: &'a Context,
    family: Family,
    /// After the last commit that was looked at.
    chain: [u8; 32],
    /// Whether contents are there and as their hash says.
    contents: HashMap<[u8; 32], bool>,
    counts: (u64, u64),
    done: Verification,
}

impl<'a> Check<'a> {
    fn new(context: &'a Context, family: Family) -> Check<'a> {
        let done = Verification::default();
        Check { context, family, chain: [0; 32], contents: HashMap::new(), counts: (0, 0), done }
    }

    fn begin(&mut self, store: StoreId, from: Snapshot) {
        self.chain = record::chain(&self.chain, &record::birth(store, from));
    }

    async fn log(&mut self, Segment { store, first, last }: Segment) -> Result<()> {
        for revision in first..=last {
            self.commit(store, revision).await?;
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    async fn commit(&mut self, store: StoreId, revision: Revision) -> Result<()> {
        let Some(row) = self.row(store, revision, "the commit", key::commit(store, revision)).await? else {
            return Ok(());
        };
        let Ok(row) = record::decode_commit(&row) else {
            self.problem(store, revision, "the commit is too short");
            return Ok(());
        };
        let chain = record::chain(&self.chain, row.canonical);
        self.done.commits += 1;
        if chain != row.chain {
            self.problem(store, revision, "the commit does not follow from the one before it");
        }
        // On from what the row says, so that one problem is told once.
        self.chain = row.chain;
        let Ok(commit) = record::decode::<CommitRecord>(row.canonical) else {
            self.problem(store, revision, "the commit does not read as one");
            return Ok(());
        };
        if commit.revision != revision {
            self.problem(store, revision, "the commit is another's");
        }
        self.counts = (commit.memory_count, commit.content_bytes);
        let Some(detail) = self.row(store, revision, "the commit's detail", key::detail(store, revision)).await? else {
            return Ok(());
        };
        match record::decode::<Detail>(&detail) {
            Ok(detail) if detail.versions.len() == commit.versions.len() => {
                self.open_all(store, &commit, &detail).await
            }
            _ => {
                self.problem(store, revision, "the commit's detail does not read as one");
                Ok(())
            }
        }
    }

    async fn open_all(&mut self, store: StoreId, commit: &CommitRecord, detail: &Detail) -> Result<()> {
        let revision = commit.revision;
        if let Some(salt) = &detail.message_salt {
            let holds = Commitment::to(salt, "message", detail.message.as_bytes()) == commit.message;
            self.opened(holds, store, revision, "the message is not the one that was committed");
        }
        for (version, at) in commit.versions.iter().zip(&detail.versions) {
            self.version(store, revision, version, at).await?;
        }
        Ok(())
    }

    async fn version(
        &mut self,
        store: StoreId,
        revision: Revision,
        version: &VersionRecord,
        at: &VersionDetail,
    ) -> Result<()> {
        let gone = MemoryPath::redacted(version.memory);
        let open = |part, bytes: &[u8]| at.salts.commit(part, bytes);
        let path = |path: Option<&MemoryPath>, part, committed: Option<Commitment>| match (path, committed) {
            (Some(path), Some(committed)) => match open(part, path.as_str().as_bytes()) {
                Some(opened) => Some(opened == committed),
                None => (*path != gone).then_some(false),
            },
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => Some(false),
        };
        let paths = [
            path(Some(&at.path), Part::Path, Some(version.path)),
            path(at.previous_path.as_ref(), Part::PreviousPath, version.previous_path),
        ];
        for holds in paths.into_iter().flatten() {
            self.opened(holds, store, revision, "a path is not the one that was committed");
        }
        // What is redacted has no origins; words that were scrubbed have lost their salt.
        if let Some(opened) = open(Part::Provenance, &at.provenance()?) {
            let holds = opened == version.provenance;
            self.opened(holds, store, revision, "where lines came from is not what was committed");
        }
        match (&at.content, version.content) {
            (None, None) if version.kind == ChangeKind::Deleted => {}
            (Some(content), Some(committed)) => {
                let length_holds = content.size_bytes == version.size_bytes;
                let opened = open(Part::Content, &content.sha256);
                match (content.erasure(), opened) {
                    (Some(_), opened) => {
                        // A memory that was moved after its content was erased is committed to the mark.
                        self.done.redacted += 1;
                        let holds = length_holds && opened.is_none_or(|opened| opened == committed);
                        self.holds(holds, store, revision, "an erased content is not what was committed");
                    }
                    (None, opened) => {
                        let holds = length_holds && opened == Some(committed);
                        self.opened(holds, store, revision, "a content's hash is not the one that was committed");
                        let whole = self.content(content).await?;
                        self.holds(whole, store, revision, "a content is not there, or not what its hash says");
                    }
                }
            }
            (None, None) | (Some(_), None) | (None, Some(_)) => {
                self.problem(store, revision, "a version has a content that was not committed, or lacks one");
            }
        }
        Ok(())
    }

    async fn content(&mut self, name: &ContentRef) -> Result<bool> {
        if let Some(whole) = self.contents.get(&name.hash) {
            return Ok(*whole);
        }
        let whole = match self.context.vault.get(&key::content(self.family, &name.hash)).await {
            Ok(Some(found)) => {
                let sha256: [u8; 32] = Sha256::digest(found.value()).into();
                sha256 == name.sha256 && found.value().len() == name.size_bytes as usize
            }
            Ok(None) | Err(engine::Error::Corrupt(_)) => false,
            Err(e) => return Err(fault::of(e)),
        };
        self.contents.insert(name.hash, whole);
        Ok(whole)
    }

    /// The store's row must be where the log ends.
    async fn end(&mut self, store: StoreId, row: &StoreRow) -> Result<()> {
        (self.done.head, self.done.chain_hash) = (row.head, row.chain);
        if self.chain != row.chain {
            self.problem(store, 0, "the store's chain hash is not the one that its commits lead to");
        }
        if row.head > 0 && self.counts != (row.memory_count, row.content_bytes) {
            self.problem(store, 0, "the store does not hold what its last commit says");
        }
        let beyond = Range::prefix(&key::of_store(key::COMMIT, store)).after(key::commit(store, row.head));
        let beyond = self.context.vault.scan(beyond, 1, Direction::Ascending).await;
        let beyond = !matches!(beyond, Ok(rows) if rows.is_empty());
        self.holds(!beyond, store, 0, "there are commits after the head");
        Ok(())
    }

    async fn row(
        &mut self,
        store: StoreId,
        revision: Revision,
        what: &str,
        key: bytes::Bytes,
    ) -> Result<Option<bytes::Bytes>> {
        match self.context.vault.get(&key).await {
            Ok(Some(found)) => return Ok(Some(found.value().clone())),
            Ok(None) => self.problem(store, revision, format!("{what} is not there")),
            Err(engine::Error::Corrupt(_)) => self.problem(store, revision, format!("{what} is damaged")),
            Err(e) => return Err(fault::of(e)),
        }
        Ok(None)
    }

    fn opened(&mut self, holds: bool, store: StoreId, revision: Revision, otherwise: &str) {
        self.done.opened += u64::from(holds);
        self.holds(holds, store, revision, otherwise);
    }

    fn holds(&mut self, holds: bool, store: StoreId, revision: Revision, otherwise: &str) {
        if !holds {
            self.problem(store, revision, otherwise);
        }
    }

    fn problem(&mut self, store: StoreId, revision: Revision, description: impl Into<String>) {
        if self.done.problems.len() < limits::HISTORY_PROBLEMS_MAX {
            self.done.problems.push(Problem { store, revision, description: description.into() });
        }
    }
}
