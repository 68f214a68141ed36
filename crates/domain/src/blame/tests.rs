//! What `blame` promises, as tests.

use proptest::prelude::*;

use super::*;
use crate::diff::tests::text;
use crate::merge::merge3;

fn origin(start_line: u32, end_line: u32, source: &str) -> Origin {
    Origin { start_line, end_line, source: source.to_owned() }
}

proptest! {
    #[test]
    fn every_line_has_one_value_after_any_edits(texts in prop::collection::vec(text(), 1..6)) {
        let mut ranges = Ranges::of(&texts[0], 0);
        for (i, pair) in texts.windows(2).enumerate() {
            ranges = ranges.carry(&pair[0], &pair[1], i + 1);
            prop_assert_eq!(ranges.lines() as usize, split_lines(&pair[1]).len());
        }
        let all: Vec<_> = ranges.iter().collect();
        prop_assert!(all.windows(2).all(|w| w[0].0.end == w[1].0.start && w[0].1 != w[1].1));
    }

    #[test]
    fn a_line_keeps_its_value_only_where_its_text_stays(old in text(), new in text()) {
        // Each old line is valued by its own text: whatever is carried must still say the line's text.
        let mut ranges = Ranges::default();
        for line in split_lines(&old) {
            ranges.push(1, Some(line.to_owned()));
        }
        let carried = ranges.carry(&old, &new, None);
        for (i, line) in split_lines(&new).into_iter().enumerate() {
            if let Some(value) = carried.at(i as u32).unwrap() {
                prop_assert_eq!(value, line);
            }
        }
        let unchanged = ranges.carry(&old, &old, None);
        prop_assert_eq!(unchanged, ranges);
    }

    #[test]
    fn a_merge_keeps_what_is_said_of_each_side(base in text(), ours in text(), theirs in text()) {
        let Ok(merged) = merge3(&base, &ours, &theirs) else { return Ok(()) };
        let valued = |text: &str| {
            let mut ranges = Ranges::default();
            split_lines(text).into_iter().for_each(|line| ranges.push(1, line.to_owned()));
            ranges
        };
        let ranges = Ranges::merged(&valued(&ours), &valued(&theirs), &merged);
        prop_assert_eq!(ranges, valued(&merged.content));
    }

    #[test]
    fn zipped_values_are_those_of_each_line(a in prop::collection::vec(0..3, 0..20), b in prop::collection::vec(0..3, 0..20)) {
        let ranges = |values: &[i32]| {
            let mut ranges = Ranges::default();
            values.iter().for_each(|v| ranges.push(1, *v));
            ranges
        };
        let pairs: Vec<(i32, i32)> = a.iter().copied().zip(b.iter().copied()).collect();
        let mut expected = Ranges::default();
        pairs.iter().for_each(|p| expected.push(1, *p));
        prop_assert_eq!(ranges(&a).zip(&ranges(&b)), expected);
    }

    #[test]
    fn origins_survive_a_round_trip_through_sources(
        text in text(),
        given in prop::collection::vec((1u32..20, 1u32..20, "[ab]"), 0..8),
    ) {
        let given: Vec<Origin> = given.iter().map(|(a, b, s)| origin(*a.min(b), *a.max(b), s)).collect();
        let once = origins(&sources(&given, &text));
        prop_assert_eq!(sources(&once, &text), sources(&given, &text));
        prop_assert_eq!(&origins_after(&once, &text, &text, &given), &once);
        let lines = split_lines(&text).len() as u32;
        prop_assert!(once.iter().all(|o| 1 <= o.start_line && o.start_line <= o.end_line && o.end_line <= lines));
    }
}

#[test]
fn origins_stay_with_unchanged_lines() {
    let old = [origin(1, 3, "dream/1")];
    let after = origins_after(&old, "a\nb\nc\n", "new\na\nB\nc\n", &[origin(1, 4, "dream/2")]);
    assert_eq!(
        after,
        [origin(1, 1, "dream/2"), origin(2, 2, "dream/1"), origin(3, 3, "dream/2"), origin(4, 4, "dream/1")]
    );
}

#[test]
fn lines_that_an_edit_without_origins_brings_in_have_none() {
    assert_eq!(origins_after(&[origin(1, 2, "s")], "a\nb\n", "a\nx\nb\n", &[]), [origin(1, 1, "s"), origin(3, 3, "s")]);
}

#[test]
fn a_line_can_have_several_sources() {
    let given = [origin(1, 2, "s"), origin(2, 3, "t")];
    assert_eq!(origins_after(&[], "", "a\nb\nc\n", &given), given);
}

#[test]
fn a_merge_takes_the_origins_of_each_side() {
    let (base, ours, theirs) = ("1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n");
    let merged = merge3(base, ours, theirs).unwrap();
    let origins = origins_merged(&[origin(1, 1, "o")], ours, &[origin(4, 4, "t")], theirs, &merged);
    assert_eq!(origins, [origin(1, 1, "o"), origin(5, 5, "t")]);
}

#[test]
fn origins_beyond_the_limits_are_left_out() {
    let many: Vec<Origin> = (0..LINE_ORIGINS_MAX + 5).map(|i| origin(1, 1, &format!("{i:03}"))).collect();
    assert_eq!(origins_after(&[], "", "a\n", &many), many[..LINE_ORIGINS_MAX]);
    let text = "x\ny\n".repeat(ORIGINS_MAX + 1);
    let spread: Vec<Origin> = (0..=ORIGINS_MAX as u32).map(|i| origin(2 * i + 1, 2 * i + 1, "s")).collect();
    assert_eq!(origins_after(&[], "", &text, &spread).len(), ORIGINS_MAX);
}
