//! Forks of a large store.

use std::time::Instant;

use anyhow::Result;
use pb::operation::Operation;
use proto::memory as pb;

use crate::cluster::Cluster;
use crate::load::figures;
use crate::report::Report;

const MEMORIES: usize = 100_000;
const FORKS: usize = 100;

pub async fn measure(report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_store("large").await?;
    let mut memory = cluster.memory().await?;
    for commit in 0..MEMORIES / 1_000 {
        let write = |n: usize| {
            let path = format!("/topic-{:03}/note-{commit}-{n}.md", n % 500);
            let write = pb::Write { path, content: format!("Note {n} of {commit}\n"), ..Default::default() };
            pb::Operation { operation: Some(Operation::Write(write)), precondition: None }
        };
        let operations = (0..1_000).map(write).collect();
        memory.commit(pb::CommitRequest { store: "large".into(), operations, ..Default::default() }).await?;
    }
    let mut stores = cluster.stores().await?;
    let (mut took, started) = (Vec::new(), Instant::now());
    for number in 0..FORKS {
        let request =
            pb::ForkStoreRequest { store: "large".into(), handle: format!("fork-{number}"), ..Default::default() };
        let start = Instant::now();
        stores.fork_store(request).await?;
        took.push(start.elapsed());
    }
    let forks = figures(took, started.elapsed());
    report.row(format!("ForkStore of {MEMORIES} memories, 1 client"), forks);
    report.at_most("fork of 100,000 memories, p50 in ms", forks.p50_us / 1_000.0, 5.0);
    Ok(())
}
