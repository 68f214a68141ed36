//! Words: which of them stand in which memories of one store, in memory only.
//!
//! A document is a memory at a path with a content: a memory that changes is another document. Its path
//! is read like a line before its content. What goes is only marked, until half of all has gone.

use std::collections::HashMap;
use std::sync::Arc;

use domain::commit::Revision;
use domain::{MemoryPath, Result};
use imbl::ordmap::DiffItem;

use super::analyse::{Analyser, each_word, humps};
use super::postings::{Number, Postings};
use crate::content::Contents;
use crate::governance::family::is_erased;
use crate::index::{Entry, Map};
use crate::key::Family;
use crate::load::Head;

/// What a word costs beside its letters and its postings, and a document beside its words, in bytes.
const WORD_BYTES: usize = 96;
const DOCUMENT_BYTES: usize = 192;
/// Documents that went, up to which nothing is compacted.
const GONE_MIN: usize = 64;

/// The words of one store's head.
#[derive(Default)]
pub struct Words {
    /// What has been read so far.
    map: Map,
    /// None until all of a head was read.
    revision: Option<Revision>,
    numbers: HashMap<Box<str>, u32>,
    postings: Vec<Postings>,
    documents: Vec<Option<Document>>,
    at: HashMap<MemoryPath, Number>,
    /// Words of all documents that are there.
    length: u64,
    size_bytes: usize,
}

pub struct Document {
    pub path: MemoryPath,
    pub entry: Arc<Entry>,
    /// How many of its words are those of its path.
    pub path_length: u32,
    /// Words of path and content.
    pub length: u32,
    /// The different ones.
    words: Box<[u32]>,
}

impl Words {
    pub fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// Documents that are there.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Words of all documents.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes in memory, roughly.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub fn postings(&self, stem: &str) -> Option<&Postings> {
        Some(&self.postings[*self.numbers.get(stem)? as usize])
    }

    pub fn document(&self, number: Number) -> Option<&Document> {
        self.documents.get(number as usize)?.as_ref()
    }

    /// All numbers are below this.
    pub fn end(&self) -> usize {
        self.documents.len()
    }

    pub fn documents(&self) -> impl Iterator<Item = (Number, &Document)> {
        self.documents.iter().zip(0..).filter_map(|(document, number)| Some((number, document.as_ref()?)))
    }

    /// Reads what differs in a head. Where it is cut short, the next call goes on from there. `grown` is
    /// told the size now and then, and may put an end to it.
    pub async fn follow(
        &mut self,
        contents: &Contents,
        family: Family,
        head: &Head,
        mut grown: impl FnMut(usize) -> Result<()> + Send,
    ) -> Result<()> {
        if self.revision == Some(head.revision()) {
            return Ok(());
        }
        self.revision = None;
        let mut analyser = Analyser::default();
        let mut is_whole = true;
        for (path, entry) in self.differences(&head.map) {
            let Some(entry) = entry else {
                self.remove(&path);
                continue;
            };
            match contents.read(family, &entry.content).await {
                Ok(text) => self.put(path, entry, &text, &mut analyser),
                // It is not to be found. It may only be barred for now: the next call looks again.
                Err(e) if is_erased(&e) => {
                    self.remove(&path);
                    is_whole = false;
                }
                Err(e) => return Err(e),
            }
            grown(self.size_bytes)?;
            tokio::task::consume_budget().await;
        }
        if self.documents.len() > 2 * self.len() + GONE_MIN {
            self.compact().await;
            grown(self.size_bytes)?;
        }
        if is_whole {
            // The same, but sharing its structure with the head, so that the next difference is found quickly.
            self.map = head.map.clone();
        }
        self.revision = Some(head.revision());
        Ok(())
    }

    fn differences(&self, head: &Map) -> Vec<(MemoryPath, Option<Arc<Entry>>)> {
        let differences = self.map.diff(head).map(|item| match item {
            DiffItem::Add(path, entry) | DiffItem::Update { new: (path, entry), .. } => {
                (path.clone(), Some(entry.clone()))
            }
            DiffItem::Remove(path, _) => (path.clone(), None),
        });
        differences.collect()
    }

    pub fn put(&mut self, path: MemoryPath, entry: Arc<Entry>, text: &str, analyser: &mut Analyser) {
        self.remove(&path);
        let number = Number::try_from(self.documents.len()).unwrap_or(Number::MAX);
        // Each word with its place.
        let mut found: Vec<(u32, u32)> = Vec::new();
        let mut place = 0;
        self.read(path.as_str(), &mut place, analyser, &mut found);
        let path_length = place;
        // No phrase goes from the path into the content.
        place += 1;
        self.read(text, &mut place, analyser, &mut found);
        let length = place - 1;
        found.sort_unstable();
        found.dedup();
        let mut words = Vec::new();
        for places in found.chunk_by(|a, b| a.0 == b.0) {
            let word = places[0].0;
            let postings = &mut self.postings[word as usize];
            let before = postings.size_bytes();
            postings.push(number, places.iter().map(|(_, place)| *place));
            self.size_bytes += postings.size_bytes() - before;
            words.push(word);
        }
        self.length += u64::from(length);
        self.size_bytes += DOCUMENT_BYTES + path.as_str().len() + words.len() * size_of::<u32>();
        self.map.insert(path.clone(), entry.clone());
        self.at.insert(path.clone(), number);
        self.documents.push(Some(Document { path, entry, path_length, length, words: words.into() }));
    }

    fn read(&mut self, text: &str, place: &mut u32, analyser: &mut Analyser, found: &mut Vec<(u32, u32)>) {
        each_word(text, |_, word| {
            found.push((self.number(analyser.stem(word)), *place));
            for part in humps(word) {
                found.push((self.number(analyser.stem(part)), *place));
            }
            *place += 1;
        });
    }

    fn number(&mut self, stem: &str) -> u32 {
        if let Some(number) = self.numbers.get(stem) {
            return *number;
        }
        let number = u32::try_from(self.postings.len()).unwrap_or(u32::MAX);
        self.numbers.insert(stem.into(), number);
        self.postings.push(Postings::default());
        self.size_bytes += WORD_BYTES + stem.len();
        number
    }

    pub fn remove(&mut self, path: &MemoryPath) {
        self.map.remove(path);
        let Some(number) = self.at.remove(path) else { return };
        let Some(gone) = self.documents[number as usize].take() else { return };
        for word in &gone.words {
            self.postings[*word as usize].live -= 1;
        }
        self.length -= u64::from(gone.length);
        self.size_bytes -= DOCUMENT_BYTES + path.as_str().len() + gone.words.len() * size_of::<u32>();
    }

    /// Leaves out what went, in a new whole, so that one that is cut short changes nothing.
    pub async fn compact(&mut self) {
        let mut fresh = Words { length: self.length, ..Words::default() };
        let mut renumbered = vec![None; self.documents.len()];
        for (old, document) in self.documents.iter().enumerate().filter(|(_, document)| document.is_some()) {
            renumbered[old] = Some(fresh.documents.len() as Number);
            fresh.documents.extend(document.as_ref().map(|document| {
                fresh.size_bytes += DOCUMENT_BYTES + document.path.as_str().len();
                Some(Document {
                    path: document.path.clone(),
                    entry: document.entry.clone(),
                    words: Box::default(),
                    ..*document
                })
            }));
        }
        let mut words: Vec<Vec<u32>> = vec![Vec::new(); fresh.documents.len()];
        let mut places = Vec::new();
        for (stem, old) in &self.numbers {
            let postings = &self.postings[*old as usize];
            if postings.live == 0 {
                continue;
            }
            let word = fresh.number(stem);
            let (mut reader, kept) = (postings.read(), &mut fresh.postings[word as usize]);
            while let Some(number) = reader.next() {
                let Some(number) = renumbered[number as usize] else { continue };
                reader.places(&mut places);
                kept.push(number, places.iter().copied());
                words[number as usize].push(word);
            }
            fresh.size_bytes += kept.size_bytes();
            tokio::task::consume_budget().await;
        }
        for (document, words) in fresh.documents.iter_mut().flatten().zip(words) {
            fresh.size_bytes += words.len() * size_of::<u32>();
            document.words = words.into();
        }
        fresh.at = fresh.documents.iter().flatten().zip(0..).map(|(document, n)| (document.path.clone(), n)).collect();
        fresh.map = self.map.clone();
        *self = fresh;
    }
}
