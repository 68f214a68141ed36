//! A whole cluster in this process, on ports that the system chooses, with a folder of its own.

use anyhow::{Context as _, Result};
use cli::process::up::{Cluster, Options};
use client::Client;
use domain::access::Secret;
use proto::memory as pb;
use proto::memory::operation::Operation;
use tempfile::TempDir;

pub struct Running {
    pub cluster: Cluster,
    folder: TempDir,
}

impl Running {
    pub async fn start() -> Result<Running> {
        Running::start_in(TempDir::new()?).await
    }

    pub async fn start_in(folder: TempDir) -> Result<Running> {
        let cluster = Cluster::start(Options::new(folder.path())).await.context("starting the cluster")?;
        Ok(Running { cluster, folder })
    }

    /// Stops it as SIGTERM does; the data stays.
    pub async fn stop(self) -> Result<TempDir> {
        self.cluster.stop().await?;
        Ok(self.folder)
    }

    pub fn client(&self, secret: Secret) -> Client {
        Client::connect(&self.cluster.url(), secret).expect("the cluster's own address is well formed")
    }

    pub fn admin(&self) -> Client {
        let token = std::fs::read_to_string(self.folder.path().join("admin.token"))
            .expect("the admin's token is in the folder");
        self.client(Secret::new(token.trim()))
    }
}

pub fn answer<T>(result: Result<tonic::Response<T>, tonic::Status>) -> domain::Result<T> {
    result.map(tonic::Response::into_inner).map_err(|status| proto::error::from_status(&status))
}

pub async fn create_store(client: &Client, handle: &str) -> domain::Result<pb::Store> {
    let request = pb::CreateStoreRequest { handle: handle.into(), name: handle.into(), ..Default::default() };
    Ok(answer(client.stores().create_store(request).await)?.store.unwrap_or_default())
}

pub async fn write(client: &Client, store: &str, path: &str, content: &str) -> domain::Result<pb::CommitResponse> {
    let write = Operation::Write(pb::Write { path: path.into(), content: content.into(), origins: Vec::new() });
    let operation = pb::Operation { operation: Some(write), precondition: None };
    let request = pb::CommitRequest { store: store.into(), operations: vec![operation], ..Default::default() };
    answer(client.memory().commit(request).await)
}
