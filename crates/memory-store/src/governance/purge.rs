//! Purging: a deleted store whose window is over goes for good.
//!
//! While a fork builds on it, it stays as a hidden base. Its row goes last: a purge that is cut short is
//! done again.

use std::collections::HashSet;

use domain::access::Action;
use domain::error::Result;
use domain::id::{StoreId, WorkspaceId};
use domain::{Actor, Timestamp, limits};
use storage::engine::Range;

use crate::governance::collect::Collection;
use crate::governance::erase::erase_all;
use crate::governance::members::{self, Member};
use crate::governance::{audit, key as own_key};
use crate::key::Family;
use crate::record::{self, StoreRow};
use crate::{MemoryStore, fault, key};

/// Who does what nobody asked for at that moment.
pub fn housekeeper() -> Actor {
    Actor { agent: "housekeeping".into(), ..Actor::default() }
}

impl MemoryStore {
    /// Purges the stores of a family that may go. How many went.
    pub(super) async fn purge(&self, workspace: WorkspaceId, family: Family) -> Result<usize> {
        let mut purged = 0;
        loop {
            let members = members::all(self.context(), workspace, family).await?;
            let now = self.context().clock.now();
            // A base goes in a later round, once its last fork has.
            let Some(member) = members.iter().find(|member| may_go(member, &members, now)) else { return Ok(purged) };
            self.purge_store(workspace, member, &members).await?;
            purged += 1;
        }
    }

    async fn purge_store(&self, workspace: WorkspaceId, member: &Member, members: &[Member]) -> Result<()> {
        let (context, id, family) = (self.context(), member.id, member.row.family);
        let mut contents = HashSet::new();
        members::walk(context, member, 0, &mut |row| {
            let names = row.detail.versions.iter().filter_map(|at| at.content);
            contents.extend(names.filter(|c| c.erasure().is_none()).map(|c| c.hash));
            Ok(())
        })
        .await?;
        for other in members {
            if other.id == id {
                continue;
            }
            members::walk(context, other, 0, &mut |row| {
                let names = row.detail.versions.iter().filter_map(|at| at.content.as_ref());
                for name in names {
                    contents.remove(&name.hash);
                }
                Ok(())
            })
            .await?;
        }
        let looked_at = members.iter().map(|member| (member.id, member.row.head)).collect();
        self.collect(Collection { workspace, family, contents, looked_at, leaving: Some(id) }).await?;
        self.empty(workspace, member).await?;
        for kind in
            [key::COMMIT, key::DETAIL, key::VERSION, key::CHECKPOINT, key::CHECKPOINT_PAGE, key::MERGE, key::PROFILE]
        {
            erase_all(context, Range::prefix(&key::of_store(kind, id))).await?;
        }
        if members.len() == 1 {
            erase_all(context, Range::prefix(&key::contents(family))).await?;
        }
        self.erase_row(workspace, id).await?;
        self.stores().close(id);
        context.vault.finish_erasures().await.map_err(fault::of)?;
        tracing::info!(store = %id, "a deleted store is purged");
        Ok(())
    }

    /// Makes a store one without commits of its own: from here on nobody looks for them.
    async fn empty(&self, workspace: WorkspaceId, member: &Member) -> Result<()> {
        let context = self.context();
        let key = key::store(workspace, member.id);
        let Some(found) = context.vault.get(&key).await.map_err(fault::of)? else { return Ok(()) };
        let row: StoreRow = record::decode(found.value())?;
        let row = StoreRow { head: member.start(), ..row };
        let mut batch = context.vault.batch();
        batch.replace(key, &found, &record::encode(&row)?).map_err(fault::of)?;
        context.vault.commit(batch).await.map_err(fault::of)
    }

    async fn erase_row(&self, workspace: WorkspaceId, store: StoreId) -> Result<()> {
        let context = self.context();
        let key = key::store(workspace, store);
        let Some(found) = context.vault.get(&key).await.map_err(fault::of)? else { return Ok(()) };
        let family: Family = record::decode::<StoreRow>(found.value())?.family;
        let mut batch = context.vault.batch();
        batch.erase(key, &found);
        let event = audit::Done {
            workspace,
            actor: housekeeper(),
            action: Action::StoreDelete,
            store: Some(store),
            description: "purged".to_owned(),
        };
        let (event_key, event) = event.row(context)?;
        batch.put(event_key, &event).map_err(fault::of)?;
        context.vault.commit(batch).await.map_err(fault::of)?;
        // The family's row says nothing that a new family could not say.
        if members::all(context, workspace, family).await?.is_empty() {
            erase_all(context, Range::prefix(&own_key::family(family))).await?;
            context.families.distrust(family);
        }
        Ok(())
    }
}

fn may_go(member: &Member, members: &[Member], now: Timestamp) -> bool {
    let Some(deleted) = member.row.delete_time else { return false };
    let days = Timestamp::from(deleted).duration_until(now).as_hours() / 24;
    let is_base = members.iter().any(|other| other.row.forked_from.is_some_and(|from| from.store == member.id));
    // A hold anywhere in the family holds what its stores share.
    let is_held = members.iter().any(|other| other.retention.legal_hold);
    days >= limits::STORE_PURGE_DAYS && !is_base && !is_held
}
