//! Authentication by asking: what memory-store says of a credential, kept for a few seconds.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use domain::access::{Authenticator, Principal, Secret};
use domain::{Result, limits};
use moka::future::Cache;
use proto::convert::access::to_principal;
use proto::memory::WhoAmIRequest;

use crate::retry::retry;
use crate::{Client, answer};

/// Credentials that are kept at once.
const KEPT_MAX: u64 = 10_000;

/// Asks memory-store who a caller is. A revoked token works for `limits::TOKEN_CACHE_S` seconds more at
/// the most. Refusals are not kept.
#[derive(Debug, Clone)]
pub struct WhoAmI {
    client: Client,
    known: Cache<blake3::Hash, Principal>,
}

impl WhoAmI {
    /// `client` reaches memory-store; its own credential is not used.
    pub fn new(client: Client) -> WhoAmI {
        let kept = Duration::from_secs(limits::TOKEN_CACHE_S);
        WhoAmI { client, known: Cache::builder().max_capacity(KEPT_MAX).time_to_live(kept).build() }
    }

    async fn ask(&self, secret: &Secret) -> Result<Principal> {
        let key = blake3::hash(secret.expose().as_bytes());
        if let Some(principal) = self.known.get(&key).await {
            return Ok(principal);
        }
        let client = self.client.with_secret(secret.clone()).access();
        let me = retry(|| async { answer(client.clone().who_am_i(WhoAmIRequest {}).await) }).await?;
        let principal = to_principal(me)?;
        self.known.insert(key, principal.clone()).await;
        Ok(principal)
    }
}

impl Authenticator for WhoAmI {
    fn authenticate<'a>(&'a self, secret: &'a Secret) -> Pin<Box<dyn Future<Output = Result<Principal>> + Send + 'a>> {
        Box::pin(self.ask(secret))
    }
}
