//! Reads what `git fast-export` writes: the first parents of one branch become the store's commits.
//!
//! Contents go to the builder as they come. Commits without them are held in memory until the end of
//! the stream, for only then is it known which of them the branch is made of.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{Result, limits};
use sha2::{Digest as _, Sha256};

use crate::import::git::stream::{Command, CommitCommand, Data, FileCommand, Stream};
use crate::import::git::tree::{Leaf, Tree};
use crate::import::item::{Begin, Item, Items, Place};
use crate::import::upload::Input;

mod author;
mod stream;
mod tree;

/// Branches that are taken where the caller names none, the first that there is.
const USUAL_BRANCHES: [&str; 3] = ["refs/heads/main", "refs/heads/master", "refs/heads/trunk"];
/// Bytes that a mark costs, about.
const MARK_BYTES: usize = 96;

pub fn read(input: Input, branch: &str, items: &Items) -> Result<()> {
    let mut graph =
        Graph { items, marks: HashMap::new(), refs: HashMap::new(), commits: Vec::new(), bytes: 0, tags: 0 };
    let mut stream = Stream::new(input);
    while let Some((place, command)) = stream.next()? {
        graph.take(place, command)?;
    }
    graph.replay(branch)
}

struct Graph<'a> {
    items: &'a Items,
    marks: HashMap<u64, Mark>,
    refs: HashMap<String, usize>,
    commits: Vec<Commit>,
    bytes: usize,
    tags: u64,
}

enum Mark {
    Blob(Leaf),
    Commit(usize),
}

struct Commit {
    place: Place,
    parent: Option<usize>,
    begin: Begin,
    /// The message was longer.
    cut: bool,
    changes: Vec<Change>,
}

/// One change of a tree, its content looked up.
pub enum Change {
    Modify { path: Vec<u8>, leaf: Leaf },
    Delete { path: Vec<u8> },
    Rename { from: Vec<u8>, to: Vec<u8> },
    Copy { from: Vec<u8>, to: Vec<u8> },
    DeleteAll,
}

impl Graph<'_> {
    fn take(&mut self, place: Place, command: Command) -> Result<()> {
        match command {
            Command::Blob { mark, data } => {
                let leaf = self.leaf(&place, data)?;
                self.mark(&place, mark, Mark::Blob(leaf))
            }
            Command::Commit(commit) => self.commit(place, commit),
            Command::Reset { name, from } => {
                match from {
                    Some(from) => {
                        let commit = self.find(&place, &from)?;
                        self.refs.insert(name, commit);
                    }
                    None => drop(self.refs.remove(&name)),
                }
                Ok(())
            }
            Command::Tag => {
                self.tags += 1;
                Ok(())
            }
        }
    }

    /// Sends a text to the builder, or notes why it cannot be stored.
    fn leaf(&self, place: &Place, data: Data) -> Result<Leaf> {
        let bytes = match data {
            Data::Whole(bytes) => bytes,
            Data::TooLarge(size) => {
                let most = limits::CONTENT_BYTES_MAX;
                return Ok(Leaf::Unfit(format!("it has {size} bytes, at most {most} are allowed").into()));
            }
        };
        let Ok(text) = String::from_utf8(bytes) else { return Ok(Leaf::Unfit("it is not UTF-8 text".into())) };
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.items.send(place, Item::Content { sha256, text: Arc::from(text) })?;
        Ok(Leaf::Text(sha256))
    }

    fn mark(&mut self, place: &Place, mark: Option<u64>, meaning: Mark) -> Result<()> {
        let Some(mark) = mark else { return Ok(()) };
        self.marks.insert(mark, meaning);
        self.hold(place, MARK_BYTES)
    }

    /// Counts what is held in memory.
    fn hold(&mut self, place: &Place, bytes: usize) -> Result<()> {
        self.bytes += bytes;
        if self.bytes > limits::STORE_IMPORT_GRAPH_BYTES_MAX {
            return Err(place.refuse("the repository's history is too large: export one branch with --first-parent"));
        }
        Ok(())
    }

    fn commit(&mut self, place: Place, command: CommitCommand) -> Result<()> {
        let parent = match &command.from {
            Some(from) => Some(self.find(&place, from)?),
            None => self.refs.get(&command.name).copied(),
        };
        let mut changes = Vec::with_capacity(command.changes.len());
        let mut bytes = size_of::<Commit>() + command.message.len();
        for (place, change) in command.changes {
            let change = self.change(&place, change)?;
            bytes += size_of::<Change>() + change.path_bytes();
            changes.push(change);
        }
        self.hold(&place, bytes)?;
        let (claim, mut message) = author::read(&command.author, &command.message)
            .ok_or_else(|| place.refuse("the commit has no author that can be read"))?;
        let cut = message.len() > limits::TEXT_BYTES_MAX;
        message.truncate(message.floor_char_boundary(limits::TEXT_BYTES_MAX));
        self.commits.push(Commit {
            place: place.clone(),
            parent,
            begin: Begin { claim: Some(claim), message },
            cut,
            changes,
        });
        let number = self.commits.len() - 1;
        self.refs.insert(command.name, number);
        self.mark(&place, command.mark, Mark::Commit(number))
    }

    fn change(&self, place: &Place, change: FileCommand) -> Result<Change> {
        Ok(match change {
            FileCommand::Modify { mode, reference, inline, path } => {
                let leaf = match (mode.as_str(), inline) {
                    ("120000", _) => Leaf::Unfit("it is a symbolic link".into()),
                    ("160000", _) => Leaf::Unfit("it is a submodule".into()),
                    ("040000" | "40000", _) => {
                        return Err(place.refuse("a directory by its hash: its files are not in the stream"));
                    }
                    (_, Some(data)) => self.leaf(place, data)?,
                    (_, None) => self.blob(place, &reference)?,
                };
                Change::Modify { path, leaf }
            }
            FileCommand::Delete { path } => Change::Delete { path },
            FileCommand::Rename { from, to } => Change::Rename { from, to },
            FileCommand::Copy { from, to } => Change::Copy { from, to },
            FileCommand::DeleteAll => Change::DeleteAll,
        })
    }

    fn blob(&self, place: &Place, reference: &str) -> Result<Leaf> {
        let mark = reference.strip_prefix(':').and_then(|mark| mark.parse().ok());
        match mark.and_then(|mark: u64| self.marks.get(&mark)) {
            Some(Mark::Blob(leaf)) => Ok(leaf.clone()),
            _ => Err(place.refuse(format_args!("the content {reference} is not in the stream: export with data"))),
        }
    }

    fn find(&self, place: &Place, reference: &str) -> Result<usize> {
        let found = match reference.strip_prefix(':') {
            Some(mark) => match mark.parse().ok().and_then(|mark: u64| self.marks.get(&mark)) {
                Some(Mark::Commit(commit)) => Some(*commit),
                _ => None,
            },
            None => self.refs.get(reference.strip_suffix("^0").unwrap_or(reference)).copied(),
        };
        let missing =
            || format!("the commit {reference} is not in the stream: export the branch from its first commit");
        found.ok_or_else(|| place.refuse(missing()))
    }

    fn replay(self, branch: &str) -> Result<()> {
        let file = Place::default();
        let tip = match self.tip(branch) {
            Ok(tip) => tip,
            Err(why) => return Err(file.refuse(why)),
        };
        let mut chain = Vec::new();
        let mut next = Some(tip);
        while let Some(number) = next {
            chain.push(number);
            next = self.commits[number].parent;
        }
        let left_out = self.commits.len() - chain.len();
        let chain: HashMap<usize, usize> =
            chain.into_iter().rev().enumerate().map(|(at, number)| (number, at)).collect();
        let mut ours: Vec<(usize, Commit)> =
            self.commits.into_iter().enumerate().filter_map(|(n, c)| Some((*chain.get(&n)?, c))).collect();
        ours.sort_by_key(|(at, _)| *at);
        let mut tree = Tree::default();
        let mut told = HashSet::new();
        for (_, commit) in ours {
            let place = commit.place;
            if commit.cut {
                let most = limits::TEXT_BYTES_MAX;
                self.items.problem(
                    &place,
                    "",
                    format!("the commit's message was cut: it has more than {most} bytes"),
                )?;
            }
            self.items.send(&place, Item::Begin(commit.begin))?;
            for change in commit.changes {
                let (changes, problems) = tree.apply(change);
                for change in changes {
                    self.items.send(&place, Item::Change(change))?;
                }
                for (path, reason) in problems {
                    if told.insert((path.clone(), reason.clone())) {
                        self.items.problem(&place, path, &*reason)?;
                    }
                }
            }
        }
        let summary = [
            (
                left_out as u64,
                "commits of other or merged branches are no commits of their own; what was merged came with its merge",
            ),
            (self.tags, "annotated tags are left out"),
        ];
        for (n, words) in summary.into_iter().filter(|(n, _)| *n > 0) {
            self.items.problem(&file, "", format!("{n} {words}"))?;
        }
        Ok(())
    }

    /// The newest commit of the branch to import.
    fn tip(&self, branch: &str) -> Result<usize, String> {
        let mut branches: Vec<&str> = self.refs.keys().map(String::as_str).collect();
        branches.sort_unstable();
        let short = |name: &str| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned();
        let found = if branch.is_empty() {
            let usual = USUAL_BRANCHES.iter().find(|name| self.refs.contains_key(**name)).copied();
            let heads: Vec<&&str> = branches.iter().filter(|name| name.starts_with("refs/heads/")).collect();
            usual.or(match (heads.as_slice(), branches.as_slice()) {
                ([only], _) => Some(**only),
                ([], [only]) => Some(*only),
                _ => None,
            })
        } else {
            branches.iter().find(|name| **name == branch || short(name) == branch).copied()
        };
        if branches.is_empty() {
            return Err("there is no commit in it".to_owned());
        }
        found.and_then(|name| self.refs.get(name).copied()).ok_or_else(|| {
            let names: Vec<String> = branches.iter().take(20).map(|name| short(name)).collect();
            format!("name the branch to import (git_branch), one of {}", names.join(", "))
        })
    }
}

impl Change {
    fn path_bytes(&self) -> usize {
        match self {
            Change::Modify { path, .. } | Change::Delete { path } => path.len(),
            Change::Rename { from, to } | Change::Copy { from, to } => from.len() + to.len(),
            Change::DeleteAll => 0,
        }
    }
}
