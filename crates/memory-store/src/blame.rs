//! Blame: for each line of a memory, the commit that brought it in and who wrote it.
//!
//! The versions of the memory are read from the oldest on, and what is said of each line is carried
//! over from one to the next. Lines that a merge or a restore brought in are credited to whoever
//! wrote them first, as the version's credits say.

use std::sync::Arc;

use domain::access::StorePermit;
use domain::blame::{Ranges, sources};
use domain::commit::Revision;
use domain::diff::{edits, split_lines};
use domain::error::Result;
use domain::history::BlameRange;
use domain::id::StoreId;
use domain::{Actor, Error, MemoryPath, Timestamp, limits};

use crate::MemoryStore;
use crate::governance::family::is_erased;
use crate::index::Entry;
use crate::log::Row;
use crate::record::{ContentRef, Credit};
use crate::stores::View;

#[cfg(test)]
pub(crate) mod tests;

/// Where each line of a text comes from. None for lines of which it does not matter.
pub type Attributions = Ranges<Option<Arc<Attribution>>>;

/// Where a line comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    /// The commit that brought it into the store that was asked.
    pub brought_in: Revision,
    /// The store and commit in which it was first written.
    pub store: StoreId,
    pub revision: Revision,
    pub actor: Actor,
    pub time: Timestamp,
    pub message: String,
    /// Or by a version before it that is erased.
    pub erased: bool,
}

impl MemoryStore {
    /// Who brought in which lines of a memory, and the revision that was read (0 asks for the head).
    pub async fn blame(
        &self,
        permit: &StorePermit,
        path: &MemoryPath,
        revision: Revision,
    ) -> Result<(Vec<BlameRange>, Revision)> {
        permit.check_read(path)?;
        let view = self.view(permit, revision).await?;
        let entry = view.map.get(path).ok_or_else(|| Error::not_found(format_args!("memory {path}")))?;
        let text = self.text(&view, entry).await?;
        let attributions = self.attributions(&view, entry).await?;
        let lines = split_lines(&text);
        let bare = |line: &&str| line.strip_suffix('\n').unwrap_or(line).to_owned();
        let blamed = attributions.zip(&sources(&entry.origins, &text));
        let ranges = blamed.iter().filter_map(|(range, (attribution, sources))| {
            let attribution = attribution.as_ref()?;
            Some(BlameRange {
                start_line: range.start + 1,
                end_line: range.end,
                revision: attribution.brought_in,
                actor: attribution.actor.clone(),
                time: attribution.time,
                message: attribution.message.clone(),
                sources: sources.iter().map(|s| (*s).to_owned()).collect(),
                lines: lines[range.start as usize..range.end as usize].iter().map(bare).collect(),
                erased: attribution.erased,
            })
        });
        Ok((ranges.collect(), view.revision))
    }

    /// Where each line of a memory's text in a snapshot comes from. Of more than
    /// limits::BLAME_VERSIONS_MAX versions, the oldest that is read counts as the first. Lines that came
    /// in with erased versions count as the next version's, and say so.
    pub(crate) async fn attributions(&self, view: &View, entry: &Entry) -> Result<Attributions> {
        self.attributions_by(view, entry, false).await
    }

    /// The same, where asked for also of contents whose reads have stopped.
    pub(crate) async fn attributions_by(&self, view: &View, entry: &Entry, anyway: bool) -> Result<Attributions> {
        let (log, memory) = (&self.context().log, entry.memory);
        let newest_first = log.touches(&view.store.lineage, memory, view.revision, limits::BLAME_VERSIONS_MAX).await?;
        let (mut text, mut ranges, mut erased) = (Arc::<str>::from(""), Ranges::default(), false);
        for touch in newest_first.iter().rev() {
            let row = log.row(touch.store, touch.revision).await?;
            let at = row.detail.versions.get(touch.index);
            let at =
                at.ok_or_else(|| crate::fault::damaged(format_args!("a version of {memory} is not in its commit")))?;
            let next = match &at.content {
                Some(name) => match self.read(view, name, anyway).await {
                    Err(e) if is_erased(&e) => {
                        erased = true;
                        continue;
                    }
                    text => text?,
                },
                None => "".into(),
            };
            let fresh = fresh(&row, touch.store, &at.credits, split_lines(&next).len() as u32, erased);
            erased = false;
            ranges = ranges.carry_with(&text, &next, &fresh);
            text = next;
            tokio::task::yield_now().await;
        }
        Ok(ranges)
    }
}

impl MemoryStore {
    async fn read(&self, view: &View, name: &ContentRef, anyway: bool) -> Result<Arc<str>> {
        let (contents, family) = (&self.context().contents, view.store.family());
        if anyway && name.erasure().is_none() {
            return contents.read_anyway(family, name).await;
        }
        contents.read(family, name).await
    }
}

/// What is said of lines that a version brings in: its credits, and of the rest its own commit.
fn fresh(row: &Row, store: StoreId, credits: &[Credit], lines: u32, erased: bool) -> Attributions {
    let brought_in = row.record.revision;
    let own = Some(Arc::new(Attribution {
        brought_in,
        store,
        revision: brought_in,
        actor: row.record.actor.clone(),
        time: row.record.time.into(),
        message: row.detail.message.clone(),
        erased,
    }));
    let mut fresh = Ranges::default();
    for credit in credits {
        let start = credit.start.clamp(fresh.lines(), lines);
        fresh.push(start - fresh.lines(), own.clone());
        let credited = Attribution {
            brought_in,
            store: credit.store,
            revision: credit.revision,
            actor: credit.actor.clone(),
            time: credit.time.into(),
            message: credit.message.clone(),
            erased: false,
        };
        fresh.push(credit.end.clamp(start, lines) - start, Some(Arc::new(credited)));
    }
    fresh.push(lines - fresh.lines(), own);
    fresh
}

/// The credits of a version that makes `before` into `after`: of each line that is new, what is known
/// of it. At most limits::ORIGINS_MAX; further lines are the version's own.
pub(crate) fn credits(known: &Attributions, before: &str, after: &str) -> Vec<Credit> {
    let mut credits = Vec::new();
    for edit in edits(&split_lines(before), &split_lines(after)) {
        let (start, end) = (edit.target.start as u32, edit.target.end as u32);
        let within =
            known.iter().skip_while(|(range, _)| range.end <= start).take_while(|(range, _)| range.start < end);
        credits.extend(within.filter_map(|(range, attribution)| {
            let attribution = attribution.as_ref()?;
            Some(Credit {
                start: range.start.max(start),
                end: range.end.min(end),
                store: attribution.store,
                revision: attribution.revision,
                actor: attribution.actor.clone(),
                time: attribution.time.into(),
                message: attribution.message.clone(),
            })
        }));
    }
    credits.truncate(limits::ORIGINS_MAX);
    credits
}
