//! The history of a store as lines: each commit with its versions, before it the contents that are new.

use std::collections::{HashSet, VecDeque};

use domain::commit::Revision;
use domain::{Result, limits};

use crate::export::{Source, shown_sha256};
use crate::line::{CommitLine, ContentLine, CreditLine, Line, OriginLine, SnapshotLine, VersionLine};
use crate::log::Row;
use crate::record::ContentRef;

/// Commits of a page of the log that is followed by larger pages.
const STEP_FIRST: u64 = 8;
/// Versions of a page of the log beyond which the next is smaller.
const STEP_VERSIONS: usize = 2_000;

/// The commits of a store up to the source's revision, oldest first, forks' ancestors included. Holds
/// a page of them, which is the smaller the larger they are.
pub struct Walk<'a> {
    source: &'a Source,
    page: VecDeque<Row>,
    read: Revision,
    step: u64,
}

impl<'a> Walk<'a> {
    pub fn new(source: &'a Source) -> Walk<'a> {
        Walk { source, page: VecDeque::new(), read: 0, step: STEP_FIRST }
    }

    pub async fn next(&mut self) -> Result<Option<Row>> {
        let to = self.source.view.revision;
        if self.page.is_empty() && self.read < to {
            let last = to.min(self.read + self.step);
            for segment in self.source.view.store.lineage.segments(self.read, last) {
                self.page.extend(self.source.context.log.rows(segment).await?);
            }
            self.read = last;
            let versions: usize = self.page.iter().map(|row| row.record.versions.len()).sum();
            let fits = versions <= STEP_VERSIONS;
            self.step = if fits { (self.step * 2).min(limits::LOG_SCAN_MAX as u64) } else { (self.step / 2).max(1) };
        }
        Ok(self.page.pop_front())
    }
}

/// Contents that a file has already. Bounded: it forgets all and begins anew.
#[derive(Default)]
pub struct Seen(HashSet<[u8; 32]>);

impl Seen {
    /// Whether it is new.
    pub fn add(&mut self, content: &ContentRef) -> bool {
        if self.0.len() == limits::EXPORT_CONTENTS_MAX {
            self.0.clear();
        }
        self.0.insert(shown_sha256(content))
    }
}

/// The lines of the history.
pub struct Lines<'a> {
    source: &'a Source,
    walk: Walk<'a>,
    seen: Seen,
    at: Option<(Row, Place)>,
}

enum Place {
    Content(usize),
    Commit,
    Version(usize),
}

impl<'a> Lines<'a> {
    pub fn new(source: &'a Source) -> Lines<'a> {
        Lines { source, walk: source.walk(), seen: Seen::default(), at: None }
    }

    pub async fn next(&mut self) -> Result<Option<Line>> {
        loop {
            let Some((row, place)) = &mut self.at else {
                let Some(row) = self.walk.next().await? else { return Ok(None) };
                self.at = Some((row, Place::Content(0)));
                continue;
            };
            match place {
                Place::Content(index) => {
                    let Some(version) = row.detail.versions.get(*index) else {
                        *place = Place::Commit;
                        continue;
                    };
                    *index += 1;
                    if let Some(content) = version.content.filter(|c| self.seen.add(c)) {
                        return Ok(Some(content_line(self.source, &content).await?));
                    }
                }
                Place::Commit => {
                    *place = Place::Version(0);
                    return Ok(Some(commit_line(row)));
                }
                Place::Version(index) => {
                    let line = version_line(row, *index);
                    *index += 1;
                    match line {
                        Some(line) => return Ok(Some(line)),
                        None => self.at = None,
                    }
                }
            }
        }
    }
}

pub async fn content_line(source: &Source, content: &ContentRef) -> Result<Line> {
    let text = source.text(content).await?.to_string();
    Ok(Line::Content(ContentLine { sha256: shown_sha256(content), text }))
}

fn commit_line(row: &Row) -> Line {
    let said = row.record.actor.said(row.record.time.into());
    Line::Commit(CommitLine {
        revision: row.record.revision,
        time: said.time,
        actor: said.into(),
        message: row.detail.message.clone(),
        merged: row.record.merged.map(|m| SnapshotLine { store: m.store, revision: m.revision }),
        versions: row.record.versions.len() as u32,
    })
}

fn version_line(row: &Row, index: usize) -> Option<Line> {
    let (version, at) = (row.record.versions.get(index)?, row.detail.versions.get(index)?);
    Some(Line::Version(VersionLine {
        id: version.id,
        memory: version.memory,
        kind: version.kind.into(),
        path: at.path.clone(),
        previous_path: at.previous_path.clone(),
        sha256: at.content.as_ref().map(shown_sha256),
        create_time: at.create_time.into(),
        origins: at.origins.iter().map(OriginLine::from).collect(),
        credits: at.credits.iter().map(CreditLine::from).collect(),
    }))
}
