//! What queries promise, as tests.

use proptest::prelude::*;

use super::*;

fn clauses(text: &str) -> Vec<(Demand, String)> {
    text.parse::<Query>().unwrap().clauses.into_iter().map(|c| (c.demand, c.text)).collect()
}

fn refusal(text: &str) -> String {
    text.parse::<Query>().unwrap_err().details().violations[0].description.clone()
}

#[test]
fn words_rank_quotations_and_plus_must_be_there_and_minus_must_not() {
    use Demand::{Excluded, Required, Wanted};
    let parsed = clauses("disk \"connection refused\" +primary -old -\"by hand\" db-1.prod");
    let expected = [
        (Wanted, "disk"),
        (Required, "connection refused"),
        (Required, "primary"),
        (Excluded, "old"),
        (Excluded, "by hand"),
        (Wanted, "db-1.prod"),
    ];
    assert_eq!(parsed, expected.map(|(demand, text)| (demand, text.to_owned())));
    assert_eq!(clauses("\u{201e}a b\u{201c}"), [(Required, "a b".to_owned())], "as a word processor writes it");
}

#[test]
fn flags_arrows_and_urls_are_words_and_marks_alone_are_nothing() {
    use Demand::Wanted;
    let parsed = clauses("push --force a -> b & https://x.org/y error: - +");
    let expected = ["push", "--force", "a", "b", "https://x.org/y", "error:"];
    assert_eq!(parsed, expected.map(|text| (Wanted, text.to_owned())));
}

#[test]
fn a_path_is_a_folder_a_part_or_a_glob() {
    let about = |query: &str, path: &str| query.parse::<Query>().unwrap().is_about(path);
    assert!(about("x", "/anything"));
    assert!(about("x path:/runbooks", "/runbooks/a.md") && !about("x path:/runbooks", "/runbooks-old/a.md"));
    assert!(about("x path:/runbooks/", "/runbooks/a.md"));
    assert!(about("x path:RUN", "/team/Runbooks/a.md") && !about("x path:run", "/a.md"));
    assert!(about("x path:*.md", "/a/b.md") && !about("x path:*.md", "/a/b.txt"));
    assert!(about("x path:/a path:/b", "/a/1") && about("x path:/a path:/b", "/b/1"), "any of them");
    assert!(!about("x path:/a -path:/a/old", "/a/old/1") && about("x -path:/a/old", "/c"));
    assert!(about("x path:\"/on call\"", "/on call/a.md") && !about("x path:\"/on call\"", "/on/a.md"));
    assert!(about("x path:e\u{301}", "/\u{e9}t\u{e9}.md"), "in normalisation form C as paths are");
}

#[test]
fn bad_syntax_is_refused_with_the_place_and_the_remedy() {
    assert!(refusal("disk \"full").contains("character 6 is not closed"), "{}", refusal("disk \"full"));
    assert!(refusal("disk \"\"").contains("holds no word"));
    assert!(refusal("").contains("at least one word"));
    assert!(refusal(" -> ").contains("at least one word"));
    assert!(refusal("-disk").contains("add a word"));
    assert!(refusal("path:/a").contains("add a word"));
    assert!(refusal("disk path:").contains("path:/runbooks"));
    assert!(refusal("disk path:/[").contains("not a glob"));
    assert!(refusal("disk path:/a//b").contains("not a path"));
    assert!(refusal(&"a ".repeat(SEARCH_CLAUSES_MAX + 1)).contains("at most"));
    assert!(refusal(&"a".repeat(SEARCH_QUERY_BYTES_MAX + 1)).contains("bytes"));
}

proptest! {
    #[test]
    fn any_text_is_a_query_with_something_to_look_for_or_is_refused(text in "[ a\u{e9}\"“+\\-:/*path]{0,40}") {
        match text.parse::<Query>() {
            Ok(query) => {
                prop_assert!(query.clauses.iter().any(|c| c.demand != Demand::Excluded));
                prop_assert!(query.clauses.iter().all(|c| has_word(&c.text)));
            }
            Err(e) => prop_assert_eq!(e.details().violations.len(), 1),
        }
    }
}
