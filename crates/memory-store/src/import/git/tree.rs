//! A git tree while its commits are replayed: every path, also those that a store cannot hold.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use domain::MemoryPath;

use crate::import::git::Change;
use crate::import::item;
use crate::line::why;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    Text([u8; 32]),
    /// Why it cannot be stored.
    Unfit(Arc<str>),
}

/// Paths as git has them: bytes, without a slash in front.
#[derive(Default)]
pub struct Tree(BTreeMap<Vec<u8>, Leaf>);

/// Paths with the reasons why they are left out.
pub type Problems = Vec<(String, Arc<str>)>;

impl Tree {
    /// What a change of the tree comes to in the store.
    pub fn apply(&mut self, change: Change) -> (Vec<item::Change>, Problems) {
        let mut done = Done::default();
        match change {
            Change::Modify { path, leaf } => {
                self.make_way(&path, &mut done);
                self.put(path, leaf, &mut done);
            }
            Change::Delete { path } => {
                for path in self.within(&path) {
                    self.remove(&path, &mut done);
                }
            }
            Change::DeleteAll => {
                for path in std::mem::take(&mut self.0).into_keys() {
                    done.delete(&path);
                }
            }
            Change::Rename { from, to } => {
                for path in self.within(&from) {
                    let target = [&to, &path[from.len()..]].concat();
                    let Some(leaf) = (target != path).then(|| self.0.remove(&path)).flatten() else { continue };
                    self.make_way(&target, &mut done);
                    match (&leaf, stored(&path), stored(&target)) {
                        (Leaf::Text(_), Ok(from), Ok(to)) => {
                            if self.0.contains_key(&target) {
                                self.remove(&target, &mut done);
                            }
                            done.changes.push(item::Change::Move { from, to });
                            self.0.insert(target, leaf);
                        }
                        _ => {
                            done.delete(&path);
                            self.put(target, leaf, &mut done);
                        }
                    }
                }
            }
            Change::Copy { from, to } => {
                for path in self.within(&from) {
                    let target = [&to, &path[from.len()..]].concat();
                    let Some(leaf) = self.0.get(&path).cloned() else { continue };
                    self.make_way(&target, &mut done);
                    self.put(target, leaf, &mut done);
                }
            }
        }
        (done.changes, done.problems)
    }

    fn put(&mut self, path: Vec<u8>, leaf: Leaf, done: &mut Done) {
        match (stored(&path), &leaf) {
            (Ok(path), Leaf::Text(sha256)) => done.changes.push(item::Change::Write { path, sha256: *sha256 }),
            (Ok(_), Leaf::Unfit(reason)) => {
                if matches!(self.0.get(&path), Some(Leaf::Text(_))) {
                    done.delete(&path);
                }
                done.problem(&path, reason.clone());
            }
            (Err(reason), _) => done.problem(&path, reason.into()),
        }
        self.0.insert(path, leaf);
    }

    fn remove(&mut self, path: &[u8], done: &mut Done) {
        if let Some(Leaf::Text(_)) = self.0.remove(path) {
            done.delete(path);
        }
    }

    /// A file takes the place of a directory, and a directory that of a file.
    fn make_way(&mut self, path: &[u8], done: &mut Done) {
        for below in self.within(path).into_iter().filter(|below| below != path) {
            self.remove(&below, done);
        }
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            self.remove(&path[..at], done);
        }
    }

    /// The path, or all below it; everything for the root.
    fn within(&self, path: &[u8]) -> Vec<Vec<u8>> {
        if path.is_empty() {
            return self.0.keys().cloned().collect();
        }
        let own = self.0.contains_key(path).then(|| path.to_vec());
        let (start, end) = ([path, b"/"].concat(), [path, b"0"].concat());
        let below = self.0.range::<Vec<u8>, _>((Bound::Included(&start), Bound::Excluded(&end)));
        own.into_iter().chain(below.map(|(path, _)| path.clone())).collect()
    }
}

#[derive(Default)]
struct Done {
    changes: Vec<item::Change>,
    problems: Problems,
}

impl Done {
    fn delete(&mut self, path: &[u8]) {
        if let Ok(path) = stored(path) {
            self.changes.push(item::Change::Delete { path });
        }
    }

    fn problem(&mut self, path: &[u8], reason: Arc<str>) {
        self.problems.push((String::from_utf8_lossy(path).into_owned(), reason));
    }
}

/// The path of the memory, or why there can be none.
fn stored(path: &[u8]) -> Result<MemoryPath, String> {
    let text = std::str::from_utf8(path).map_err(|_| "its path is not UTF-8 text".to_owned())?;
    format!("/{text}").parse().map_err(|e| why(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(n: u8) -> Leaf {
        Leaf::Text([n; 32])
    }

    fn modify(path: &str, leaf: Leaf) -> Change {
        Change::Modify { path: path.into(), leaf }
    }

    /// As `+/a=1`, `-/a` or `/a>/b`, and the paths that are problems.
    fn shown((changes, problems): (Vec<item::Change>, Problems)) -> String {
        let changes = changes.iter().map(|change| match change {
            item::Change::Write { path, sha256 } => format!("+{path}={}", sha256[0]),
            item::Change::Delete { path } => format!("-{path}"),
            item::Change::Move { from, to } => format!("{from}>{to}"),
            item::Change::Create(_) => unreachable!(),
        });
        let problems = problems.iter().map(|(path, _)| format!("!{path}"));
        changes.chain(problems).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_directory_moves_and_goes_with_all_that_is_below_it() {
        let mut tree = Tree::default();
        for (path, n) in [("d/a", 1), ("d/b", 2), ("dd", 3)] {
            tree.apply(modify(path, text(n)));
        }
        assert_eq!(shown(tree.apply(Change::Rename { from: "d".into(), to: "e/f".into() })), "/d/a>/e/f/a /d/b>/e/f/b");
        assert_eq!(shown(tree.apply(Change::Copy { from: "e".into(), to: "g".into() })), "+/g/f/a=1 +/g/f/b=2");
        assert_eq!(shown(tree.apply(Change::Delete { path: "e".into() })), "-/e/f/a -/e/f/b");
        assert_eq!(shown(tree.apply(Change::DeleteAll)), "-/dd -/g/f/a -/g/f/b");
    }

    #[test]
    fn what_cannot_be_stored_is_named_and_what_it_becomes_is_stored() {
        let mut tree = Tree::default();
        assert_eq!(shown(tree.apply(modify("e\u{301}", text(1)))), "!e\u{301}");
        assert_eq!(shown(tree.apply(Change::Rename { from: "e\u{301}".into(), to: "\u{e9}".into() })), "+/\u{e9}=1");
        assert_eq!(shown(tree.apply(modify("\u{e9}", Leaf::Unfit("binary".into())))), "-/\u{e9} !\u{e9}");
        assert_eq!(shown(tree.apply(Change::Delete { path: "\u{e9}".into() })), "");
    }

    #[test]
    fn a_file_takes_the_place_of_a_directory_and_the_other_way_round() {
        let mut tree = Tree::default();
        tree.apply(modify("a/b/c", text(1)));
        assert_eq!(shown(tree.apply(modify("a", text(2)))), "-/a/b/c +/a=2");
        assert_eq!(shown(tree.apply(modify("a/x", text(3)))), "-/a +/a/x=3");
        tree.apply(modify("b", text(4)));
        assert_eq!(shown(tree.apply(Change::Rename { from: "b".into(), to: "a/x".into() })), "-/a/x /b>/a/x");
    }
}
