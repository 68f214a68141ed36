//! Collecting: contents that nothing needs any more are erased, and the versions that named them say so.
//!
//! First they are barred. Then whatever was committed since they were looked for is looked at: what it
//! names stays. From there on nothing can come to name the rest.

use std::collections::{HashMap, HashSet};

use domain::Result;
use domain::commit::{Erased, Revision};
use domain::id::{StoreId, WorkspaceId};
use storage::engine::{Direction, Range};

use crate::governance::erase::Erasure;
use crate::governance::key;
use crate::governance::members::{self, Member};
use crate::governance::record::FamilyRow;
use crate::governance::scrub::Scrub;
use crate::key::Family;
use crate::{MemoryStore, fault, record};

/// What to collect of a family.
pub struct Collection {
    pub workspace: WorkspaceId,
    pub family: Family,
    pub contents: HashSet<[u8; 32]>,
    /// How far each store's log was looked at.
    pub looked_at: HashMap<StoreId, Revision>,
    /// A store that goes altogether: what it names does not count.
    pub leaving: Option<StoreId>,
}

impl MemoryStore {
    /// Erases contents, unless something names them by now. How many went.
    pub(super) async fn collect(&self, collection: Collection) -> Result<usize> {
        let context = self.context();
        let Collection { workspace, family, mut contents, looked_at, leaving } = collection;
        if contents.is_empty() {
            return Ok(0);
        }
        let row = |contents: &HashSet<[u8; 32]>, checked| {
            let mut barred: Vec<_> = contents.iter().copied().collect();
            barred.sort_unstable();
            FamilyRow {
                why: Some(Erased::Expired),
                barred,
                checked,
                workspace: Some(workspace),
                ..FamilyRow::default()
            }
        };
        context.families.change(family, row(&contents, false), context.vault.batch()).await?;
        for member in members::all(context, workspace, family).await? {
            if Some(member.id) == leaving {
                continue;
            }
            let known = looked_at.get(&member.id);
            if known.is_none() {
                // A fork that was made meanwhile: what it began with stays.
                let open = self.stores().open_any(workspace, member.id).await?;
                for entry in open.head().map.values() {
                    contents.remove(&entry.content.hash);
                }
            }
            members::walk(context, &member, known.copied().unwrap_or_default(), &mut |row| {
                let names = row.detail.versions.iter().filter_map(|at| at.content.as_ref());
                for name in names {
                    contents.remove(&name.hash);
                }
                Ok(())
            })
            .await?;
        }
        let count = contents.len();
        context.families.change(family, row(&contents, true), context.vault.batch()).await?;
        self.finish_collection(workspace, family).await?;
        Ok(count)
    }

    /// Does what collections have left to do that were cut short.
    pub(super) async fn resume_collections(&self) -> Result<()> {
        for (family, row) in self.barred_families().await? {
            if let (None, Some(workspace)) = (row.redaction, row.workspace) {
                self.finish_collection(workspace, family).await?;
            }
        }
        Ok(())
    }

    /// Stops reads of what is barred: to be called before anybody reads.
    pub(crate) async fn stop_barred_reads(&self) -> Result<()> {
        for (family, _) in self.barred_families().await? {
            let state = self.context().families.get(family).await?;
            self.context().families.stop(family, &state);
        }
        Ok(())
    }

    async fn barred_families(&self) -> Result<Vec<(Family, FamilyRow)>> {
        let rows = self.context().vault.scan(Range::prefix(&[key::FAMILY]), usize::MAX, Direction::Ascending).await;
        let mut barred = Vec::new();
        for (found, row) in rows.map_err(fault::of)? {
            let row: FamilyRow = record::decode(row.value())?;
            if row.why.is_some() {
                barred.push((key::family_of(&found).ok_or_else(|| fault::damaged("a family's key"))?, row));
            }
        }
        Ok(barred)
    }

    async fn finish_collection(&self, workspace: WorkspaceId, family: Family) -> Result<()> {
        let context = self.context();
        let state = context.families.get(family).await?;
        // A bar that was not checked may bar what something needs.
        if state.row.checked {
            let members: Vec<Member> = members::all(context, workspace, family).await?;
            let erasure = Erasure {
                context,
                family,
                why: Erased::Expired,
                contents: state.row.barred.iter().copied().collect(),
                path: None,
                memories: HashSet::new(),
                scrub: Scrub::Nothing,
                redaction: None,
            };
            // First, so that a head is never read from what was and what is; and last, for one that was being made.
            erasure.erase_checkpoints(&members).await?;
            erasure.rewrite(&members).await?;
            erasure.erase_contents().await?;
            erasure.erase_checkpoints(&members).await?;
            context.forget();
        }
        context.families.change(family, FamilyRow::default(), context.vault.batch()).await?;
        context.vault.finish_erasures().await.map_err(fault::of)?;
        Ok(())
    }
}
