//! ReviewChange: what a person thinks of one change.

use domain::access::Permit;
use domain::dream::Decision;
use domain::id::DreamId;
use domain::{Error, Kind, Result};

use crate::DreamOrchestrator;
use crate::record::{ChangeRow, Dream, Review};

impl DreamOrchestrator {
    /// The last word counts, until the dream is adopted or discarded.
    pub(crate) async fn review(
        &self,
        permit: &Permit,
        id: DreamId,
        change: &str,
        decision: Decision,
        note: String,
    ) -> Result<(Dream, ChangeRow, Review)> {
        let (dream, changes) = self.changes(permit, id).await?;
        if dream.adoption.is_some() {
            return Err(Error::new(
                Kind::Precondition,
                "DREAM_SETTLED",
                format!("{id} is adopted or discarded: reviews come before that"),
            ));
        }
        let found = changes.into_iter().zip(0u32..).find(|((row, _), _)| row.change.id == change);
        let ((row, _), number) = found.ok_or_else(|| Error::not_found(format_args!("change {change} of {id}")))?;
        let review =
            Review { decision, note, principal: permit.actor().principal.clone(), time: self.context().clock.now() };
        self.context().ledger.review(permit.workspace(), id, number, &review).await?;
        Ok((dream, row, review))
    }
}
