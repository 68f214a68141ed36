//! Ids: 16 bytes, shown as a prefix and 26 characters of lower-case Crockford base 32, so that they
//! sort by the time they were made and a double click selects the whole.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 26;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub const fn from_bytes(bytes: [u8; 16]) -> $name {
                $name(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&encode($prefix, &self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode($prefix, &self.0))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<$name> {
                decode($prefix, text).map($name).ok_or_else(|| {
                    Error::invalid("", format!("{text:?} is not {}: expected {} and 26 characters", $what, $prefix))
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
                self.0.serialize(s)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<$name, D::Error> {
                <[u8; 16]>::deserialize(d).map($name)
            }
        }
    };
}

id!(WorkspaceId, "wksp_", "a workspace's id");
id!(StoreId, "memstore_", "a store's id");
id!(MemoryId, "mem_", "a memory's id");
id!(VersionId, "memver_", "a version's id");
id!(SessionId, "sesn_", "a session's id");
id!(DreamId, "drm_", "a dream's id");
id!(ScheduleId, "sched_", "a schedule's id");
id!(TokenId, "tok_", "a token's id");
id!(RedactionId, "redact_", "a redaction's id");
id!(EventId, "evt_", "an event's id");

fn encode(prefix: &str, bytes: &[u8; 16]) -> String {
    let mut value = u128::from_be_bytes(*bytes);
    let mut text = [0u8; TEXT_LEN];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    format!("{prefix}{}", String::from_utf8_lossy(&text))
}

fn decode(prefix: &str, text: &str) -> Option<[u8; 16]> {
    let text = text.strip_prefix(prefix)?.as_bytes();
    // 26 digits hold 130 bits: the first digit may use only its low three.
    if text.len() != TEXT_LEN || text[0] > b'7' {
        return None;
    }
    let mut value = 0u128;
    for c in text {
        let digit = ALPHABET.iter().position(|a| a == c)?;
        value = value << 5 | digit as u128;
    }
    Some(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_as_text() {
        let low = StoreId::from_bytes([0; 16]);
        let high = StoreId::from_bytes([255; 16]);
        assert_eq!(low.to_string(), "memstore_00000000000000000000000000");
        assert_eq!(high.to_string().parse::<StoreId>().unwrap(), high);
        assert!(low.to_string() < high.to_string());
    }

    #[test]
    fn a_foreign_prefix_a_bad_digit_and_an_overflow_are_refused() {
        for text in [
            "mem_00000000000000000000000000",
            "memstore_0000000000000000000000000u",
            "memstore_80000000000000000000000000",
            "memstore_",
        ] {
            assert!(text.parse::<StoreId>().is_err(), "{text}");
        }
    }
}
