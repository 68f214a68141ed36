//! Packs a folder as a tar, on its way to the server.

use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use domain::limits;
use indicatif::ProgressBar;
use proto::memory as pb;
use tar::{Builder, EntryType, Header};

use super::{CHUNK_BYTES, Sender, chunk_of};

/// What is left out without a word: git's own files are not the folder's.
const GIT: &str = ".git";
/// Of an export that was unpacked: it comes first, as in the export.
const OURS: &str = ".reverie";

/// Sends the folder's files in the order of their names. What cannot be sent is said.
pub fn send(folder: &Path, sender: &Sender, bar: &ProgressBar) -> Result<Vec<pb::ImportStoreProblem>> {
    let out = Chunks { sender, bar, chunk: Vec::with_capacity(CHUNK_BYTES) };
    let mut packing = Packing { builder: Builder::new(out), left_out: Vec::new() };
    let packed = packing.folder(folder, Path::new(""));
    let sent = packed.and_then(|()| packing.builder.into_inner()?.flush().map_err(Into::into));
    match sent {
        // The import has ended, and says why itself.
        Err(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(packing_problems(Vec::new()))
        }
        Err(e) => Err(e),
        Ok(()) => Ok(packing_problems(packing.left_out)),
    }
}

fn packing_problems(left_out: Vec<(PathBuf, String)>) -> Vec<pb::ImportStoreProblem> {
    let problem = |(path, reason): (PathBuf, String)| pb::ImportStoreProblem {
        path: path.to_string_lossy().into_owned(),
        reason,
        place: String::new(),
    };
    left_out.into_iter().map(problem).collect()
}

struct Packing<'a> {
    builder: Builder<Chunks<'a>>,
    left_out: Vec<(PathBuf, String)>,
}

impl Packing<'_> {
    fn folder(&mut self, folder: &Path, name: &Path) -> Result<()> {
        let reading = || format!("reading the folder {}", folder.display());
        let mut entries = fs::read_dir(folder).with_context(reading)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(|entry| (entry.file_name() != OURS, entry.file_name()));
        for entry in entries.into_iter().filter(|entry| entry.file_name() != GIT) {
            let (path, name) = (entry.path(), name.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&path).with_context(|| format!("reading {}", path.display()))?;
            if metadata.is_dir() {
                self.folder(&path, &name)?;
            } else {
                self.file(&path, &name, &metadata).with_context(|| format!("reading {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        let is_export = name.starts_with(OURS);
        if !metadata.is_file() {
            let kind = if metadata.is_symlink() { "a symbolic link" } else { "not a file" };
            self.left_out.push((name.to_owned(), format!("it is {kind}")));
        } else if metadata.len() > limits::CONTENT_BYTES_MAX as u64 && !is_export {
            let (bytes, most) = (metadata.len(), limits::CONTENT_BYTES_MAX);
            self.left_out.push((name.to_owned(), format!("it has {bytes} bytes, at most {most} are allowed")));
        } else {
            // Read at once: a file that grows meanwhile must be as long as its header says.
            let data = fs::read(path)?;
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(data.len() as u64);
            self.builder.append_data(&mut header, name, data.as_slice())?;
        }
        Ok(())
    }
}

/// Sends what is written, in messages of one size.
struct Chunks<'a> {
    sender: &'a Sender,
    bar: &'a ProgressBar,
    chunk: Vec<u8>,
}

impl Write for Chunks<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = &data[..data.len().min(CHUNK_BYTES - self.chunk.len())];
        self.chunk.extend_from_slice(data);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES));
        self.bar.inc(chunk.len() as u64);
        self.sender.blocking_send(chunk_of(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
