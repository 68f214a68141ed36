//! GetDream, ListDreams, CancelDream, ListChanges.

use domain::access::Permit;
use domain::dream::State;
use domain::id::{DreamId, StoreId};
use domain::{Error, Kind, Result};

use crate::caller::Caller;
use crate::record::{ChangeRow, Dream, Review};
use crate::{DreamOrchestrator, recording};

/// Dreams read at once while looking for those that match.
const SCAN: usize = 256;

impl DreamOrchestrator {
    pub(crate) async fn dream(&self, permit: &Permit, id: DreamId) -> Result<Dream> {
        Ok(self.context().ledger.dream(permit.workspace(), id).await?.dream)
    }

    /// Newest first, up to `limit` from before one on.
    pub(crate) async fn dreams(
        &self,
        permit: &Permit,
        states: &[State],
        store: &str,
        mut before: Option<DreamId>,
        limit: usize,
    ) -> Result<Vec<Dream>> {
        let id: Option<StoreId> = store.parse().ok();
        let matches = |d: &Dream| {
            (states.is_empty() || states.contains(&d.state))
                && (store.is_empty() || id == Some(d.store) || d.store_handle == store)
        };
        let mut found = Vec::new();
        loop {
            let page = self.context().ledger.page(permit.workspace(), before, SCAN).await?;
            let Some(last) = page.last() else { return Ok(found) };
            before = Some(last.id);
            for dream in page {
                if matches(&dream) {
                    found.push(dream);
                }
                if found.len() == limit {
                    return Ok(found);
                }
            }
        }
    }

    /// Ends a dream that runs, and discards what it has written; one that has ended is refused.
    pub(crate) async fn cancel(&self, caller: &Caller, id: DreamId) -> Result<Dream> {
        let context = self.context();
        let (workspace, now) = (caller.permit.workspace(), context.clock.now());
        let canceled = context.ledger.update(workspace, id, None, |dream| {
            if dream.state.is_final() && dream.state != State::Canceled {
                return Err(Error::new(
                    Kind::Precondition,
                    "DREAM_ENDED",
                    format!("{id} has ended: discard it instead"),
                ));
            }
            dream.state = State::Canceled;
            dream.end_time.get_or_insert(now);
            Ok(())
        });
        let dream = canceled.await?;
        self.0.runner.stop(id);
        recording::end(context, &dream).await;
        context.ledger.drop_analyses(workspace, id, None).await?;
        match self.discard_output(caller, &dream).await {
            // Who may start dreams may not delete stores: DiscardDream is for those who may.
            Err(error) if error.kind() == Kind::Denied => Ok(dream),
            discarded => discarded,
        }
    }

    pub(crate) async fn changes(
        &self,
        permit: &Permit,
        id: DreamId,
    ) -> Result<(Dream, Vec<(ChangeRow, Option<Review>)>)> {
        let dream = self.dream(permit, id).await?;
        let changes = self.context().ledger.changes(&dream).await?;
        Ok((dream, changes))
    }
}
