//! The yardstick of a durable write: etcd's compare-and-put of the same bytes, on the same disk. etcd is what a
//! Kubernetes user would think of first; Debian has it as etcd-server.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tonic::transport::Channel;

use crate::cluster::{Process, connect, scratch, value};
use crate::load::Client;
use crate::pb::etcd::compare::{Result as Judged, Target, TargetUnion};
use crate::pb::etcd::kv_client::KvClient;
use crate::pb::etcd::request_op::Request as Op;
use crate::pb::etcd::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};

pub struct Etcd {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
}

impl Etcd {
    /// None where etcd is not installed.
    pub async fn start() -> Result<Option<Etcd>> {
        if Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let folder = scratch()?;
        let (client, peer) = (free_port()?, free_port()?);
        let url = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path().join("data"));
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url, "--listen-peer-urls", &peer]);
        command.args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("default={peer}")]);
        let process = Process::start(command.stdout(log.try_clone()?).stderr(log))?;
        let etcd = Etcd { _process: process, _folder: folder, url };
        for _ in 0..200 {
            if let Ok(channel) = connect(&etcd.url).await
                && KvClient::new(channel).range(RangeRequest { key: "ready".into() }).await.is_ok()
            {
                return Ok(Some(etcd));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("etcd did not start")
    }

    pub async fn writers(&self, count: usize) -> Result<Vec<Putter>> {
        let mut clients = Vec::new();
        for number in 0..count {
            let mut client = KvClient::new(connect(&self.url).await?);
            let key = format!("/team/notes/{number}.md");
            let found = client.range(RangeRequest { key: key.clone().into() }).await?.into_inner();
            let revision = found.kvs.first().map_or(0, |kv| kv.mod_revision);
            clients.push(Putter { client, key, revision, calls: 0 });
        }
        Ok(clients)
    }

    pub async fn readers(&self, count: usize) -> Result<Vec<Getter>> {
        let mut clients = Vec::new();
        for number in 0..count {
            clients.push(Getter {
                client: KvClient::new(connect(&self.url).await?),
                key: format!("/team/notes/{number}.md"),
            });
        }
        Ok(clients)
    }
}

pub struct Putter {
    client: KvClient<Channel>,
    key: String,
    revision: i64,
    calls: u64,
}

impl Client for Putter {
    async fn call(&mut self) -> Result<()> {
        self.calls += 1;
        let compare = Compare {
            result: Judged::Equal.into(),
            target: Target::Mod.into(),
            key: self.key.clone().into(),
            target_union: Some(TargetUnion::ModRevision(self.revision)),
        };
        let put = PutRequest { key: self.key.clone().into(), value: value(self.calls).into() };
        let op = RequestOp { request: Some(Op::RequestPut(put)) };
        let answer = self.client.txn(TxnRequest { compare: vec![compare], success: vec![op] }).await?.into_inner();
        if !answer.succeeded {
            bail!("another writer was at {}", self.key);
        }
        self.revision = answer.header.context("no header")?.revision;
        Ok(())
    }
}

pub struct Getter {
    client: KvClient<Channel>,
    key: String,
}

impl Client for Getter {
    async fn call(&mut self) -> Result<()> {
        let found = self.client.range(RangeRequest { key: self.key.clone().into() }).await?.into_inner();
        found.kvs.first().context("no value")?;
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
