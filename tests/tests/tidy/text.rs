//! Files: their names, their sizes, and what may stand in them.

use regex::Regex;

use crate::{files, read, root};

const TOP_LEVEL: [&str; 18] = [
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "deploy",
    "docs",
    "proto",
    "rustfmt.toml",
    "sdk",
    "tests",
];
const BANNED_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "misc", "manager"];
/// Lines of a source file; tests beside it may be longer.
const LINES_MAX: usize = 600;

fn rust_files() -> Vec<String> {
    files().into_iter().filter(|f| f.ends_with(".rs")).collect()
}

#[test]
fn the_top_level_holds_only_what_is_agreed() {
    for file in files() {
        let top = file.split('/').next().unwrap_or_default().to_owned();
        assert!(
            TOP_LEVEL.contains(&top.as_str()),
            "{top} at the top level: put it into a folder, or into the list in this test"
        );
    }
}

#[test]
fn a_file_is_named_for_what_it_is() {
    for file in files() {
        let banned = file.split('/').map(|s| s.trim_end_matches(".rs")).find(|s| BANNED_NAMES.contains(s));
        assert_eq!(banned, None, "{file}: name it for what it holds, or put that with its owner");
    }
}

#[test]
fn a_file_is_short_enough_to_read() {
    for file in rust_files() {
        let lines = read(&file).lines().count();
        let is_test = file.ends_with("tests.rs") || file.contains("/tests/");
        assert!(is_test || lines <= LINES_MAX, "{file} has {lines} lines: it holds more than one noun or verb");
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for file in rust_files() {
        let text = read(&file);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!") || first.starts_with("#!"), "{file} begins without a //! line");
    }
}

#[test]
fn only_the_storage_engine_names_sled() {
    for file in rust_files().into_iter().filter(|f| !f.starts_with("crates/storage/") && !f.starts_with("tests/")) {
        assert!(!read(&file).contains("sled::") || read(&file).contains("storage::sled::"), "{file} names sled");
    }
}

#[test]
fn every_path_in_the_documents_exists() {
    let path =
        Regex::new(r"`((?:crates|proto|tests|deploy|docs|sdk|\.ci)/[A-Za-z0-9_./-]*)`").expect("a valid pattern");
    for document in
        files().into_iter().filter(|f| f.ends_with(".md") && !f.contains("fixtures/") && !f.contains("/golden/"))
    {
        for capture in path.captures_iter(&read(&document)) {
            assert!(root().join(&capture[1]).exists(), "{document} names {}, which is not there", &capture[1]);
        }
    }
}

#[test]
fn no_file_carries_a_path_of_one_machine() {
    let machine = Regex::new(r"(^|[^a-z])/(work|home/[a-z]+|root|tmp/t-)/[a-z]").expect("a valid pattern");
    for file in
        files().into_iter().filter(|f| !f.contains("fixtures/") && !f.ends_with("tidy/text.rs") && f != "Cargo.lock")
    {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        let line = text.lines().position(|l| machine.is_match(l) && !l.contains("proptest"));
        assert_eq!(line.map(|l| l + 1), None, "{file}: a path of one machine");
    }
}
