//! A closed loop: so many clients, each with a connection of its own, each sending its next call when the
//! last one is answered.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub time: Duration,
    pub rounds: usize,
}

/// What one loop measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Figures {
    pub calls_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// One client's side: makes calls until it is dropped or fails.
pub trait Client: Send + 'static {
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Runs all clients for `time`.
pub async fn closed_loop<C: Client>(clients: Vec<C>, time: Duration) -> Result<Figures> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    let end = started + time;
    for mut client in clients {
        tasks.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                client.call().await?;
                took.push(start.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(figures(all, started.elapsed()))
}

pub fn figures(mut took: Vec<Duration>, time: Duration) -> Figures {
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).map_or(0.0, |d| d.as_secs_f64() * 1e6);
    Figures { calls_per_s: took.len() as f64 / time.as_secs_f64(), p50_us: at(0.50), p99_us: at(0.99) }
}

/// The round in the middle, by throughput.
pub fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.calls_per_s.total_cmp(&b.calls_per_s));
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}
