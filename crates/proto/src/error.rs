//! THE error table: kinds of error to gRPC and HTTP codes, and errors over the wire, both ways.
//!
//! A status carries google.rpc.ErrorInfo (domain "reverie", a stable reason), BadRequest with field
//! violations, RetryInfo, and the conflict details of reverie.memory.v1. The cause for operators
//! stays in the process.

use std::time::Duration;

use domain::error::{Details, Error, Kind, Violation};
use prost::{Message, Name};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::convert::{commit, time};
use crate::memory::{CommitConflict, MergeConflict};

const DOMAIN: &str = "reverie";

/// The gRPC code of a kind.
pub const fn code(kind: Kind) -> Code {
    match kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::Denied => Code::PermissionDenied,
        Kind::NotFound => Code::NotFound,
        Kind::Exists => Code::AlreadyExists,
        Kind::Precondition => Code::FailedPrecondition,
        Kind::Conflict => Code::Aborted,
        Kind::Exhausted => Code::ResourceExhausted,
        Kind::Deadline => Code::DeadlineExceeded,
        Kind::Cancelled => Code::Cancelled,
        Kind::Unavailable => Code::Unavailable,
        Kind::Corrupt => Code::DataLoss,
        Kind::Internal => Code::Internal,
    }
}

/// The HTTP status of a kind.
pub const fn http_status(kind: Kind) -> u16 {
    match kind {
        Kind::Invalid | Kind::Precondition => 400,
        Kind::Unauthenticated => 401,
        Kind::Denied => 403,
        Kind::NotFound => 404,
        Kind::Exists | Kind::Conflict => 409,
        Kind::Exhausted => 429,
        Kind::Cancelled => 499,
        Kind::Corrupt | Kind::Internal => 500,
        Kind::Unavailable => 503,
        Kind::Deadline => 504,
    }
}

/// What an HTTP status says to those who count gRPC codes.
pub const fn code_of_http(status: u16) -> Code {
    match status {
        100..400 => Code::Ok,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        400..500 => Code::InvalidArgument,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

/// The kind of a gRPC code; codes that Reverie does not send are defects of whoever sent them.
pub const fn kind(code: Code) -> Kind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Kind::Invalid,
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::Denied,
        Code::NotFound => Kind::NotFound,
        Code::AlreadyExists => Kind::Exists,
        Code::FailedPrecondition => Kind::Precondition,
        Code::Aborted => Kind::Conflict,
        Code::ResourceExhausted => Kind::Exhausted,
        Code::DeadlineExceeded => Kind::Deadline,
        Code::Cancelled => Kind::Cancelled,
        Code::Unavailable => Kind::Unavailable,
        Code::DataLoss => Kind::Corrupt,
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal => Kind::Internal,
    }
}

/// What the caller is told.
pub fn to_status(error: &Error) -> Status {
    let details = error.details();
    let mut any = vec![pack(
        "google.rpc.ErrorInfo",
        &pb::ErrorInfo {
            reason: error.reason().to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: details.metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        },
    )];
    if !details.violations.is_empty() {
        any.push(pack("google.rpc.BadRequest", &bad_request(&details.violations)));
    }
    if let Some(after) = details.retry_after {
        any.push(pack("google.rpc.RetryInfo", &pb::RetryInfo { retry_delay: Some(time::from_duration(after)) }));
    }
    any.extend(details.conflicts.iter().cloned().map(|c| pack_named(&CommitConflict::from(c))));
    any.extend(details.merge_conflicts.iter().cloned().map(|c| pack_named(&MergeConflict::from(c))));

    let code = code(error.kind());
    let status = pb::Status { code: code as i32, message: error.message().to_owned(), details: any };
    Status::with_details(code, error.message(), status.encode_to_vec().into())
}

/// What a client learns from a status. Details that it does not know are left out.
pub fn from_status(status: &Status) -> Error {
    let kind = kind(status.code());
    let mut reason = default_reason(kind);
    let mut details = Details::default();
    let any = pb::Status::decode(status.details()).map(|s| s.details).unwrap_or_default();
    for any in &any {
        if let Some(info) = unpack::<pb::ErrorInfo>(any, "google.rpc.ErrorInfo") {
            reason = known_reason(&info.reason).unwrap_or(reason);
            details.metadata = info.metadata.into_iter().filter_map(|(k, v)| Some((known_key(&k)?, v))).collect();
        } else if let Some(bad) = unpack::<pb::BadRequest>(any, "google.rpc.BadRequest") {
            let violations = bad.field_violations.into_iter();
            details.violations = violations.map(|v| Violation { field: v.field, description: v.description }).collect();
        } else if let Some(retry) = unpack::<pb::RetryInfo>(any, "google.rpc.RetryInfo") {
            details.retry_after = retry.retry_delay.and_then(|d| Duration::try_from(d).ok());
        } else if let Some(conflict) = unpack::<CommitConflict>(any, &CommitConflict::full_name()) {
            details.conflicts.extend(commit::to_conflict(conflict).ok());
        } else if let Some(conflict) = unpack::<MergeConflict>(any, &MergeConflict::full_name()) {
            details.merge_conflicts.extend(commit::to_merge_conflict(conflict).ok());
        }
    }
    Error::new(kind, reason, status.message()).with_details(details)
}

/// Reasons that code may match on. Others read as their kind's.
const REASONS: [&str; 23] = [
    "INVALID_FIELD",
    "NOT_FOUND",
    "ACCESS_DENIED",
    "UNAUTHENTICATED",
    "ALREADY_EXISTS",
    "PATH_CONFLICT",
    "COMMIT_CONFLICT",
    "MERGE_CONFLICT",
    "REQUEST_ID_REUSED",
    "STORE_ARCHIVED",
    "REDACTED",
    "EXPIRED",
    "LEGAL_HOLD",
    "SEQ_GAP",
    "SESSION_ENDED",
    "LIMIT_REACHED",
    "OVERLOADED",
    "DREAM_RUNNING",
    "DREAM_NOT_READY",
    "UNAVAILABLE",
    "IMPORT_REFUSED",
    "DATA_DAMAGED",
    "INTERNAL",
];

/// Keys of ErrorInfo.metadata that code may read.
const KEYS: [&str; 5] = ["expected_seq", "last_seq", "dream", "conflicting_path", "conflicting_memory"];

fn known_reason(reason: &str) -> Option<&'static str> {
    REASONS.into_iter().find(|r| *r == reason)
}

fn known_key(key: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|k| *k == key)
}

const fn default_reason(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "INVALID_FIELD",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Denied => "ACCESS_DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::Exists => "ALREADY_EXISTS",
        Kind::Precondition => "PRECONDITION",
        Kind::Conflict => "CONFLICT",
        Kind::Exhausted => "LIMIT_REACHED",
        Kind::Deadline => "DEADLINE",
        Kind::Cancelled => "CANCELLED",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Corrupt => "DATA_DAMAGED",
        Kind::Internal => "INTERNAL",
    }
}

fn bad_request(violations: &[Violation]) -> pb::BadRequest {
    let violation = |v: &Violation| pb::bad_request::FieldViolation {
        field: v.field.clone(),
        description: v.description.clone(),
        ..Default::default()
    };
    pb::BadRequest { field_violations: violations.iter().map(violation).collect() }
}

fn pack(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: message.encode_to_vec() }
}

fn pack_named<M: Message + Name>(message: &M) -> Any {
    pack(&M::full_name(), message)
}

fn unpack<M: Message + Default>(any: &Any, name: &str) -> Option<M> {
    let matches = any.type_url.rsplit('/').next() == Some(name);
    if matches { M::decode(any.value.as_slice()).ok() } else { None }
}
