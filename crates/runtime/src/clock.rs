//! The process's clock, ids and random bytes: the one place that asks the system for them.

use domain::{Clock, Ids, Timestamp};

/// Wall-clock time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take as an argument")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// UUID version 7 (RFC 9562).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "these are the ids that others take as an argument")]
    fn fresh(&self) -> [u8; 16] {
        *uuid::Uuid::now_v7().as_bytes()
    }
}
