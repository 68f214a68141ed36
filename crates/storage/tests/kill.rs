//! kill -9: a real process is killed at random moments under load, with commits of the largest size
//! among it, and nothing that it acknowledged is lost. REVERIE_KILL_ROUNDS asks for other than 20 rounds.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reverie_storage::Vault;
use reverie_storage::engine::{Direction, Error, Range};
use tempfile::TempDir;

const WRITERS: u8 = 8;
const CACHE_BYTES: u64 = 8 << 20;
/// Tells of the maximal commits, which all write the same keys.
const MAXIMAL: u8 = WRITERS;
/// Values of a maximal commit, and bytes of each: 8 MiB.
const MAXIMAL_VALUES: u16 = 1_000;
const MAXIMAL_BYTES: usize = 8_388;
/// Set in the child: the folder to write to.
const CHILD: &str = "REVERIE_KILL_CHILD";
/// The longest that a child lives, in milliseconds: most end inside `open` or soon after, and every
/// third has the time for a maximal commit.
const LIFE_MS: [u64; 3] = [200, 500, 3_000];

fn key(writer: u8, n: u64, part: u8) -> Vec<u8> {
    [&[1, writer][..], &n.to_be_bytes(), &[part]].concat()
}

/// The two values of a batch: a short one, and one in pieces.
fn values(writer: u8, n: u64) -> [Vec<u8>; 2] {
    let long = 1_000 + (n as usize * 977) % 9_000;
    [format!("{writer}/{n}").into_bytes(), vec![writer ^ n as u8; long]]
}

/// One writer: batches of two values each, in order, each told to the parent once it is acknowledged.
async fn write(vault: Vault, writer: u8, from: u64) {
    for n in from.. {
        let mut batch = vault.batch();
        for (part, value) in values(writer, n).iter().enumerate() {
            batch.put(key(writer, n, part as u8), value).expect("sealed");
        }
        match vault.commit(batch).await {
            Ok(()) => {}
            Err(Error::Closed) => return,
            Err(error) => panic!("{error}"),
        }
        tell(writer, n);
    }
}

fn tell(writer: u8, n: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{writer} {n}").and_then(|()| out.flush()).expect("the parent reads");
}

fn maximal_value(n: u64, i: u16) -> Vec<u8> {
    [&n.to_be_bytes()[..], &[n as u8 ^ i as u8; MAXIMAL_BYTES - 8]].concat()
}

/// One maximal commit over the one before it.
async fn write_maximal(vault: Vault, n: u64) {
    let mut batch = vault.batch();
    for i in 0..MAXIMAL_VALUES {
        batch.put([&[2][..], &i.to_be_bytes()].concat(), &maximal_value(n, i)).expect("sealed");
    }
    vault.commit(batch).await.expect("committed");
    tell(MAXIMAL, n);
}

/// What is there: for each writer how many whole batches, all of them from 0 on.
async fn check(vault: &Vault) -> BTreeMap<u8, u64> {
    let mut counts = BTreeMap::new();
    for writer in 0..WRITERS {
        let rows = vault.scan(Range::prefix(&[1, writer]), usize::MAX, Direction::Ascending).await.expect("a scan");
        assert_eq!(rows.len() % 2, 0, "writer {writer}: half a batch is there");
        for (i, (found, record)) in rows.iter().enumerate() {
            let (n, part) = (i as u64 / 2, i % 2);
            assert_eq!(found.as_ref(), key(writer, n, part as u8), "writer {writer}: a gap");
            assert_eq!(record.value().as_ref(), values(writer, n)[part], "writer {writer}, batch {n}");
        }
        counts.insert(writer, rows.len() as u64 / 2);
    }
    let rows = vault.scan(Range::prefix(&[2]), usize::MAX, Direction::Ascending).await.expect("a scan");
    let next = rows.first().map_or(0, |(_, r)| u64::from_be_bytes(r.value()[..8].try_into().expect("8 bytes")) + 1);
    assert!(rows.is_empty() || rows.len() == usize::from(MAXIMAL_VALUES), "a part of a maximal commit is there");
    for (i, (_, record)) in rows.iter().enumerate() {
        assert!(record.value().as_ref() == maximal_value(next - 1, i as u16), "two maximal commits are mixed");
    }
    counts.insert(MAXIMAL, next);
    counts
}

#[allow(clippy::disallowed_methods, reason = "the child is told where to write")]
fn child_folder() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// The process that is killed. Alone it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(folder) = child_folder() else { return };
    let vault = reverie_storage::open(Path::new(&folder), CACHE_BYTES).await.expect("opens after every kill");
    let counts = check(&vault).await;
    let mut writers = tokio::task::JoinSet::new();
    writers.spawn(write_maximal(vault.clone(), counts[&MAXIMAL]));
    for writer in 0..WRITERS {
        writers.spawn(write(vault.clone(), writer, counts[&writer]));
    }
    writers.join_all().await;
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the rounds are the caller's choice; the life of a child is a time")]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let rounds: u32 = std::env::var("REVERIE_KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let seed: u64 = std::env::var("REVERIE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    println!("{rounds} rounds, REVERIE_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = TempDir::new().unwrap();
    let acknowledged = Arc::new(std::sync::Mutex::new(BTreeMap::<u8, u64>::new()));
    for round in 0..rounds as usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--quiet"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, told) = (BufReader::new(child.stdout.take().unwrap()), acknowledged.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                // A line that the kill has cut is no acknowledgement.
                let Some((writer, n)) = line.split_once(' ') else { continue };
                if let (Ok(writer), Ok(n)) = (writer.parse(), n.parse::<u64>()) {
                    told.lock()
                        .unwrap()
                        .entry(writer)
                        .and_modify(|last: &mut u64| *last = (*last).max(n + 1))
                        .or_insert(n + 1);
                }
            }
        });
        std::thread::sleep(Duration::from_millis(rng.random_range(5..LIFE_MS[round % 3])));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let counts = runtime.block_on(async {
        let vault = reverie_storage::open(folder.path(), CACHE_BYTES).await.expect("opens after the last kill");
        check(&vault).await
    });
    let acknowledged = acknowledged.lock().unwrap().clone();
    let total: u64 = acknowledged.values().sum();
    let maximal = acknowledged.get(&MAXIMAL).copied().unwrap_or(0);
    println!("{total} batches acknowledged, {} there, {maximal} of them maximal", counts.values().sum::<u64>());
    assert!(maximal > 0, "no maximal commit was acknowledged");
    assert!(total > u64::from(rounds), "too few commits for the kills to mean anything");
    for (writer, n) in acknowledged {
        assert!(counts[&writer] >= n, "writer {writer}: {n} acknowledged, {} there", counts[&writer]);
    }
}
