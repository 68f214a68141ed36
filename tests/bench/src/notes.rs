//! Notes as agents write them, many of them: what grep and search are measured on.

use anyhow::Result;
use pb::operation::Operation;
use proto::memory as pb;

use crate::cluster::Cluster;

/// Bytes of a note, about.
const NOTE_BYTES: usize = 1_024;
const NOUNS: [&str; 24] = [
    "disk",
    "replica",
    "primary",
    "checkout",
    "gateway",
    "queue",
    "cache",
    "token",
    "deploy",
    "rollback",
    "alert",
    "pager",
    "latency",
    "timeout",
    "certificate",
    "backup",
    "index",
    "migration",
    "schema",
    "quota",
    "retry",
    "session",
    "node",
    "volume",
];
const VERBS: [&str; 12] = [
    "failed",
    "recovered",
    "was restarted",
    "ran out of memory",
    "was slow",
    "was drained",
    "lost its lease",
    "was rotated",
    "was resized",
    "refused connections",
    "was promoted",
    "needed a review",
];

/// The path and text of a note, other for each number and always the same.
pub fn note(number: usize) -> (String, String) {
    // A linear congruential generator (Knuth, MMIX).
    let mut state = number as u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let topic = NOUNS[next(NOUNS.len())];
    let mut text = format!("# {topic} {number}\n\n");
    while text.len() < NOTE_BYTES {
        let (noun, verb, host) = (NOUNS[next(NOUNS.len())], VERBS[next(VERBS.len())], next(500));
        let (hour, minute) = (next(24), next(60));
        text.push_str(&format!("- {hour:02}:{minute:02} the {noun} of db-{host}.prod {verb}.\n"));
    }
    (format!("/{topic}/note-{number}.md"), text)
}

/// A store of so many notes.
pub async fn store(cluster: &Cluster, store: &str, count: usize) -> Result<()> {
    cluster.create_store(store).await?;
    let mut memory = cluster.memory().await?;
    for first in (0..count).step_by(1_000) {
        let write = |number| {
            let (path, content) = note(number);
            let write = pb::Write { path, content, ..Default::default() };
            pb::Operation { operation: Some(Operation::Write(write)), precondition: None }
        };
        let operations = (first..count.min(first + 1_000)).map(write).collect();
        memory.commit(pb::CommitRequest { store: store.into(), operations, ..Default::default() }).await?;
    }
    Ok(())
}
