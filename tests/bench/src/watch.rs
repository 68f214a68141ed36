//! From a commit to its watchers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use pb::operation::Operation;
use pb::watch_store_response::Event;
use proto::memory as pb;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, value};
use crate::load::{Run, figures};
use crate::report::Report;

const WRITERS: usize = 8;
const WATCHERS: usize = 16;

/// The time at which each commit was sent is the memory's content; a watcher that sees its revision looks it up.
pub async fn measure(run: Run, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_store("watched").await?;
    let acknowledged: Arc<Mutex<Vec<(u64, Instant)>>> = Arc::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut watchers = JoinSet::new();
    for _ in 0..WATCHERS {
        let mut client = cluster.memory().await?;
        let stop = stop.clone();
        let request = pb::WatchStoreRequest { store: "watched".into(), ..Default::default() };
        let mut stream = client.watch_store(request).await?.into_inner();
        watchers.spawn(async move {
            let mut seen = Vec::new();
            while let Some(message) = stream.message().await? {
                if let Some(Event::Commit(commit)) = message.event {
                    seen.push((commit.revision, Instant::now()));
                    if stop.load(Ordering::Relaxed) && commit.versions.iter().any(|v| v.path == "/last.md") {
                        break;
                    }
                }
            }
            anyhow::Ok(seen)
        });
    }
    let mut writers = JoinSet::new();
    let end = Instant::now() + run.time;
    for writer in 0..WRITERS {
        let (mut client, acknowledged) = (cluster.memory().await?, acknowledged.clone());
        writers.spawn(async move {
            let mut number = 0;
            while Instant::now() < end {
                number += 1;
                let revision = write(&mut client, &format!("/{writer}.md"), value(number)).await?;
                acknowledged.lock().await.push((revision, Instant::now()));
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    stop.store(true, Ordering::Relaxed);
    write(&mut cluster.memory().await?, "/last.md", "The end.\n".into()).await?;
    let mut acknowledged = acknowledged.lock().await.clone();
    acknowledged.sort_by_key(|(revision, _)| *revision);
    let mut late = Vec::new();
    while let Some(seen) = watchers.join_next().await {
        let seen = seen??;
        for (revision, at) in seen {
            // A watcher may hear of a commit before its writer does.
            if let Ok(n) = acknowledged.binary_search_by_key(&revision, |(revision, _)| *revision) {
                late.push(at.saturating_duration_since(acknowledged[n].1));
            }
        }
    }
    let delivered = figures(late, run.time);
    report.row(format!("acknowledgement to delivery, {WATCHERS} watchers, {WRITERS} writers"), delivered);
    report.at_most("watch: acknowledgement to delivery, p99 in ms", delivered.p99_us / 1_000.0, 50.0);
    Ok(())
}

async fn write(
    client: &mut pb::memory_service_client::MemoryServiceClient<crate::cluster::Connection>,
    path: &str,
    content: String,
) -> Result<u64> {
    let write = pb::Write { path: path.into(), content, ..Default::default() };
    let operations = vec![pb::Operation { operation: Some(Operation::Write(write)), precondition: None }];
    let request = pb::CommitRequest { store: "watched".into(), operations, ..Default::default() };
    Ok(client.commit(request).await?.into_inner().revision)
}
