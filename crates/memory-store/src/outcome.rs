//! Outcomes: what a request with an id came to, so that asking again gives the same answer.
//!
//! Kept for limits::REQUEST_ID_TTL_S under a keyed hash of workspace, subject, store and request id.
//! Only successes and no-ops are kept: a refusal is judged again. The batch that writes an outcome
//! has its absence as a condition, so that no id ever has two.

use std::sync::Arc;

use bytes::Bytes;
use domain::error::Result;
use domain::id::WorkspaceId;
use domain::{Error, Kind, Timestamp, limits};
use serde::Serialize;
use storage::{Record, VaultBatch};

use crate::context::Context;
use crate::record::{self, OutcomeResult, OutcomeRow};
use crate::{fault, key};

/// A request's hold on its id.
#[derive(Clone)]
pub struct Claim {
    pub key: Bytes,
    /// Keyed hash of the request's body.
    pub digest: [u8; 32],
    /// An outcome of the same id that is too old to count: to be replaced.
    pub expired: Option<Record>,
}

impl Claim {
    /// The row that keeps what the request came to.
    pub fn outcome(&self, now: Timestamp, result: OutcomeResult) -> Result<Vec<u8>> {
        record::encode(&OutcomeRow { digest: self.digest, time: now.into(), result })
    }

    /// Adds that row, on condition that no other came first.
    pub fn put(&self, batch: &mut VaultBatch, outcome: &[u8]) -> Result<()> {
        match &self.expired {
            Some(old) => batch.replace(self.key.clone(), old, outcome),
            None => {
                batch.require_absent(self.key.clone());
                batch.put(self.key.clone(), outcome)
            }
        }
        .map(drop)
        .map_err(fault::of)
    }
}

/// Who asks, of what.
pub struct Asker<'a> {
    pub workspace: WorkspaceId,
    pub subject: &'a str,
    /// A store's id, or nothing for a request that makes one.
    pub store: &'a [u8],
}

/// The claim of a request with an id, and what it came to if it came before. `method` tells apart
/// requests whose bodies are alike.
pub async fn claim(
    context: &Context,
    asker: Asker<'_>,
    request_id: &str,
    method: &'static str,
    body: &(impl Serialize + Sync),
) -> Result<Option<(Claim, Option<OutcomeResult>)>> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let name = (asker.workspace, asker.subject, asker.store, request_id);
    let name = postcard::to_stdvec(&name).map_err(Error::internal)?;
    let body = postcard::to_stdvec(&(method, body)).map_err(Error::internal)?;
    let mut claim = Claim {
        key: key::outcome(&context.vault.keyed_hash("reverie request id", &name)),
        digest: context.vault.keyed_hash("reverie request body", &body),
        expired: None,
    };
    let found = look_up(context, &mut claim).await?;
    Ok(Some((claim, found)))
}

/// Reads the outcome from disk, and notes one that is too old.
///
/// # Errors
/// Invalid where the id was used for another request.
pub async fn look_up(context: &Context, claim: &mut Claim) -> Result<Option<OutcomeResult>> {
    claim.expired = None;
    let Some(record) = context.vault.get(&claim.key).await.map_err(fault::of)? else { return Ok(None) };
    let row: OutcomeRow = record::decode(record.value())?;
    let age_s = Timestamp::from(row.time).duration_until(context.clock.now()).as_secs();
    if age_s > limits::REQUEST_ID_TTL_S {
        claim.expired = Some(record);
        return Ok(None);
    }
    check_digest(claim, &row.digest)?;
    Ok(Some(row.result))
}

fn check_digest(claim: &Claim, digest: &[u8; 32]) -> Result<()> {
    if claim.digest == *digest {
        return Ok(());
    }
    let message = "this request id was used for another request: use a fresh one for each request, and the same one \
                   only to repeat it";
    let details = domain::error::Details {
        violations: vec![domain::error::Violation { field: "request_id".into(), description: message.into() }],
        ..Default::default()
    };
    Err(Error::new(Kind::Invalid, "REQUEST_ID_REUSED", message).with_details(details))
}

/// The digest of a request's body, and what it came to.
type Kept = Arc<([u8; 32], OutcomeResult)>;

/// The outcomes that one sequencer wrote or is about to write: they come after what a claim read.
#[derive(Clone)]
pub struct Outcomes {
    durable: moka::sync::Cache<Bytes, Kept>,
    pending: Vec<(Bytes, Kept)>,
}

impl Default for Outcomes {
    fn default() -> Outcomes {
        Outcomes { durable: moka::sync::Cache::new(limits::OUTCOMES_RECENT_MAX), pending: Vec::new() }
    }
}

impl Outcomes {
    /// What the request came to, where it is known; an error where its id was used for another.
    pub fn find(&self, claim: &Claim) -> Option<Result<OutcomeResult>> {
        let pending = self.pending.iter().find(|(key, _)| *key == claim.key).map(|(_, found)| found.clone());
        let found = pending.or_else(|| self.durable.get(&claim.key))?;
        Some(check_digest(claim, &found.0).map(|()| found.1))
    }

    pub fn push(&mut self, claim: &Claim, result: OutcomeResult) {
        self.pending.push((claim.key.clone(), Arc::new((claim.digest, result))));
    }

    pub fn confirm(&mut self) {
        for (key, outcome) in self.pending.drain(..) {
            self.durable.insert(key, outcome);
        }
    }

    pub fn forget_pending(&mut self) {
        self.pending.clear();
    }
}
