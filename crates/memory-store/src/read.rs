//! Reading memories of a snapshot.

use std::ops::Bound;
use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::Revision;
use domain::error::Result;
use domain::memory::{Directory, Entry as Listed, List, Listing, Memory, MemoryRef};
use domain::page::Page;
use domain::{Actor, Error, MemoryPath, limits};
use serde::{Deserialize, Serialize};

use crate::governance::family::{erased, is_erased, why};
use crate::index::{Entry, Map};
use crate::stores::View;
use crate::{MemoryStore, page_token};

/// What the answer to a batch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In the order of the request, those that exist.
    pub memories: Vec<Memory>,
    pub missing: Vec<MemoryPath>,
    pub revision: Revision,
}

/// Where a listing goes on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    /// All pages of a sequence read it.
    revision: Revision,
    /// The last entry's path.
    after: String,
    /// The last entry stood for all below its path.
    directory: bool,
}

impl MemoryStore {
    /// One memory as of a revision (0 for the head), and the revision that was read.
    ///
    /// # Errors
    /// Precondition, REDACTED or EXPIRED, where its content is erased.
    pub async fn memory(
        &self,
        permit: &StorePermit,
        memory: &MemoryRef,
        revision: Revision,
    ) -> Result<(Memory, Revision)> {
        let view = self.view(permit, revision).await?;
        let (path, entry) = self.find(permit, &view, memory).await?;
        let memory = self.shown(&view, &path, &entry, true).await?;
        match memory.erased {
            Some(why) => Err(erased(why)),
            None => Ok((memory, view.revision)),
        }
    }

    /// Memories of one snapshot.
    ///
    /// # Errors
    /// Invalid for none or more than limits::BATCH_GET_MAX paths.
    pub async fn memories(&self, permit: &StorePermit, paths: &[MemoryPath], revision: Revision) -> Result<Batch> {
        if paths.is_empty() || paths.len() > limits::BATCH_GET_MAX {
            return Err(Error::invalid("paths", format!("name 1 to {} paths", limits::BATCH_GET_MAX)));
        }
        let view = self.view(permit, revision).await?;
        let mut batch = Batch { memories: Vec::new(), missing: Vec::new(), revision: view.revision };
        for path in paths {
            match view.map.get(path).filter(|_| permit.may_read(path.as_str())) {
                Some(entry) => batch.memories.push(self.shown(&view, path, entry, true).await?),
                None => batch.missing.push(path.clone()),
            }
        }
        Ok(batch)
    }

    /// A page of a snapshot's memories in path order.
    pub async fn list_memories(&self, permit: &StorePermit, list: &List) -> Result<Listing> {
        let glob = list.glob.as_ref().map(|g| g.as_str());
        let question = (permit.store(), &list.prefix, glob, list.depth, list.full, list.revision);
        let place: Option<Place> = page_token::decode(&question, &list.page.token)?;
        let view = self.view(permit, place.as_ref().map_or(list.revision, |p| p.revision)).await?;
        let revision = view.revision;

        let mut page = Rolled::new(size(&list.page, list.full));
        for (path, entry) in from(&view.map, place.as_ref()) {
            // Bytes in front of the prefix pass by quickly; those after it end the listing.
            if !list.prefix.contains(path.as_str()) {
                if past(path.as_str(), list.prefix.as_str()) {
                    break;
                }
                continue;
            }
            if permit.may_read(path.as_str()) && list.glob.as_ref().is_none_or(|g| g.matches(path.as_str())) {
                let directory = directory(path.as_str(), list.prefix.as_str(), list.depth);
                if !page.add(path, entry, directory) {
                    break;
                }
            }
        }

        let mut entries = Vec::with_capacity(page.items.len());
        let (mut bytes, mut more) = (0, page.full);
        let mut after = None;
        for item in page.items {
            if list.full && bytes >= limits::PAGE_BYTES_MAX {
                more = true;
                break;
            }
            match item {
                Item::Memory(path, entry) => {
                    bytes += entry.content.size_bytes as usize;
                    after = Some(Place { revision, after: path.to_string(), directory: false });
                    entries.push(Listed::Memory(self.shown(&view, &path, &entry, list.full).await?));
                }
                Item::Directory(directory) => {
                    after = Some(Place { revision, after: directory.path.clone(), directory: true });
                    entries.push(Listed::Directory(directory));
                }
            }
        }
        let next_page_token = match after.filter(|_| more) {
            Some(place) => page_token::encode(&question, &place)?,
            None => String::new(),
        };
        Ok(Listing { entries, next_page_token, revision })
    }

    pub(crate) async fn view(&self, permit: &StorePermit, revision: Revision) -> Result<View> {
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        self.stores().view(open, revision).await
    }

    pub(crate) async fn find(
        &self,
        permit: &StorePermit,
        view: &View,
        memory: &MemoryRef,
    ) -> Result<(MemoryPath, Arc<Entry>)> {
        match memory {
            MemoryRef::Path(path) => {
                permit.check_read(path)?;
                let entry = view.map.get(path).ok_or_else(|| Error::not_found(format_args!("memory {path}")))?;
                Ok((path.clone(), entry.clone()))
            }
            MemoryRef::Id(id) => {
                let absent = || Error::not_found(format_args!("memory {id}"));
                let log = &self.context().log;
                let touches = log.touches(&view.store.lineage, *id, view.revision, 1).await?;
                let touch = touches.first().ok_or_else(absent)?;
                let row = log.row(touch.store, touch.revision).await?;
                let path = row.version(touch.index).ok_or_else(absent)?.path;
                let entry = view.map.get(&path).filter(|e| e.memory == *id && permit.may_read(path.as_str()));
                Ok((path.clone(), entry.cloned().ok_or_else(absent)?))
            }
        }
    }

    pub(crate) async fn text(&self, view: &View, entry: &Entry) -> Result<Arc<str>> {
        self.context().contents.read(view.store.family(), &entry.content).await
    }

    async fn shown(&self, view: &View, path: &MemoryPath, entry: &Entry, full: bool) -> Result<Memory> {
        let mut erased = entry.content.erasure();
        let mut content = None;
        if full && erased.is_none() {
            match self.text(view, entry).await {
                Ok(text) => content = Some(text.to_string()),
                // Since the snapshot was taken.
                Err(e) if is_erased(&e) => erased = Some(why(&e)),
                Err(e) => return Err(e),
            }
        }
        Ok(Memory {
            id: entry.memory,
            path: path.clone(),
            content,
            sha256: if erased.is_none() { entry.content.shown_sha256() } else { None },
            size_bytes: u64::from(entry.content.size_bytes),
            revision: entry.revision,
            version: entry.version,
            actor: Actor::clone(&entry.actor),
            create_time: entry.create_time,
            update_time: entry.update_time,
            erased,
        })
    }
}

fn size(page: &Page, full: bool) -> usize {
    page.size(limits::PAGE_SIZE_DEFAULT, if full { limits::PAGE_SIZE_FULL_MAX } else { limits::PAGE_SIZE_MAX })
}

/// The entries after a place.
fn from<'a>(map: &'a Map, place: Option<&Place>) -> impl Iterator<Item = (&'a MemoryPath, &'a Arc<Entry>)> + use<'a> {
    let start = match place {
        // "0" is the byte after "/": the first that can follow all below the directory.
        Some(Place { after, directory: true, .. }) => Bound::Included(format!("{after}0")),
        Some(Place { after, .. }) => Bound::Excluded(after.clone()),
        None => Bound::Unbounded,
    };
    let start = start.as_ref().map(String::as_str);
    map.range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded))
}

/// Whether no path from here on can lie within the prefix.
fn past(path: &str, prefix: &str) -> bool {
    path > prefix && !path.starts_with(prefix)
}

/// The directory that a memory is rolled up into, where it lies deeper than `depth` below the prefix.
fn directory<'a>(path: &'a str, prefix: &str, depth: u32) -> Option<&'a str> {
    if depth == 0 {
        return None;
    }
    let rest = &path[prefix.len()..];
    let end = rest.match_indices('/').nth(depth as usize)?.0;
    Some(&path[..prefix.len() + end])
}

enum Item {
    Memory(MemoryPath, Arc<Entry>),
    Directory(Directory),
}

/// A page of entries while it fills.
struct Rolled {
    items: Vec<Item>,
    size: usize,
    full: bool,
}

impl Rolled {
    fn new(size: usize) -> Rolled {
        Rolled { items: Vec::new(), size, full: false }
    }

    /// False where the page is full and the memory belongs to the next.
    fn add(&mut self, path: &MemoryPath, entry: &Arc<Entry>, directory: Option<&str>) -> bool {
        let bytes = u64::from(entry.content.size_bytes);
        if let (Some(directory), Some(Item::Directory(last))) = (directory, self.items.last_mut())
            && last.path == directory
        {
            last.memory_count += 1;
            last.content_bytes += bytes;
            return true;
        }
        if self.items.len() == self.size {
            self.full = true;
            return false;
        }
        self.items.push(match directory {
            Some(directory) => {
                Item::Directory(Directory { path: directory.to_owned(), memory_count: 1, content_bytes: bytes })
            }
            None => Item::Memory(path.clone(), entry.clone()),
        });
        true
    }
}

/// The readable entries of a snapshot after a path that a glob is about.
pub(crate) fn readable<'a>(
    view: &'a View,
    permit: &'a StorePermit,
    glob: Option<&'a domain::path::PathGlob>,
    after: Option<&MemoryPath>,
) -> impl Iterator<Item = (&'a MemoryPath, &'a Arc<Entry>)> + use<'a> {
    let start = after.map_or(Bound::Unbounded, |path| Bound::Excluded(path.as_str()));
    let all = view.map.range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded));
    all.filter(move |(path, _)| permit.may_read(path.as_str()) && glob.is_none_or(|g| g.matches(path.as_str())))
}
