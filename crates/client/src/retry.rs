//! Retries: by kind of error, for calls that may be made twice.

use std::future::Future;
use std::time::Duration;

use domain::{Error, Kind, Result};

const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A server that wants to be left alone for longer is not asked again: the caller decides.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls until it works, or until waiting does not help. Only for reads, and for writes with a
/// request id: an unknown outcome is asked for again, never done twice.
pub async fn retry<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let mut backoff = Backoff::new(TRIES);
    loop {
        match call().await {
            Err(error) => match backoff.after(&error) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            },
            done => return done,
        }
    }
}

/// A write, called once where it has no request id, else as `retry` does.
pub async fn retry_write<T, F: Future<Output = Result<T>>>(request_id: &str, mut call: impl FnMut() -> F) -> Result<T> {
    if request_id.is_empty() { call().await } else { retry(call).await }
}

/// Whether the same call may work a little later.
pub fn may_pass(error: &Error) -> bool {
    match error.kind() {
        Kind::Unavailable | Kind::Deadline => true,
        Kind::Exhausted => error.details().retry_after.is_some(),
        Kind::Invalid
        | Kind::Unauthenticated
        | Kind::Denied
        | Kind::NotFound
        | Kind::Exists
        | Kind::Precondition
        | Kind::Conflict
        | Kind::Cancelled
        | Kind::Corrupt
        | Kind::Internal => false,
    }
}

/// Waits between tries: longer each time, a bounded number of them.
#[derive(Debug)]
pub(crate) struct Backoff {
    wait: Duration,
    tries_left: u32,
}

impl Backoff {
    pub fn new(tries: u32) -> Backoff {
        Backoff { wait: FIRST_WAIT, tries_left: tries }
    }

    /// How long to wait after a failed try before the next. None where there should be none.
    pub fn after(&mut self, error: &Error) -> Option<Duration> {
        self.tries_left = self.tries_left.saturating_sub(1);
        if self.tries_left == 0 || !may_pass(error) {
            return None;
        }
        let wait = jittered(self.wait);
        self.wait = (self.wait * 3).min(LONGEST_WAIT);
        match error.details().retry_after {
            Some(asked) => Some(asked.max(wait)).filter(|_| asked <= PATIENCE),
            None => Some(wait),
        }
    }
}

/// Between a half and the whole, so that many callers do not come back at one moment.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the wait is the whole: callers may meet, nothing else.
    let share = if getrandom::fill(&mut byte).is_ok() { 0.5 + f64::from(byte[0]) / 512.0 } else { 1.0 };
    wait.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How often a call is made whose first `failures` tries end as `error` says.
    async fn calls(failures: u32, error: fn() -> Error, request_id: Option<&str>) -> (u32, Result<()>) {
        let calls = Cell::new(0);
        let call = || {
            calls.set(calls.get() + 1);
            std::future::ready(if calls.get() > failures { Ok(()) } else { Err(error()) })
        };
        let done = match request_id {
            Some(id) => retry_write(id, call).await,
            None => retry(call).await,
        };
        (calls.get(), done)
    }

    fn away() -> Error {
        Error::unavailable("away")
    }

    fn full(after: Duration) -> Error {
        Error::new(Kind::Exhausted, "OVERLOADED", "full").retry_after(after)
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
        assert!(matches!(calls(2, away, None).await, (3, Ok(()))));
        assert!(matches!(calls(1, || full(Duration::from_secs(1)), None).await, (2, Ok(()))));
        let (n, refused) = calls(9, || Error::denied("no"), None).await;
        assert_eq!((n, refused.unwrap_err().kind()), (1, Kind::Denied));
    }

    #[tokio::test(start_paused = true)]
    async fn tries_are_bounded_and_so_is_the_patience() {
        let (n, given_up) = calls(99, away, None).await;
        assert_eq!((n, given_up.unwrap_err().kind()), (TRIES, Kind::Unavailable));
        assert_eq!(calls(99, || full(Duration::from_secs(3_600)), None).await.0, 1);
        assert_eq!(calls(99, || Error::new(Kind::Exhausted, "LIMIT_REACHED", "too many"), None).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_a_request_id_is_made_once() {
        assert_eq!(calls(1, away, Some("")).await.0, 1);
        assert!(matches!(calls(1, away, Some("req_1")).await, (2, Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wish_is_a_least_wait() {
        let started = tokio::time::Instant::now();
        calls(1, || full(Duration::from_secs(3)), None).await.1.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(3));
    }
}
