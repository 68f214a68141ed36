//! What a failure of the storage means to a caller.

use std::time::Duration;

use domain::{Error, Kind};
use storage::engine;

pub fn of(error: engine::Error) -> Error {
    match error {
        engine::Error::Full(_) => {
            Error::new(Kind::Exhausted, "LIMIT_REACHED", "the server's storage is full").because(error)
        }
        engine::Error::Corrupt(_) => Error::corrupt(error),
        engine::Error::Conflict(_) => busy().because(error),
        engine::Error::Failed(_) | engine::Error::Closed => {
            let message = "storage failed; whether the write was made is unknown: send the same again, it counts once";
            Error::unavailable(message).because(error)
        }
    }
}

/// Others kept being first.
pub fn busy() -> Error {
    Error::unavailable("other writes came first: send the same again").retry_after(Duration::from_millis(50))
}
