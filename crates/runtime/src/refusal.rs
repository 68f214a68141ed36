//! Refusals: the last place that sees an error's cause, and the one that logs it.

use domain::Error;
use tonic::Status;

/// What the caller is told. The cause, where there is one, goes to the operator's log, within the
/// request's span.
pub fn refuse(error: Error) -> Status {
    if let Some(cause) = error.private() {
        tracing::error!(reason = error.reason(), cause, "a request failed");
    }
    proto::error::to_status(&error)
}
