//! `reverie serve --role ROLE`: one service of a cluster, configured by one file.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use runtime::config::Config;
use runtime::metrics::Metrics;
use runtime::task;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::admin::AdminToken;
use crate::process::measure;
use crate::process::role::{self, Role};
use crate::process::scrub;

/// Serves until `shutdown` fires.
pub async fn serve(role: Role, config: Config, shutdown: CancellationToken) -> Result<()> {
    let admin = admin_token(role, &config)?;
    let opened = role::open(role, &config, &admin, shutdown.clone()).await?;
    let metrics = Metrics::new()?;
    let _scrub =
        task::spawn("scrub", scrub::daily(role.name(), opened.vault.clone(), metrics.clone(), shutdown.clone()));
    let _measure =
        task::spawn("measure", measure::regularly(role.name(), config.data.clone(), metrics.clone(), shutdown.clone()));
    let _metrics = match config.metrics.address()? {
        Some(address) => {
            let listener =
                TcpListener::bind(address).await.with_context(|| format!("listening on {address} for metrics"))?;
            Some(task::spawn("metrics", metrics.clone().serve(listener, shutdown.clone())))
        }
        None => None,
    };
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listening on {}", config.listen))?;
    tracing::info!(role = role.name(), address = %listener.local_addr()?, "serving");
    Ok(opened.server(role, shutdown).metrics(metrics).run(listener).await?)
}

/// Beyond loopback memory-store needs a token that somebody chose to give it.
fn admin_token(role: Role, config: &Config) -> Result<AdminToken> {
    let file = &config.admin.token_file;
    if file != Path::new("") {
        return Ok(AdminToken::Given(file.clone()));
    }
    if role == Role::MemoryStore && !config.listen.ip().is_loopback() {
        bail!("listen = {} is not loopback: name the admin's token in admin.token_file first", config.listen);
    }
    Ok(AdminToken::Made(config.data.join("admin.token")))
}
