//! `reverie export`: a store as a file, or as a git repository.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use proto::memory as pb;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::import::git;
use super::memory::eprintln_note;
use super::{Context, answer};
use crate::address::Address;
use crate::output::bytes;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reverie export team-sre --history --file team-sre.tar.zst
  reverie export team-sre@41 --format jsonl | jq -r '.memory.path // empty'
  reverie export team-sre --history --git ./team-sre && git -C ./team-sre log --stat")]
pub struct Arguments {
    /// STORE or STORE@REVISION
    from: Address,
    /// Where to write; - is the standard output, which is also where it goes without this
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Format::TarZst)]
    format: Format,
    /// Every commit up to the revision, not only what it holds
    #[arg(long)]
    history: bool,
    /// Make a git repository here (needs git)
    #[arg(long, value_name = "FOLDER", conflicts_with = "file")]
    git: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Files at their paths in a compressed tar, the rest in .reverie/
    TarZst,
    /// One JSON object a line
    Jsonl,
    /// What git fast-import reads
    Git,
}

impl From<Format> for pb::ExportFormat {
    fn from(format: Format) -> pb::ExportFormat {
        match format {
            Format::TarZst => pb::ExportFormat::TarZst,
            Format::Jsonl => pb::ExportFormat::Jsonl,
            Format::Git => pb::ExportFormat::GitFastExport,
        }
    }
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { from, file, format, history, git } = arguments;
    if from.has_path() {
        bail!("an export is of a whole store: name {}, without a path", from.store);
    }
    let format = if git.is_some() { Format::Git } else { format };
    let request = pb::ExportStoreRequest {
        store: from.store.clone(),
        revision: from.revision,
        format: pb::ExportFormat::from(format).into(),
        with_history: history,
    };
    if let Some(folder) = git {
        return repository(context, request, &folder).await;
    }
    match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => to_file(context, request, &file).await,
        None if format == Format::TarZst && std::io::stdout().is_terminal() => {
            bail!("an archive is nothing to look at: give --file, or --format jsonl")
        }
        None => {
            let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
            let mut stdout = tokio::fs::File::from_std(stdout.into());
            receive(context, request, &mut stdout).await.map(drop)
        }
    }
}

/// The file is there whole, or not at all.
async fn to_file(context: &Context, request: pb::ExportStoreRequest, file: &Path) -> Result<()> {
    let mut name = file.file_name().context("--file names no file")?.to_owned();
    name.push(".part");
    let part = file.with_file_name(name);
    let written = async {
        let mut out = tokio::fs::File::create(&part).await.with_context(|| format!("making {}", part.display()))?;
        let done = receive(context, request, &mut out).await?;
        out.sync_all().await?;
        tokio::fs::rename(&part, file).await.with_context(|| format!("making {}", file.display()))?;
        Ok::<_, anyhow::Error>(done)
    };
    match written.await {
        Ok(done) => said(context, &done, &file.display().to_string()),
        Err(e) => {
            // It may not even have been made.
            let _ = tokio::fs::remove_file(&part).await;
            Err(e)
        }
    }
}

/// Makes a repository, with its files checked out.
async fn repository(context: &Context, request: pb::ExportStoreRequest, folder: &Path) -> Result<()> {
    let is_used = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        bail!("{} is there and not empty: name a new folder", folder.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    git::run(folder, &["init", "--quiet"]).await?;
    git::run(folder, &["symbolic-ref", "HEAD", "refs/heads/main"]).await?;
    let mut import = git::command(folder, &["fast-import", "--quiet", "--done"]);
    let mut import = import.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting git")?;
    let mut stdin = import.stdin.take().context("git takes a stream")?;
    let received = receive(context, request, &mut stdin).await;
    drop(stdin);
    let ended = import.wait_with_output().await.context("waiting for git")?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        // What the server said tells more than that git's stream broke off.
        received?;
        bail!("git fast-import failed: {}", said.trim());
    }
    let done = received?;
    if done.read_revision > 0 {
        git::run(folder, &["reset", "--quiet", "--hard"]).await?;
    }
    said(context, &done, &folder.display().to_string())
}

/// What came of an export.
struct Done {
    read_revision: u64,
    bytes: u64,
}

async fn receive(
    context: &Context,
    request: pb::ExportStoreRequest,
    out: &mut (impl AsyncWrite + Unpin),
) -> Result<Done> {
    let style = ProgressStyle::with_template("exporting {bytes} {bytes_per_sec} {elapsed}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or(ProgressStyle::default_spinner()));
    let mut stream = answer(context.client.governance().export_store(request).await)?;
    let mut done = Done { read_revision: 0, bytes: 0 };
    while let Some(part) = answer(stream.message().await.map(tonic::Response::new))? {
        done.read_revision = done.read_revision.max(part.read_revision);
        done.bytes += part.chunk.len() as u64;
        out.write_all(&part.chunk).await.context("writing the export")?;
        bar.inc(part.chunk.len() as u64);
    }
    out.flush().await.context("writing the export")?;
    bar.finish_and_clear();
    Ok(done)
}

fn said(context: &Context, done: &Done, to: &str) -> Result<()> {
    if context.output.is_json() {
        let answer = serde_json::json!({ "to": to, "readRevision": done.read_revision.to_string(), "bytes": done.bytes.to_string() });
        return context.output.line(&answer.to_string());
    }
    eprintln_note(&format!("{to}: revision {}, {}", done.read_revision, bytes(done.bytes)));
    Ok(())
}
