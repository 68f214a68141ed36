//! Output: tables and texts for people, canonical proto JSON for programs.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context as _, Result};
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object an answer, as the proto JSON mapping has it.
    Json,
}

/// Where answers go.
#[derive(Debug, Clone)]
pub struct Output {
    pub format: Format,
    pub color: bool,
}

impl Output {
    pub fn new(format: Format) -> Output {
        Output { format, color: io::stdout().is_terminal() }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints the answer as JSON, or lets `text` print it for people.
    pub fn answer<M: Name>(&self, message: &M, text: impl FnOnce(&Output) -> Result<()>) -> Result<()> {
        if self.is_json() { self.line(&json(message)?) } else { text(self) }
    }

    pub fn line(&self, text: &str) -> Result<()> {
        self.raw(&format!("{text}\n"))
    }

    pub fn raw(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // The reader has seen enough (`| head`): no error of ours.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            done => done.context("writing the answer"),
        }
    }

    /// A table without lines: the first row names the columns.
    pub fn table(&self, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(columns.iter().map(|c| c.to_uppercase()));
        table.add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text = table.to_string();
        self.raw(&text.lines().map(|l| format!("{}\n", l.trim_end())).collect::<String>())
    }

    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A unified diff with its added and removed lines coloured.
    pub fn diff(&self, unified: &str) -> Result<()> {
        let paint = |line: &str| match line.bytes().next() {
            Some(b'+') => self.paint("32", line),
            Some(b'-') => self.paint("31", line),
            Some(b'@') => self.paint("36", line),
            _ => line.to_owned(),
        };
        self.raw(&unified.lines().map(|l| paint(l) + "\n").collect::<String>())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The proto JSON of a message.
fn json<M: Name>(message: &M) -> Result<String> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).context("reading the descriptors")?;
    let descriptor = pool.get_message_by_name(&M::full_name()).context("finding the message")?;
    let message =
        DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).context("reading the message")?;
    Ok(serde_json::to_string(&message)?)
}

/// `2026-11-02 03:04:05Z`, or `-`.
pub fn time(time: Option<prost_types::Timestamp>) -> String {
    time.and_then(|t| jiff::Timestamp::new(t.seconds, 0).ok())
        .map_or("-".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// `3.4 KiB`.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// "1 session", "3 sessions".
pub fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
