//! The export as JSON lines: the store, its commits or its memories, and a line that seals the rest.

use domain::{Error, Result, limits};
use sha2::{Digest as _, Sha256};

use crate::export::history::{Lines, Seen, content_line};
use crate::export::{Out, Source, shown_sha256};
use crate::index::Entry;
use crate::line::{EndLine, Line, MemoryLine, OriginLine};

pub async fn write(source: &Source, out: &Out) -> Result<()> {
    let mut file = File { out, buffer: Vec::new(), lines: 0, hash: Sha256::new() };
    file.write(&Line::Store(source.line())).await?;
    if source.with_history {
        let mut lines = Lines::new(source);
        while let Some(line) = lines.next().await? {
            file.write(&line).await?;
        }
    } else {
        let mut seen = Seen::default();
        for (path, entry) in &source.view.map {
            if seen.add(&entry.content) {
                file.write(&content_line(source, &entry.content).await?).await?;
            }
            file.write(&memory_line(path, entry)).await?;
        }
    }
    file.end().await
}

pub fn memory_line(path: &domain::MemoryPath, entry: &Entry) -> Line {
    let said = entry.actor.said(entry.update_time);
    Line::Memory(MemoryLine {
        path: path.clone(),
        memory: entry.memory,
        version: entry.version,
        revision: entry.revision,
        time: said.time,
        actor: said.into(),
        sha256: shown_sha256(&entry.content),
        create_time: entry.create_time,
        origins: entry.origins.iter().map(OriginLine::from).collect(),
    })
}

struct File<'a> {
    out: &'a Out,
    buffer: Vec<u8>,
    lines: u64,
    hash: Sha256,
}

impl File<'_> {
    async fn write(&mut self, line: &Line) -> Result<()> {
        let from = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, line).map_err(Error::internal)?;
        self.buffer.push(b'\n');
        self.hash.update(&self.buffer[from..]);
        self.lines += 1;
        if self.buffer.len() >= limits::EXPORT_CHUNK_BYTES {
            self.out.send(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<()> {
        let end = Line::End(EndLine { lines: self.lines, sha256: self.hash.finalize().into() });
        self.buffer.extend(end.encode()?);
        self.out.send(self.buffer).await
    }
}
