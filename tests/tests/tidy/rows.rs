//! Rows, not a web: a crate imports only from rows below its own, as ARCHITECTURE.md says.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::{read, root};

/// The table "| crate | row | ..." of ARCHITECTURE.md.
fn rows() -> BTreeMap<String, u32> {
    let text = read("ARCHITECTURE.md");
    let cells = |line: &str| line.split('|').map(|c| c.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let row = |line| match cells(line).as_slice() {
        [_, name, row, ..] => Some((name.clone(), row.parse().ok()?)),
        _ => None,
    };
    text.lines().filter_map(row).collect()
}

/// The workspace's crates by folder name, with their normal dependencies among themselves.
fn crates() -> BTreeMap<String, Vec<String>> {
    let metadata =
        MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata");
    let folder = |path: &cargo_metadata::camino::Utf8Path| path.file_name().unwrap_or_default().to_owned();
    let ours = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        normal.filter_map(|d| d.path.as_deref().map(folder)).collect()
    };
    let name = |package: &cargo_metadata::Package| package.manifest_path.parent().map(folder).unwrap_or_default();
    metadata.packages.iter().map(|p| (name(p), ours(p))).collect()
}

#[test]
fn every_crate_has_a_row_and_every_row_a_crate() {
    let rows: Vec<String> = rows().into_keys().collect();
    let crates: Vec<String> = crates().into_keys().collect();
    assert_eq!(rows, crates, "the table in ARCHITECTURE.md (left) and the workspace (right) differ");
}

#[test]
fn a_crate_imports_only_from_rows_below_its_own() {
    let rows = rows();
    for (name, imports) in crates() {
        for import in imports {
            assert!(
                rows[&import] < rows[&name],
                "{name} (row {}) imports {import} (row {})",
                rows[&name],
                rows[&import]
            );
        }
    }
}

#[test]
fn the_words_the_engine_and_the_dreamer_know_no_wire() {
    for name in ["domain", "mask", "storage", "dreamer"] {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        let wire = ["tonic", "prost", "hyper", "tower"].iter().find(|w| manifest.lines().any(|l| l.starts_with(**w)));
        assert_eq!(wire, None, "crates/{name} must not know the wire");
    }
    for name in ["domain", "dreamer"] {
        assert!(!read(&format!("crates/{name}/Cargo.toml")).contains("\ntokio"), "crates/{name} is pure: no runtime");
    }
}

#[test]
fn nothing_of_the_product_imports_the_scenarios() {
    for (name, imports) in crates() {
        assert!(name == "tests" || !imports.contains(&"scenario".to_owned()), "{name} must not know what is planted");
    }
}
