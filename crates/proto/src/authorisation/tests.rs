//! What `authorisation` promises, as tests.

use std::fmt::Write as _;
use std::path::Path;

use domain::access::Role;
use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::*;

/// Every call of the contract, in the order of the services' names and their files.
fn rpcs() -> Vec<String> {
    let set = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
    let mut services = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let methods: Vec<String> =
                service.method.iter().map(|m| format!("/{}.{}/{}", file.package(), service.name(), m.name())).collect();
            services.push(methods);
        }
    }
    services.sort();
    services.concat()
}

#[test]
fn every_rpc_has_an_action() {
    let rpcs = rpcs();
    assert!(rpcs.len() > 30, "{} calls found in the descriptors", rpcs.len());
    let without: Vec<&String> = rpcs.iter().filter(|rpc| action(rpc).is_none()).collect();
    assert!(without.is_empty(), "give these calls a row in proto/src/authorisation.rs: {without:?}");
}

#[test]
fn calls_that_are_not_in_the_contract_have_no_action() {
    for path in ["", "/", "/grpc.health.v1.Health/Check", "/reverie.memory.v1.StoreService/Steal", "GetStore"] {
        assert_eq!(action(path), None, "{path}");
    }
}

#[test]
fn the_authorisation_table_is_as_reviewed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/authorisation.md");
    let table = table();
    if std::env::var_os("REVERIE_BLESS").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        table == reviewed,
        "who may do what has changed. If that is meant, run the test with REVERIE_BLESS=1 and commit {}.\n{}",
        path.display(),
        domain::diff::unified("reviewed", "now", &domain::diff::diff_lines(&reviewed, &table, 1))
    );
}

fn table() -> String {
    let mut text = String::from(
        "# Who may do what\n\n\
        Written by the tests of crates/proto (`REVERIE_BLESS=1` rewrites it). A call is let through when the\n\
        token's role may do its action, and, where it is about a store, when the token has a grant on the store:\n\
        READ_WRITE where the action changes it. A store without a grant is NOT_FOUND. A session's token reaches\n\
        its own session only.\n\n\
        ## Actions and roles\n\n\
        | action | reader | writer | curator | admin | needs READ_WRITE |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for action in Action::ALL {
        let _ = write!(text, "| {action:?} |");
        for role in Role::ALL {
            text += if role >= action.least_role() { " yes |" } else { " - |" };
        }
        text += if action.writes_store() { " yes |\n" } else { " - |\n" };
    }
    text += "\n## Calls and actions\n\n| call | action | least role |\n| --- | --- | --- |\n";
    for rpc in rpcs() {
        match action(&rpc) {
            Some(action) => {
                let _ = writeln!(text, "| {} | {action:?} | {} |", &rpc[1..], action.least_role());
            }
            None => {
                let _ = writeln!(text, "| {} | nobody said | |", &rpc[1..]);
            }
        }
    }
    text
}
