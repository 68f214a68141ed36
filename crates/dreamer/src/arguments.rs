//! A call's arguments in one canonical form, so that equal calls compare equal however they were written.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// The members of the arguments, each as canonical JSON; the member `""` holds all of what is not an object.
pub type Arguments = BTreeMap<String, String>;

/// Reads JSON, or the Python literals that some harnesses write instead, or takes the text as it is.
pub fn read(text: &str) -> Arguments {
    let value = serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&json_of_python(text)?).ok());
    match value {
        Some(Value::Object(members)) => members.iter().map(|(name, v)| (name.clone(), canonical(v))).collect(),
        Some(other) => BTreeMap::from([(String::new(), canonical(&other))]),
        None if text.trim().is_empty() => BTreeMap::new(),
        None => BTreeMap::from([(String::new(), canonical(&Value::String(text.to_owned())))]),
    }
}

/// The same arguments with lists of plain values in order, for comparing what was done: their order rarely
/// matters, and harnesses differ in it.
pub fn unordered(arguments: &Arguments) -> Arguments {
    arguments.iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
}

/// Names of the members whose values differ, or that only one side has.
pub fn changed(before: &Arguments, after: &Arguments) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// A canonical value as a person would write it: text without its quotes.
pub fn plain(canonical: &str) -> String {
    match serde_json::from_str(canonical) {
        Ok(Value::String(text)) => text,
        _ => canonical.to_owned(),
    }
}

fn canonical(value: &Value) -> String {
    match value {
        // serde_json keeps the order of writing when some crate of the build asks for it.
        Value::Object(members) => {
            let sorted: BTreeMap<&String, String> = members.iter().map(|(name, v)| (name, canonical(v))).collect();
            let members: Vec<String> =
                sorted.iter().map(|(name, v)| format!("{}:{v}", Value::String((*name).clone()))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Number(number) => whole(number).map_or_else(|| number.to_string(), |n| n.to_string()),
        Value::String(_) | Value::Bool(_) | Value::Null => value.to_string(),
    }
}

/// 5.0 is 5.
fn whole(number: &Number) -> Option<i64> {
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
}

fn sorted(value: &str) -> String {
    match serde_json::from_str(value) {
        Ok(Value::Array(items)) => {
            let mut items: Vec<String> = items.iter().map(canonical).collect();
            items.sort();
            format!("[{}]", items.join(","))
        }
        _ => value.to_owned(),
    }
}

/// Python's way of writing dictionaries, as JSON: single quotes, True, False, None, tuples and trailing commas
/// left alone. None if a string does not end.
fn json_of_python(text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => out.push_str(&Value::String(python_string(&mut rest, c)?).to_string()),
            c if c.is_alphabetic() => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(next);
                }
                out.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    other => other,
                });
            }
            c => out.push(c),
        }
    }
    Some(out)
}

fn python_string(rest: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut out = String::new();
    loop {
        match rest.next()? {
            '\\' => match rest.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                c @ ('\\' | '\'' | '"') => out.push(c),
                c => out.extend(['\\', c]),
            },
            c if c == quote => return Some(out),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_calls_read_equal() {
        let json = read(r#"{"b": 5.0, "a": {"y": true, "x": ["it's", null]}}"#);
        assert_eq!(json, read(r#"{"a":{"x":["it's",null],"y":true},"b":5}"#));
        assert_eq!(json, read(r#"{'b': 5, 'a': {'x': ["it's", None], 'y': True}}"#));
        assert_eq!(json["b"], "5");
    }

    #[test]
    fn what_is_no_object_is_kept_whole() {
        assert_eq!(read("ls -l")[""], "\"ls -l\"");
        assert_eq!(read("{'broken")[""], "\"{'broken\"");
        assert!(read(" ").is_empty());
    }

    #[test]
    fn a_change_names_its_members() {
        let before = read(r#"{"pod":"a","tail":200}"#);
        let after = read(r#"{"pod":"a","namespace":"shop","tail":100}"#);
        assert_eq!(changed(&before, &after), ["namespace", "tail"]);
        assert_eq!(plain(&after["namespace"]), "shop");
    }

    #[test]
    fn the_order_of_a_list_of_things_may_be_ignored() {
        assert_eq!(unordered(&read(r#"{"ids":["2","1"]}"#)), unordered(&read(r#"{"ids":["1","2"]}"#)));
    }
}
