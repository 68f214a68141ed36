//! Requests with an id: asking again gives the same answer, for limits::REQUEST_ID_TTL_S.
//!
//! Only successes are kept: a refusal is judged again. The batch that makes a request's effect real
//! writes its outcome too, on condition that no other came first.

use domain::access::Permit;
use domain::id::DreamId;
use domain::{Error, Kind, Result, Timestamp, limits};
use storage::{Record, VaultBatch};

use crate::DreamOrchestrator;
use crate::key;
use crate::ledger::fault;
use crate::record::{Outcome, decode, encode};

/// A request's hold on its id.
#[derive(Debug, Clone)]
pub struct Claim {
    pub key: Vec<u8>,
    digest: [u8; 32],
    /// What the same id came to, too long ago to count: to be replaced.
    expired: Option<Record>,
}

impl Claim {
    /// Adds what the request came to.
    pub fn put(&self, batch: &mut VaultBatch, dream: DreamId, time: Timestamp) -> Result<()> {
        let row = encode(&Outcome { request_digest: self.digest, dream, time })?;
        match &self.expired {
            Some(old) => batch.replace(self.key.clone(), old, &row),
            None => {
                batch.require_absent(self.key.clone());
                batch.put(self.key.clone(), &row)
            }
        }
        .map(drop)
        .map_err(fault)
    }
}

impl DreamOrchestrator {
    /// The claim of a request with an id, and the dream that it concerned where it was made before.
    /// `body` says all that is asked for; `method` tells apart requests that read alike.
    ///
    /// # Errors
    /// Invalid where the id was used for another request.
    pub(crate) async fn claim(
        &self,
        permit: &Permit,
        request_id: &str,
        method: &str,
        body: &str,
    ) -> Result<Option<(Claim, Option<DreamId>)>> {
        if request_id.is_empty() {
            return Ok(None);
        }
        let vault = self.context().ledger.vault();
        let hash =
            |context, first: &str, second: &str| vault.keyed_hash(context, format!("{first}\0{second}").as_bytes());
        let who = hash("dream request id", &permit.actor().principal, request_id);
        let mut claim = Claim {
            key: key::request(permit.workspace(), &who),
            digest: hash("dream request", method, body),
            expired: None,
        };
        let Some(row) = vault.get(&claim.key).await.map_err(fault)? else { return Ok(Some((claim, None))) };
        let outcome: Outcome = decode(row.value())?;
        if outcome.time < oldest(self.context().clock.now()) {
            claim.expired = Some(row);
            return Ok(Some((claim, None)));
        }
        if outcome.request_digest != claim.digest {
            let message = "request_id was used for another request: take a fresh one";
            return Err(Error::new(Kind::Invalid, "REQUEST_ID_REUSED", message));
        }
        Ok(Some((claim, Some(outcome.dream))))
    }
}

/// Outcomes from before this count no more.
pub fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(jiff::SignedDuration::from_secs(limits::REQUEST_ID_TTL_S)).unwrap_or(Timestamp::MIN)
}
