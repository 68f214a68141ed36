//! Free text in requests: bounded, and in names nothing that a terminal or a log could trip over.

use domain::limits::{NAME_BYTES_MAX, REQUEST_ID_BYTES_MAX};
use domain::{Error, Result};

/// A name, as of a subject or an agent: one line, may be empty.
pub fn to_name(field: &str, text: String) -> Result<String> {
    one_line(field, text, NAME_BYTES_MAX)
}

pub fn to_request_id(field: &str, text: String) -> Result<String> {
    one_line(field, text, REQUEST_ID_BYTES_MAX)
}

/// At most `bytes_max` bytes without control characters.
pub fn one_line(field: &str, text: String, bytes_max: usize) -> Result<String> {
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "must hold no control characters"));
    }
    to_text(field, text, bytes_max)
}

/// At most `bytes_max` bytes.
pub fn to_text(field: &str, text: String, bytes_max: usize) -> Result<String> {
    if text.len() > bytes_max {
        return Err(Error::invalid(field, format!("has {} bytes, at most {bytes_max} are allowed", text.len())));
    }
    Ok(text)
}
