//! A draft: a store's paths while a commit's steps are applied to them, and what came of it.

use std::collections::HashMap;
use std::sync::Arc;

use domain::commit::{ChangeKind, Origin, Revision};
use domain::id::{MemoryId, StoreId, VersionId};
use domain::{Actor, MemoryPath, Timestamp};

use crate::content::Text;
use crate::index::{self, Entry, Map};
use crate::record::{ContentRef, Credit};

/// A scratch copy of a snapshot. Each entry that it makes is already as the commit will have it.
pub struct Draft {
    store: StoreId,
    revision: Revision,
    time: Timestamp,
    actor: Arc<Actor>,
    map: Map,
    touched: HashMap<MemoryId, Touched>,
    texts: HashMap<[u8; 32], Text>,
}

struct Touched {
    before: Option<(MemoryPath, Arc<Entry>)>,
    after: Option<MemoryPath>,
    credits: Vec<Credit>,
}

/// One version that a commit makes.
#[derive(Debug)]
pub struct Made {
    pub kind: ChangeKind,
    pub memory: MemoryId,
    pub version: VersionId,
    pub path: MemoryPath,
    pub before: Option<(MemoryPath, Arc<Entry>)>,
    /// None for a deletion.
    pub entry: Option<Arc<Entry>>,
    pub credits: Vec<Credit>,
}

pub struct Finished {
    pub map: Map,
    /// In path order; where a path changes hands, the deletion is first.
    pub made: Vec<Made>,
    /// The contents that the versions name and that the draft was given.
    pub texts: Vec<Text>,
}

impl Draft {
    pub fn new(store: StoreId, revision: Revision, time: Timestamp, actor: Arc<Actor>, map: Map) -> Draft {
        Draft { store, revision, time, actor, map, touched: HashMap::new(), texts: HashMap::new() }
    }

    /// Memories that it has touched.
    pub fn len(&self) -> usize {
        self.touched.len()
    }

    pub fn map(&self) -> &Map {
        &self.map
    }

    pub fn text(&self, name: &ContentRef) -> Option<&Text> {
        self.texts.get(&name.hash)
    }

    pub fn add_text(&mut self, text: Text) -> ContentRef {
        let name = text.name;
        self.texts.insert(name.hash, text);
        name
    }

    /// Makes a memory at a path that is free.
    pub fn create(&mut self, path: MemoryPath, memory: MemoryId, content: ContentRef, origins: Vec<Origin>) {
        self.restore(path, memory, content, origins, self.time);
    }

    /// Makes a memory that was made before, at `create_time`.
    pub fn restore(
        &mut self,
        path: MemoryPath,
        memory: MemoryId,
        content: ContentRef,
        origins: Vec<Origin>,
        create_time: Timestamp,
    ) {
        let entry = self.entry(memory, content, origins, create_time);
        self.touch(memory, None, Some(path.clone()));
        self.map.insert(path, Arc::new(entry));
    }

    /// Changes what the memory at a path says. Nothing where there is none.
    pub fn modify(&mut self, path: &MemoryPath, content: ContentRef, origins: Vec<Origin>) {
        if let Some(old) = self.map.get(path).cloned() {
            let entry = self.entry(old.memory, content, origins, old.create_time);
            self.touch(old.memory, Some((path.clone(), old)), Some(path.clone()));
            self.map.insert(path.clone(), Arc::new(entry));
        }
    }

    pub fn remove(&mut self, path: &MemoryPath) -> Option<Arc<Entry>> {
        let old = self.map.remove(path)?;
        self.touch(old.memory, Some((path.clone(), old.clone())), None);
        Some(old)
    }

    /// Puts a memory that was just removed at a path that is free.
    pub fn put_back(&mut self, path: MemoryPath, removed: &Entry) {
        let entry = self.entry(removed.memory, removed.content, removed.origins.clone(), removed.create_time);
        self.touch(removed.memory, None, Some(path.clone()));
        self.map.insert(path, Arc::new(entry));
    }

    /// Whom lines of a memory that the draft has touched are owed to.
    pub fn credit(&mut self, memory: MemoryId, credits: Vec<Credit>) {
        if let Some(touched) = self.touched.get_mut(&memory) {
            touched.credits = credits;
        }
    }

    pub fn finish(mut self) -> Finished {
        let mut made = Vec::new();
        for (memory, Touched { before, after, credits }) in std::mem::take(&mut self.touched) {
            let entry = after.as_ref().and_then(|path| self.map.get(path).cloned());
            let (kind, path) = match (&before, after) {
                (None, None) => continue,
                (None, Some(path)) => (ChangeKind::Created, path),
                (Some((path, _)), None) => (ChangeKind::Deleted, path.clone()),
                (Some((old_path, old)), Some(path)) => {
                    let same_content = entry.as_ref().is_some_and(|e| e.content == old.content);
                    match (*old_path == path, same_content) {
                        (true, true) => {
                            // Nothing came of it: the memory keeps its version.
                            self.map.insert(path, old.clone());
                            continue;
                        }
                        (true, false) => (ChangeKind::Modified, path),
                        (false, _) => (ChangeKind::Renamed, path),
                    }
                }
            };
            let version = index::version_id(self.store, memory, self.revision);
            made.push(Made { kind, memory, version, path, before, entry, credits });
        }
        made.sort_by(|a, b| (&a.path, a.entry.is_some()).cmp(&(&b.path, b.entry.is_some())));
        let named = made.iter().filter_map(|m| Some(m.entry.as_ref()?.content.hash));
        let texts = named.filter_map(|hash| self.texts.remove(&hash)).collect();
        Finished { map: self.map, made, texts }
    }

    fn entry(&self, memory: MemoryId, content: ContentRef, origins: Vec<Origin>, create_time: Timestamp) -> Entry {
        Entry {
            memory,
            version: index::version_id(self.store, memory, self.revision),
            revision: self.revision,
            content,
            origins,
            actor: self.actor.clone(),
            create_time,
            update_time: self.time,
        }
    }

    /// The first touch says what was before the commit.
    fn touch(&mut self, memory: MemoryId, before: Option<(MemoryPath, Arc<Entry>)>, after: Option<MemoryPath>) {
        let touched = self.touched.entry(memory).or_insert(Touched { before, after: None, credits: Vec::new() });
        touched.after = after;
    }
}
