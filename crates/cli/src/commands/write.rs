//! `reverie write`, `edit`, `mv`, `rm`: change memories, each by one commit.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use domain::limits;
use proto::memory as pb;
use proto::memory::operation::Operation;
use proto::memory::precondition::Condition;

use super::{Context, answer, request_id};
use crate::address::Address;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create or replace a memory, or with -r all files of a folder, by one commit
    Write {
        /// STORE:/PATH
        to: Address,
        /// The file to read; standard input where absent or -
        from: Option<PathBuf>,
        /// The text itself
        #[arg(long, conflicts_with = "from")]
        text: Option<String>,
        /// Write all files below the folder FROM
        #[arg(short, long, requires = "from", conflicts_with = "text")]
        recursive: bool,
        #[command(flatten)]
        condition: If,
        /// What the commit is about
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Replace one piece of text, which must be there exactly once
    Edit {
        /// STORE:/PATH
        at: Address,
        #[arg(long)]
        old: String,
        #[arg(long)]
        new: String,
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Rename a memory or a folder; never overwrites
    Mv {
        /// STORE:/PATH
        from: Address,
        /// /PATH in the same store
        to: String,
        #[arg(short, long, default_value = "")]
        message: String,
    },
    /// Delete a memory, or with -r a folder; its history stays
    Rm {
        /// STORE:/PATH
        at: Address,
        #[arg(short, long)]
        recursive: bool,
        #[arg(short, long, default_value = "")]
        message: String,
    },
}

/// What must hold for the write to happen.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct If {
    /// Only if there is no such memory
    #[arg(long)]
    if_absent: bool,
    /// Only if the memory's SHA-256 is this
    #[arg(long)]
    if_sha256: Option<String>,
    /// Only if the memory was last touched by this commit
    #[arg(long)]
    if_revision: Option<u64>,
}

impl If {
    fn precondition(self) -> Option<pb::Precondition> {
        let absent = self.if_absent.then_some(Condition::Absent(true));
        let condition =
            absent.or(self.if_sha256.map(Condition::ContentSha256)).or(self.if_revision.map(Condition::Revision));
        condition.map(|c| pb::Precondition { condition: Some(c) })
    }
}

pub async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Write { to, from: Some(folder), recursive: true, message, .. } => {
            let operations = folder_operations(&to, &folder)?;
            commit(context, &to.store, operations, message).await
        }
        Command::Write { to, from, text, condition, message, .. } => {
            let content = match text {
                Some(text) => text + "\n",
                None => read(from.as_deref())?,
            };
            let write = Operation::Write(pb::Write { path: to.path, content, origins: Vec::new() });
            let operation = pb::Operation { operation: Some(write), precondition: condition.precondition() };
            commit(context, &to.store, vec![operation], message).await
        }
        Command::Edit { at, old, new, message } => {
            let edit = Operation::ReplaceText(pb::ReplaceText { path: at.path, old_text: old, new_text: new });
            commit(context, &at.store, vec![plain(edit)], message).await
        }
        Command::Mv { from, to, message } => {
            let to = to.strip_prefix(&format!("{}:", from.store)).unwrap_or(&to).to_owned();
            let rename = Operation::Move(pb::Move { from: from.path, to });
            commit(context, &from.store, vec![plain(rename)], message).await
        }
        Command::Rm { at, recursive, message } => {
            let delete = Operation::Delete(pb::Delete { path: at.path, recursive });
            commit(context, &at.store, vec![plain(delete)], message).await
        }
    }
}

fn plain(operation: Operation) -> pb::Operation {
    pb::Operation { operation: Some(operation), precondition: None }
}

async fn commit(context: &Context, store: &str, operations: Vec<pb::Operation>, message: String) -> Result<()> {
    let request = pb::CommitRequest {
        store: store.to_owned(),
        operations,
        message,
        request_id: request_id(),
        ..Default::default()
    };
    let done = answer(context.client.memory().commit(request).await)?;
    context.output.answer(&done, |out| {
        if done.no_op {
            return out.line(&format!("{store}@{}  nothing to change", done.revision));
        }
        let paths: Vec<&str> = done.versions.iter().map(|v| v.path.as_str()).collect();
        let shown = paths.iter().take(5).copied().collect::<Vec<_>>().join(" ");
        let more = paths.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.line(&format!("{store}@{}  {shown}{more}", done.revision))
    })
}

/// One write for each file below a folder, in order of their paths.
fn folder_operations(to: &Address, folder: &Path) -> Result<Vec<pb::Operation>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    if files.is_empty() {
        bail!("{} holds no files", folder.display());
    }
    if files.len() > limits::COMMIT_VERSIONS_MAX {
        bail!(
            "{} holds {} files: one commit takes {}; write its folders one by one",
            folder.display(),
            files.len(),
            limits::COMMIT_VERSIONS_MAX
        );
    }
    let base = to.path.trim_end_matches('/');
    let operation = |file: &PathBuf| {
        let relative = file.strip_prefix(folder).unwrap_or(file);
        let path = format!("{base}/{}", relative.display());
        Ok(plain(Operation::Write(pb::Write { path, content: read(Some(file))?, origins: Vec::new() })))
    };
    files.iter().map(operation).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// A file's text, or standard input's.
fn read(from: Option<&Path>) -> Result<String> {
    let name = from.filter(|p| *p != Path::new("-"));
    let bytes = match name {
        Some(path) => std::fs::read(path).with_context(|| format!("reading {}", path.display()))?,
        None if std::io::stdin().is_terminal() => bail!("name a file, give --text, or pipe the text in"),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("reading standard input")?;
            bytes
        }
    };
    let name = name.map_or("standard input".to_owned(), |p| p.display().to_string());
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name} is not UTF-8 text; memories are text files"))
}
