//! What a failure of the storage means to a caller.

use std::time::Duration;

use domain::{Error, Kind};
use storage::engine;

/// For reads, and for writes whose conditions cannot fail by another's doing.
pub fn of(error: engine::Error) -> Error {
    match error {
        engine::Error::Full(_) => {
            Error::new(Kind::Exhausted, "LIMIT_REACHED", "the server's storage is full").because(error)
        }
        engine::Error::Corrupt(_) => Error::corrupt(error),
        engine::Error::Conflict(_) => {
            Error::unavailable("another write came first: try again").retry_after(Duration::ZERO).because(error)
        }
        engine::Error::Failed(_) | engine::Error::Closed => {
            Error::unavailable("storage failed; a write's outcome is unknown: try again with the same request id")
                .because(error)
        }
    }
}

/// For bytes that are not what was written.
pub fn damaged(what: impl std::fmt::Display) -> Error {
    Error::corrupt(what.to_string())
}
