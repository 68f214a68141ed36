//! What `merge` promises, as tests.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::diff::tests::text;

proptest! {
    #[test]
    fn a_side_that_changed_nothing_takes_the_other(base in text(), other in text()) {
        prop_assert_eq!(merge3(&base, &base, &other).unwrap().content, other.clone());
        prop_assert_eq!(merge3(&base, &other, &base).unwrap().content, other.clone());
        prop_assert_eq!(merge3(&base, &other, &other).unwrap().content, other);
    }

    #[test]
    fn which_side_is_ours_does_not_matter(base in text(), x in text(), y in text()) {
        match (merge3(&base, &x, &y), merge3(&base, &y, &x)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one.content, other.content),
            (Err(one), Err(other)) => {
                let swapped = other.places.into_iter();
                let swapped: Vec<_> = swapped.map(|p| Place { base: p.base, ours: p.theirs, theirs: p.ours }).collect();
                prop_assert_eq!(one.places, swapped);
            }
            (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
        }
    }

    #[test]
    fn no_line_is_invented(base in text(), ours in text(), theirs in text()) {
        let Ok(merged) = merge3(&base, &ours, &theirs) else { return Ok(()) };
        let known: BTreeSet<&str> = [&ours, &theirs].into_iter().flat_map(|t| split_lines(t)).collect();
        prop_assert!(split_lines(&merged.content).iter().all(|l| known.contains(l)), "{:?}", merged.content);
    }

    #[test]
    fn what_both_kept_is_kept_and_what_either_removed_is_gone(lines in prop::collection::vec(any::<(bool, bool)>(), 0..30)) {
        // Distinct lines, each kept or removed by each side; clean merges keep exactly those that both kept.
        let keep = |wanted: &dyn Fn(&(bool, bool)) -> bool| -> String {
            lines.iter().enumerate().filter(|(_, k)| wanted(k)).map(|(i, _)| format!("{i}\n")).collect()
        };
        let (base, ours, theirs) = (keep(&|_| true), keep(&|k| k.0), keep(&|k| k.1));
        if let Ok(merged) = merge3(&base, &ours, &theirs) {
            prop_assert_eq!(merged.content, keep(&|k| k.0 && k.1));
        }
    }

    #[test]
    fn changes_with_a_kept_line_between_them_combine(before in 0usize..9, gap in 1usize..4, ours in "[x-z]{1,3}", theirs in "[x-z]{1,3}") {
        let lines: Vec<String> = (0..16).map(|n| format!("{n}\n")).collect();
        let with = |at: &[(usize, &str)]| -> String {
            lines.iter().enumerate().map(|(i, l)| at.iter().find(|(n, _)| *n == i).map_or(l.clone(), |(_, t)| format!("{t}\n"))).collect()
        };
        let (a, b) = (before, before + gap + 1);
        let merged = merge3(&with(&[]), &with(&[(a, &ours)]), &with(&[(b, &theirs)])).unwrap();
        prop_assert_eq!(merged.content, with(&[(a, &ours), (b, &theirs)]));
    }

    #[test]
    fn the_runs_are_the_content(base in text(), ours in text(), theirs in text()) {
        let Ok(merged) = merge3(&base, &ours, &theirs) else { return Ok(()) };
        let (o, t) = (split_lines(&ours), split_lines(&theirs));
        let mut rebuilt = Vec::new();
        for run in &merged.from {
            let side = if run.side == Side::Ours { &o } else { &t };
            rebuilt.extend_from_slice(&side[run.start as usize..(run.start + run.lines) as usize]);
        }
        prop_assert_eq!(rebuilt, split_lines(&merged.content));
    }
}

#[test]
fn changes_of_neighbouring_lines_overlap() {
    let overlap = merge3("a\nb\n", "A\nb\n", "a\nB\n").unwrap_err();
    assert_eq!(overlap.places, [Place { base: 0..2, ours: 0..2, theirs: 0..2 }]);
}

#[test]
fn two_different_lines_added_at_the_end_overlap_and_equal_ones_do_not() {
    assert!(merge3("a\n", "a\nx\n", "a\ny\n").is_err());
    assert_eq!(merge3("a\n", "a\nx\n", "a\nx\n").unwrap().content, "a\nx\n");
}

#[test]
fn every_overlap_is_named_and_clean_places_are_not() {
    let overlap = merge3("1\n2\n3\n4\n5\n6\n7\n", "x\n2\n3\nX\n5\n6\nO\n", "y\n2\n3\n4\n5\n6\nT\n").unwrap_err();
    assert_eq!(overlap.places.iter().map(|p| p.base.clone()).collect::<Vec<_>>(), [0..1, 6..7]);
}

#[test]
fn lines_know_the_side_that_they_come_from() {
    let merged = merge3("1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n").unwrap();
    assert_eq!(merged.content, "0\n1\n2\n3\n4\n");
    assert_eq!(
        merged.from,
        [Run { side: Side::Ours, start: 0, lines: 4 }, Run { side: Side::Theirs, start: 3, lines: 1 }]
    );
}
