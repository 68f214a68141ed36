//! `reverie serve --role ROLE`: one service of a cluster, configured by one file.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use domain::access::Secret;
use runtime::config::Config;
use runtime::server::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::role::{self, Role};
use super::up::write_token;

/// Serves until `shutdown` fires.
pub async fn serve(role: Role, config: Config, shutdown: CancellationToken) -> Result<()> {
    let given = admin_token(role, &config)?;
    let opened = role::open(role, &config, given, shutdown.clone()).await?;
    if let Some(secret) = &opened.admin {
        let file = config.data.join("admin.token");
        write_token(&file, secret)?;
        tracing::info!(file = %file.display(), "made the admin's token");
    }
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listening on {}", config.listen))?;
    tracing::info!(role = role.name(), address = %listener.local_addr()?, "serving");
    let server =
        Server::new(role.name(), opened.routes, role.services().iter().copied(), opened.authenticator, shutdown);
    Ok(server.run(listener).await?)
}

/// The admin's token from its file. Beyond loopback a server needs one that somebody chose to give it.
fn admin_token(role: Role, config: &Config) -> Result<Option<Secret>> {
    let file = &config.admin.token_file;
    if role != Role::MemoryStore {
        return Ok(None);
    }
    if file == Path::new("") {
        if !config.listen.ip().is_loopback() {
            bail!("listen = {} is not loopback: name the admin's token in admin.token_file first", config.listen);
        }
        return Ok(None);
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("reading admin.token_file {}", file.display()))?;
    Ok(Some(Secret::new(text.trim())))
}
