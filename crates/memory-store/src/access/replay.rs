//! Requests that are sent twice: the same id, the same token.
//!
//! A secret is kept nowhere, so that a repeated answer cannot repeat it: the token gets a new one,
//! and the earlier, which the caller did not receive, opens nothing more.

use domain::access::Principal;
use domain::id::TokenId;
use domain::{Error, Kind, Result, Timestamp, limits};

use crate::access::record::OutcomeRow;
use crate::access::{Access, Changes, Pen, after, key};
use crate::record;

/// Where the outcome of a request with an id is kept.
pub struct Replay {
    key: bytes::Bytes,
    digest: [u8; 32],
}

impl Access {
    /// None for a request without an id.
    pub(super) fn replay(
        &self,
        principal: &Principal,
        kind: &'static str,
        request_id: &str,
        body: &impl serde::Serialize,
    ) -> Result<Option<Replay>> {
        if request_id.is_empty() {
            return Ok(None);
        }
        let name = (kind, principal.workspace, principal.token, request_id);
        let key = key::outcome(&self.0.vault.keyed_hash("reverie access request", &record::encode(&name)?));
        let digest = self.0.vault.keyed_hash("reverie access request body", &record::encode(body)?);
        Ok(Some(Replay { key, digest }))
    }
}

impl Replay {
    /// What the request came to, if it was made before.
    ///
    /// # Errors
    /// Invalid where the id was used for another request.
    pub async fn outcome(&self, pen: &Pen<'_>, now: Timestamp) -> Result<Option<OutcomeRow>> {
        let row: Option<OutcomeRow> = pen.row(&self.key).await?;
        let fresh = row.filter(|row| now < after(row.time.into(), limits::REQUEST_ID_TTL_S));
        match fresh {
            Some(row) if row.digest != self.digest => Err(Error::new(
                Kind::Invalid,
                "REQUEST_ID_REUSED",
                "request_id: it was used for another request; use a fresh one for each",
            )),
            fresh => Ok(fresh),
        }
    }

    pub fn keep(&self, changes: &mut Changes<'_>, now: Timestamp, token: Option<TokenId>) -> Result<()> {
        changes.put(self.key.clone(), &OutcomeRow { digest: self.digest, time: now.into(), token })
    }
}
