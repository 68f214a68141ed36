//! Benchmarks of a running cluster: the real binary, over gRPC, each figure beside a yardstick measured in
//! the same run. `make bench` prints the table and says which gates hold.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Duration;

use anyhow::Result;
use clap::Parser;

mod cluster;
mod dream;
mod echo;
mod etcd;
mod fork;
mod grep;
mod load;
mod memory;
mod notes;
mod report;
mod search;
mod watch;
mod watchers;

use report::Report;

mod pb {
    pub mod echo {
        #![allow(clippy::all, reason = "generated")]
        tonic::include_proto!("reverie.bench.v1");
    }
    pub mod etcd {
        #![allow(clippy::all, reason = "generated")]
        tonic::include_proto!("etcdserverpb");
    }
}

/// Bytes of a value: a note of a page.
const VALUE_BYTES: usize = 1_024;

#[derive(Debug, Parser)]
struct Arguments {
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each is measured; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Fail where a gate does not hold.
    #[arg(long)]
    gate: bool,
    /// Write the figures to this file too, as JSON.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// Only sections whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What is dreamt of: a transcript file, or a folder of them.
    #[arg(long, default_value = "tests/fixtures/tau_bench")]
    transcripts: std::path::PathBuf,
    /// The process of the echo yardstick.
    #[arg(long, hide = true)]
    serve_echo: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.serve_echo {
        return echo::serve().await;
    }
    let mut report = Report::default();
    let wanted = |section: &str| section.contains(&arguments.only);
    let run = load::Run { time: Duration::from_secs(arguments.seconds), rounds: arguments.rounds };
    if wanted("memory") {
        memory::measure(run, &mut report).await?;
    }
    if wanted("fork") {
        fork::measure(&mut report).await?;
    }
    if wanted("watch") {
        watch::measure(run, &mut report).await?;
    }
    if wanted("watchers") {
        watchers::measure(run, &mut report).await?;
    }
    if wanted("grep") {
        grep::measure(run, &mut report).await?;
    }
    if wanted("search") {
        search::measure(run, &mut report).await?;
    }
    if wanted("dream") {
        dream::measure(&arguments.transcripts, arguments.rounds, &mut report).await?;
    }
    println!("{report}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    if arguments.gate { report.check() } else { Ok(()) }
}
