//! JSON as it stands in a file: read level by level, and every part still there as its own bytes.
//!
//! Arguments of tools and items of unknown kinds are kept as they came, so the readers work on the
//! text and not on parsed values, which would reorder keys and round large numbers.

use std::borrow::Cow;

use domain::Timestamp;
use domain::limits::IMPORT_FIELDS_MAX;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::split::element_end;

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

    /// None where it is no object, or one of more than limits::IMPORT_FIELDS_MAX fields.
    pub fn fields(self) -> Option<Fields<'a>> {
        self.object().ok()
    }

    /// An object's fields; the words say why there are none.
    pub fn object(self) -> Result<Fields<'a>, String> {
        if !self.0.starts_with('{') {
            return Err("is not an object".to_owned());
        }
        serde_json::from_str::<Object<'a>>(self.0).map(|o| o.0).map_err(|e| reason(&e))
    }

    pub fn elements(self) -> Option<Elements<'a>> {
        self.0.strip_prefix('[').map(Elements)
    }

    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
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
            || self.elements().is_some_and(|mut e| e.next().is_none())
            || self.0.strip_prefix('{').is_some_and(|rest| rest.trim_start_matches(BLANK).starts_with('}'))
    }

    /// A string's value, or the text as it stands; empty for null.
    pub fn words(self) -> Cow<'a, str> {
        if self.0 == "null" { Cow::Borrowed("") } else { self.text().unwrap_or(Cow::Borrowed(self.0)) }
    }

    /// A time in RFC 3339, in UTC where it names no zone, or a count since 1970 in seconds,
    /// milliseconds, microseconds or nanoseconds: the one that lies between 1973 and 5138.
    pub fn time(self) -> Option<Timestamp> {
        if let Some(text) = self.text() {
            return text.parse().ok().or_else(|| format!("{text}Z").parse().ok());
        }
        let count = self.number().filter(|n| *n >= 1e8)?;
        let unit = [1e9, 1e6, 1e3, 1.0].into_iter().zip([1e11, 1e14, 1e17, 1e20]).find(|(_, end)| count < *end)?.0;
        Timestamp::from_nanosecond((count * unit) as i128).ok()
    }

    /// A string's value, or a number as it stands: what ids are made of.
    pub fn id(self) -> Option<Cow<'a, str>> {
        let is_number = || self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        self.text().or_else(|| is_number().then_some(Cow::Borrowed(self.0)))
    }
}

/// The elements of an array, one after the other: a long one is never held as a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elements<'a>(&'a str);

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let rest = self.0.trim_start_matches(BLANK);
        if rest.is_empty() || rest.starts_with(']') {
            return None;
        }
        let (element, rest) = rest.split_at_checked(element_end(rest.as_bytes())?)?;
        self.0 = rest.strip_prefix(',').unwrap_or_default();
        Some(Json(element.trim_end_matches(BLANK)))
    }
}

impl Elements<'_> {
    pub fn is_empty(&self) -> bool {
        self.clone().next().is_none()
    }
}

const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The last field of that name, as JSON parsers take it.
pub fn field<'a>(fields: &Fields<'a>, name: &str) -> Option<Json<'a>> {
    fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
}

/// The field of that name, where it is neither null nor empty.
pub fn filled<'a>(fields: &Fields<'a>, name: &str) -> Option<Json<'a>> {
    field(fields, name).filter(|value| !value.is_empty())
}

/// An array field's elements; none where it is no array.
pub fn list_field<'a>(fields: &Fields<'a>, name: &str) -> Elements<'a> {
    field(fields, name).and_then(Json::elements).unwrap_or_default()
}

/// An object field's fields; none where it is no object.
pub fn object_field<'a>(fields: &Fields<'a>, name: &str) -> Fields<'a> {
    field(fields, name).and_then(Json::fields).unwrap_or_default()
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
                    if fields.len() == IMPORT_FIELDS_MAX {
                        return Err(A::Error::custom(format!("has more than {IMPORT_FIELDS_MAX} fields")));
                    }
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
    format!("{} (its column {})", reason(error), error.column())
}

fn reason(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.rfind(" at line ").unwrap_or(text.len()));
    text
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
    fn elements_are_those_that_a_parser_finds() {
        for (raw, elements) in [
            ("[]", vec![]),
            ("[ \n]", vec![]),
            (
                r#"[1, "a,]\"[" ,{"b":[1,2]},[3 , 4],null ]"#,
                vec!["1", r#""a,]\"[""#, r#"{"b":[1,2]}"#, "[3 , 4]", "null"],
            ),
        ] {
            let json = Json::parse(raw.as_bytes()).unwrap();
            assert_eq!(json.elements().unwrap().map(Json::raw).collect::<Vec<_>>(), elements);
        }
        assert_eq!(Json::parse(b"{}").unwrap().elements(), None);
    }

    #[test]
    fn an_object_of_too_many_fields_says_so() {
        let raw = format!("{{{}}}", vec!["\"a\":1"; IMPORT_FIELDS_MAX + 1].join(","));
        let json = Json::parse(raw.as_bytes()).unwrap();
        assert_eq!(json.object().unwrap_err(), format!("has more than {IMPORT_FIELDS_MAX} fields"));
        assert!(!json.is_empty());
    }

    #[test]
    fn times_are_read_in_every_unit_and_without_a_zone() {
        let at = |raw: &str| Json::parse(raw.as_bytes()).unwrap().time().map(|t| t.to_string());
        for raw in [
            "\"2026-11-20T10:00:00.5Z\"",
            "\"2026-11-20T11:00:00.5+01:00\"",
            "\"2026-11-20T10:00:00.500000\"",
            "\"2026-11-20 10:00:00.5\"",
            "1795168800.5",
            "1795168800500",
            "1795168800500000",
            "1795168800500000000",
        ] {
            assert_eq!(at(raw).as_deref(), Some("2026-11-20T10:00:00.5Z"), "{raw}");
        }
        for raw in ["\"noon\"", "null", "17", "1e300", "-1795168800", "true"] {
            assert_eq!(at(raw), None, "{raw}");
        }
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
