//! Grep of many memories, beside ripgrep on the same texts as files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use proto::memory as pb;
use proto::memory::memory_service_client::MemoryServiceClient;

use crate::cluster::{Cluster, Connection, scratch};
use crate::load::{Run, figures};
use crate::notes;
use crate::report::Report;

const MEMORIES: usize = 10_000;
const STORE: &str = "notes";
/// Times that each is run, one after the other.
const TRIES: usize = 5;
/// In few lines, and in none.
const PATTERNS: [(&str, &str); 2] =
    [("some lines match", r"db-4[0-9]\.prod (failed|recovered)"), ("no line matches", r"db-[0-9]+\.staging")];

pub async fn measure(run: Run, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    notes::store(&cluster, STORE, MEMORIES).await?;
    let files = scratch()?;
    for number in 0..MEMORIES {
        let (path, text) = notes::note(number);
        let file = files.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().context("a note lies in a folder")?)?;
        std::fs::write(file, text)?;
    }
    let has_ripgrep = Command::new("rg").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !has_ripgrep {
        report.note("ripgrep is not installed: the gate of grep is not judged");
    }
    let mut client = cluster.memory().await?;
    for (what, pattern) in PATTERNS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TRIES * run.rounds {
            let (took, lines) = grep(&mut client, pattern).await?;
            ours.push(took);
            if has_ripgrep {
                let (took, found) = ripgrep(files.path(), pattern)?;
                ensure!(found == lines, "ripgrep finds {found} lines of {pattern}, grep {lines}");
                theirs.push(took);
            }
        }
        let ours = figures(ours.clone(), ours.iter().sum());
        report.row(format!("Grep of {MEMORIES} memories, {what}"), ours);
        if has_ripgrep {
            let theirs = figures(theirs.clone(), theirs.iter().sum());
            report.row(format!("ripgrep of the same files, {what}"), theirs);
            report.at_most(format!("grep of {MEMORIES} memories / ripgrep, {what}"), ours.p50_us / theirs.p50_us, 3.0);
        }
    }
    Ok(())
}

async fn grep(client: &mut MemoryServiceClient<Connection>, regex: &str) -> Result<(Duration, usize)> {
    let request =
        pb::GrepRequest { store: STORE.into(), regex: regex.into(), max_matches: 10_000, ..Default::default() };
    let started = Instant::now();
    let mut stream = client.grep(request).await?.into_inner();
    let mut lines = 0;
    while let Some(part) = stream.message().await? {
        lines += part.matches.len();
    }
    Ok((started.elapsed(), lines))
}

fn ripgrep(folder: &Path, pattern: &str) -> Result<(Duration, usize)> {
    let started = Instant::now();
    let output =
        Command::new("rg").args(["--line-number", "--no-heading", "--no-config", pattern]).arg(folder).output()?;
    let took = started.elapsed();
    Ok((took, output.stdout.iter().filter(|b| **b == b'\n').count()))
}
