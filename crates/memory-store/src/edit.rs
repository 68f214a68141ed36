//! Edits: what a merge or a restore does to single memories, with what it takes for granted.
//!
//! They are worked out outside the sequencer, against a head that may move meanwhile. The sequencer
//! takes them only if each memory still is as it was then; else they are worked out anew.

use domain::commit::Origin;
use domain::id::{MemoryId, VersionId};
use domain::{MemoryPath, Timestamp};

use crate::commit::Refusal;
use crate::content::Text;
use crate::draft::Draft;
use crate::index::{self, Map};
use crate::record::{ContentRef, Credit};

#[derive(Debug, Clone)]
pub struct Edit {
    pub memory: MemoryId,
    /// Where it is and as what; None where it is not.
    pub from: Option<(MemoryPath, VersionId)>,
    /// None to delete it.
    pub to: Option<Target>,
}

impl Edit {
    /// Bytes of the content that it brings.
    pub fn size_bytes(&self) -> usize {
        match &self.to {
            Some(Target { content: NewContent::New(text), .. }) => text.text.len(),
            _ => 0,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Target {
    pub path: MemoryPath,
    pub content: NewContent,
    pub origins: Vec<Origin>,
    pub credits: Vec<Credit>,
    /// When the memory was first made, where it comes into the store.
    pub create_time: Timestamp,
}

#[derive(Debug, Clone)]
pub enum NewContent {
    /// One that the family has.
    Stored(ContentRef),
    New(Text),
}

/// Applies edits: first all that leave a path, then all that come to one.
pub fn apply(draft: &mut Draft, edits: &[Edit]) -> Result<(), Refusal> {
    let as_expected = |draft: &Draft, edit: &Edit| match &edit.from {
        Some((path, version)) => draft.map().get(path).is_some_and(|e| e.version == *version),
        None => true,
    };
    if !edits.iter().all(|edit| as_expected(draft, edit)) {
        return Err(Refusal::Stale);
    }
    let mut removed = Vec::with_capacity(edits.len());
    for edit in edits {
        let stays = matches!((&edit.from, &edit.to), (Some((from, _)), Some(to)) if *from == to.path);
        let left = edit.from.as_ref().filter(|_| !stays).and_then(|(path, _)| draft.remove(path));
        removed.push(left);
    }
    for (edit, removed) in edits.iter().zip(removed) {
        let Some(to) = &edit.to else { continue };
        let content = match &to.content {
            NewContent::Stored(name) => *name,
            NewContent::New(text) => draft.add_text(text.clone()),
        };
        let stays = edit.from.is_some() && removed.is_none();
        if !stays && (draft.map().contains_key(&to.path) || index::blocker(draft.map(), &to.path).is_some()) {
            return Err(Refusal::Stale);
        }
        match removed {
            Some(entry) => {
                draft.put_back(to.path.clone(), &entry);
                draft.modify(&to.path, content, to.origins.clone());
            }
            None if stays => draft.modify(&to.path, content, to.origins.clone()),
            None => draft.restore(to.path.clone(), edit.memory, content, to.origins.clone(), to.create_time),
        }
        draft.credit(edit.memory, to.credits.clone());
    }
    Ok(())
}

/// The first path that edits would give to a memory although it is taken or needed as a directory,
/// with what is in the way.
pub fn blocked(map: &Map, edits: &[Edit]) -> Option<(MemoryPath, String)> {
    let mut map = map.clone();
    let mut arriving = Vec::new();
    for edit in edits {
        let left = edit.from.as_ref().and_then(|(path, _)| map.remove(path));
        arriving.extend(edit.to.as_ref().map(|to| (to.path.clone(), left)));
    }
    let some = map.values().next().cloned().or_else(|| arriving.iter().find_map(|(_, left)| left.clone()))?;
    for (path, left) in arriving {
        if map.contains_key(&path) {
            return Some((path.clone(), path.to_string()));
        }
        if let Some(blocker) = index::blocker(&map, &path) {
            return Some((path.clone(), blocker.to_owned()));
        }
        // Which entry stands at the path does not matter here.
        map.insert(path, left.unwrap_or_else(|| some.clone()));
    }
    None
}
