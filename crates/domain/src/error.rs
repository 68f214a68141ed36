//! What can go wrong, by what the caller does next. One type for every row above.

use std::fmt;
use std::time::Duration;

use crate::commit::{Conflict, MergeConflict};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of error, each documented by what the caller does next. The mapping to gRPC and HTTP
/// codes is one table, in the proto crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong in itself: mend the named fields.
    Invalid,
    /// No credential, or one that is not valid: get another.
    Unauthenticated,
    /// The credential does not allow it: ask for access.
    Denied,
    /// It is absent, or invisible to the caller.
    NotFound,
    /// There is one already: choose another name, or use what is there.
    Exists,
    /// The thing's state does not allow it: change the state first.
    Precondition,
    /// Somebody else was first: read the details, rebase, try again.
    Conflict,
    /// A limit is reached: wait, or ask for less.
    Exhausted,
    /// It took too long; for writes the outcome is unknown: ask again with the same request id.
    Deadline,
    /// The caller went away.
    Cancelled,
    /// Not now: try again; for writes the outcome is unknown: with the same request id.
    Unavailable,
    /// Stored data is damaged: an operator must look.
    Corrupt,
    /// A defect: an operator must look.
    Internal,
}

/// One field of a request that is wrong, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// As the proto names it, for example `operations[2].write.path`.
    pub field: String,
    pub description: String,
}

/// What a conflict consists of, so that the caller can rebase at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    pub violations: Vec<Violation>,
    pub conflicts: Vec<Conflict>,
    pub merge_conflicts: Vec<MergeConflict>,
    pub retry_after: Option<Duration>,
    /// Machine-readable facts, for example expected_seq.
    pub metadata: Vec<(&'static str, String)>,
}

/// An error with words for the caller, and, apart from them, a cause for the operator.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    reason: &'static str,
    message: String,
    details: Details,
    private: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `reason` is a stable UPPER_SNAKE_CASE code; `message` is for the caller's eyes.
    pub fn new(kind: Kind, reason: &'static str, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, reason, message: message.into(), details: Details::default(), private: None }))
    }

    /// One wrong field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Error {
        Error::violations(vec![Violation { field: field.into(), description: description.into() }])
    }

    /// All the wrong fields of a request at once. `violations` must not be empty.
    pub fn violations(violations: Vec<Violation>) -> Error {
        let message =
            violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect::<Vec<_>>().join("; ");
        let mut error = Error::new(Kind::Invalid, "INVALID_FIELD", message);
        error.0.details.violations = violations;
        error
    }

    /// `what` as in "store team-sre".
    pub fn not_found(what: impl fmt::Display) -> Error {
        Error::new(Kind::NotFound, "NOT_FOUND", format!("there is no {what} that you may see"))
    }

    pub fn denied(message: impl Into<String>) -> Error {
        Error::new(Kind::Denied, "ACCESS_DENIED", message)
    }

    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(Kind::Internal, "INTERNAL", "the server failed; its log says why").because(cause)
    }

    pub fn corrupt(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(Kind::Corrupt, "DATA_DAMAGED", "stored data is damaged; the server's log says where").because(cause)
    }

    pub fn unavailable(message: impl Into<String>) -> Error {
        Error::new(Kind::Unavailable, "UNAVAILABLE", message)
    }

    pub fn conflict(conflicts: Vec<Conflict>) -> Error {
        let paths = conflicts.iter().map(|c| c.subject()).collect::<Vec<_>>().join(", ");
        let mut error = Error::new(
            Kind::Conflict,
            "COMMIT_CONFLICT",
            format!("the store has moved on: {paths}; rebase on the content given and commit again"),
        );
        error.0.details.conflicts = conflicts;
        error
    }

    pub fn merge_conflict(conflicts: Vec<MergeConflict>) -> Error {
        let paths = conflicts.iter().map(|c| c.path.as_str()).collect::<Vec<_>>().join(", ");
        let mut error = Error::new(
            Kind::Conflict,
            "MERGE_CONFLICT",
            format!("both sides changed the same lines: {paths}; nothing was applied"),
        );
        error.0.details.merge_conflicts = conflicts;
        error
    }

    /// Adds the cause that only the operator may read.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.private = Some(cause.into());
        self
    }

    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Error {
        self.0.details.retry_after = Some(after);
        self
    }

    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Error {
        self.0.details.metadata.push((key, value.to_string()));
        self
    }

    #[must_use]
    pub fn with_details(mut self, details: Details) -> Error {
        self.0.details = details;
        self
    }

    /// Puts `prefix` before every violated field's name: `commit.path` rather than `path`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Error {
        if !self.0.details.violations.is_empty() {
            for v in &mut self.0.details.violations {
                v.field = if v.field.is_empty() { prefix.to_owned() } else { format!("{prefix}.{}", v.field) };
            }
            self.0.message = self
                .0
                .details
                .violations
                .iter()
                .map(|v| format!("{}: {}", v.field, v.description))
                .collect::<Vec<_>>()
                .join("; ");
        }
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// For the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn details(&self) -> &Details {
        &self.0.details
    }

    /// For the operator's log, and nowhere else.
    pub fn private(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.private.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}: {}", self.0.kind, self.0.reason, self.0.message)?;
        match &self.0.private {
            Some(cause) => write!(f, " (because {cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
