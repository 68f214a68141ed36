//! `reverie import`: a store made of an export, a folder or a git repository.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use proto::memory as pb;
use proto::memory::import_store_request::Part;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::memory::eprintln_note;
use super::{Context, answer, request_id};
use crate::output::count;

pub mod git;
mod pack;

/// Bytes of one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Messages that wait for the network.
const CHUNKS_AHEAD: usize = 4;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Who wrote what is kept as the file says it, and marked as imported by you.

Examples:
  reverie import team-sre.tar.zst --handle team-sre-copy
  reverie import ~/notes --name 'My notes'
  reverie import ~/src/runbooks --git --branch main
  git fast-export --all -M --signed-tags=strip | reverie import - --handle runbooks")]
pub struct Arguments {
    /// An export, a tar (also compressed), a folder, or - for the standard input
    path: PathBuf,
    /// The store's; made from its name where absent
    #[arg(long, default_value = "")]
    handle: String,
    /// What the file says where absent
    #[arg(long, default_value = "")]
    name: String,
    /// What the file says where absent
    #[arg(long, default_value = "")]
    description: String,
    /// The folder's git history, not only its files (needs git)
    #[arg(long)]
    git: bool,
    /// Of a git repository: the branch to import
    #[arg(long, default_value = "")]
    branch: String,
}

type Sender = mpsc::Sender<pb::ImportStoreRequest>;

/// Where the file comes from.
enum Source {
    File(PathBuf),
    Input,
    Folder(PathBuf),
    Repository(PathBuf),
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<()> {
    let Arguments { path, handle, name, description, git, branch } = arguments;
    let source = match (path.as_os_str() == "-", path.is_dir()) {
        (true, _) => Source::Input,
        (_, true) if git => Source::Repository(path),
        (_, true) => Source::Folder(path),
        (_, false) if git => {
            bail!("--git needs a folder with a repository; a stream of git fast-export needs no option")
        }
        (_, false) => Source::File(path),
    };
    let name = if name.is_empty() && handle.is_empty() { source.name() } else { name };
    let git_branch = match &source {
        Source::Repository(folder) if branch.is_empty() => git::current_branch(folder).await?,
        _ => branch,
    };
    let header = pb::ImportStoreHeader {
        handle,
        name,
        description,
        format: pb::ExportFormat::Unspecified.into(),
        request_id: request_id(),
        git_branch: git_branch.clone(),
    };
    let bar = source.bar();
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let mut governance = context.client.governance();
    let call = governance.import_store(ReceiverStream::new(receiver));
    let sending = async {
        let part = pb::ImportStoreRequest { part: Some(Part::Header(header)) };
        // An import that has ended says why itself.
        let _ = sender.send(part).await;
        let sent = source.send(&sender, &bar, &git_branch).await;
        match sent {
            Ok(left_out) => Ok(left_out),
            // Not to be taken for the file's end: the sender is held until the call is given up.
            Err(e) => Err((e, sender.clone())),
        }
        .inspect(|_| bar.set_message("storing"))
    };
    let (called, left_out) = {
        let mut call = Box::pin(call);
        let mut sending = Box::pin(sending);
        tokio::select! {
            biased;
            called = &mut call => (called, Vec::new()),
            sent = &mut sending => match sent {
                Ok(left_out) => {
                    drop(sending);
                    drop(sender);
                    (call.await, left_out)
                }
                Err((e, held)) => {
                    drop(call);
                    drop(held);
                    return Err(e);
                }
            },
        }
    };
    bar.finish_and_clear();
    let mut done = answer(called)?;
    done.problems.extend(left_out);
    context.output.answer(&done, |out| {
        for problem in &done.problems {
            let subject = if problem.path.is_empty() { &problem.place } else { &problem.path };
            eprintln_note(&format!("left out: {subject}: {}", problem.reason));
        }
        if done.more_problems > 0 {
            eprintln_note(&format!("and {} more", done.more_problems));
        }
        let store = done.store.clone().unwrap_or_default();
        let memories = count(done.memories, "memory").replace("memorys", "memories");
        out.line(&format!("{}  {}  {}, {memories}", store.handle, store.id, count(done.commits, "commit")))
    })
}

impl Source {
    /// What to call the store where nobody says, and the file may not.
    fn name(&self) -> String {
        let last =
            |path: &Path| path.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
        match self {
            Source::Folder(folder) | Source::Repository(folder) => last(folder).unwrap_or_default(),
            Source::File(_) | Source::Input => String::new(),
        }
    }

    fn bar(&self) -> ProgressBar {
        let (bar, template) = match self {
            Source::File(file) if file.is_file() => {
                let size = file.metadata().map_or(0, |m| m.len());
                (ProgressBar::new(size), "importing {bar:30} {bytes}/{total_bytes} {msg}")
            }
            _ => (ProgressBar::new_spinner(), "importing {bytes} {bytes_per_sec} {elapsed} {msg}"),
        };
        bar.with_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()))
    }

    /// Sends all of it. What was left out already.
    async fn send(&self, sender: &Sender, bar: &ProgressBar, branch: &str) -> Result<Vec<pb::ImportStoreProblem>> {
        match self {
            Source::File(file) => {
                let reader =
                    tokio::fs::File::open(file).await.with_context(|| format!("reading {}", file.display()))?;
                send_all(reader, sender, bar).await.with_context(|| format!("reading {}", file.display()))?;
                Ok(Vec::new())
            }
            Source::Input => {
                let stdin = tokio::fs::File::from_std(std::io::stdin().as_fd().try_clone_to_owned()?.into());
                send_all(stdin, sender, bar).await.context("reading the standard input")?;
                Ok(Vec::new())
            }
            Source::Repository(folder) => {
                let arguments =
                    ["fast-export", "-M", "--use-done-feature", "--signed-tags=strip", "--reencode=yes", branch];
                let mut export = git::command(folder, &arguments);
                let mut export =
                    export.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting git")?;
                let stdout = export.stdout.take().context("git gives a stream")?;
                send_all(stdout, sender, bar).await.context("reading from git")?;
                let ended = export.wait_with_output().await.context("waiting for git")?;
                if !ended.status.success() {
                    bail!("git fast-export failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
                }
                Ok(Vec::new())
            }
            Source::Folder(folder) => {
                if folder.join(".git").exists() {
                    eprintln_note("this is a git repository: its files are imported; --git imports its history");
                }
                let (folder, sender, bar) = (folder.clone(), sender.clone(), bar.clone());
                tokio::task::spawn_blocking(move || pack::send(&folder, &sender, &bar)).await?
            }
        }
    }
}

async fn send_all(mut reader: impl AsyncRead + Unpin, sender: &Sender, bar: &ProgressBar) -> Result<()> {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        if (&mut reader).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await? == 0 {
            return Ok(());
        }
        bar.inc(chunk.len() as u64);
        if sender.send(chunk_of(chunk)).await.is_err() {
            // The import has ended, and says why itself.
            return Ok(());
        }
    }
}

fn chunk_of(chunk: Vec<u8>) -> pb::ImportStoreRequest {
    pb::ImportStoreRequest { part: Some(Part::Chunk(chunk.into())) }
}
