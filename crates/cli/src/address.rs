//! Addresses: `store:/path@revision`, as people write them on the command line.

use std::fmt;
use std::str::FromStr;

use domain::path::Prefix;
use proto::memory::StoreSnapshot;

/// `team-sre`, `team-sre:/notes`, `team-sre:/notes/a.md@41` or `team-sre@41`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A handle or an id.
    pub store: String,
    /// Empty or `/` for the whole store.
    pub path: String,
    /// 0 for the head.
    pub revision: u64,
}

impl Address {
    pub fn snapshot(&self) -> StoreSnapshot {
        StoreSnapshot { store: self.store.clone(), revision: self.revision }
    }

    /// The path as a prefix: empty for the whole store.
    pub fn prefix(&self) -> domain::Result<Prefix> {
        self.path.parse()
    }

    /// Whether it names something below the root.
    pub fn has_path(&self) -> bool {
        !matches!(self.path.as_str(), "" | "/")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let (rest, revision) = match text.rsplit_once('@') {
            Some((rest, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                (rest, digits.parse().map_err(|_| format!("{digits} is no revision"))?)
            }
            _ => (text, 0),
        };
        let (store, path) = rest.split_once(':').unwrap_or((rest, ""));
        if store.is_empty() || !(path.is_empty() || path.starts_with('/')) {
            return Err(format!("{text:?} is not STORE, STORE:/PATH or STORE:/PATH@REVISION"));
        }
        Ok(Address { store: store.to_owned(), path: path.to_owned(), revision })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.store, if self.path.is_empty() { "/" } else { &self.path })?;
        if self.revision > 0 { write!(f, "@{}", self.revision) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, u64) {
        let a: Address = text.parse().unwrap();
        (a.store, a.path, a.revision)
    }

    #[test]
    fn an_address_has_a_store_and_perhaps_a_path_and_a_revision() {
        assert_eq!(parts("team-sre"), ("team-sre".into(), String::new(), 0));
        assert_eq!(parts("team-sre:/a.md@41"), ("team-sre".into(), "/a.md".into(), 41));
        assert_eq!(parts("team-sre@41"), ("team-sre".into(), String::new(), 41));
        assert_eq!(parts("s:/mail@home"), ("s".into(), "/mail@home".into(), 0));
    }

    #[test]
    fn a_path_without_its_slash_and_an_empty_store_are_refused() {
        assert!("team-sre:a".parse::<Address>().is_err());
        assert!(":/a".parse::<Address>().is_err());
    }
}
