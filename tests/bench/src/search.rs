//! Searches of many memories: the first, which reads them, those after it, and those after a commit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pb::operation::Operation;
use proto::memory as pb;
use proto::memory::memory_service_client::MemoryServiceClient;

use crate::cluster::{Cluster, Connection};
use crate::load::{Client, Run, closed_loop, figures, median};
use crate::notes;
use crate::report::Report;

const MEMORIES: usize = 10_000;
const STORE: &str = "notes";
const CLIENTS: usize = 8;
const QUERIES: [&str; 6] = [
    "why did the checkout gateway refuse connections",
    "replica promoted",
    "\"lost its lease\" queue",
    "db-17.prod +certificate -rollback",
    "certificate rotated path:/backup",
    "what to do when the primary runs out of memory",
];

struct Searcher {
    client: MemoryServiceClient<Connection>,
    calls: usize,
}

impl Client for Searcher {
    async fn call(&mut self) -> Result<()> {
        self.calls += 1;
        let query = QUERIES[self.calls % QUERIES.len()];
        let request = pb::SearchRequest { stores: vec![STORE.into()], query: query.into(), ..Default::default() };
        let found = self.client.search(request).await?.into_inner();
        ensure!(!found.results.is_empty(), "{query}: nothing was found");
        Ok(())
    }
}

async fn searchers(cluster: &Cluster, count: usize) -> Result<Vec<Searcher>> {
    let mut searchers = Vec::new();
    for calls in 0..count {
        searchers.push(Searcher { client: cluster.memory().await?, calls });
    }
    Ok(searchers)
}

pub async fn measure(run: Run, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    notes::store(&cluster, STORE, MEMORIES).await?;
    let started = Instant::now();
    searchers(&cluster, 1).await?[0].call().await?;
    let first = started.elapsed();
    report.note(format!("the first Search of {MEMORIES} memories took {:.0} ms", first.as_secs_f64() * 1e3));
    for clients in [1, CLIENTS] {
        let mut rounds = Vec::new();
        for _ in 0..run.rounds {
            rounds.push(closed_loop(searchers(&cluster, clients).await?, run.time).await?);
        }
        let s = if clients == 1 { "" } else { "s" };
        report.row(format!("Search of {MEMORIES} memories, {clients} client{s}"), median(rounds));
    }
    after_commits(run.time, &cluster, report).await
}

/// Each search sees the commit before it.
async fn after_commits(time: Duration, cluster: &Cluster, report: &mut Report) -> Result<()> {
    let mut client = cluster.memory().await?;
    let (mut took, started) = (Vec::new(), Instant::now());
    while started.elapsed() < time {
        let word = format!("commit{}", took.len());
        let write = pb::Write { path: "/new.md".into(), content: format!("{word}\n"), ..Default::default() };
        let operations = vec![pb::Operation { operation: Some(Operation::Write(write)), precondition: None }];
        client.commit(pb::CommitRequest { store: STORE.into(), operations, ..Default::default() }).await?;
        let request = pb::SearchRequest { stores: vec![STORE.into()], query: word, ..Default::default() };
        let start = Instant::now();
        let found = client.search(request).await?.into_inner();
        took.push(start.elapsed());
        ensure!(found.results.len() == 1, "a search does not see the commit before it");
    }
    let all = took.iter().sum();
    report.row("Search after each commit, 1 client", figures(took, all));
    Ok(())
}
