//! Patience: how long a dream waits for what does not answer, and what it says when that was too long.

use std::time::Duration;

use client::retry::may_pass;
use domain::Error;
use tokio::time::Instant;

use crate::PEER;
use crate::lease::LOST;
use crate::timing::Timing;

/// The time that the caller gave it is over: waiting does not help.
pub const BUDGET_SPENT: &str = "BUDGET_SPENT";

#[derive(Debug)]
pub struct Patience {
    timing: Timing,
    wait: Duration,
    /// Since when nothing goes on, and after how many tries.
    since: Option<Instant>,
    tries: u32,
}

impl Patience {
    pub fn new(timing: Timing) -> Patience {
        Patience { timing, wait: timing.wait_min, since: None, tries: 0 }
    }

    /// How long to wait after a try that began at `started` and failed. None where waiting does not
    /// help, or has been long enough.
    pub fn after(&mut self, error: &Error, started: Instant) -> Option<Duration> {
        if !may_pass(error) || matches!(error.reason(), LOST | BUDGET_SPENT) {
            self.since = None;
            return None;
        }
        if started.elapsed() > self.timing.wait_max {
            // It did go on for a while.
            *self = Patience::new(self.timing);
        }
        self.tries += 1;
        let wait = self.wait;
        self.wait = (self.wait * 2).min(self.timing.wait_max);
        (self.since.get_or_insert(started).elapsed() < self.timing.patience).then_some(wait)
    }

    /// The error of the last try, in words that say what was tried.
    pub fn told(&self, error: Error) -> Error {
        let Some(since) = self.since else { return error };
        let peer = error.details().metadata.iter().find(|(key, _)| *key == PEER);
        let peer = peer.map_or("storage", |(_, peer)| peer.as_str());
        let (tries, waited_s) = (self.tries, since.elapsed().as_secs());
        let message = format!("{peer} did not answer for {waited_s} s, in {tries} tries: {}", error.message());
        Error::new(error.kind(), error.reason(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        lease: Duration::ZERO,
        look: Duration::ZERO,
        wait_min: Duration::from_secs(1),
        wait_max: Duration::from_secs(4),
        patience: Duration::from_secs(20),
    };

    fn away() -> Error {
        Error::unavailable("connection refused").with(PEER, "memory-store")
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_bound_and_end() {
        let mut patience = Patience::new(TIMING);
        let mut waits = Vec::new();
        while let Some(wait) = patience.after(&away(), Instant::now()) {
            waits.push(wait.as_secs());
            tokio::time::sleep(wait).await;
        }
        assert_eq!(waits, [1, 2, 4, 4, 4, 4, 4]);
        let told = patience.told(away());
        assert_eq!(told.message(), "memory-store did not answer for 23 s, in 8 tries: connection refused");
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_went_on_for_long_begins_the_patience_anew() {
        let mut patience = Patience::new(TIMING);
        for _ in 0..100 {
            let started = Instant::now();
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(patience.after(&away(), started), Some(TIMING.wait_min));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_does_not_mend_is_not_waited_for() {
        for error in
            [Error::denied("no"), crate::lease::lost(), Error::new(domain::Kind::Deadline, BUDGET_SPENT, "over")]
        {
            let mut patience = Patience::new(TIMING);
            assert_eq!(patience.after(&error, Instant::now()), None, "{error:?}");
            let message = error.message().to_owned();
            assert_eq!(patience.told(error).message(), message);
        }
    }
}
