//! What `search` promises, as tests.

use super::*;

fn fields<T: std::fmt::Debug>(result: Result<T>) -> Vec<String> {
    result.unwrap_err().details().violations.iter().map(|v| v.field.clone()).collect()
}

fn request(stores: &[&str], query: &str) -> pb::SearchRequest {
    pb::SearchRequest {
        stores: stores.iter().map(|s| (*s).to_owned()).collect(),
        query: query.into(),
        ..Default::default()
    }
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = pb::SearchRequest {
        path_prefix: "a".into(),
        limit: 1_000,
        min_revisions: [("other".to_owned(), 1)].into(),
        path_prefixes: [("team".to_owned(), "//".to_owned()), ("third".to_owned(), String::new())].into(),
        ..request(&["team", "No Handle", "org", "org"], "\"open")
    };
    let named = [
        "stores[1]",
        "stores[3]",
        "query",
        "path_prefix",
        "limit",
        "min_revisions[\"other\"]",
        "path_prefixes[\"third\"]",
        "path_prefixes[\"team\"]",
    ];
    assert_eq!(fields(to_search(&wrong)), named);
    assert_eq!(fields(to_search(&request(&[], "a"))), ["stores"]);
    let many: Vec<String> = (0..=SEARCH_STORES_MAX).map(|n| format!("s-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(fields(to_search(&request(&many, "a"))), ["stores"]);
}

#[test]
fn a_store_has_its_own_prefix_or_the_requests() {
    let request = pb::SearchRequest {
        path_prefix: "/notes/".into(),
        min_revisions: [("org".to_owned(), 41)].into(),
        path_prefixes: [("team".to_owned(), "/".to_owned())].into(),
        ..request(&["team", "org"], "disk")
    };
    let (stores, search) = to_search(&request).unwrap();
    let withins: Vec<_> =
        stores.into_iter().map(|(_, within)| (within.prefix.as_str().to_owned(), within.min_revision)).collect();
    assert_eq!(withins, [(String::new(), 0), ("/notes".to_owned(), 41)]);
    assert_eq!(search.results_max, 0);
}
