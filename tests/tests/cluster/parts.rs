//! A cluster in parts: each service in a process of its own, as far as one test process can have it:
//! on a runtime that can be killed, over an engine that outlives it and fails when it is told to.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use client::Client;
use client::auth::WhoAmI;
use domain::access::{Authenticator, Secret};
use domain::{Clock, Timestamp};
use dream_orchestrator::{DreamOrchestrator, Endpoints, Timing};
use memory_store::MemoryStore;
use reverie_tests::faulty::{EngineClock, Faulty};
use runtime::clock::{SystemClock, SystemIds};
use runtime::server::Server;
use storage::Vault;
use storage::engine::{Direction, Engine, Key, Range, Value};
use storage::keyring::Keyring;
use storage::volatile::Volatile;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use transcript_ingest::TranscriptIngest;

/// Longer than any lease.
pub const LONG: Duration = Duration::from_secs(3_600);

/// Leases last, unless the engine's clock is moved; everything else goes fast.
pub const TIMING: Timing = Timing {
    lease: Duration::from_secs(60),
    look: Duration::from_millis(20),
    wait_min: Duration::from_millis(10),
    wait_max: Duration::from_millis(200),
    patience: Duration::from_secs(30),
};

/// One process. Dropping it kills it.
pub struct Process {
    pub address: SocketAddr,
    shutdown: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Process {
    /// Opens a service and serves it. Returns what `open` gives beside.
    async fn start<T, F>(
        listener: TcpListener,
        open: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Result<(Process, T)>
    where
        T: Send + 'static,
        F: Future<Output = Result<(Routes, Arc<dyn Authenticator>, T)>> + Send,
    {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (shutdown, stop) = (CancellationToken::new(), CancellationToken::new());
        let (opened, ready) = tokio::sync::oneshot::channel();
        let service_shutdown = shutdown.clone();
        runtime.spawn(async move {
            let made = open(service_shutdown).await.map(|(routes, authenticator, beside)| {
                let server = Server::new("part", routes, Vec::<String>::new(), authenticator, stop);
                (server, beside)
            });
            match made {
                Ok((server, beside)) => {
                    let _ = opened.send(Ok(beside));
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    server.run(listener).await
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                    Ok(())
                }
            }
        });
        let process = Process { address, shutdown, runtime: Some(runtime) };
        Ok((process, ready.await.context("the service did not open")??))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells it to stop, as SIGTERM does.
    pub fn stop(&self) {
        self.shutdown.cancel();
    }

    /// As kill -9 does.
    pub fn kill(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A listener at the address of a process that was killed, once it is gone.
pub async fn listen_at(address: SocketAddr) -> Result<TcpListener> {
    for _ in 0..1_000 {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(Duration::from_millis(10)).await,
            bound => return Ok(bound?),
        }
    }
    anyhow::bail!("{address} is not let go")
}

pub fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
}

/// memory-store and transcript-ingest, and the admin of both.
pub struct Parts {
    pub memory: Option<Process>,
    pub memory_address: SocketAddr,
    memory_vault: Vault,
    transcript: Process,
    pub transcript_rows: Arc<dyn Engine>,
    pub admin: Secret,
    pub timing: Timing,
    /// What dream-orchestrators take for the time of day.
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    pub async fn start() -> Result<Parts> {
        let memory_vault = storage::volatile_vault().await?;
        let (memory, admin) = serve_memory(listen()?, memory_vault.clone()).await?;
        let transcript_rows = Volatile::new();
        let vault = Vault::open(transcript_rows.clone(), Keyring::ephemeral()?).await?;
        let authenticator = who_am_i(&memory.url())?;
        let transcript = Process::start(listen()?, async move |shutdown| {
            let service = TranscriptIngest::open(vault, Arc::new(SystemClock), Arc::new(SystemIds), shutdown).await?;
            Ok((service.routes(), authenticator, ()))
        });
        let (transcript, ()) = transcript.await?;
        Ok(Parts {
            memory_address: memory.address,
            memory: Some(memory),
            memory_vault,
            transcript,
            transcript_rows,
            admin: admin.context("the admin's token is made once")?,
            timing: TIMING,
            clock: Arc::new(SystemClock),
        })
    }

    /// Starts memory-store again, where it was.
    pub async fn restart_memory(&mut self) -> Result<()> {
        let listener = listen_at(self.memory_address).await?;
        self.memory = Some(serve_memory(listener, self.memory_vault.clone()).await?.0);
        Ok(())
    }

    pub fn stores(&self) -> Result<Client> {
        self.stores_as(self.admin.clone())
    }

    pub fn stores_as(&self, secret: Secret) -> Result<Client> {
        Ok(Client::connect(&format!("http://{}", self.memory_address), secret)?)
    }

    pub fn sessions(&self) -> Result<Client> {
        Ok(Client::connect(&self.transcript.url(), self.admin.clone())?)
    }

    /// A dream-orchestrator of its own on the journal, beside those that are there.
    pub async fn orchestrator(&self, journal: &Journal) -> Result<Orchestrator> {
        let engine = Faulty::new(journal.rows.clone(), journal.clock.clone());
        let vault = Vault::open(engine.clone(), Keyring::open(journal.keys.path())?).await?;
        let authenticator = who_am_i(&format!("http://{}", self.memory_address))?;
        let endpoints =
            Endpoints { memory: format!("http://{}", self.memory_address), transcript: self.transcript.url() };
        let (opened, clock, timing) = (vault.clone(), self.clock.clone(), self.timing);
        let process = Process::start(listen()?, async move |shutdown| {
            let ids = Arc::new(SystemIds);
            let service = DreamOrchestrator::open_timed(opened, clock, ids, endpoints, timing, shutdown).await?;
            Ok((service.routes(), authenticator, ()))
        });
        let (process, ()) = process.await?;
        let client = Client::connect(&process.url(), self.admin.clone())?;
        Ok(Orchestrator { client, engine, vault, process })
    }
}

async fn serve_memory(listener: TcpListener, vault: Vault) -> Result<(Process, Option<Secret>)> {
    Process::start(listener, async move |shutdown| {
        let service = MemoryStore::open(vault, Arc::new(SystemClock), Arc::new(SystemIds), shutdown).await?;
        let admin = service.bootstrap_admin("admin", None).await?;
        Ok((service.routes(), service.authenticator(), admin))
    })
    .await
}

fn who_am_i(memory: &str) -> Result<Arc<dyn Authenticator>> {
    Ok(Arc::new(WhoAmI::new(Client::connect(memory, Secret::new(""))?)))
}

/// What dream-orchestrators share, and what is left when they are killed.
pub struct Journal {
    pub rows: Arc<dyn Engine>,
    pub clock: Arc<EngineClock>,
    keys: TempDir,
}

impl Journal {
    pub fn new() -> Result<Journal> {
        Ok(Journal { rows: Volatile::new(), clock: Arc::default(), keys: TempDir::new()? })
    }

    /// The rows of a kind.
    pub async fn rows(&self, kind: u8) -> Result<Vec<(Key, Value)>> {
        Ok(self.rows.scan(Range::prefix(&[kind]), usize::MAX, Direction::Ascending).await?)
    }
}

/// One dream-orchestrator.
pub struct Orchestrator {
    pub client: Client,
    pub engine: Arc<Faulty>,
    pub vault: Vault,
    pub process: Process,
}

/// A time of day that a test sets.
#[derive(Debug, Default)]
pub struct SetClock(std::sync::atomic::AtomicI64);

impl SetClock {
    pub fn advance_h(&self, hours: i64) {
        self.0.fetch_add(hours * 3_600, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let ahead_s = self.0.load(std::sync::atomic::Ordering::SeqCst);
        SystemClock.now() + jiff::SignedDuration::from_secs(ahead_s)
    }
}
