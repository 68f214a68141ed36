//! What `diff` promises, as tests.

use proptest::prelude::*;

use super::*;

/// Texts of few distinct lines, with or without a last line end, so that lines repeat and match.
pub fn text() -> impl Strategy<Value = String> {
    (prop::collection::vec("[a-d]{0,1}\r?", 0..24), any::<bool>()).prop_map(|(lines, ended)| {
        let text = lines.join("\n");
        if ended && !text.is_empty() { text + "\n" } else { text }
    })
}

proptest! {
    #[test]
    fn a_diff_applied_to_its_base_gives_its_target(base in text(), target in text(), context in 0usize..5) {
        let diff = diff_lines(&base, &target, context);
        prop_assert_eq!(apply(&base, &diff.hunks).unwrap(), target.clone());
        prop_assert_eq!(diff.hunks.is_empty(), base == target);
    }

    #[test]
    fn hunks_count_their_lines_and_hold_no_more_context_than_asked(base in text(), target in text(), context in 0usize..5) {
        let diff = diff_lines(&base, &target, context);
        let (mut added, mut removed) = (0, 0);
        for hunk in &diff.hunks {
            let count = |kind| hunk.lines.iter().filter(|l| l.kind == kind).count() as u32;
            prop_assert_eq!(hunk.base_lines, count(LineKind::Context) + count(LineKind::Removed));
            prop_assert_eq!(hunk.target_lines, count(LineKind::Context) + count(LineKind::Added));
            let lead = hunk.lines.iter().take_while(|l| l.kind == LineKind::Context).count();
            prop_assert!(lead <= context && lead < hunk.lines.len());
            added += u64::from(count(LineKind::Added));
            removed += u64::from(count(LineKind::Removed));
        }
        prop_assert_eq!(diff.stats, Stats { added_lines: added, removed_lines: removed });
    }

    #[test]
    fn two_edits_never_touch(base in text(), target in text()) {
        let found = edits(&split_lines(&base), &split_lines(&target));
        prop_assert!(found.windows(2).all(|w| w[0].base.end < w[1].base.start && w[0].target.end < w[1].target.start));
    }
}

#[test]
fn the_unified_format_marks_a_missing_last_line_end() {
    let diff = diff_lines("a\nb\nc", "a\nB\nc\n", 1);
    assert_eq!(
        unified("a/x.md", "b/x.md", &diff),
        "--- a/x.md\n+++ b/x.md\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n\\ No newline at end of file\n+B\n+c\n"
    );
}

#[test]
fn a_created_file_starts_at_line_zero() {
    let diff = diff_lines("", "a\n", 3);
    assert_eq!(unified("/dev/null", "b/x", &diff), "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n");
    assert_eq!(unified("a/x", "b/x", &diff_lines("a", "a", 3)), "");
}

#[test]
fn contexts_that_meet_make_one_hunk_and_a_line_more_between_makes_two() {
    let base: String = (1..=9).map(|n| format!("{n}\n")).collect();
    let near = base.replace("3\n", "x\n").replace("6\n", "y\n");
    let far = base.replace("3\n", "x\n").replace("7\n", "y\n");
    assert_eq!(diff_lines(&base, &near, 1).hunks.len(), 1);
    assert_eq!(diff_lines(&base, &far, 1).hunks.len(), 2);
}

#[test]
fn a_diff_does_not_apply_to_another_text() {
    let diff = diff_lines("a\nb\n", "a\nc\n", 1);
    assert_eq!(apply("a\nx\n", &diff.hunks).unwrap_err().kind(), Kind::Precondition);
    assert_eq!(apply("", &diff.hunks).unwrap_err().kind(), Kind::Precondition);
}

#[test]
fn hostile_text_is_compared_in_bounded_time() {
    // Two long shuffles of the same few lines: the unbounded search needs some 10^9 steps.
    let mut state = 7u64;
    let mut shuffled = || -> String {
        (0..51_200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                format!("{}\n", (b'a' + ((state >> 33) % 26) as u8) as char)
            })
            .collect()
    };
    let (base, target) = (shuffled(), shuffled());
    let begun = std::time::Instant::now();
    let diff = diff_lines(&base, &target, 3);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_eq!(apply(&base, &diff.hunks).unwrap(), target);
}

fn id(n: u8) -> MemoryId {
    MemoryId::from_bytes([n; 16])
}

fn file(n: u8, content: &str) -> Unpaired<'_> {
    Unpaired { memory: id(n), content }
}

#[test]
fn a_rename_is_found_by_id_before_content_before_likeness() {
    let removed = [file(1, "a\nb\nc\n"), file(2, "same\n"), file(3, "x\ny\nz\nw\n"), file(4, "gone\n")];
    let added = [file(7, "x\ny\nz\nv\n"), file(8, "same\n"), file(1, "same\n"), file(9, "new\n")];
    assert_eq!(pair_renames(&removed, &added), [(0, 2), (1, 1), (2, 0)]);
}

#[test]
fn empty_files_are_not_alike() {
    assert_eq!(pair_renames(&[file(1, "")], &[file(2, "")]), []);
}
