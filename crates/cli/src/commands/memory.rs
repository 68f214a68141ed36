//! `reverie ls`, `tree`, `cat`, `sha256`, `grep`: read memories.

use anyhow::{Result, bail};
use proto::memory as pb;
use proto::memory::memory_entry::Entry;

use super::{Context, answer};
use crate::address::Address;
use crate::output::{bytes, time};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List what is directly in a folder
    Ls {
        /// STORE, STORE:/FOLDER, with @REVISION
        at: Address,
        /// All below it, without roll-up
        #[arg(short, long)]
        recursive: bool,
    },
    /// Show a folder and all below it
    Tree {
        /// STORE, STORE:/FOLDER, with @REVISION
        at: Address,
    },
    /// Print a memory
    Cat {
        /// STORE:/PATH, with @REVISION
        at: Address,
    },
    /// Print a memory's SHA-256, for `write --if-sha256`
    Sha256 {
        /// STORE:/PATH, with @REVISION
        at: Address,
    },
    /// Search memories for a regular expression
    Grep {
        /// The syntax of the Rust regex crate: linear time, no look-around
        regex: String,
        /// STORE or STORE:/GLOB, with @REVISION
        at: Address,
        #[arg(short, long)]
        ignore_case: bool,
        /// Lines before and after each match
        #[arg(short = 'C', long, default_value_t = 0)]
        context: u32,
        /// Only the memories that match, one a line
        #[arg(short = 'l', long)]
        files: bool,
    },
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Ls { at, recursive } => ls(context, &at, if recursive { 0 } else { 1 }).await,
        Command::Tree { at } => tree(context, &at).await,
        Command::Cat { at } => {
            let memory = get(context, &at).await?;
            context.output.answer(&memory, |out| out.raw(&memory.content))
        }
        Command::Sha256 { at } => {
            let memory = get(context, &at).await?;
            context.output.answer(&memory, |out| out.line(&memory.content_sha256))
        }
        Command::Grep { regex, at, ignore_case, context: lines, files } => {
            let request = pb::GrepRequest {
                path_glob: if at.has_path() { at.path.clone() } else { String::new() },
                store: at.store.clone(),
                regex,
                ignore_case,
                context_lines: lines,
                max_matches: 0,
                revision: at.revision,
            };
            grep(context, &at, request, files).await
        }
    }
}

pub async fn get(context: &Context, at: &Address) -> Result<pb::Memory> {
    if !at.has_path() {
        bail!("name a memory: {}:/PATH", at.store);
    }
    let memory = Some(pb::get_memory_request::Memory::Path(at.path.clone()));
    let request = pb::GetMemoryRequest { store: at.store.clone(), memory, revision: at.revision };
    Ok(answer(context.client.memory().get_memory(request).await)?.memory.unwrap_or_default())
}

/// All entries of a listing, page after page, of one revision.
pub async fn list(context: &Context, at: &Address, depth: u32, glob: &str) -> Result<pb::ListMemoriesResponse> {
    let mut request = pb::ListMemoriesRequest {
        store: at.store.clone(),
        path_prefix: at.prefix()?.as_str().to_owned(),
        depth,
        glob: glob.to_owned(),
        revision: at.revision,
        page_size: 1_000,
        ..Default::default()
    };
    let mut all = pb::ListMemoriesResponse::default();
    loop {
        let page = answer(context.client.memory().list_memories(request.clone()).await)?;
        all.entries.extend(page.entries);
        all.read_revision = page.read_revision;
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

async fn ls(context: &Context, at: &Address, depth: u32) -> Result<()> {
    let listing = list(context, at, depth, "").await?;
    context.output.answer(&listing, |out| {
        let row = |entry: &pb::MemoryEntry| match entry.entry.as_ref()? {
            Entry::Memory(m) => {
                Some(vec![m.path.clone(), bytes(m.size_bytes), m.revision.to_string(), time(m.update_time)])
            }
            Entry::Directory(d) => Some(vec![
                format!("{}/", d.path),
                bytes(d.content_bytes),
                String::new(),
                format!("{} memories", d.memory_count),
            ]),
        };
        out.table(&["path", "size", "revision", "updated"], listing.entries.iter().filter_map(row))
    })
}

async fn tree(context: &Context, at: &Address) -> Result<()> {
    let listing = list(context, at, 0, "").await?;
    context.output.answer(&listing, |out| {
        out.line(&out.bold(&format!("{}@{}", at.store, listing.read_revision)))?;
        let mut shown: Vec<&str> = Vec::new();
        for entry in &listing.entries {
            let Some(Entry::Memory(memory)) = &entry.entry else { continue };
            let segments: Vec<&str> = memory.path.trim_start_matches('/').split('/').collect();
            let folders = &segments[..segments.len() - 1];
            let same = folders.iter().zip(&shown).take_while(|(a, b)| a == b).count();
            for (depth, folder) in folders.iter().enumerate().skip(same) {
                out.line(&format!("{}{folder}/", "  ".repeat(depth + 1)))?;
            }
            let name = segments.last().copied().unwrap_or_default();
            out.line(&format!("{}{name}  {}", "  ".repeat(segments.len()), out.dim(&bytes(memory.size_bytes))))?;
            shown = folders.to_vec();
        }
        Ok(())
    })
}

async fn grep(context: &Context, at: &Address, request: pb::GrepRequest, files: bool) -> Result<()> {
    let out = &context.output;
    let mut stream = answer(context.client.memory().grep(request).await)?;
    let mut last = String::new();
    while let Some(part) = answer(stream.message().await.map(tonic::Response::new))? {
        if out.is_json() {
            out.answer(&part, |_| Ok(()))?;
            continue;
        }
        for found in &part.matches {
            let place = format!("{}:{}", at.store, found.path);
            if files {
                if place != last {
                    out.line(&place)?;
                    last = place;
                }
                continue;
            }
            let start = found.line_number as usize - found.before.len();
            let lines = found.before.iter().chain([&found.line]).chain(&found.after);
            for (n, line) in (start..).zip(lines) {
                let mark = if n == found.line_number as usize { ':' } else { '-' };
                out.line(&format!("{}{mark}{line}", out.dim(&format!("{place}:{n}"))))?;
            }
        }
        if part.truncated {
            eprintln_note("more lines match: narrow the search with STORE:/GLOB");
        }
    }
    Ok(())
}

/// A remark beside the answer, for the person at the terminal.
#[expect(clippy::print_stderr, reason = "remarks for people go beside the answer")]
pub fn eprintln_note(text: &str) {
    eprintln!("{text}");
}
