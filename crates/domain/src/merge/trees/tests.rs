//! What `trees` promises, as tests.

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> MemoryPath {
    text.parse().unwrap()
}

fn tree(entries: &[(&str, u8, u8)]) -> Tree<u8> {
    let entry = |&(p, memory, content): &(&str, u8, u8)| {
        (path(p), Entry { memory: MemoryId::from_bytes([memory; 16]), content })
    };
    entries.iter().map(entry).collect()
}

fn merge(base: &Tree<u8>, ours: &Tree<u8>, theirs: &Tree<u8>) -> TreeMerge<u8> {
    merge_trees(base, ours, theirs, |_| true)
}

/// Ours after the steps. Lines are not merged here: theirs stands for them.
fn apply(ours: &Tree<u8>, steps: &[Step<u8>]) -> Tree<u8> {
    let mut result = ours.clone();
    for step in steps {
        match step {
            Step::Change { from, .. } => drop(result.remove(from)),
            Step::Delete { path, .. } => drop(result.remove(path)),
            Step::Create { .. } => {}
        }
    }
    for step in steps {
        let (to, memory, content) = match step {
            Step::Create { path, memory, content } => (path, *memory, *content),
            Step::Change { from, to, memory, content } => match content {
                Content::Keep => (to, *memory, ours[from].content),
                Content::Take(c) | Content::Lines { theirs: c, .. } => (to, *memory, *c),
            },
            Step::Delete { .. } => continue,
        };
        assert!(result.insert(to.clone(), Entry { memory, content }).is_none(), "{to} is given twice");
    }
    result
}

/// Up to six memories at paths that may not nest, each memory at most once.
fn trees() -> impl Strategy<Value = Tree<u8>> {
    let paths = Just(vec!["/a", "/b", "/c/d", "/c/e", "/f", "/g"]).prop_shuffle();
    (paths, prop::collection::vec(prop::option::of(0u8..3), 6)).prop_map(|(paths, contents)| {
        let mut entries = Vec::new();
        for (i, content) in contents.into_iter().enumerate() {
            entries.extend(content.map(|c| (paths[i], i as u8, c)));
        }
        tree(&entries)
    })
}

proptest! {
    #[test]
    fn a_side_that_changed_nothing_takes_the_other(base in trees(), other in trees()) {
        let merged = merge(&base, &base, &other);
        prop_assert_eq!(&merged.conflicts, &[]);
        prop_assert_eq!(apply(&base, &merged.steps), other.clone());
        prop_assert_eq!(merge(&base, &other, &base), TreeMerge { steps: vec![], conflicts: vec![] });
        prop_assert_eq!(merge(&base, &other, &other), TreeMerge { steps: vec![], conflicts: vec![] });
    }

    #[test]
    fn a_clean_merge_is_clean_the_other_way_round_and_gives_the_same(base in trees(), x in trees(), y in trees()) {
        let (one, other) = (merge(&base, &x, &y), merge(&base, &y, &x));
        prop_assert_eq!(one.conflicts.is_empty(), other.conflicts.is_empty(), "{:?} {:?}", one, other);
        if one.conflicts.is_empty() {
            let lines = |m: &TreeMerge<u8>| m.steps.iter().any(|s| matches!(s, Step::Change { content: Content::Lines { .. }, .. }));
            let names = |t: Tree<u8>| t.into_iter().map(|(p, e)| (p, e.content)).collect::<Vec<_>>();
            if !lines(&one) {
                prop_assert_eq!(names(apply(&x, &one.steps)), names(apply(&y, &other.steps)));
            }
        }
    }

    #[test]
    fn what_is_not_selected_stays(base in trees(), ours in trees(), theirs in trees()) {
        let merged = merge_trees(&base, &ours, &theirs, |p| p.as_str() != "/a");
        for step in &merged.steps {
            let touched: Vec<&MemoryPath> = match step {
                Step::Create { path, .. } | Step::Delete { path, .. } => vec![path],
                Step::Change { from, to, .. } => vec![from, to],
            };
            let moved_by_ours = matches!(step, Step::Change { memory, .. } if !base.iter().any(|(p, e)| e.memory == *memory && ours.get(p).is_some_and(|o| o.memory == *memory)));
            prop_assert!(moved_by_ours || touched.iter().all(|p| p.as_str() != "/a"), "{:?}", step);
        }
    }
}

#[test]
fn a_move_on_one_side_and_an_edit_on_the_other_combine() {
    let base = tree(&[("/a", 1, 1)]);
    let merged = merge(&base, &tree(&[("/b", 1, 1)]), &tree(&[("/a", 1, 2)]));
    let memory = MemoryId::from_bytes([1; 16]);
    let step = Step::Change { from: path("/b"), to: path("/b"), memory, content: Content::Take(2) };
    assert_eq!(merged, TreeMerge { steps: vec![step], conflicts: vec![] });
}

#[test]
fn a_deletion_and_an_edit_conflict_and_both_deletions_do_not() {
    let (base, gone, edited) = (tree(&[("/a", 1, 1)]), tree(&[]), tree(&[("/a", 1, 2)]));
    let conflict = |ours, theirs| TreeConflict { path: path("/a"), base: Some(1), ours, theirs };
    assert_eq!(merge(&base, &gone, &edited).conflicts, [conflict(None, Some(2))]);
    assert_eq!(merge(&base, &edited, &gone).conflicts, [conflict(Some(2), None)]);
    assert_eq!(merge(&base, &gone, &gone).conflicts, []);
}

#[test]
fn edits_on_both_sides_ask_for_a_merge_of_lines() {
    let merged = merge(&tree(&[("/a", 1, 1)]), &tree(&[("/a", 1, 2)]), &tree(&[("/a", 1, 3)]));
    let Step::Change { content, .. } = &merged.steps[0] else { panic!("{merged:?}") };
    assert_eq!(*content, Content::Lines { base: 1, ours: 2, theirs: 3 });
}

#[test]
fn the_same_file_made_on_both_sides_is_one_and_a_different_one_conflicts() {
    let empty = tree(&[]);
    let alike = merge(&empty, &tree(&[("/a", 1, 1)]), &tree(&[("/a", 2, 1)]));
    assert_eq!(alike, TreeMerge { steps: vec![], conflicts: vec![] });
    let different = merge(&empty, &tree(&[("/a", 1, 1)]), &tree(&[("/a", 2, 2)]));
    let conflict = TreeConflict { path: path("/a"), base: None, ours: Some(1), theirs: Some(2) };
    assert_eq!(different.conflicts, [conflict]);
}

#[test]
fn a_memory_moved_to_a_path_conflicts_with_one_made_there_in_both_directions() {
    let base = tree(&[("/a", 1, 0)]);
    let (moved, made) = (tree(&[("/f", 1, 2)]), tree(&[("/a", 1, 0), ("/f", 2, 2)]));
    for merged in [merge(&base, &moved, &made), merge(&base, &made, &moved)] {
        let conflict = TreeConflict { path: path("/f"), base: None, ours: Some(2), theirs: Some(2) };
        assert_eq!(merged.conflicts, [conflict]);
    }
}

#[test]
fn two_memories_moved_to_one_path_and_one_below_another_conflict() {
    let base = tree(&[("/a", 1, 1), ("/b", 2, 2)]);
    let clash = merge(&base, &tree(&[("/x", 1, 1), ("/b", 2, 2)]), &tree(&[("/a", 1, 1), ("/x", 2, 2)]));
    assert_eq!(clash.conflicts.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["/x"]);
    let nested = merge(&base, &tree(&[("/a", 1, 1), ("/b", 2, 2), ("/c", 3, 3)]), &{
        tree(&[("/a", 1, 1), ("/b", 2, 2), ("/c/d", 4, 4)])
    });
    assert_eq!(nested.conflicts.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["/c/d"]);
}

#[test]
fn a_swap_of_two_paths_comes_over() {
    let base = tree(&[("/a", 1, 1), ("/b", 2, 2)]);
    let swapped = tree(&[("/a", 2, 2), ("/b", 1, 1)]);
    let merged = merge(&base, &base, &swapped);
    assert_eq!((apply(&base, &merged.steps), merged.conflicts), (swapped, vec![]));
}
