//! What analysis promises, as tests.

use proptest::prelude::*;

use super::*;

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    each_word(text, |at, word| {
        assert_eq!(&text[at..at + word.len()], word);
        words.push(word);
    });
    words
}

fn stems(text: &str) -> Vec<String> {
    let mut analyser = Analyser::default();
    words(text).into_iter().map(|word| analyser.stem(word).to_owned()).collect()
}

#[test]
fn marks_divide_words() {
    assert_eq!(words("db-1.prod: max_open_files=1,024\n"), ["db", "1", "prod", "max", "open", "files", "1", "024"]);
    assert_eq!(words("don\u{2019}t \u{2014} n\u{e3}o_sei"), ["don", "t", "n\u{e3}o", "sei"]);
    assert_eq!(words(" \n->\u{1f680}\n"), Vec::<&str>::new());
}

#[test]
fn scripts_without_spaces_are_divided_into_characters_and_others_are_not() {
    assert_eq!(words("重启db服务"), ["重", "启", "db", "服", "务"]);
    assert!(words("重启").into_iter().all(is_ideographic) && !is_ideographic("db") && !is_ideographic("a"));
    assert_eq!(words("हिन्दी пример 한국어"), ["हिन्दी", "пример", "한국어"]);
}

#[test]
fn case_accents_and_english_endings_do_not_matter() {
    assert_eq!(stems("Deployments DEPLOYED deploying"), ["deploy", "deploy", "deploy"]);
    assert_eq!(stems("Ünïcödé ÉTÉ ﬁle"), ["unicod", "ete", "file"]);
    assert_eq!(stems("ПРИМЕР Straße ΣΊΣΥΦΟΣ"), ["пример", "straße", "σισυφος"]);
    assert_eq!(stems("が か"), ["が", "か"], "a voicing mark is no accent");
    assert_eq!(stems("503s"), ["503s"]);
}

#[test]
fn a_word_in_camel_case_has_parts() {
    let parts = |word| humps(word).collect::<Vec<_>>();
    assert_eq!(parts("getUserById"), ["get", "User", "By", "Id"]);
    assert_eq!(parts("HTTPServer"), ["HTTP", "Server"]);
    assert_eq!(parts("iPhone"), ["Phone"]);
    assert!(parts("deploy").is_empty() && parts("DEPLOY").is_empty() && parts("Deploy").is_empty());
    assert!(parts("Überfluß").is_empty());
}

#[test]
fn a_long_word_is_known_by_its_beginning() {
    let long = "x1".repeat(100);
    assert_eq!(stems(&long)[0].len(), limits::SEARCH_WORD_BYTES_MAX);
    assert!(stems(&"é".repeat(100))[0].len() <= limits::SEARCH_WORD_BYTES_MAX);
}

proptest! {
    #[test]
    fn the_fast_way_is_the_same_as_unicodes(line in "[ -~]{0,40}") {
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        ascii_words(&line, |at, word| fast.push((at, word.to_owned())));
        unicode_words(&line, |at, word| slow.push((at, word.to_owned())));
        prop_assert_eq!(fast, slow);
    }

    #[test]
    fn a_stem_is_its_own_fold(word in "\\PC{1,12}") {
        let folded = fold(&word).into_owned();
        prop_assert_eq!(&fold(&folded), &folded);
    }
}
