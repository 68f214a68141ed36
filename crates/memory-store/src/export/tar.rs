//! The export as an archive: files at their paths in a tar under Zstandard, and in `.reverie/` what a
//! file system does not keep.

use ::tar::{Builder, EntryType, Header};
use domain::{Error, Result, limits};
use zstd::stream::write::Encoder;

use crate::export::history::Lines;
use crate::export::jsonl::memory_line;
use crate::export::{Out, Source};
use crate::line::Line;

/// What is not a memory lies below it.
pub const OURS: &str = ".reverie/";
/// The first entry.
pub const STORE: &str = ".reverie/store.json";
pub const HISTORY: &str = ".reverie/history/";
pub const MEMORIES: &str = ".reverie/memories/";
/// Memories whose own path is `/.reverie`, or below it.
pub const FILES: &str = ".reverie/files/";

/// Zstandard's own default: smaller is far slower.
const LEVEL: i32 = 3;

pub async fn write(source: &Source, out: &Out) -> Result<()> {
    let mut archive = Archive::new(out)?;
    archive.entry(STORE, 0, &Line::Store(source.line()).encode()?).await?;
    if source.with_history {
        with_history(source, &mut archive).await?
    } else {
        without(source, &mut archive).await?
    }
    archive.end().await
}

async fn with_history(source: &Source, archive: &mut Archive<'_>) -> Result<()> {
    let mut lines = Lines::new(source);
    let (mut parts, mut part) = (0, Vec::new());
    loop {
        let line = lines.next().await?;
        let ended = line.is_none();
        if let Some(line) = line {
            part.extend(line.encode()?);
        }
        if part.len() >= limits::EXPORT_PART_BYTES || (ended && !part.is_empty()) {
            parts += 1;
            archive.entry(&part_name(HISTORY, parts), 0, &part).await?;
            part.clear();
        }
        if ended {
            break;
        }
    }
    for (path, entry) in &source.view.map {
        archive.file(source, path, entry).await?;
    }
    Ok(())
}

/// Details of some memories, then these memories, and so on.
async fn without(source: &Source, archive: &mut Archive<'_>) -> Result<()> {
    let mut entries = source.view.map.iter();
    for parts in 1.. {
        let page: Vec<_> = entries.by_ref().take(limits::EXPORT_PART_MEMORIES_MAX).collect();
        if page.is_empty() {
            break;
        }
        let mut part = Vec::new();
        for (path, entry) in &page {
            part.extend(memory_line(path, entry).encode()?);
        }
        archive.entry(&part_name(MEMORIES, parts), 0, &part).await?;
        for (path, entry) in page {
            archive.file(source, path, entry).await?;
        }
    }
    Ok(())
}

/// Sorts as its number does.
fn part_name(folder: &str, number: u64) -> String {
    format!("{folder}{number:08}.jsonl")
}

struct Archive<'a> {
    builder: Builder<Encoder<'static, Vec<u8>>>,
    out: &'a Out,
}

impl<'a> Archive<'a> {
    fn new(out: &'a Out) -> Result<Archive<'a>> {
        let mut encoder = Encoder::new(Vec::new(), LEVEL).map_err(Error::internal)?;
        // A damaged archive must not be taken for a whole one.
        encoder.include_checksum(true).map_err(Error::internal)?;
        Ok(Archive { builder: Builder::new(encoder), out })
    }

    async fn file(&mut self, source: &Source, path: &domain::MemoryPath, entry: &crate::index::Entry) -> Result<()> {
        let said = entry.actor.said(entry.update_time);
        let text = source.text(&entry.content).await?;
        let path = path.as_str().trim_start_matches('/');
        let is_ours = path.split('/').next() == Some(OURS.trim_end_matches('/'));
        let path = if is_ours { format!("{FILES}{path}") } else { path.to_owned() };
        self.entry(&path, u64::try_from(said.time.as_second()).unwrap_or(0), text.as_bytes()).await
    }

    async fn entry(&mut self, path: &str, time_s: u64, data: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(time_s);
        header.set_size(data.len() as u64);
        // Not `set_path`, which has no room for a long one: this writes it as GNU tar does.
        self.builder.append_data(&mut header, path, data).map_err(Error::internal)?;
        let written = self.builder.get_mut().get_mut();
        if written.len() >= limits::EXPORT_CHUNK_BYTES {
            self.out.send(std::mem::take(written)).await?;
        }
        Ok(())
    }

    async fn end(self) -> Result<()> {
        let encoder = self.builder.into_inner().map_err(Error::internal)?;
        self.out.send(encoder.finish().map_err(Error::internal)?).await
    }
}
