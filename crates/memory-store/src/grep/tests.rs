//! Searching: what is found, in which order, with which lines around it.

use domain::memory::Grep;
use futures_util::TryStreamExt as _;

use crate::tests::{World, texts};

async fn found(world: &World, grep: Grep) -> (Vec<(String, u32, String, usize, usize)>, bool) {
    let stream = world.service.grep(&world.permit, &grep).await.unwrap();
    let parts: Vec<_> = stream.try_collect().await.unwrap();
    let truncated = parts.last().unwrap().truncated;
    let of = |m: domain::memory::Match| (m.path.to_string(), m.line_number, m.line, m.before.len(), m.after.len());
    (parts.into_iter().flat_map(|p| p.matches).map(of).collect(), truncated)
}

#[tokio::test]
async fn lines_are_found_in_path_order_with_their_neighbours() {
    let world = World::new().await;
    world.write(&texts(&[("/b", "x\nneedle one\ny\n"), ("/a", "needle two\n"), ("/c", "nothing\n")])).await;
    let (lines, truncated) =
        found(&world, Grep { regex: "needle (one|two)".into(), context_lines: 1, ..Grep::default() }).await;
    let expected =
        [("/a".to_owned(), 1, "needle two".to_owned(), 0, 0), ("/b".to_owned(), 2, "needle one".to_owned(), 1, 1)];
    assert_eq!((lines.as_slice(), truncated), (&expected[..], false));
}

#[tokio::test]
async fn a_glob_a_case_and_a_limit_narrow_the_search_and_the_past_can_be_searched() {
    let world = World::new().await;
    let first = world.write(&texts(&[("/a.md", "Needle\nNEEDLE\n"), ("/b.txt", "needle\n")])).await;
    world.write(&texts(&[("/a.md", "gone\n")])).await;
    let grep = |revision| Grep {
        regex: "needle".into(),
        ignore_case: true,
        glob: Some("/*.md".parse().unwrap()),
        revision,
        ..Grep::default()
    };
    assert_eq!(found(&world, grep(0)).await.0.len(), 0);
    assert_eq!(found(&world, grep(first)).await.0.len(), 2);
    let (lines, truncated) = found(&world, Grep { matches_max: 1, ..grep(first) }).await;
    assert_eq!((lines.len(), truncated), (1, true));
}

#[tokio::test]
async fn a_bad_pattern_is_refused_by_its_field() {
    let world = World::new().await;
    let refused =
        world.service.grep(&world.permit, &Grep { regex: "(".into(), ..Grep::default() }).await.err().unwrap();
    assert_eq!(refused.details().violations[0].field, "regex");
}

#[tokio::test]
async fn a_search_over_more_memories_than_are_read_at_once_finds_all_of_them() {
    let world = World::new().await;
    let count = 3 * domain::limits::GREP_READS_MAX + 1;
    let all: Vec<(String, String)> = (0..count).map(|n| (format!("/{n:03}"), format!("needle {n}\n"))).collect();
    world.write(&all.iter().map(|(path, text)| (path.parse().unwrap(), text.clone())).collect()).await;
    let needles = |matches_max| Grep { regex: "needle".into(), matches_max, ..Grep::default() };
    let (lines, truncated) = found(&world, needles(0)).await;
    assert_eq!(
        lines.iter().map(|line| &line.0).collect::<Vec<_>>(),
        all.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    assert!(!truncated);
    for (most, truncated) in [(count - 1, true), (count, false), (domain::limits::GREP_READS_MAX, true)] {
        let (lines, cut) = found(&world, needles(most as u32)).await;
        assert_eq!((lines.len(), cut), (most, truncated));
    }
}

#[tokio::test]
async fn a_search_is_answered_part_by_part_and_may_be_given_up() {
    let world = World::new().await;
    let all: Vec<(String, String)> = (0..100).map(|n| (format!("/{n:03}"), "needle\n".to_owned())).collect();
    world.write(&all.iter().map(|(path, text)| (path.parse().unwrap(), text.clone())).collect()).await;
    let stream = world.service.grep(&world.permit, &Grep { regex: "needle".into(), ..Grep::default() }).await.unwrap();
    let mut stream = Box::pin(stream);
    let first = stream.try_next().await.unwrap().unwrap();
    assert_eq!((first.matches.len(), first.matches[0].path.as_str()), (1, "/000"));
    drop(stream);
    // Of the snapshot that it began with, whatever is written meanwhile.
    let stream = world.service.grep(&world.permit, &Grep { regex: "needle".into(), ..Grep::default() }).await.unwrap();
    world.write(&texts(&[("/099", "gone\n"), ("/100", "needle\n")])).await;
    let parts: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(parts.iter().map(|part| part.matches.len()).sum::<usize>(), 100);
}
