//! Who calls, where a call acts on other services on the caller's behalf.

use std::time::Duration;

use domain::access::{Action, Permit, Principal, Secret};
use domain::{Result, Timestamp};

/// Tokens made with the caller's end this much sooner, so that no clock makes them outlive it.
const MARGIN: Duration = Duration::from_secs(5);

/// Leave to do something, and the credential to do it with elsewhere.
pub struct Caller {
    pub permit: Permit,
    pub secret: Secret,
    expire_time: Timestamp,
}

impl Caller {
    pub fn new(principal: &Principal, secret: Secret, action: Action) -> Result<Caller> {
        Ok(Caller { permit: principal.permit(action)?, secret, expire_time: principal.expire_time })
    }

    /// How long a token may live that is made with the caller's own.
    pub fn lives_for(&self, now: Timestamp) -> Duration {
        let left = Duration::try_from(self.expire_time.duration_since(now)).unwrap_or_default();
        left.saturating_sub(MARGIN)
    }
}
