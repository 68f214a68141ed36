//! Reads archives: ours as `export::tar` writes them, also packed again from a folder, and any other.
//!
//! Nothing is ever unpacked to a disk: paths are names, and links are not followed.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;

use ::tar::{Archive, Entry, EntryType};
use domain::{MemoryPath, Result, limits};
use sha2::{Digest as _, Sha256};

use crate::export::tar::{FILES, HISTORY, MEMORIES, OURS, STORE};
use crate::import::item::{Begin, Change, Item, Items, Place};
use crate::import::jsonl;
use crate::import::upload::{Input, broken, drain, next_line};
use crate::line::{Line, MemoryLine, StoreLine, why};

/// An archive ends with zeros: one that does not was cut short.
const END_BYTES: u64 = 512;
/// Bytes of what describes one entry.
const HEADERS_BYTES_MAX: u64 = 1 << 20;

pub fn read(input: Input, items: &Items) -> Result<()> {
    let file = Place::default();
    let budget = Rc::new(Cell::new(0));
    let mut archive = Archive::new(Ending { inner: input, zeros: 0, budget: budget.clone() });
    let mut reading = Reading { items, store: None, known: HashMap::new(), begun: false };
    let mut entries = archive.entries().map_err(|e| broken(&file, &e))?;
    loop {
        // What comes before an entry's data is its name and the like, which the crate holds in memory.
        budget.set(HEADERS_BYTES_MAX);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(|e| broken(&file, &e))?;
        budget.set(u64::MAX);
        reading.entry(&mut entry)?;
        drain(&mut entry, &file)?;
    }
    budget.set(u64::MAX);
    let mut rest = archive.into_inner();
    drain(&mut rest, &file)?;
    if rest.zeros < END_BYTES {
        return Err(file.refuse("the archive has no end: it was cut short"));
    }
    reading.end()
}

struct Reading<'a> {
    items: &'a Items,
    /// The archive is one of ours.
    store: Option<StoreLine>,
    /// What is known of memories whose files follow.
    known: HashMap<MemoryPath, (Place, MemoryLine)>,
    begun: bool,
}

impl Reading<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<()> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let place = Place { entry: Some(name.as_str().into()), line: 0 };
        let name = name.trim_start_matches("./");
        let kind = match entry.header().entry_type() {
            EntryType::Directory | EntryType::XGlobalHeader => return Ok(()),
            EntryType::Regular | EntryType::Continuous => None,
            EntryType::Symlink => Some("a symbolic link"),
            EntryType::Link => Some("a hard link"),
            EntryType::GNUSparse => Some("a sparse file"),
            _ => Some("not a file"),
        };
        if let Some(kind) = kind {
            return self.leave_out(&place, name, &format!("it is {kind}"));
        }
        if name == STORE && !self.begun {
            let text = small(entry, &place)?;
            let Ok(Line::Store(store)) = Line::decode(&text) else {
                return Err(place.refuse("it does not describe a store"));
            };
            jsonl::begin(&store, &place, self.items)?;
            (self.store, self.begun) = (Some(store), true);
            return Ok(());
        }
        if !self.begun {
            let message = "Imported from an archive".to_owned();
            self.items.send(&place, Item::Begin(Begin { claim: None, message }))?;
            self.begun = true;
        }
        let ours = self.store.as_ref().map(|store| store.with_history);
        match ours {
            Some(true) if name.starts_with(HISTORY) => {
                lines(entry, &place, |line, place| jsonl::record(line, true, place, self.items))
            }
            Some(false) if name.starts_with(MEMORIES) => lines(entry, &place, |line, place| match line {
                Line::Memory(memory) => {
                    let path = memory.path.clone();
                    match self.known.insert(path, (place.clone(), memory)) {
                        None => Ok(()),
                        Some((_, twice)) => Err(place.refuse(format_args!("{} is there twice", twice.path))),
                    }
                }
                _ => Err(place.refuse("a line of this kind does not belong here")),
            }),
            Some(_) => match name.strip_prefix(FILES).or(Some(name).filter(|name| !name.starts_with(OURS))) {
                Some(name) => self.file(entry, &place, name),
                None => Err(place.refuse("an export has no such entry")),
            },
            None if name.starts_with(OURS) => {
                self.leave_out(&place, name, "it belongs to an export, whose .reverie/store.json is missing")
            }
            None => self.file(entry, &place, name),
        }
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, place: &Place, name: &str) -> Result<()> {
        let path: MemoryPath = match format!("/{}", name.trim_start_matches('/')).parse() {
            Ok(path) => path,
            Err(e) => return self.leave_out(place, name, &why(&e)),
        };
        let size = entry.size();
        if size > limits::CONTENT_BYTES_MAX as u64 {
            let most = limits::CONTENT_BYTES_MAX;
            return self.leave_out(place, name, &format!("it has {size} bytes, at most {most} are allowed"));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        entry.read_to_end(&mut bytes).map_err(|e| broken(place, &e))?;
        let Ok(text) = String::from_utf8(bytes) else {
            return self.leave_out(place, name, "it is not UTF-8 text");
        };
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if self.store.as_ref().is_some_and(|store| store.with_history) {
            return self.items.send(place, Item::File { path, sha256 });
        }
        self.items.send(place, Item::Content { sha256, text: Arc::from(text) })?;
        let change = match self.known.remove(&path) {
            Some((place, known)) if known.sha256 != sha256 => {
                return Err(place.refuse(format_args!(
                    "{path} is not as this line says: delete .reverie to import the files alone"
                )));
            }
            Some((_, known)) => Change::Create(Box::new(known)),
            None => Change::Write { path, sha256 },
        };
        self.items.send(place, Item::Change(change))
    }

    /// In an export everything belongs: what could not be taken is damage there.
    fn leave_out(&self, place: &Place, name: &str, reason: &str) -> Result<()> {
        match self.store {
            Some(_) => Err(place.refuse(reason)),
            None => self.items.problem(place, name, reason),
        }
    }

    fn end(self) -> Result<()> {
        if let Some((place, line)) = self.known.into_values().next() {
            return Err(place.refuse(format_args!("the file of {} is missing", line.path)));
        }
        if self.store.is_some_and(|store| store.with_history) {
            self.items.send(&Place::default(), Item::FilesEnd)?;
        }
        Ok(())
    }
}

fn small(entry: &mut impl Read, place: &Place) -> Result<Vec<u8>> {
    let most = limits::STORE_IMPORT_RECORD_BYTES_MAX as u64;
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(|e| broken(place, &e))?;
    if bytes.len() as u64 > most {
        return Err(place.refuse(format_args!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

fn lines(entry: &mut impl Read, place: &Place, mut take: impl FnMut(Line, &Place) -> Result<()>) -> Result<()> {
    let mut input = io::BufReader::new(entry);
    let mut line = Vec::new();
    for number in 1.. {
        let place = Place { line: number, ..place.clone() };
        if !next_line(&mut input, &mut line, &place)? {
            break;
        }
        take(Line::decode(&line).map_err(|why| place.refuse(why))?, &place)?;
    }
    Ok(())
}

/// Counts the zeros that were read last.
struct Ending {
    inner: Input,
    zeros: u64,
    /// Bytes that may be read until it is set again.
    budget: Rc<Cell<u64>>,
}

impl Read for Ending {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.budget.get().checked_sub(n as u64);
        self.budget.set(left.ok_or_else(|| io::Error::other("an entry's name or header is too long"))?);
        let zeros = buffer[..n].iter().rev().take_while(|&&b| b == 0).count();
        self.zeros = if zeros == n { self.zeros + zeros as u64 } else { zeros as u64 };
        Ok(n)
    }
}
