//! Retries: by kind of error, for calls that may be made twice.

use std::future::Future;
use std::time::Duration;

use domain::{Error, Kind, Result};

const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Calls until it works, or until waiting does not help. Only for reads, and for writes with a
/// request id: an unknown outcome is asked for again, never done twice.
pub async fn retry<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match call().await {
            Err(error) if may_pass(&error) => {
                tokio::time::sleep(error.details().retry_after.unwrap_or_else(|| jittered(wait))).await;
                wait = (wait * 3).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
    call().await
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

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
        let calls = Cell::new(0);
        let flaky = retry(|| {
            calls.set(calls.get() + 1);
            let n = calls.get();
            async move { if n < 3 { Err(Error::unavailable("away")) } else { Ok(n) } }
        });
        assert_eq!(flaky.await.unwrap(), 3);
        calls.set(0);
        let refused: Result<()> = retry(|| {
            calls.set(calls.get() + 1);
            async { Err(Error::denied("no")) }
        })
        .await;
        assert_eq!((refused.unwrap_err().kind(), calls.get()), (Kind::Denied, 1));
    }
}
