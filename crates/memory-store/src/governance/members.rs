//! Members: the stores of a family, also those that are archived or deleted.

use domain::commit::Revision;
use domain::id::{StoreId, WorkspaceId};
use domain::store::Retention;
use domain::{Result, limits};
use storage::engine::{Direction, Range};

use crate::context::Context;
use crate::key::Family;
use crate::lineage::Segment;
use crate::log::Row;
use crate::record::{self, Profile, StoreRow};
use crate::{fault, key};

#[derive(Debug, Clone)]
pub struct Member {
    pub id: StoreId,
    pub row: StoreRow,
    pub retention: Retention,
}

impl Member {
    /// The revision that its own log begins after.
    pub fn start(&self) -> Revision {
        self.row.forked_from.map_or(0, |from| from.revision)
    }

    /// Its own commits after one revision, up to and with another, in pages.
    pub fn pages(&self, after: Revision, to: Revision) -> impl Iterator<Item = Segment> + use<> {
        let (store, mut at) = (self.id, after.max(self.start()));
        std::iter::from_fn(move || {
            let last = to.min(at + limits::LOG_SCAN_MAX as u64);
            let page = (last > at).then_some(Segment { store, first: at + 1, last });
            at = last;
            page
        })
    }
}

/// All stores of a family, in the order of their making.
pub async fn all(context: &Context, workspace: WorkspaceId, family: Family) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    let mut range = Range::prefix(&key::stores(workspace));
    loop {
        let rows = context.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
        let rows = rows.map_err(fault::of)?;
        let Some((last, _)) = rows.last() else { return Ok(members) };
        range = range.after(last.clone());
        for (key, found) in &rows {
            let row: StoreRow = record::decode(found.value())?;
            if row.family != family {
                continue;
            }
            let id = key::store_of(key).ok_or_else(|| fault::damaged("a store's key"))?;
            let profile = context.vault.get(&key::profile(id, row.profile)).await.map_err(fault::of)?;
            let profile: Option<Profile> = profile.map(|p| record::decode(p.value())).transpose()?;
            let retention = profile.map(|p| p.retention).unwrap_or_default();
            members.push(Member { id, row, retention });
        }
    }
}

/// Goes through a member's own commits after a revision, oldest first.
pub async fn walk(
    context: &Context,
    member: &Member,
    after: Revision,
    // Not generic: a future that holds a generic closure over references is not Send to the compiler.
    each: &mut (dyn FnMut(&Row) -> Result<()> + Send),
) -> Result<()> {
    for page in member.pages(after, member.row.head) {
        for row in context.log.rows(page).await? {
            each(&row)?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}
