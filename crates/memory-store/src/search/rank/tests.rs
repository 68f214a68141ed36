//! What ranking promises, as tests: the formula, worked out the long way.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::{Access, Action, Grant, Grants, Principal, Role, Scope as TokenScope};
use domain::id::{MemoryId, StoreId, TokenId, VersionId, WorkspaceId};
use domain::{MemoryPath, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::index::Entry;
use crate::record::ContentRef;

const STORE: StoreId = StoreId::from_bytes([1; 16]);

fn permit(prefix: &str) -> StorePermit {
    let grant = Grant { store: STORE, access: Access::ReadOnly, prefix: prefix.parse().unwrap() };
    let principal = Principal {
        workspace: WorkspaceId::from_bytes([9; 16]),
        token: TokenId::from_bytes([8; 16]),
        subject: "ana".into(),
        scope: TokenScope { role: Role::Reader, grants: Grants::Only(vec![grant]) },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    };
    principal.permit_store(Action::StoreRead, STORE).unwrap()
}

fn entry() -> Arc<Entry> {
    Arc::new(Entry {
        memory: MemoryId::from_bytes([2; 16]),
        version: VersionId::from_bytes([3; 16]),
        revision: 1,
        content: ContentRef { hash: [1; 32], sha256: [1; 32], size_bytes: 0 },
        origins: Vec::new(),
        actor: Arc::default(),
        create_time: Timestamp::UNIX_EPOCH,
        update_time: Timestamp::UNIX_EPOCH,
    })
}

fn words(texts: &[(&str, &str)]) -> Words {
    let (mut words, mut analyser) = (Words::default(), Analyser::default());
    for (path, text) in texts {
        words.put(path.parse().unwrap(), entry(), text, &mut analyser);
    }
    words
}

fn ranked(words: &Words, query: &str, prefix: &str) -> Vec<(String, f64)> {
    let query: Query = query.parse().unwrap();
    let (plan, permit) = (Plan::new(&query, &mut Analyser::default()), permit(prefix));
    let mut stats = Stats::default();
    stats.add(words, &plan, &permit);
    let scope = Scope { permit: &permit, prefix: &Prefix::ALL, query: &query };
    let ranked = rank(words, &plan, &stats, &scope, 1_000);
    ranked.best.into_iter().map(|(score, document)| (document.path.to_string(), score)).collect()
}

fn paths(words: &Words, query: &str) -> Vec<String> {
    ranked(words, query, "").into_iter().map(|(path, _)| path).collect()
}

#[test]
fn rarer_words_more_words_and_shorter_texts_come_first() {
    let words = words(&[
        ("/1", "disk disk disk common"),
        ("/2", "disk common rare"),
        ("/3", "common and a long text about other things that goes on and on"),
        ("/4", "disk and a long text about other things that goes on"),
    ]);
    assert_eq!(paths(&words, "disk rare common"), ["/2", "/1", "/4", "/3"]);
    assert_eq!(paths(&words, "disk"), ["/1", "/2", "/4"]);
    assert_eq!(paths(&words, "common -disk"), ["/3"]);
    assert_eq!(paths(&words, "common +rare"), ["/2"]);
    assert_eq!(paths(&words, "absent"), Vec::<String>::new());
    assert_eq!(paths(&words, "+absent disk"), Vec::<String>::new());
}

#[test]
fn a_phrase_stands_in_a_row_and_never_from_the_path_into_the_text() {
    let words = words(&[
        ("/refused", "connection lost"),
        ("/b", "the connection was refused"),
        ("/c", "connection refused, connection refused"),
        ("/d/10.0.0.1", "x"),
        ("/e", "10 0 1 0"),
    ]);
    assert_eq!(paths(&words, "\"connection refused\""), ["/c"]);
    assert_eq!(paths(&words, "\"refused connection\""), ["/c"]);
    assert_eq!(paths(&words, "10.0.0.1"), ["/d/10.0.0.1"], "a word with marks inside is looked for as a whole");
    assert_eq!(paths(&words, "-\"connection refused\" connection"), ["/refused", "/b"]);
}

#[test]
fn the_path_is_read_too_and_counts_for_more() {
    let words = words(&[("/a", "how to deploy"), ("/deploying.md", "how to"), ("/b", "getUserById")]);
    assert_eq!(paths(&words, "deploy"), ["/deploying.md", "/a"]);
    assert_eq!(paths(&words, "user"), ["/b"]);
    assert_eq!(paths(&words, "GETUSERBYID"), ["/b"]);
}

#[test]
fn of_a_sentence_without_spaces_any_two_characters_in_a_row_are_looked_for() {
    let words = words(&[("/a", "数据库的重启步骤"), ("/b", "启动数学"), ("/c", "请重启服务器")]);
    assert_eq!(paths(&words, "如何重启数据库"), ["/a", "/c"]);
    assert_eq!(paths(&words, "\"重启数据\""), Vec::<String>::new());
    assert_eq!(paths(&words, "启"), ["/b", "/c", "/a"]);
}

#[test]
fn what_may_not_be_read_is_not_found_and_does_not_count() {
    let open = [("/open/1", "disk full"), ("/open/2", "disk")];
    let with_secrets = words(&[&open[..], &[("/secret/1", "disk full full"), ("/secret/2", "full")]].concat());
    assert_eq!(ranked(&with_secrets, "disk full", "/open"), ranked(&words(&open), "disk full", ""));
    assert_eq!(ranked(&with_secrets, "disk full", "").len(), 4);
}

/// The formula over texts, without an index.
fn naive(texts: &BTreeMap<String, String>, clauses: &[(Demand, Vec<&str>)]) -> Vec<(String, f64)> {
    let documents: Vec<(&String, Vec<&str>, Vec<&str>)> = texts
        .iter()
        .map(|(path, text)| (path, path.split('/').filter(|s| !s.is_empty()).collect(), text.split(' ').collect()))
        .map(|(path, of_path, of_text): (_, Vec<&str>, Vec<&str>)| {
            (path, of_path, of_text.into_iter().filter(|w| !w.is_empty()).collect())
        })
        .collect();
    let count = documents.len() as f64;
    let mean = documents.iter().map(|(_, p, t)| p.len() + t.len()).sum::<usize>() as f64 / count.max(1.0);
    let rarity = |word: &str| {
        let with = documents.iter().filter(|(_, p, t)| p.contains(&word) || t.contains(&word)).count() as f64;
        (1.0 + (count - with + 0.5) / (with + 0.5)).ln()
    };
    let often = |words: &[&str], phrase: &[&str]| words.windows(phrase.len()).filter(|w| *w == phrase).count() as f64;
    let mut found = Vec::new();
    for (path, of_path, of_text) in &documents {
        let (mut score, mut is_it) = (0.0, true);
        for (demand, phrase) in clauses {
            let often = 3.0 * often(of_path, phrase) + often(of_text, phrase);
            let length = (of_path.len() + of_text.len()) as f64;
            let rarity: f64 = phrase.iter().map(|w| rarity(w)).sum();
            let norm = 1.2 * (0.25 + 0.75 * length / mean.max(1.0));
            match demand {
                Demand::Excluded => is_it &= often == 0.0,
                Demand::Required => is_it &= often > 0.0,
                Demand::Wanted => {}
            }
            if *demand != Demand::Excluded {
                score += rarity * often * 2.2 / (often + norm);
            }
        }
        if is_it && score > 0.0 {
            found.push(((*path).clone(), score));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scores_are_the_formulas_whatever_came_and_went_before(
        steps in proptest::collection::vec(("/[xyz](/[xyz])?", proptest::option::of("([xyzw] ){0,6}")), 1..60),
        clauses in proptest::collection::vec((0..3u8, "[xyzw]( [xyzw]){0,2}"), 1..4),
        compact_at in 0..60usize,
    ) {
        let (mut words, mut analyser) = (Words::default(), Analyser::default());
        let mut texts = BTreeMap::new();
        for (n, (path, text)) in steps.into_iter().enumerate() {
            let at: MemoryPath = path.parse().unwrap();
            match text {
                Some(text) => {
                    words.put(at, entry(), &text, &mut analyser);
                    texts.insert(path, text);
                }
                None => {
                    words.remove(&at);
                    texts.remove(&path);
                }
            }
            if n == compact_at {
                let before = ranked(&words, "x y \"z w\"", "");
                futures_util::FutureExt::now_or_never(words.compact()).unwrap();
                prop_assert_eq!(ranked(&words, "x y \"z w\"", ""), before);
            }
        }
        let demands = [Demand::Wanted, Demand::Required, Demand::Excluded];
        let clauses: Vec<(Demand, Vec<&str>)> =
            clauses.iter().map(|(demand, phrase)| (demands[usize::from(*demand)], phrase.split(' ').collect())).collect();
        let written: Vec<String> = clauses
            .iter()
            .map(|(demand, phrase)| match (demand, phrase.as_slice()) {
                (Demand::Wanted, [word]) => (*word).to_owned(),
                // A phrase that only ranks is a word with marks inside.
                (Demand::Wanted, words) => words.join("-"),
                (Demand::Required, words) => format!("\"{}\"", words.join(" ")),
                (Demand::Excluded, words) => format!("-\"{}\"", words.join(" ")),
            })
            .collect();
        let query = written.join(" ");
        prop_assume!(query.parse::<Query>().is_ok());
        let (found, expected) = (ranked(&words, &query, ""), naive(&texts, &clauses));
        prop_assert_eq!(found.len(), expected.len(), "{}: {:?}, expected {:?}", query, found, expected);
        for ((path, score), (other, right)) in found.iter().zip(&expected) {
            prop_assert!((score - right).abs() < 1e-9, "{}: {} {}, expected {} {}", query, path, score, other, right);
        }
    }
}
