//! Retention: contents of the past that a store no longer wants to keep are erased.
//!
//! A content goes once every version that names it may go: it is not among the newest of its memory,
//! it was replaced long enough ago, and no snapshot that something stands on has it: no head, no point
//! where a fork begins, no tag.

use std::collections::{HashMap, HashSet};

use domain::Timestamp;
use domain::commit::Revision;
use domain::error::Result;
use domain::id::{MemoryId, WorkspaceId};
use domain::store::Retention;

use crate::governance::collect::Collection;
use crate::governance::members::{self, Member};
use crate::index::Map;
use crate::key::Family;
use crate::log::Row;
use crate::{MemoryStore, load};

/// What is known of a memory from the versions after the one that is looked at.
#[derive(Default)]
struct Newer {
    versions: u32,
    /// When the one that is looked at was replaced.
    replaced: Option<Timestamp>,
}

impl MemoryStore {
    /// Erases what the retention of a family's stores has ended. How many contents went.
    pub(super) async fn retain(&self, workspace: WorkspaceId, family: Family) -> Result<usize> {
        let context = self.context();
        let members = members::all(context, workspace, family).await?;
        let limited = members.iter().any(|member| member.retention.days_max > 0);
        if !limited || members.iter().any(|member| member.retention.legal_hold) {
            return Ok(0);
        }
        let now = context.clock.now();
        let (mut kept, mut ended) = (HashSet::new(), HashSet::new());
        for member in &members {
            self.keep_snapshots(workspace, member, &mut kept).await?;
            let mut newer: HashMap<MemoryId, Newer> = HashMap::new();
            let pages: Vec<_> = member.pages(0, member.row.head).collect();
            for page in pages.into_iter().rev() {
                for row in context.log.rows(page).await?.iter().rev() {
                    judge(row, member.retention, now, &mut newer, (&mut kept, &mut ended));
                }
                tokio::task::yield_now().await;
            }
        }
        ended.retain(|hash| !kept.contains(hash));
        let looked_at = members.iter().map(|member| (member.id, member.row.head)).collect();
        self.collect(Collection { workspace, family, contents: ended, looked_at, leaving: None }).await
    }

    /// All that the snapshots hold on which something stands.
    async fn keep_snapshots(
        &self,
        workspace: WorkspaceId,
        member: &Member,
        kept: &mut HashSet<[u8; 32]>,
    ) -> Result<()> {
        let open = self.stores().open_any(workspace, member.id).await?;
        let mut keep = |map: &Map| kept.extend(map.values().map(|entry| entry.content.hash));
        keep(&open.head().map);
        for revision in self.standing_on(member).await? {
            keep(&load::map(self.context(), &open.lineage, revision).await?);
        }
        Ok(())
    }

    /// The revisions of a store's history, its fork point among them, that are kept whole.
    async fn standing_on(&self, member: &Member) -> Result<Vec<Revision>> {
        Ok(member.row.forked_from.iter().map(|from| from.revision).collect())
    }
}

/// Looks at the versions of a commit, after all that came later.
fn judge(
    row: &Row,
    retention: Retention,
    now: Timestamp,
    newer: &mut HashMap<MemoryId, Newer>,
    (kept, ended): (&mut HashSet<[u8; 32]>, &mut HashSet<[u8; 32]>),
) {
    for (version, at) in row.record.versions.iter().zip(&row.detail.versions) {
        let known = newer.entry(version.memory).or_default();
        let days = |replaced: Timestamp| replaced.duration_until(now).as_hours() / 24;
        let is_old = retention.days_max > 0
            && known.versions >= retention.versions_min
            && known.replaced.is_some_and(|replaced| days(replaced) >= i64::from(retention.days_max));
        if let Some(content) = at.content.filter(|c| c.erasure().is_none() && c.size_bytes > 0) {
            if is_old { &mut *ended } else { &mut *kept }.insert(content.hash);
        }
        known.versions += 1;
        known.replaced = Some(row.record.time.into());
    }
}
