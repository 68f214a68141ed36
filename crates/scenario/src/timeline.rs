//! What monitoring saw in one window: decoy events at random moments, and what was planted.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// One line of the monitoring feed.
#[derive(Debug, Clone)]
pub struct Entry {
    pub time: Timestamp,
    pub text: String,
}

/// Kinds of event that mean nothing: each comes at its own random moments.
const DECOYS: [&str; 22] = [
    "deploy service=search-api version=v{n} status=complete",
    "cron job=billing-rollup status=started run={n}",
    "cron job=log-compaction status=finished seconds={n}",
    "gc_pause service=catalog-api ms={n}",
    "cert_renewal host=edge-{h} days_left={n}",
    "config_reload service=gateway revision={n}",
    "autoscale group=web size={n}",
    "dns_refresh zone=internal records={n}",
    "queue_depth queue=email depth={n}",
    "cache_evictions node=cache-{h} keys={n}",
    "disk_usage host=log-{h} percent={n}",
    "node_drain node=worker-{h} pods={n}",
    "replica_lag db=reports-db ms={n}",
    "backup job=catalog-db status=finished gib={n}",
    "login_rate_limited tenant=t{n}",
    "feature_flag flag=new-cart rollout={n}",
    "ALERT name=EmailQueueBacklog state=firing depth={n}",
    "ALERT name=LogDiskFilling state=firing percent={n}",
    "ALERT name=ReportsReplicaLag state=firing ms={n}",
    "ALERT name=EdgeCertExpiring state=firing days={n}",
    "health_check_flap target=edge-{h} count={n}",
    "kafka_rebalance group=orders-consumer members={n}",
];

/// Decoys over a window, about one every 25 seconds, in no order.
pub fn decoys(rng: &mut StdRng, start: Timestamp, window_s: i64) -> Vec<Entry> {
    let count = rng.random_range(window_s / 30..=window_s / 20);
    let mut entry = || {
        let template = DECOYS.choose(rng).copied().unwrap_or(DECOYS[0]);
        let text = template
            .replace("{n}", &rng.random_range(2..98).to_string())
            .replace("{h}", &rng.random_range(1..9).to_string());
        Entry { time: after(start, rng.random_range(0..window_s)), text }
    };
    (0..count).map(|_| entry()).collect()
}

pub fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time + SignedDuration::from_secs(seconds)
}

/// The feed as a tool shows it: one line an entry, in the order of time.
pub fn render(mut entries: Vec<Entry>) -> String {
    entries.sort_by(|a, b| (a.time, &a.text).cmp(&(b.time, &b.text)));
    entries.iter().map(|e| format!("{} {}\n", e.time, e.text)).collect()
}
