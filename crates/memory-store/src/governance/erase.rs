//! Erasing: what is barred goes out of every row that has it, or tells of it.
//!
//! Details of commits are written anew without it, under fresh data keys; contents and checkpoints go.
//! Each step may be done again: a crash anywhere is made good by doing all of it once more. The old
//! data keys wait in the vault until `Vault::finish_erasures` destroys them together.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::commit::{Erased, Revision};
use domain::governance::{NOTICE, RedactedVersion};
use domain::id::{MemoryId, RedactionId, StoreId, VersionId};
use domain::path::Prefix;
use domain::{Kind, MemoryPath, Result, limits};
use storage::engine::{self, Direction, Range};
use storage::{Record, VaultBatch};

use crate::context::Context;
use crate::governance::family::is_erased;
use crate::governance::key as own_key;
use crate::governance::members::Member;
use crate::governance::record::RedactedRow;
use crate::governance::scrub::{Quotable, Scrub, repeats};
use crate::index::Entry;
use crate::key::Family;
use crate::log::Row;
use crate::record::{self, CheckpointPage, ContentRef, Detail, Part, VersionDetail};
use crate::{fault, key};

/// What is to be erased of a family.
pub struct Erasure<'a> {
    pub context: &'a Context,
    pub family: Family,
    pub why: Erased,
    pub contents: HashSet<[u8; 32]>,
    /// A path that goes too, of these memories.
    pub path: Option<Prefix>,
    pub memories: HashSet<MemoryId>,
    pub scrub: Scrub,
    /// Whose receipt tells of it.
    pub redaction: Option<RedactionId>,
}

/// The messages of commits that were redacted, as they are now.
type Messages = HashMap<(StoreId, Revision), String>;

impl Erasure<'_> {
    /// What it would do to the members' logs. Nothing is written.
    pub async fn preview(&self, members: &[Member]) -> Result<Vec<RedactedVersion>> {
        let mut versions = Vec::new();
        for member in members {
            for page in member.pages(0, member.row.head) {
                for row in self.context.log.rows(page).await? {
                    let revision = row.record.revision;
                    let touched = self.touched(&row).into_iter();
                    versions.extend(touched.map(|(version, memory)| RedactedVersion {
                        store: member.id,
                        revision,
                        version,
                        memory,
                    }));
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(versions)
    }

    /// Takes it out of the details of all commits.
    pub async fn rewrite(&self, members: &[Member]) -> Result<()> {
        let quotable = self.quotable().await?;
        let mut messages = Messages::new();
        for member in members {
            for page in member.pages(0, member.row.head) {
                let mut writer = Writer::new(self.context);
                for (row, sealed) in self.context.log.sealed_rows(page).await? {
                    self.rewrite_row(&mut writer, member.id, (&row, &sealed), &quotable).await?;
                    if row.detail.message_salt.is_none() {
                        messages.insert((member.id, row.record.revision), row.detail.message.clone());
                    } else if let Some(message) = self.message(&row, &quotable).await? {
                        messages.insert((member.id, row.record.revision), message);
                    }
                }
                writer.flush().await?;
            }
        }
        if messages.is_empty() { Ok(()) } else { self.rewrite_credits(members, &messages).await }
    }

    /// What goes, as far as it is there still: after a crash what is not was looked for in messages before.
    async fn quotable(&self) -> Result<Quotable> {
        let mut quotable = Quotable::default();
        if self.why == Erased::Expired || matches!(self.scrub, Scrub::Matches(_)) {
            return Ok(quotable);
        }
        for hash in &self.contents {
            let found = self.context.vault.get(&key::content(self.family, hash)).await.map_err(fault::of)?;
            if let Some(row) = found {
                quotable.add(&String::from_utf8_lossy(row.value()));
            }
        }
        Ok(quotable)
    }

    /// Deletes the contents.
    pub async fn erase_contents(&self) -> Result<()> {
        let mut writer = Writer::new(self.context);
        for hash in &self.contents {
            let key = key::content(self.family, hash);
            if let Some(found) = self.context.vault.get(&key).await.map_err(fault::of)? {
                writer.batch.erase(key, &found);
                writer.written(0).await?;
            }
        }
        writer.flush().await
    }

    /// Deletes the checkpoints that tell of it. A store without is read from its log.
    pub async fn erase_checkpoints(&self, members: &[Member]) -> Result<()> {
        for member in members {
            let mut revisions = HashSet::new();
            let pages = scan_all(self.context, Range::prefix(&key::of_store(key::CHECKPOINT_PAGE, member.id)));
            let pages = pages.await?;
            for (key, found) in &pages {
                let page: CheckpointPage = record::decode(found.value())?;
                let tells = page.entries.iter().any(|entry| {
                    self.is_gone(&entry.content)
                        || self.path_goes(entry.memory, &entry.path)
                        || entry.origins.iter().any(|o| self.scrub.text(&o.source).is_some())
                });
                if tells {
                    revisions.extend(key::revision_of(key));
                }
            }
            let heads = scan_all(self.context, Range::prefix(&key::of_store(key::CHECKPOINT, member.id))).await?;
            let mut writer = Writer::new(self.context);
            // The rows that make checkpoints of pages go first.
            for (key, found) in heads.into_iter().chain(pages) {
                if key::revision_of(&key).is_some_and(|revision| revisions.contains(&revision)) {
                    writer.batch.erase(key, &found);
                    writer.written(0).await?;
                }
            }
            writer.flush().await?;
        }
        Ok(())
    }

    async fn rewrite_row(
        &self,
        writer: &mut Writer<'_>,
        store: StoreId,
        (row, sealed): (&Row, &Record),
        quotable: &Quotable,
    ) -> Result<()> {
        let mut detail = row.detail.clone();
        if let Some(message) = self.message(row, quotable).await? {
            (detail.message, detail.message_salt) = (message, None);
        }
        for (version, at) in row.record.versions.iter().zip(&mut detail.versions) {
            self.rewrite_version(version.memory, at);
        }
        let revision = row.record.revision;
        let versions = self.touched(row);
        let own = self.redaction.is_some_and(|id| row.detail.message == own_message(id));
        if let Some(id) = self.redaction.filter(|_| own || !versions.is_empty()) {
            let plain = record::encode(&RedactedRow { versions: if own { Vec::new() } else { versions }, own })?;
            writer.batch.put(own_key::redacted(id, store, revision), &plain).map_err(fault::of)?;
            writer.written(plain.len()).await?;
        }
        if detail != row.detail {
            writer.renew(key::detail(store, revision), sealed, &detail).await?;
        }
        Ok(())
    }

    fn rewrite_version(&self, memory: MemoryId, at: &mut VersionDetail) {
        let touched = self.touches(memory, at);
        if let Some(content) = at.content.filter(|c| self.is_gone(c)) {
            at.content = Some(ContentRef::erased(self.why, content.size_bytes));
            at.salts.forget(Part::Content);
        }
        if self.path_goes(memory, &at.path) {
            at.path = MemoryPath::redacted(memory);
            at.salts.forget(Part::Path);
        }
        if at.previous_path.as_ref().is_some_and(|path| self.path_goes(memory, path)) {
            at.previous_path = Some(MemoryPath::redacted(memory));
            at.salts.forget(Part::PreviousPath);
        }
        let mut provenance = false;
        if touched && !(at.origins.is_empty() && at.credits.is_empty()) {
            at.origins.clear();
            at.credits.clear();
            provenance = true;
        }
        let sources = at.origins.iter_mut().map(|o| &mut o.source);
        for words in sources.chain(at.credits.iter_mut().map(|c| &mut c.message)) {
            if let Some(scrubbed) = self.scrub.text(words) {
                *words = scrubbed;
                provenance = true;
            }
        }
        if provenance {
            at.salts.forget(Part::Provenance);
        }
    }

    /// Lines that were brought in from a commit repeat its message.
    async fn rewrite_credits(&self, members: &[Member], messages: &Messages) -> Result<()> {
        for member in members {
            for page in member.pages(0, member.row.head) {
                let mut writer = Writer::new(self.context);
                for (row, sealed) in self.context.log.sealed_rows(page).await? {
                    let mut detail = row.detail.clone();
                    for at in &mut detail.versions {
                        let mut changed = false;
                        for credit in &mut at.credits {
                            let now = messages.get(&(credit.store, credit.revision));
                            if let Some(now) = now.filter(|now| **now != credit.message) {
                                credit.message.clone_from(now);
                                changed = true;
                            }
                        }
                        if changed {
                            at.salts.forget(Part::Provenance);
                        }
                    }
                    if detail != row.detail {
                        writer.renew(key::detail(member.id, row.record.revision), &sealed, &detail).await?;
                    }
                }
                writer.flush().await?;
            }
        }
        Ok(())
    }

    /// What becomes of a commit's message. None where it stays.
    async fn message(&self, row: &Row, quotable: &Quotable) -> Result<Option<String>> {
        let Detail { message, message_salt, versions } = &row.detail;
        if message.is_empty() || message_salt.is_none() {
            return Ok(None);
        }
        if let Some(scrubbed) = self.scrub.text(message) {
            return Ok(Some(scrubbed));
        }
        // Of a regular expression only what matches goes.
        if self.why == Erased::Expired || matches!(self.scrub, Scrub::Matches(_)) {
            return Ok(None);
        }
        if quotable.is_quoted_in(message) {
            return Ok(Some(NOTICE.to_owned()));
        }
        for at in versions {
            let Some(name) = at.content.as_ref().filter(|c| self.is_gone(c)) else { continue };
            match self.context.contents.read_anyway(self.family, name).await {
                Ok(text) if repeats(&text, message) => return Ok(Some(NOTICE.to_owned())),
                Ok(_) => {}
                // Nobody can tell any more.
                Err(e) if is_erased(&e) || e.kind() == Kind::Corrupt => return Ok(Some(NOTICE.to_owned())),
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// The versions that lose their content or their path, or have lost it to the same redaction.
    fn touched(&self, row: &Row) -> Vec<(VersionId, MemoryId)> {
        let versions = row.record.versions.iter().zip(&row.detail.versions);
        versions.filter(|(version, at)| self.touches(version.memory, at)).map(|(v, _)| (v.id, v.memory)).collect()
    }

    fn touches(&self, memory: MemoryId, at: &VersionDetail) -> bool {
        at.content.as_ref().is_some_and(|c| self.is_gone(c))
            || self.path_goes(memory, &at.path)
            || at.previous_path.as_ref().is_some_and(|path| self.path_goes(memory, path))
    }

    /// Whether a memory of a head has to leave it.
    pub fn takes(&self, path: &MemoryPath, entry: &Entry) -> bool {
        self.is_gone(&entry.content) || self.path_goes(entry.memory, path)
    }

    fn is_gone(&self, content: &ContentRef) -> bool {
        self.contents.contains(&content.hash)
    }

    fn path_goes(&self, memory: MemoryId, path: &MemoryPath) -> bool {
        self.path.as_ref().is_some_and(|prefix| path.is_within(prefix)) && self.memories.contains(&memory)
    }
}

/// The message of the commits that a redaction makes itself.
pub fn own_message(redaction: RedactionId) -> String {
    format!("Redaction {redaction}")
}

/// All rows of a range, which must be few enough to be held.
pub async fn scan_all(context: &Context, mut range: Range) -> Result<Vec<(engine::Key, Record)>> {
    let mut all = Vec::new();
    loop {
        let page = context.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
        let page = page.map_err(fault::of)?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        range = range.after(last.clone());
        all.extend(page);
    }
}

/// Deletes all rows of a range, and lets their data keys be destroyed.
pub async fn erase_all(context: &Context, range: Range) -> Result<()> {
    loop {
        let page = context.vault.scan(range.clone(), limits::ERASURE_BATCH_ROWS_MAX, Direction::Ascending).await;
        let page = page.map_err(fault::of)?;
        if page.is_empty() {
            return Ok(());
        }
        let mut batch = context.vault.batch();
        for (key, found) in page {
            batch.erase(key, &found);
        }
        context.vault.commit(batch).await.map_err(fault::of)?;
    }
}

/// Batches of a bounded size.
pub struct Writer<'a> {
    context: &'a Context,
    pub batch: VaultBatch,
    rows: usize,
    bytes: usize,
}

impl<'a> Writer<'a> {
    pub fn new(context: &'a Context) -> Writer<'a> {
        Writer { batch: context.vault.batch(), context, rows: 0, bytes: 0 }
    }

    async fn renew(&mut self, key: Bytes, sealed: &Record, detail: &Detail) -> Result<()> {
        let plain = record::encode(detail)?;
        self.batch.renew(key, sealed, &plain).map_err(fault::of)?;
        self.written(plain.len()).await
    }

    /// To be called after each row.
    pub async fn written(&mut self, bytes: usize) -> Result<()> {
        self.rows += 1;
        self.bytes += bytes;
        if self.rows >= limits::ERASURE_BATCH_ROWS_MAX || self.bytes >= limits::ERASURE_BATCH_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    pub async fn flush(&mut self) -> Result<()> {
        (self.rows, self.bytes) = (0, 0);
        let batch = std::mem::replace(&mut self.batch, self.context.vault.batch());
        if batch.is_empty() { Ok(()) } else { self.context.vault.commit(batch).await.map_err(fault::of) }
    }
}
