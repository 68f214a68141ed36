//! Writing: a caller's commit on its way to the sequencer and back.

use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::{self, Operation, Outcome, Precondition};
use domain::error::Result;
use domain::{Error, MemoryPath};
use serde::Serialize;

use crate::commit::{Plan, PlannedStep, Proposal, Refusal};
use crate::key::Family;
use crate::outcome::{Asker, Claim};
use crate::record::OutcomeResult;
use crate::sequencer::{Answer, Done};
use crate::stores::OpenStore;
use crate::{MemoryStore, check, outcome, visible};

/// The part of a request that makes it the same request.
#[derive(Serialize)]
struct Body<'a> {
    steps: &'a [commit::Step],
    preconditions: &'a [(MemoryPath, Precondition)],
    store_revision: Option<commit::Revision>,
    message: &'a str,
    tool_call: &'a str,
}

impl MemoryStore {
    /// Applies operations atomically: all of them, durably, or none.
    ///
    /// # Errors
    /// Conflict with every failed precondition; NotFound, Exists or Precondition for an operation that
    /// the store's state does not allow; Invalid or Exhausted beyond a limit; Denied for a path that
    /// may only be read. Each names the field. Unavailable: the outcome is unknown.
    pub async fn commit(&self, permit: &StorePermit, request: commit::Request) -> Result<Outcome> {
        check::commit(&request)?;
        for step in &request.steps {
            permit.check_write(step.operation.path())?;
            if let Operation::Move { to, .. } = &step.operation {
                permit.check_write(to)?;
            }
        }
        for (path, _) in &request.preconditions {
            permit.check_read(path)?;
        }
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let body = Body {
            steps: &request.steps,
            preconditions: &request.preconditions,
            store_revision: request.store_revision,
            message: &request.message,
            tool_call: &request.tool_call,
        };
        let request_id = if request.dry_run { "" } else { &request.request_id };
        let claim = match self.claim(permit, request_id, "Commit", &body).await? {
            Claimed::Before(result) => return self.outcome_of(permit, &open, result).await,
            Claimed::Now(claim) => claim,
        };
        let actor = if request.tool_call.is_empty() {
            permit.actor().clone()
        } else {
            permit.clone().with_tool_call(&request.tool_call).actor().clone()
        };
        let family = open.family();
        let proposal = Proposal {
            actor: Arc::new(actor),
            message: request.message,
            plan: Plan::Steps {
                steps: request.steps.into_iter().map(|step| self.plan(family, step)).collect(),
                preconditions: request.preconditions,
                store_revision: request.store_revision,
            },
            claim,
            merged: None,
            redaction: false,
        };
        let answer = self.propose(&open, proposal, request.dry_run).await;
        self.settle(permit, &open, answer).await
    }

    /// Has a commit made, or, for a dry run, only judged against the durable head.
    pub(crate) async fn propose(&self, open: &Arc<OpenStore>, proposal: Proposal, dry_run: bool) -> Answer {
        if dry_run {
            crate::sequencer::rehearse(self.context(), open, &proposal).await
        } else {
            open.sequencer.commit(open, proposal).await
        }
    }

    pub(crate) async fn claim(
        &self,
        permit: &StorePermit,
        request_id: &str,
        method: &'static str,
        body: &(impl Serialize + Sync),
    ) -> Result<Claimed> {
        let store = permit.store();
        let asker =
            Asker { workspace: permit.workspace(), subject: &permit.actor().principal, store: store.as_bytes() };
        Ok(match outcome::claim(self.context(), asker, request_id, method, body).await? {
            Some((_, Some(result))) => Claimed::Before(result),
            claim => Claimed::Now(claim.map(|(claim, _)| claim)),
        })
    }

    /// The caller's answer.
    pub(crate) async fn settle(&self, permit: &StorePermit, open: &Arc<OpenStore>, answer: Answer) -> Result<Outcome> {
        match answer {
            Ok(Done::Committed(commit)) => Ok(Outcome {
                revision: commit.revision,
                versions: visible::versions(&commit, permit, None).collect(),
                no_op: false,
            }),
            Ok(Done::NoOp(revision)) => Ok(Outcome { revision, versions: Vec::new(), no_op: true }),
            Ok(Done::Replay(result)) => self.outcome_of(permit, open, result).await,
            Err(Refusal::Error(e)) => Err(e),
            Err(Refusal::Conflict(failed)) => Err(crate::commit::conflict(self.context(), open.family(), failed).await),
            Err(Refusal::Stale) => Err(Error::unavailable("the store keeps changing: try again")),
        }
    }

    /// The answer to a request that came before, from the log.
    pub(crate) async fn outcome_of(
        &self,
        permit: &StorePermit,
        open: &OpenStore,
        result: OutcomeResult,
    ) -> Result<Outcome> {
        match result {
            OutcomeResult::Commit { revision, no_op: true } => {
                Ok(Outcome { revision, versions: Vec::new(), no_op: true })
            }
            OutcomeResult::Commit { revision, no_op: false } => {
                let commit = self.context().log.commit(&open.lineage, revision).await?;
                let versions = visible::versions(&commit, permit, None).collect();
                Ok(Outcome { revision, versions, no_op: false })
            }
            OutcomeResult::Store(_) | OutcomeResult::Redaction(_) => {
                Err(crate::fault::damaged("the outcome of a commit"))
            }
        }
    }

    fn plan(&self, family: Family, mut step: commit::Step) -> PlannedStep {
        let text = match &mut step.operation {
            Operation::Write { content, .. } | Operation::Create { content, .. } => {
                Some(self.context().contents.name(family, std::mem::take(content).into()))
            }
            _ => None,
        };
        PlannedStep { step, text }
    }
}

/// What holding on to a request id came to.
pub(crate) enum Claimed {
    /// The request came before.
    Before(OutcomeResult),
    /// None for a request without an id.
    Now(Option<Claim>),
}
