//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::output::Format;
use crate::process::backup::Places;
use crate::process::role::Role;

/// Shared, versioned memory for AI agents, and the dreaming that keeps it good.
#[derive(Debug, Parser)]
#[command(name = "reverie", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// The cluster's address
    #[arg(long, global = true, env = "REVERIE_URL", default_value = "http://127.0.0.1:7400")]
    pub url: String,
    /// The credential itself; a file is safer
    #[arg(long, global = true, env = "REVERIE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A file that holds the credential
    #[arg(long, global = true, env = "REVERIE_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  reverie up                                        start a cluster here
  echo 'on call: ana' | reverie write team-sre:/on-call.md
  reverie diff team-sre@41 team-sre@57
  reverie session import ~/.claude/projects --attach team-sre
  reverie dream create team-sre --attached --wait";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a cluster: every service in this process, on loopback
    Up(Up),
    /// Run one service of a cluster
    Serve(Serve),
    /// Back up the databases of a data folder that nobody serves
    Backup(Backup),
    /// Restore a backup into a folder that has no database
    RestoreBackup(Backup),
    /// Look for damage in the databases of a data folder that nobody serves
    Scrub {
        /// The folder of all data
        #[arg(long, default_value = "reverie-data")]
        data: PathBuf,
    },
    #[command(flatten)]
    Client(commands::Command),
    /// Print completions for a shell
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, clap::Args)]
pub struct Up {
    /// The folder of all data; made where there is none
    #[arg(long, default_value = "reverie-data")]
    pub data: PathBuf,
    /// Clients use this port, the services and the metrics the four after it; 0 lets the system choose
    #[arg(long, default_value_t = 7400)]
    pub port_base: u16,
    #[command(flatten)]
    pub telemetry: Telemetry,
}

#[derive(Debug, clap::Args)]
pub struct Serve {
    #[arg(long, value_enum)]
    pub role: Role,
    /// The configuration; deploy/reverie.toml names and explains every key
    #[arg(long)]
    pub config: PathBuf,
    /// An OTLP/gRPC collector for traces; goes before the configuration's
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The folder of all data, or of one role's
    #[arg(long, default_value = "reverie-data")]
    pub data: PathBuf,
    #[command(flatten)]
    pub places: Places,
}

#[derive(Debug, clap::Args)]
pub struct Telemetry {
    /// What to log, for example info or reverie=debug,warn
    #[arg(long, env = "REVERIE_LOG", default_value = "warn")]
    pub log: String,
    /// An OTLP/gRPC collector for traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}
