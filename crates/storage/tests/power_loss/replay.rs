//! A loss of power, replayed: what is on the disk when a trace is cut at some point.
//!
//! What a completed sync covers is there. All else is there by chance, each write, name and truncation
//! for itself; of the writes that are there some are torn at sectors. A file's sync does not make
//! its name durable; its folder's sync does.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use rand::rngs::StdRng;

use crate::trace::Event;

const SECTOR: usize = 512;
/// Of what survives by chance, how much is torn.
const TORN: f64 = 0.3;

type NodeId = usize;

/// A file or folder, with everything that was asked of it.
#[derive(Default)]
struct Node<'a> {
    is_folder: bool,
    asked: Vec<Asked<'a>>,
    /// How many of `asked` a completed sync covers.
    durable: usize,
}

enum Asked<'a> {
    Write { offset: u64, data: &'a [u8] },
    Truncate(u64),
    Name { name: String, node: NodeId },
    Move { from: String, to: String, node: NodeId },
    Forget(String),
}

/// The names and files of a trace up to a cut.
pub struct Disk<'a> {
    nodes: Vec<Node<'a>>,
    /// The file system as the process saw it.
    paths: BTreeMap<PathBuf, NodeId>,
    inodes: HashMap<u64, NodeId>,
    syncs: HashMap<u64, (NodeId, usize)>,
}

impl<'a> Disk<'a> {
    pub fn new(root: &Path, events: &'a [Event]) -> Disk<'a> {
        let mut disk = Disk {
            nodes: vec![Node { is_folder: true, ..Node::default() }],
            paths: BTreeMap::from([(root.to_owned(), 0)]),
            inodes: HashMap::new(),
            syncs: HashMap::new(),
        };
        for event in events {
            disk.ask(event);
        }
        disk
    }

    fn ask(&mut self, event: &'a Event) {
        match event {
            Event::Create { path, inode } => self.make(path, *inode, false),
            Event::Mkdir { path, inode } => self.make(path, *inode, true),
            Event::Write { inode, offset, data } => {
                let node = self.inodes[inode];
                self.nodes[node].asked.push(Asked::Write { offset: *offset, data });
            }
            Event::Truncate { inode, bytes } => {
                let node = self.inodes[inode];
                self.nodes[node].asked.push(Asked::Truncate(*bytes));
            }
            Event::SyncBegin { path, inode, id } => {
                let node = self.inodes.get(inode).or_else(|| self.paths.get(path)).copied();
                let node = node.unwrap_or_else(|| panic!("a sync of {}, which nobody made", path.display()));
                self.syncs.insert(*id, (node, self.nodes[node].asked.len()));
            }
            Event::SyncEnd { id } => {
                let (node, asked) = self.syncs.remove(id).expect("a sync ends once");
                self.nodes[node].durable = self.nodes[node].durable.max(asked);
            }
            Event::Rename { from, to } => {
                let node = self.paths[from];
                assert_eq!(from.parent(), to.parent(), "the model knows renames within one folder");
                let folder = self.paths[parent(from)];
                let moved = Asked::Move { from: name(from), to: name(to), node };
                self.nodes[folder].asked.push(moved);
                let below: Vec<PathBuf> = self.paths.keys().filter(|p| p.starts_with(from)).cloned().collect();
                for path in below {
                    let node = self.paths.remove(&path).expect("it was listed");
                    let rest = path.strip_prefix(from).expect("it is below");
                    let path = if rest.as_os_str().is_empty() { to.clone() } else { to.join(rest) };
                    self.paths.insert(path, node);
                }
            }
            Event::Unlink { path } => {
                self.paths.remove(path);
                let folder = self.paths[parent(path)];
                self.nodes[folder].asked.push(Asked::Forget(name(path)));
            }
            Event::Told(_) | Event::Start => {}
        }
    }

    fn make(&mut self, path: &Path, inode: u64, is_folder: bool) {
        let node = self.nodes.len();
        self.nodes.push(Node { is_folder, ..Node::default() });
        self.paths.insert(path.to_owned(), node);
        self.inodes.insert(inode, node);
        let folder = self.paths[parent(path)];
        self.nodes[folder].asked.push(Asked::Name { name: name(path), node });
    }

    /// Writes to `folder` what is there after the loss; what no sync covers survives with `chance`.
    pub fn lose_power(&self, folder: &Path, chance: f64, rng: &mut StdRng) {
        self.write_folder(0, folder, chance, rng);
    }

    fn write_folder(&self, node: NodeId, folder: &Path, chance: f64, rng: &mut StdRng) {
        fs::create_dir_all(folder).unwrap();
        let mut names = BTreeMap::new();
        for (i, asked) in self.nodes[node].asked.iter().enumerate() {
            if i >= self.nodes[node].durable && !rng.random_bool(chance) {
                continue;
            }
            match asked {
                Asked::Name { name, node } => _ = names.insert(name.clone(), *node),
                Asked::Move { from, to, node } => {
                    names.remove(from);
                    names.insert(to.clone(), *node);
                }
                Asked::Forget(name) => _ = names.remove(name),
                Asked::Write { .. } | Asked::Truncate(_) => unreachable!("a folder is not written to"),
            }
        }
        for (name, node) in names {
            let path = folder.join(name);
            match self.nodes[node].is_folder {
                true => self.write_folder(node, &path, chance, rng),
                false => fs::write(path, self.bytes(node, chance, rng)).unwrap(),
            }
        }
    }

    fn bytes(&self, node: NodeId, chance: f64, rng: &mut StdRng) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        let put = |bytes: &mut Vec<u8>, at: usize, data: &[u8]| {
            bytes.resize(bytes.len().max(at + data.len()), 0);
            bytes[at..at + data.len()].copy_from_slice(data);
        };
        for (i, asked) in self.nodes[node].asked.iter().enumerate() {
            let durable = i < self.nodes[node].durable;
            if !durable && !rng.random_bool(chance) {
                continue;
            }
            match asked {
                Asked::Truncate(len) => bytes.resize(*len as usize, 0),
                Asked::Write { offset, data } if durable || !rng.random_bool(TORN) => {
                    put(&mut bytes, *offset as usize, data);
                }
                Asked::Write { offset, data } => {
                    let mut at = *offset as usize;
                    let mut rest = *data;
                    while !rest.is_empty() {
                        let (sector, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        if rng.random_bool(0.5) {
                            put(&mut bytes, at, sector);
                        }
                        at += sector.len();
                        rest = after;
                    }
                }
                Asked::Name { .. } | Asked::Move { .. } | Asked::Forget(_) => unreachable!("a file has no names in it"),
            }
        }
        bytes
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("it lies below the root")
}

fn name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_str().expect("it is UTF-8").to_owned()
}
