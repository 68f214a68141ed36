//! What watchers cost writers: commits at a steady pace beside a thousand watchers, and beside none.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pb::operation::Operation;
use pb::watch_store_response::Event;
use proto::memory as pb;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, value};
use crate::load::{Figures, Run, figures, median};
use crate::report::Report;

const STORE: &str = "watched";
const WATCHERS: usize = 1_000;
/// The path of the commit after which watchers end.
const LAST: &str = "/last.md";
const WATCHERS_PER_CONNECTION: usize = 100;
/// Between two commits: a thousand watchers on the writer's own machine must be able to read along.
const PACE: Duration = Duration::from_millis(100);
/// How long the slow watcher takes for what the others take 20 us for, about.
const SLOW: Duration = Duration::from_millis(20);

pub async fn measure(run: Run, report: &mut Report) -> Result<()> {
    let cluster = Cluster::start().await?;
    cluster.create_store(STORE).await?;
    let (mut alone, mut watched, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..run.rounds {
        alone.push(commits(&cluster, run.time, &mut Vec::new()).await?);
        let mut sent = Vec::new();
        let watchers = watch(&cluster).await?;
        watched.push(commits(&cluster, run.time, &mut sent).await?);
        late.push(delivered(watchers, &sent, run.time).await?);
        ensure!(!sent.is_empty(), "no commit in round {round}");
    }
    let (alone, watched, late) = (median(alone), median(watched), median(late));
    report.row("Commit, 10 a second, no watcher", alone);
    report.row(format!("Commit, 10 a second, {WATCHERS} watchers and a slow one"), watched);
    report.row(format!("acknowledgement to delivery, {WATCHERS} watchers"), late);
    report.at_most(format!("commit p50 beside {WATCHERS} watchers / beside none"), watched.p50_us / alone.p50_us, 1.5);
    Ok(())
}

/// One writer, at the pace. Collects when each revision was acknowledged.
async fn commits(cluster: &Cluster, time: Duration, sent: &mut Vec<(u64, Instant)>) -> Result<Figures> {
    let mut client = cluster.memory().await?;
    let (mut took, started) = (Vec::new(), Instant::now());
    let mut pace = tokio::time::interval(PACE);
    while started.elapsed() < time {
        pace.tick().await;
        let request = write("/note.md", value(took.len() as u64));
        let start = Instant::now();
        let revision = client.commit(request).await?.into_inner().revision;
        took.push(start.elapsed());
        sent.push((revision, Instant::now()));
    }
    // Tells watchers that it was the last.
    let number = sent.last().map_or(0, |(revision, _)| *revision);
    client.commit(write(LAST, value(number))).await?;
    Ok(figures(took, time))
}

fn write(path: &str, content: String) -> pb::CommitRequest {
    let write = pb::Write { path: path.into(), content, ..Default::default() };
    let operations = vec![pb::Operation { operation: Some(Operation::Write(write)), precondition: None }];
    pb::CommitRequest { store: STORE.into(), operations, ..Default::default() }
}

type Seen = Vec<(u64, Instant)>;

async fn watch(cluster: &Cluster) -> Result<JoinSet<Result<Seen>>> {
    let mut tasks = JoinSet::new();
    let mut client = cluster.memory().await?;
    for number in 0..=WATCHERS {
        let slow = number == WATCHERS;
        if number % WATCHERS_PER_CONNECTION == 0 {
            client = cluster.memory().await?;
        }
        let request = pb::WatchStoreRequest { store: STORE.into(), ..Default::default() };
        let mut stream = client.watch_store(request).await?.into_inner();
        tasks.spawn(async move {
            let mut seen = Seen::new();
            while let Some(message) = stream.message().await? {
                let Some(Event::Commit(commit)) = message.event else { continue };
                seen.push((commit.revision, Instant::now()));
                if commit.versions.iter().any(|version| version.path == LAST) {
                    break;
                }
                if slow {
                    tokio::time::sleep(SLOW).await;
                }
            }
            // The slow one counts for nothing but that it is there.
            Ok(if slow { Seen::new() } else { seen })
        });
    }
    Ok(tasks)
}

/// How long after its acknowledgement each commit reached each watcher.
async fn delivered(mut watchers: JoinSet<Result<Seen>>, sent: &[(u64, Instant)], time: Duration) -> Result<Figures> {
    let mut late = Vec::new();
    while let Some(seen) = watchers.join_next().await {
        for (revision, at) in seen?? {
            // A watcher may hear of a commit before its writer does.
            if let Ok(n) = sent.binary_search_by_key(&revision, |(revision, _)| *revision) {
                late.push(at.saturating_duration_since(sent[n].1));
            }
        }
    }
    Ok(figures(late, time))
}
