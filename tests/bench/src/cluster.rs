//! The cluster under test: the release binary, in a folder of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use proto::memory as pb;
use proto::memory::memory_service_client::MemoryServiceClient;
use proto::memory::store_service_client::StoreServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long a server may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// A process that ends with its holder.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting {program}"))?;
        Ok(Process(child))
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.0.stdout.take()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds the credential.
#[derive(Debug, Clone)]
pub struct Bearer(pub MetadataValue<Ascii>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub type Connection = InterceptedService<Channel, Bearer>;

pub struct Cluster {
    _process: Process,
    folder: tempfile::TempDir,
    /// Of every service, and of memory-store.
    every_url: String,
    url: String,
    bearer: Bearer,
}

impl Cluster {
    pub async fn start() -> Result<Cluster> {
        let folder = scratch()?;
        let data = folder.path().join("data");
        let log = std::fs::File::create(folder.path().join("log"))?;
        let binary = std::env::current_exe()?.with_file_name("reverie");
        let mut process = Process::start(
            Command::new(binary)
                .args(["up", "--port-base", "0", "--data"])
                .arg(&data)
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let deadline = tokio::time::Instant::now() + READY;
        let addresses = loop {
            if let Ok(text) = std::fs::read_to_string(data.join("up.json")) {
                break text;
            }
            if process.has_ended() || tokio::time::Instant::now() > deadline {
                bail!("reverie up did not start: {}", std::fs::read_to_string(folder.path().join("log"))?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let addresses: serde_json::Value = serde_json::from_str(&addresses)?;
        let every_url = addresses["base"].as_str().context("up.json")?.to_owned();
        let url = addresses["services"]["memory-store"].as_str().context("up.json")?.to_owned();
        let token = std::fs::read_to_string(data.join("admin.token"))?;
        let bearer = Bearer(format!("Bearer {}", token.trim()).parse()?);
        Ok(Cluster { _process: process, folder, every_url, url, bearer })
    }

    /// A connection of its own.
    pub async fn connect(&self) -> Result<Connection> {
        Ok(InterceptedService::new(connect(&self.url).await?, self.bearer.clone()))
    }

    pub async fn memory(&self) -> Result<MemoryServiceClient<Connection>> {
        Ok(MemoryServiceClient::new(self.connect().await?))
    }

    pub async fn stores(&self) -> Result<StoreServiceClient<Connection>> {
        Ok(StoreServiceClient::new(self.connect().await?))
    }

    pub async fn create_store(&self, handle: &str) -> Result<()> {
        let request = pb::CreateStoreRequest { handle: handle.into(), ..Default::default() };
        self.stores().await?.create_store(request).await?;
        Ok(())
    }

    pub fn every_url(&self) -> &str {
        &self.every_url
    }

    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("data/admin.token")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

pub async fn connect(url: &str) -> Result<Channel> {
    Ok(Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true).connect().await?)
}

/// A folder on the disk that the project is on: every contender writes there.
pub fn scratch() -> Result<tempfile::TempDir> {
    std::fs::create_dir_all("target/bench")?;
    Ok(tempfile::tempdir_in("target/bench")?)
}

/// A text of a value's size, other for each number.
pub fn value(number: u64) -> String {
    let mut text = format!("# Note {number}\n\n");
    while text.len() < crate::VALUE_BYTES {
        text.push_str("The disk of the primary was full; the replica took over.\n");
    }
    text.truncate(crate::VALUE_BYTES);
    text
}
