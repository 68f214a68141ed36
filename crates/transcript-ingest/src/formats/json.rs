//! JSON as it stands in a file: read level by level, and every part still there as its own bytes.
//!
//! Arguments of tools and items of unknown kinds are kept as they came, so the readers work on the
//! text and not on parsed values, which would reorder keys and round large numbers.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One JSON value's text, known to be well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

/// An object's fields in the order of the file.
pub type Fields<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

impl<'a> Json<'a> {
    /// Refuses what is not one JSON value in UTF-8; the words say what and where.
    pub fn parse(bytes: &'a [u8]) -> Result<Json<'a>, String> {
        let text =
            std::str::from_utf8(bytes).map_err(|e| format!("is not UTF-8 from its byte {} on", e.valid_up_to()))?;
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => Ok(Json(raw.get())),
            Err(e) if e.is_eof() => Err("ends in the middle of a JSON value".to_owned()),
            Err(e) => Err(format!("is not JSON: {}", without_position(&e))),
        }
    }

    /// The text as it stands.
    pub fn raw(self) -> &'a str {
        self.0
    }

    pub fn fields(self) -> Option<Fields<'a>> {
        self.0.starts_with('{').then(|| serde_json::from_str::<Object<'a>>(self.0).ok())?.map(|o| o.0)
    }

    pub fn elements(self) -> Option<Vec<Json<'a>>> {
        let raw = self.0.starts_with('[').then(|| serde_json::from_str::<Vec<&'a RawValue>>(self.0).ok())?;
        raw.map(|elements| elements.into_iter().map(|e| Json(e.get())).collect())
    }

    /// A string's value. Halves of surrogate pairs, which some harnesses write where they cut text,
    /// read as U+FFFD.
    pub fn text(self) -> Option<Cow<'a, str>> {
        if !self.0.starts_with('"') {
            return None;
        }
        match serde_json::from_str::<Text<'a>>(self.0) {
            Ok(text) => Some(text.0),
            Err(_) => serde_json::from_str::<String>(&without_lone_surrogates(self.0)).ok().map(Cow::Owned),
        }
    }

    pub fn number(self) -> Option<f64> {
        serde_json::from_str(self.0).ok()
    }

    pub fn boolean(self) -> Option<bool> {
        serde_json::from_str(self.0).ok()
    }

    /// null, false, "" and empty arrays and objects.
    pub fn is_empty(self) -> bool {
        matches!(self.0, "null" | "false" | "\"\"")
            || self.elements().is_some_and(|e| e.is_empty())
            || self.fields().is_some_and(|f| f.is_empty())
    }

    /// A string's value, or a number as it stands: what ids are made of.
    pub fn id(self) -> Option<Cow<'a, str>> {
        let is_number = || self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        self.text().or_else(|| is_number().then_some(Cow::Borrowed(self.0)))
    }
}

/// The last field of that name, as JSON parsers take it.
pub fn field<'a>(fields: &Fields<'a>, name: &str) -> Option<Json<'a>> {
    fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// A string field's value; empty where there is none.
pub fn text_field<'a>(fields: &Fields<'a>, name: &str) -> Cow<'a, str> {
    field(fields, name).and_then(Json::text).unwrap_or_default()
}

/// An object's text, made of fields as they stand.
pub fn object<'a>(fields: impl IntoIterator<Item = &'a (Cow<'a, str>, Json<'a>)>) -> String {
    let fields = fields.into_iter().map(|(key, value)| {
        let key = serde_json::to_string(key).unwrap_or_default();
        format!("{key}: {}", value.raw())
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct Object<'a>(Fields<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'a>, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let key = Json(key.get()).text().ok_or_else(|| A::Error::custom("a key that is not text"))?;
                    fields.push((key, Json(value.get())));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    format!("{} (its column {})", &text[..end], error.column())
}

fn without_lone_surrogates(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let unit = |text: &str| -> Option<u32> {
            let digits = text.strip_prefix("\\u")?.get(..4)?;
            u32::from_str_radix(digits, 16).ok()
        };
        let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push('\u{FFFD}');
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => rest.char_indices().nth(2).map_or(rest.len(), |(i, _)| i),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_as_they_stood() {
        let json = Json::parse(br#" {"b": 12345678901234567890123, "a": {"z" :1,"y":[ ]}} "#).unwrap();
        let fields = json.fields().unwrap();
        assert_eq!(fields.iter().map(|(k, _)| k.as_ref()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(field(&fields, "b").unwrap().raw(), "12345678901234567890123");
        assert_eq!(field(&fields, "a").unwrap().raw(), r#"{"z" :1,"y":[ ]}"#);
        assert_eq!(object(&fields), r#"{"b": 12345678901234567890123, "a": {"z" :1,"y":[ ]}}"#);
    }

    #[test]
    fn text_that_was_cut_within_a_pair_of_surrogates_is_kept() {
        for (raw, text) in [
            (r#""a\ud83d""#, "a\u{FFFD}"),
            (r#""\udc00\ud83d\ude80 é""#, "\u{FFFD}🚀 é"),
            (r#""\\ud83d\n\"x""#, "\\ud83d\n\"x"),
            (r#""\ud83d\n\\""#, "\u{FFFD}\n\\"),
        ] {
            assert_eq!(Json::parse(raw.as_bytes()).unwrap().text().unwrap(), text, "{raw}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        assert_eq!(Json::parse(b"{\"a\": ").unwrap_err(), "ends in the middle of a JSON value");
        assert_eq!(Json::parse(b"\"\xff\"").unwrap_err(), "is not UTF-8 from its byte 1 on");
        assert!(Json::parse(b"{a}").unwrap_err().starts_with("is not JSON: key must be a string"));
    }
}
