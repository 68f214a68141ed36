//! The `reverie` command's beginning and end.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{CommandFactory as _, Parser as _};
use cli::arguments::{Arguments, Backup, Command, Serve, Up};
use cli::commands::{self, Context};
use cli::exit;
use cli::output::Output;
use cli::process::up::{Cluster, Options};
use cli::process::{backup, role::Role, scrub, serve};
use client::Client;
use domain::access::Secret;
use runtime::config::Config;
use runtime::telemetry::{self, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let output = Output::new(arguments.output);
    match arguments.command {
        Command::Up(up) => self::up(up, &output).await,
        Command::Serve(serve) => self::serve(serve).await,
        Command::Backup(Backup { data, places }) => backup::back_up(&data, &places, &output).await,
        Command::RestoreBackup(Backup { data, places }) => backup::restore(&data, &places, &output).await,
        Command::Scrub { data } => scrub::offline(&data, &output).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "reverie", &mut std::io::stdout());
            Ok(())
        }
        Command::Client(command) => {
            let secret = secret(arguments.token, arguments.token_file)?;
            let client = Client::connect(&arguments.url, secret)?;
            commands::run(command, &Context { client, output }).await
        }
    }
}

/// The credential: the token itself, or its file's content.
fn secret(token: Option<String>, file: Option<std::path::PathBuf>) -> Result<Secret> {
    let named = token.filter(|t| !t.is_empty());
    match (named, file.filter(|f| !f.as_os_str().is_empty())) {
        (Some(token), _) => Ok(Secret::new(token)),
        (None, Some(file)) => {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("reading the token file {}", file.display()))?;
            Ok(Secret::new(text.trim()))
        }
        (None, None) => {
            bail!("no credential: set REVERIE_TOKEN_FILE to the file that `reverie up` names, or give --token-file")
        }
    }
}

async fn up(up: Up, output: &Output) -> Result<()> {
    let settings = Settings {
        service: "reverie".into(),
        filter: up.telemetry.log,
        otlp_endpoint: up.telemetry.otlp_endpoint,
        ..Settings::default()
    };
    let _telemetry = telemetry::init(&settings).map_err(anyhow::Error::from_boxed)?;
    let cluster = Cluster::start(Options { data: up.data, port_base: up.port_base }).await?;
    output.line(&format!("Reverie is up. Data: {}", cluster.data().display()))?;
    for role in Role::ALL {
        output.line(&format!("  {:<20} {}", role.name(), cluster.role_url(role).unwrap_or_default()))?;
    }
    output.line(&format!("  {:<20} {}", "every service", cluster.url()))?;
    output.line(&format!("  {:<20} {}", "metrics", cluster.metrics_url()))?;
    output.line(&format!(
        "\nIn another shell:\n  export REVERIE_URL={} REVERIE_TOKEN_FILE={}\n  reverie whoami\n\nready",
        cluster.url(),
        std::path::absolute(cluster.token_file())?.display()
    ))?;
    told_to_stop().await?;
    output.line("stopping: open requests may finish")?;
    cluster.stop().await
}

async fn serve(arguments: Serve) -> Result<()> {
    let file = &arguments.config;
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let config = Config::parse(&text).with_context(|| format!("reading {}", file.display()))?;
    let otlp_endpoint = arguments.otlp_endpoint.unwrap_or_else(|| config.otlp.endpoint.clone());
    let settings = Settings {
        service: arguments.role.name().into(),
        filter: config.log.filter.clone(),
        format: config.log.format,
        otlp_endpoint: Some(otlp_endpoint).filter(|endpoint| !endpoint.is_empty()),
    };
    let _telemetry = telemetry::init(&settings).map_err(anyhow::Error::from_boxed)?;
    let shutdown = CancellationToken::new();
    let serving = serve::serve(arguments.role, config, shutdown.clone());
    let stop = async {
        told_to_stop().await?;
        tracing::info!(role = arguments.role.name(), "stopping: open requests may finish");
        shutdown.cancel();
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        served = serving => served,
        failed = stop => failed,
    }
}

/// SIGTERM, or Ctrl-C.
async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
