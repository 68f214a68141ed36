//! `reverie up`: all services in one process, on loopback, with their data in one folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use runtime::config::{Config, Peers};
use runtime::metrics::Metrics;
use runtime::server::{self, Server};
use runtime::task::Group;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::process::admin::AdminToken;
use crate::process::measure;
use crate::process::role::{self, Role};
use crate::process::scrub;

/// Where everything is, as JSON, while the cluster runs.
const ADDRESSES: &str = "up.json";
/// MiB of page cache for each service.
const CACHE_MIB: u64 = 128;
/// MiB that each service keeps on the disk for the day when it is full.
const BALLAST_MIB: u64 = 16;
/// How long to wait for every service to say that it serves.
const READY: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Options {
    pub data: PathBuf,
    /// The base port; the services and the metrics take the four after it. 0 lets the system choose all of them.
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
    data: PathBuf,
    shutdown: CancellationToken,
    servers: Group<io::Result<()>>,
    scrubs: Group,
    metrics: SocketAddr,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Cluster {
    /// Starts every service, and returns when each says over the network that it serves.
    pub async fn start(options: Options) -> Result<Cluster> {
        let Options { data, port_base } = options;
        storage::durable::make_folder(&data).with_context(|| format!("making {}", data.display()))?;
        let lock = lock(&data)?;
        let shutdown = CancellationToken::new();
        let base = bind(port_base, 0).await?;
        let mut listeners = Vec::new();
        for (role, offset) in Role::ALL.into_iter().zip(1..) {
            listeners.push((role, bind(port_base, offset).await?));
        }
        let metrics_listener = bind(port_base, Role::ALL.len() as u16 + 1).await?;
        let metrics = Metrics::new()?;
        let address = |n: usize| -> Result<String> { Ok(format!("http://{}", listeners[n].1.local_addr()?)) };
        let peers = Peers { memory_store: address(0)?, transcript_ingest: address(1)? };
        let mut cluster = Cluster {
            base: base.local_addr()?,
            roles: Vec::new(),
            data,
            shutdown: shutdown.clone(),
            servers: Group::default(),
            scrubs: Group::default(),
            metrics: metrics_listener.local_addr()?,
            _lock: lock,
        };

        let admin = AdminToken::Made(cluster.token_file());
        let (mut routes, mut authenticator) = (Vec::new(), None);
        for (role, listener) in listeners {
            let data = cluster.data.join(role.name());
            let config = Config {
                data,
                cache_mib: CACHE_MIB,
                ballast_mib: BALLAST_MIB,
                peers: peers.clone(),
                ..Config::default()
            };
            let opened = role::open(role, &config, &admin, shutdown.clone()).await?;
            cluster.roles.push((role, listener.local_addr()?));
            routes.push(opened.routes.clone());
            cluster
                .scrubs
                .spawn("scrub", scrub::daily(role.name(), opened.vault.clone(), metrics.clone(), shutdown.clone()));
            cluster
                .scrubs
                .spawn("measure", measure::regularly(role.name(), config.data, metrics.clone(), shutdown.clone()));
            // memory-store knows by itself who calls: it is the first, and answers for the base port.
            authenticator.get_or_insert(opened.authenticator.clone());
            cluster
                .servers
                .spawn("serve", opened.server(role, shutdown.clone()).metrics(metrics.clone()).run(listener));
        }
        let authenticator = authenticator.context("no role was opened")?;
        let services = Role::ALL.into_iter().flat_map(|r| r.services().iter().copied());
        let all = Server::new("all", server::merge(routes), services, authenticator, shutdown.clone());
        cluster.servers.spawn("serve", all.metrics(metrics.clone()).run(base));
        cluster.servers.spawn("metrics", metrics.serve(metrics_listener, shutdown));

        cluster.wait_until_serving().await?;
        cluster.write_addresses()?;
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

    /// Where Prometheus finds the metrics.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.metrics)
    }

    /// The folder of all data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The file of the admin's token.
    pub fn token_file(&self) -> PathBuf {
        self.data.join("admin.token")
    }

    /// Lets open requests finish, closes the databases, and returns.
    pub async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        let addresses = self.data.join(ADDRESSES);
        for ended in self.servers.join().await {
            ended.context("a server panicked")??;
        }
        // They hold the databases too.
        self.scrubs.join().await;
        fs::remove_file(&addresses).with_context(|| format!("removing {}", addresses.display()))
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
    fn write_addresses(&self) -> Result<()> {
        let services = self.roles.iter().map(|(role, at)| (role.name().to_owned(), json!(format!("http://{at}"))));
        let services: serde_json::Map<_, _> = services.collect();
        let addresses = json!({
            "base": self.url(),
            "services": services,
            "metrics": self.metrics_url(),
            "pid": std::process::id(),
            "token_file": std::path::absolute(self.token_file())?,
        });
        let file = self.data.join(ADDRESSES);
        let new = file.with_added_extension("new");
        fs::write(&new, format!("{addresses:#}\n"))
            .and_then(|()| fs::rename(&new, &file))
            .with_context(|| format!("writing {}", file.display()))
    }
}

/// Keeps the folder for this process: two clusters on one would each lack what the other holds.
pub fn lock(data: &Path) -> Result<File> {
    let file = data.join("lock");
    let lock = File::create(&file).with_context(|| format!("writing {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let running = fs::read_to_string(data.join(ADDRESSES)).ok();
            let pid = running.and_then(|text| serde_json::from_str::<Value>(&text).ok()?.get("pid")?.as_u64());
            let whose = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            bail!("another reverie{whose} is using {}: stop it, or name another folder with --data", data.display());
        }
        Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("locking {}", file.display())),
    }
    // What a process that was killed has left says nothing any more.
    match fs::remove_file(data.join(ADDRESSES)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(lock),
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
