//! Handles: slugs that name a store within its workspace.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::limits::HANDLE_BYTES_MAX;

/// `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, at most 63 bytes (a DNS label, RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Handle(String);

impl Handle {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest handle to a free name: "Team SRE!" gives team-sre. None where nothing is left.
    pub fn from_name(name: &str) -> Option<Handle> {
        let mut slug = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => slug.push(c),
                _ if slug.is_empty() || slug.ends_with('-') => {}
                _ => slug.push('-'),
            }
        }
        slug.truncate(HANDLE_BYTES_MAX);
        slug.trim_end_matches('-').parse().ok()
    }
}

impl FromStr for Handle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Handle> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let well_formed = !bytes.is_empty()
            && bytes.len() <= HANDLE_BYTES_MAX
            && bytes.iter().all(|&b| inner(b) || b == b'-')
            && inner(bytes[0])
            && inner(bytes[bytes.len() - 1]);
        if !well_formed {
            return Err(Error::invalid(
                "",
                format!(
                    "{text:?} is not a handle: use 1 to {HANDLE_BYTES_MAX} of a-z, 0-9 and -, beginning and ending with a letter or digit"
                ),
            ));
        }
        Ok(Handle(text.to_owned()))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_handle() {
        assert_eq!(Handle::from_name("Team SRE!").unwrap().as_str(), "team-sre");
        assert!(Handle::from_name("日本").is_none());
    }

    #[test]
    fn bad_handles_are_refused() {
        for text in ["", "-a", "a-", "A", "a_b", &"a".repeat(64)] {
            assert!(text.parse::<Handle>().is_err(), "{text}");
        }
    }
}
