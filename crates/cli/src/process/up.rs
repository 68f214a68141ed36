//! `reverie up`: all services in one process, on loopback, with their data in one folder.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use domain::access::Secret;
use runtime::config::{Config, Peers};
use runtime::server::{self, Server};
use runtime::task::{self, Task};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::role::{self, Role};

/// MiB of page cache for each service.
const CACHE_MIB: u64 = 128;
/// How long to wait for every service to say that it serves.
const READY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    /// The base port; the services take the three after it. 0 lets the system choose all of them.
    pub port_base: u16,
}

impl Options {
    /// In a folder, on ports that the system chooses.
    pub fn new(data: &Path) -> Options {
        Options { data: data.to_owned(), port_base: 0 }
    }
}

/// A running cluster. Dropping it cuts everything off; `stop` drains first.
#[derive(Debug)]
pub struct Cluster {
    base: SocketAddr,
    roles: Vec<(Role, SocketAddr)>,
    token_file: PathBuf,
    shutdown: CancellationToken,
    servers: Vec<Task<std::io::Result<()>>>,
}

impl Cluster {
    /// Starts every service, and returns when each says over the network that it serves.
    pub async fn start(options: Options) -> Result<Cluster> {
        let Options { data, port_base } = options;
        std::fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
        let shutdown = CancellationToken::new();
        let base = bind(port_base, 0).await?;
        let mut listeners = Vec::new();
        for (role, offset) in Role::ALL.into_iter().zip(1..) {
            listeners.push((role, bind(port_base, offset).await?));
        }
        let address = |n: usize| -> Result<String> { Ok(format!("http://{}", listeners[n].1.local_addr()?)) };
        let peers = Peers { memory_store: address(0)?, transcript_ingest: address(1)? };

        let token_file = data.join("admin.token");
        let (mut servers, mut roles, mut routes, mut authenticator) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (role, listener) in listeners {
            let config = Config {
                data: data.join(role.name()),
                cache_mib: CACHE_MIB,
                peers: peers.clone(),
                ..Config::default()
            };
            let given = if role == Role::MemoryStore { read_token(&token_file)? } else { None };
            let opened = role::open(role, &config, given, shutdown.clone()).await?;
            if let Some(secret) = &opened.admin {
                write_token(&token_file, secret)?;
            }
            roles.push((role, listener.local_addr()?));
            routes.push(opened.routes.clone());
            // memory-store knows by itself who calls: it is the first, and answers for the base port.
            authenticator.get_or_insert(opened.authenticator.clone());
            let server = Server::new(
                role.name(),
                opened.routes,
                role.services().iter().copied(),
                opened.authenticator,
                shutdown.clone(),
            );
            servers.push(task::spawn("serve", server.run(listener)));
        }
        let authenticator = authenticator.context("no role was opened")?;
        let services = Role::ALL.into_iter().flat_map(|r| r.services().iter().copied());
        let all = Server::new("gateway", server::merge(routes), services, authenticator, shutdown.clone());
        let base_address = base.local_addr()?;
        servers.push(task::spawn("serve", all.run(base)));

        let cluster = Cluster { base: base_address, roles, token_file, shutdown, servers };
        cluster.wait_until_serving().await?;
        cluster.write_addresses(&data)?;
        Ok(cluster)
    }

    /// The one address that a client needs.
    pub fn url(&self) -> String {
        format!("http://{}", self.base)
    }

    /// A service's own address.
    pub fn role_url(&self, role: Role) -> Option<String> {
        self.roles.iter().find(|(r, _)| *r == role).map(|(_, address)| format!("http://{address}"))
    }

    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// Fires when the cluster is told to stop.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Lets open requests finish, closes the databases, and returns.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        for server in self.servers {
            server.join().await.context("a server panicked")??;
        }
        Ok(())
    }

    async fn wait_until_serving(&self) -> Result<()> {
        let services =
            self.roles.iter().flat_map(|(role, address)| role.services().iter().map(move |s| (*address, *s)));
        let base = Role::ALL.into_iter().flat_map(|r| r.services().iter().map(|s| (self.base, *s)));
        for (address, service) in services.chain(base) {
            let serving = tokio::time::timeout(READY, serves(address, service)).await;
            serving.with_context(|| {
                format!("{service} at {address} did not begin to serve within {} s", READY.as_secs())
            })??;
        }
        Ok(())
    }

    /// DIR/up.json: where everything is, for scripts.
    fn write_addresses(&self, data: &Path) -> Result<()> {
        let services: serde_json::Map<_, _> =
            self.roles.iter().map(|(r, a)| (r.name().to_owned(), json!(format!("http://{a}")))).collect();
        let addresses =
            json!({"base": self.url(), "services": services, "pid": std::process::id(), "token_file": self.token_file});
        let (file, new) = (data.join("up.json"), data.join("up.json.new"));
        std::fs::write(&new, format!("{addresses:#}\n"))
            .and_then(|()| std::fs::rename(&new, &file))
            .with_context(|| format!("writing {}", file.display()))
    }
}

async fn bind(port_base: u16, offset: u16) -> Result<TcpListener> {
    let port = match port_base {
        0 => 0,
        base => base.checked_add(offset).context("the ports after --port-base end at 65535")?,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.with_context(|| format!("listening on {address}; choose others with --port-base"))
}

async fn serves(address: SocketAddr, service: &str) -> Result<()> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut watch = HealthClient::new(channel).watch(request).await?.into_inner();
    while let Some(answer) = watch.message().await? {
        if answer.status() == tonic_health::pb::health_check_response::ServingStatus::Serving {
            return Ok(());
        }
    }
    bail!("{service} at {address} stopped before it served")
}

fn read_token(file: &Path) -> Result<Option<Secret>> {
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim()))),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", file.display())),
    }
}

/// Only the owner may read it.
pub fn write_token(file: &Path, secret: &Secret) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("writing {}", file.display()))?;
    writeln!(out, "{}", secret.expose())?;
    Ok(out.sync_all()?)
}
