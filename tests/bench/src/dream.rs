//! Dreams of real transcripts, as a person starts them: with the command.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::report::Report;

const STORE: &str = "airline-desk";

/// What one dream came to, and how long it took.
struct Dreamt {
    took: Duration,
    changes: String,
    count: usize,
}

pub async fn measure(transcripts: &Path, rounds: usize, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_store(STORE).await?;
    let transcripts = transcripts.to_str().context("--transcripts is not UTF-8")?;
    let started = Instant::now();
    let imported = reverie(&cluster, &["session", "import", transcripts, "--attach", STORE])?;
    let import = started.elapsed();
    let sessions = imported["sessions"].as_array().map_or(0, Vec::len);

    let mut dreams = (0..rounds.max(2)).map(|_| dream(&cluster)).collect::<Result<Vec<_>>>()?;
    dreams.sort_by_key(|d| d.took);
    let median = &dreams[dreams.len() / 2];
    ensure!(dreams.iter().all(|d| d.changes == median.changes), "dreams of the same sessions differ");
    report.note(format!("{sessions} sessions of {transcripts} imported in {:.2} s", import.as_secs_f64()));
    report.note(format!(
        "a dream of them in {:.2} s (the median of {}), {} changes, the same bytes each time",
        median.took.as_secs_f64(),
        dreams.len(),
        median.count,
    ));
    Ok(())
}

fn dream(cluster: &Cluster) -> Result<Dreamt> {
    let started = Instant::now();
    let dream = reverie(cluster, &["dream", "create", STORE, "--attached", "--wait"])?;
    let took = started.elapsed();
    let id = dream["id"].as_str().context("a dream without an id")?;
    let changes = reverie(cluster, &["dream", "diff", id])?;
    let count = changes["changes"].as_array().map_or(0, Vec::len);
    Ok(Dreamt { took, changes: changes.to_string().replace(id, "ID"), count })
}

/// The command's answer.
fn reverie(cluster: &Cluster, arguments: &[&str]) -> Result<Value> {
    let done = Command::new(std::env::current_exe()?.with_file_name("reverie"))
        .args(["--output", "json", "--url", cluster.every_url(), "--token-file"])
        .arg(cluster.token_file())
        .args(arguments)
        .output()?;
    if !done.status.success() {
        bail!("reverie {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}
