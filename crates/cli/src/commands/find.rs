//! `reverie find`: memories by their names.

use anyhow::{Result, bail};
use proto::memory as pb;
use proto::memory::memory_entry::Entry;

use super::{Context, memory};
use crate::address::Address;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// STORE or STORE:/FOLDER, with @REVISION
    at: Address,
    /// A name or a path: '*.md', 'runbooks/**/disk-*'; * and ? stay within a folder, ** does not
    glob: String,
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<()> {
    if arguments.glob.is_empty() {
        bail!("name a glob, for example '*.md'");
    }
    let listing = memory::list(context, &arguments.at, 0, &arguments.glob).await?;
    let store = &arguments.at.store;
    context.output.answer(&listing, |out| {
        let paths = listing.entries.iter().filter_map(|e| match e.entry.as_ref()? {
            Entry::Memory(pb::Memory { path, .. }) => Some(path),
            Entry::Directory(_) => None,
        });
        for path in paths {
            out.line(&format!("{store}:{path}"))?;
        }
        if listing.entries.is_empty() {
            memory::eprintln_note("nothing was found");
        }
        Ok(())
    })
}
