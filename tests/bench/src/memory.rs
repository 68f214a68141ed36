//! Durable commits and reads of memories, beside an echo and etcd.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pb::operation::Operation;
use pb::precondition::Condition;
use proto::memory as pb;
use proto::memory::memory_service_client::MemoryServiceClient;

use crate::cluster::{Cluster, Connection, value};
use crate::echo::Echo;
use crate::etcd::Etcd;
use crate::load::{Client, Figures, Run, closed_loop, median};
use crate::report::Report;

const MANY: usize = 64;

/// A writer of one memory: compare and put, as an agent does that edits its notes.
struct Writer {
    client: MemoryServiceClient<Connection>,
    store: String,
    path: String,
    version: Option<String>,
    calls: u64,
}

impl Client for Writer {
    async fn call(&mut self) -> Result<()> {
        self.calls += 1;
        let expected = match self.version.take() {
            Some(version) => Condition::VersionId(version),
            None => Condition::Absent(true),
        };
        let write = pb::Write { path: self.path.clone(), content: value(self.calls), ..Default::default() };
        let operation = pb::Operation {
            operation: Some(Operation::Write(write)),
            precondition: Some(pb::Precondition { condition: Some(expected) }),
        };
        let request =
            pb::CommitRequest { store: self.store.clone(), operations: vec![operation], ..Default::default() };
        let answer = self.client.commit(request).await?.into_inner();
        self.version = Some(answer.versions.into_iter().next().context("a commit without versions")?.id);
        Ok(())
    }
}

struct Reader {
    client: MemoryServiceClient<Connection>,
    request: pb::GetMemoryRequest,
}

impl Client for Reader {
    async fn call(&mut self) -> Result<()> {
        let memory = self.client.get_memory(self.request.clone()).await?.into_inner().memory.context("no memory")?;
        if memory.content.len() != crate::VALUE_BYTES {
            bail!("read {} bytes", memory.content.len());
        }
        Ok(())
    }
}

async fn writers(cluster: &Cluster, count: usize, stores: usize, folder: &str) -> Result<Vec<Writer>> {
    let mut clients = Vec::new();
    for number in 0..count {
        let (store, path) = (format!("bench-{}", number % stores), format!("/{folder}/{number}.md"));
        clients.push(Writer { client: cluster.memory().await?, store, path, version: None, calls: 0 });
    }
    Ok(clients)
}

async fn readers(cluster: &Cluster, count: usize, folder: &str) -> Result<Vec<Reader>> {
    let mut clients = Vec::new();
    for number in 0..count {
        let path = format!("/{folder}/{number}.md");
        let memory = Some(pb::get_memory_request::Memory::Path(path));
        let request = pb::GetMemoryRequest { store: "bench-0".into(), memory, revision: 0 };
        clients.push(Reader { client: cluster.memory().await?, request });
    }
    Ok(clients)
}

#[derive(Default)]
struct Rounds {
    echo: Vec<Figures>,
    etcd_put: Vec<Figures>,
    commit: Vec<Figures>,
    commit_spread: Vec<Figures>,
    etcd_get: Vec<Figures>,
    get: Vec<Figures>,
}

pub async fn measure(run: Run, report: &mut Report) -> Result<()> {
    let (cluster, echo, etcd) = (Cluster::start().await?, Echo::start()?, Etcd::start().await?);
    for number in 0..MANY {
        cluster.create_store(&format!("bench-{number}")).await?;
    }
    if etcd.is_none() {
        report.note("etcd is not installed (Debian: etcd-server): its gates are not judged");
    }
    for clients in [1, MANY] {
        let rounds = rounds(run, &cluster, &echo, etcd.as_ref(), clients).await?;
        judge(report, clients, rounds);
    }
    under_load(run, &cluster, report).await
}

/// Each contender in turn, round by round, so that a change of the machine's mood meets all of them.
async fn rounds(run: Run, cluster: &Cluster, echo: &Echo, etcd: Option<&Etcd>, clients: usize) -> Result<Rounds> {
    let mut rounds = Rounds::default();
    for round in 0..run.rounds {
        let folder = format!("c{clients}r{round}");
        rounds.echo.push(closed_loop(echo.clients(clients).await?, run.time).await?);
        if let Some(etcd) = etcd {
            rounds.etcd_put.push(closed_loop(etcd.writers(clients).await?, run.time).await?);
        }
        rounds.commit.push(closed_loop(writers(cluster, clients, 1, &folder).await?, run.time).await?);
        if clients > 1 {
            let spread = writers(cluster, clients, MANY, &format!("{folder}s")).await?;
            rounds.commit_spread.push(closed_loop(spread, run.time).await?);
        }
        if let Some(etcd) = etcd {
            rounds.etcd_get.push(closed_loop(etcd.readers(clients).await?, run.time).await?);
        }
        rounds.get.push(closed_loop(readers(cluster, clients, &folder).await?, run.time).await?);
    }
    Ok(rounds)
}

fn judge(report: &mut Report, clients: usize, rounds: Rounds) {
    let s = if clients == 1 { "" } else { "s" };
    let mut row = |what: &str, figures: Vec<Figures>| {
        let figures = median(figures);
        if figures.calls_per_s > 0.0 {
            report.row(format!("{what}, {clients} client{s}"), figures);
        }
        figures
    };
    let echo = row("echo", rounds.echo);
    let etcd_put = row("etcd compare-and-put", rounds.etcd_put);
    let commit = row("Commit, one store", rounds.commit);
    row("Commit, a store each", rounds.commit_spread);
    row("etcd get", rounds.etcd_get);
    let get = row("GetMemory", rounds.get);
    let judged = etcd_put.calls_per_s > 0.0;
    if clients == 1 {
        if judged {
            report.at_most("one client's commit p50 / etcd's", commit.p50_us / etcd_put.p50_us, 1.0);
        }
    } else {
        if judged {
            report.at_least(
                "commits/s of one store / etcd's",
                commit.calls_per_s / etcd_put.calls_per_s,
                1.2,
                Some(1.8),
            );
            report.at_most("commit p99 / etcd's", commit.p99_us / etcd_put.p99_us, 1.0);
        }
        report.at_least("GetMemory/s / echo/s", get.calls_per_s / echo.calls_per_s, 0.70, Some(0.85));
    }
}

/// Reads beside writers, half of the clients each.
async fn under_load(run: Run, cluster: &Cluster, report: &mut Report) -> Result<()> {
    let time = run.time + Duration::from_secs(1);
    let folder = format!("c{MANY}r0");
    let writers = closed_loop(writers(cluster, MANY / 2, 1, "under-load").await?, time);
    let readers = closed_loop(readers(cluster, MANY / 2, &folder).await?, run.time);
    let (writes, reads) = tokio::try_join!(writers, readers)?;
    report.row(format!("Commit beside reads, {} clients", MANY / 2), writes);
    report.row(format!("GetMemory beside commits, {} clients", MANY / 2), reads);
    if !cluster.log().contains(" ERROR ") { Ok(()) } else { bail!("the cluster logged errors: {}", cluster.log()) }
}
