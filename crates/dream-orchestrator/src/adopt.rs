//! AdoptDream and DiscardDream: what becomes of a proposal.
//!
//! Adoption never touches the store before its one last step. What was accepted is merged into a
//! scratch fork of the store's head; INDEX.md is made again there, for what the store holds now; then
//! the scratch fork is merged into the store as one commit, on the condition that the head is still
//! the one it was forked from. If not, all of it is done again on the new head.
//!
//! The store's own log says whether a dream was adopted: no other commit of a store carries it. An
//! adoption that was cut short anywhere, and is asked for again, looks there first.

mod merge;

use domain::access::Permit;
use domain::dream::{Change, Decision, Selection, State};
use domain::id::DreamId;
use domain::{Error, Kind, Result};

use self::merge::{Adopting, Landed};
use crate::DreamOrchestrator;
use crate::caller::Caller;
use crate::create::delete_store;
use crate::record::{Adoption, ChangeRow, Dream, Review};
use crate::request::Claim;

/// What the caller asks for.
#[derive(Debug, Clone)]
pub struct Adopt {
    pub dream: DreamId,
    pub selection: Selection,
    pub expected_target_revision: Option<u64>,
    pub dry_run: bool,
    pub message: String,
    pub request_id: String,
}

/// What came of it.
pub struct Adopted {
    pub dream: Dream,
    pub revision: u64,
    pub changes: Vec<String>,
    pub no_op: bool,
}

impl Adopted {
    fn before(dream: Dream, done: &Adoption, no_op: bool) -> Adopted {
        Adopted { revision: done.revision, changes: done.changes.clone(), no_op, dream }
    }
}

impl DreamOrchestrator {
    pub(crate) async fn adopt(&self, caller: &Caller, request: Adopt) -> Result<Adopted> {
        // A dry run changes nothing, and has no outcome to keep.
        let request_id = if request.dry_run { "" } else { request.request_id.as_str() };
        let claimed = self.claim(&caller.permit, request_id, "AdoptDream", &format!("{request:?}")).await?;
        let is_replay = claimed.as_ref().is_some_and(|(_, before)| before.is_some());
        let (dream, rows) = self.changes(&caller.permit, request.dream).await?;
        if let Some(done) = dream.adoption.clone().filter(|a| a.adopted) {
            return Ok(Adopted::before(dream, &done, !is_replay || done.no_op));
        }
        ready(&dream)?;
        let accepted = accepted(&rows, request.selection);
        if accepted.is_empty() && !rows.is_empty() {
            let message = format!("none of the {} changes of {} is selected: accept some first", rows.len(), dream.id);
            return Err(Error::new(Kind::Precondition, "NOTHING_SELECTED", message));
        }
        let whole = accepted.len() == rows.len();
        let dry_run = request.dry_run;
        let mut changes: Vec<String> = accepted.iter().map(|c| c.id.clone()).collect();
        let intent = if dry_run { dream.adopting.clone() } else { self.intend(&dream, &changes).await? };
        let adopting = Adopting::new(self, &dream, caller, request, intent.is_some());
        let Landed { revision, no_op, earlier } = adopting.run(&accepted, whole).await?;
        if let Some(before) = intent.filter(|_| earlier) {
            changes = before;
        }
        if dry_run {
            return Ok(Adopted { dream, revision, changes, no_op });
        }
        let settled = self.adoption(caller, true, revision, no_op, changes);
        let dream = self.settle(&caller.permit, dream.id, settled, claimed.map(|(claim, _)| claim)).await?;
        adopting.clean_up().await;
        match dream.adoption.clone() {
            Some(done) => Ok(Adopted::before(dream, &done, done.no_op)),
            None => Err(Error::internal("a dream was settled and is not")),
        }
    }

    pub(crate) async fn discard(&self, caller: &Caller, id: DreamId) -> Result<Dream> {
        let dream = self.dream(&caller.permit, id).await?;
        if !dream.state.is_final() {
            return Err(not_ready(format!("{id} still runs: cancel it first")));
        }
        if dream.adoption.as_ref().is_some_and(|a| a.adopted) {
            return Err(not_ready(format!("{id} is adopted: restore the store to before it instead")));
        }
        self.discard_output(caller, &dream).await
    }

    /// Deletes the proposal, and writes down that it is gone.
    pub(crate) async fn discard_output(&self, caller: &Caller, dream: &Dream) -> Result<Dream> {
        delete_store(&self.context().peers.memory(&caller.secret), &dream.output()).await?;
        let discarded = self.adoption(caller, false, 0, false, Vec::new());
        self.settle(&caller.permit, dream.id, discarded, None).await
    }

    fn adoption(&self, caller: &Caller, adopted: bool, revision: u64, no_op: bool, changes: Vec<String>) -> Adoption {
        let (principal, time) = (caller.permit.actor().principal.clone(), self.context().clock.now());
        Adoption { adopted, revision, no_op, changes, principal, time }
    }

    /// Writes down what is about to be adopted. Returns what was, by a call that may have got further
    /// than it could say.
    async fn intend(&self, dream: &Dream, changes: &[String]) -> Result<Option<Vec<String>>> {
        let mut before = None;
        let intended = self.context().ledger.update(dream.workspace, dream.id, None, |dream| {
            before = dream.adopting.replace(changes.to_vec());
            ready(dream)
        });
        intended.await?;
        Ok(before)
    }

    async fn settle(&self, permit: &Permit, id: DreamId, to: Adoption, claim: Option<Claim>) -> Result<Dream> {
        let change = |dream: &mut Dream| {
            dream.adoption.get_or_insert_with(|| to.clone());
            Ok(())
        };
        let further = |batch: &mut storage::VaultBatch| match &claim {
            Some(claim) => claim.put(batch, id, to.time),
            None => Ok(()),
        };
        self.context().ledger.update_with(permit.workspace(), id, None, change, further).await
    }
}

fn ready(dream: &Dream) -> Result<()> {
    match &dream.adoption {
        Some(done) if !done.adopted => Err(not_ready(format!("{} was discarded: dream again", dream.id))),
        _ if !matches!(dream.state, State::Succeeded | State::NeedsReview) => {
            Err(not_ready(format!("{} has not succeeded: there is nothing to adopt", dream.id)))
        }
        _ => Ok(()),
    }
}

fn not_ready(message: String) -> Error {
    Error::new(Kind::Precondition, "DREAM_NOT_READY", message)
}

/// The changes that are wanted, with what they depend on, in the order of the report. A change that
/// was rejected stays out, and with it whatever makes no sense without it.
fn accepted(rows: &[(ChangeRow, Option<Review>)], selection: Selection) -> Vec<Change> {
    let changes: Vec<Change> = rows.iter().map(|(row, _)| row.change.clone()).collect();
    let decided = |decision: Decision| {
        let rows = rows.iter().filter(move |(_, review)| review.as_ref().is_some_and(|r| r.decision == decision));
        rows.map(|(row, _)| row.change.id.as_str())
    };
    let rejected: Vec<&str> = decided(Decision::Reject).collect();
    let stays_out = |id: &str| dreamer::close(&changes, &[id]).iter().any(|c| rejected.contains(&c.id.as_str()));
    let wanted: Vec<&str> = match selection {
        Selection::NotRejected => changes.iter().map(|c| c.id.as_str()).filter(|id| !stays_out(id)).collect(),
        Selection::Accepted => decided(Decision::Accept).filter(|id| !stays_out(id)).collect(),
    };
    dreamer::close(&changes, &wanted).into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
