//! Checks of requests that need no state: lengths and counts, each violation named by its field.

use std::collections::BTreeMap;

use domain::commit::{Operation, Origin, Request};
use domain::error::{Error, Result, Violation};
use domain::limits;
use domain::store::{Change, NewFork, NewStore};

#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    fn at_most(&mut self, field: impl Into<String>, bytes: usize, most: usize) {
        if bytes > most {
            self.add(field, format!("has {bytes} bytes, at most {most} are allowed"));
        }
    }

    fn at_most_chars(&mut self, field: impl Into<String>, text: &str, most: usize) {
        let chars = text.chars().count();
        if chars > most {
            self.add(field, format!("has {chars} characters, at most {most} are allowed"));
        }
    }

    fn count(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.add(field, format!("has {count} entries, at most {most} are allowed"));
        }
    }

    fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::violations(self.0)) }
    }
}

pub fn commit(request: &Request) -> Result<()> {
    let mut violations = Violations::default();
    if request.steps.is_empty() {
        violations.add("operations", "name at least one operation");
    }
    violations.count("operations", request.steps.len(), limits::COMMIT_VERSIONS_MAX);
    violations.count("preconditions", request.preconditions.len(), limits::COMMIT_VERSIONS_MAX);
    let mut bytes = 0;
    for (i, step) in request.steps.iter().enumerate() {
        let field = format!("operations[{i}].{}", step.operation.name());
        bytes += operation(&mut violations, &field, &step.operation);
    }
    violations.at_most("operations", bytes, limits::COMMIT_BYTES_MAX);
    words(&mut violations, &request.message, &request.request_id);
    violations.at_most("tool_call", request.tool_call.len(), limits::NAME_BYTES_MAX);
    violations.finish()
}

/// The bytes that it brings.
fn operation(violations: &mut Violations, field: &str, operation: &Operation) -> usize {
    match operation {
        Operation::Write { content, origins: given, .. } | Operation::Create { content, origins: given, .. } => {
            violations.at_most(format!("{field}.content"), content.len(), limits::CONTENT_BYTES_MAX);
            origins(violations, field, content, given);
            content.len()
        }
        Operation::ReplaceText { old_text, new_text, .. } => {
            if old_text.is_empty() {
                violations.add(format!("{field}.old_text"), "must name the text to replace");
            }
            violations.at_most(format!("{field}.old_text"), old_text.len(), limits::CONTENT_BYTES_MAX);
            violations.at_most(format!("{field}.new_text"), new_text.len(), limits::CONTENT_BYTES_MAX);
            new_text.len()
        }
        Operation::InsertLines { text, .. } | Operation::Append { text, .. } => {
            violations.at_most(format!("{field}.text"), text.len(), limits::CONTENT_BYTES_MAX);
            text.len()
        }
        Operation::Move { .. } | Operation::Delete { .. } => 0,
    }
}

fn origins(violations: &mut Violations, field: &str, content: &str, origins: &[Origin]) {
    violations.count(&format!("{field}.origins"), origins.len(), limits::ORIGINS_MAX);
    let lines = if origins.is_empty() { 0 } else { content.split_inclusive('\n').count() };
    for (i, origin) in origins.iter().enumerate() {
        if origin.start_line == 0 || origin.end_line < origin.start_line || origin.end_line as usize > lines {
            let (start, end) = (origin.start_line, origin.end_line);
            violations.add(
                format!("{field}.origins[{i}].end_line"),
                format!("lines {start} to {end} are not within the content, which has {lines}"),
            );
        }
        let source = format!("{field}.origins[{i}].source");
        violations.at_most(source, origin.source.len(), limits::ORIGIN_SOURCE_BYTES_MAX);
    }
}

pub fn new_store(new: &NewStore, request_id: &str) -> Result<()> {
    let mut violations = Violations::default();
    named(&mut violations, &new.name, &new.description, &new.metadata);
    words(&mut violations, "", request_id);
    violations.finish()
}

pub fn new_fork(new: &NewFork, request_id: &str) -> Result<()> {
    let mut violations = Violations::default();
    violations.at_most_chars("name", &new.name, limits::STORE_NAME_CHARS_MAX);
    words(&mut violations, "", request_id);
    violations.finish()
}

pub fn change(change: &Change, request_id: &str) -> Result<()> {
    let mut violations = Violations::default();
    if let Change::Update { name, description, metadata, .. } = change {
        let none = BTreeMap::new();
        named(
            &mut violations,
            name.as_deref().unwrap_or_default(),
            description.as_deref().unwrap_or_default(),
            metadata.as_ref().unwrap_or(&none),
        );
    }
    words(&mut violations, "", request_id);
    violations.finish()
}

/// The message and request id that every write may have.
pub fn note(message: &str, request_id: &str) -> Result<()> {
    let mut violations = Violations::default();
    words(&mut violations, message, request_id);
    violations.finish()
}

fn words(violations: &mut Violations, message: &str, request_id: &str) {
    violations.at_most("message", message.len(), limits::TEXT_BYTES_MAX);
    violations.at_most("request_id", request_id.len(), limits::REQUEST_ID_BYTES_MAX);
}

fn named(violations: &mut Violations, name: &str, description: &str, metadata: &BTreeMap<String, String>) {
    violations.at_most_chars("name", name, limits::STORE_NAME_CHARS_MAX);
    violations.at_most("description", description.len(), limits::TEXT_BYTES_MAX);
    violations.count("metadata", metadata.len(), limits::METADATA_PAIRS_MAX);
    for (key, value) in metadata {
        if key.is_empty() {
            violations.add("metadata", "must have no empty key");
        }
        violations.at_most_chars("metadata", key, limits::METADATA_KEY_CHARS_MAX);
        violations.at_most_chars(format!("metadata[{key}]"), value, limits::METADATA_VALUE_CHARS_MAX);
    }
}
