//! Backup and restore: the state of one moment, taken under writes, whole or refused.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use reverie_storage::backup::{Backup, back_up, back_up_files, restore, restore_files, seal_keys};
use reverie_storage::engine::{Direction, Range};
use reverie_storage::{Options, Vault};
use tempfile::TempDir;

const WRITERS: u8 = 4;
const PASSPHRASE: &[u8] = b"correct horse battery staple";

fn options() -> Options {
    Options { cache_bytes: 8 << 20, ballast_bytes: 0, ..Options::default() }
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Puts = Vec<(Vec<u8>, Vec<u8>)>;

fn value(writer: u8, n: u64) -> Vec<u8> {
    vec![writer ^ n as u8; (n as usize * 733) % 9_000]
}

/// The nth commit of a writer, on rows of its own; the last row says which it was.
fn commit(writer: u8, n: u64) -> (Puts, Vec<u8>) {
    let key = |n: u64| [&[1, writer][..], &(n * 7_919 % 400).to_be_bytes()].concat();
    (vec![(key(n), value(writer, n)), (vec![2, writer], n.to_be_bytes().to_vec())], key(n + 13))
}

fn state(writer: u8, commits: u64) -> Rows {
    let mut rows = Rows::new();
    for n in 0..commits {
        let (puts, deleted) = commit(writer, n);
        rows.extend(puts);
        rows.remove(&deleted);
    }
    rows
}

async fn write(vault: &Vault, writer: u8, n: u64) {
    let (puts, deleted) = commit(writer, n);
    let mut batch = vault.batch();
    for (key, value) in puts {
        batch.put(key, &value).unwrap();
    }
    batch.delete(deleted);
    vault.commit(batch).await.unwrap();
}

async fn all(vault: &Vault) -> Rows {
    let all = Range { start: Bound::Unbounded, end: Bound::Unbounded };
    let rows = vault.scan(all, usize::MAX, Direction::Ascending).await.unwrap();
    rows.into_iter().map(|(key, record)| (key.to_vec(), record.value().to_vec())).collect()
}

async fn in_memory(vault: &Vault) -> (Vec<u8>, Backup) {
    let mut rows = Vec::new();
    let backup = back_up(vault, &mut rows, PASSPHRASE).await.unwrap();
    (rows, backup)
}

async fn refused(rows: &[u8], keys: &[u8], passphrase: &[u8], folder: &Path) -> String {
    let refused = restore(rows, keys, passphrase, folder, options()).await.unwrap_err().to_string();
    assert!(!folder.exists(), "{refused}");
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writes_restores_the_state_of_its_commit() {
    let source = TempDir::new().unwrap();
    let vault = reverie_storage::open_with(source.path(), options()).await.unwrap();
    for n in 0..150 {
        for writer in 0..WRITERS {
            write(&vault, writer, n).await;
        }
    }
    // Commits before the first of ours: those of the vault itself.
    let (_, quiet) = in_memory(&vault).await;
    let own = quiet.moment.commits - 150 * u64::from(WRITERS);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let vault = vault.clone();
        writers.spawn(async move {
            for n in 150..600 {
                write(&vault, writer, n).await;
            }
        });
    }
    let target = TempDir::new().unwrap();
    let (rows, keys) = (target.path().join("rows"), target.path().join("keys"));
    let mut under_way = 0;
    for round in 0..3 {
        let backup = back_up_files(&vault, &rows, &keys, PASSPHRASE).await.unwrap();
        let folder = target.path().join(format!("restored {round}"));
        let restored = restore_files(&rows, &keys, PASSPHRASE, &folder, options()).await.unwrap();
        assert_eq!((restored.moment, restored.erased_rows), (backup.moment, 0));
        let copy = reverie_storage::open_with(&folder, options()).await.unwrap();
        let found = all(&copy).await;
        let counts = (0..WRITERS).map(|w| u64::from_be_bytes(found[&vec![2, w]].as_slice().try_into().unwrap()) + 1);
        let counts: Vec<u64> = counts.collect();
        assert_eq!(counts.iter().sum::<u64>() + own, backup.moment.commits, "{counts:?}");
        let wanted: Rows = (0..WRITERS).flat_map(|w| state(w, counts[usize::from(w)])).collect();
        assert!(found == wanted, "the state of commit {} and no other", backup.moment.commits);
        assert!(copy.scrub().unwrap().run().await.unwrap().is_sound());
        // The copy goes on.
        write(&copy, 0, counts[0]).await;
        under_way += u64::from(counts.iter().any(|&c| c > 150 && c < 600));
    }
    writers.join_all().await;
    assert!(under_way > 0, "no backup was taken under writes");
}

#[tokio::test]
async fn a_damaged_cut_or_mixed_backup_is_refused_and_leaves_nothing() {
    let source = TempDir::new().unwrap();
    let vault = reverie_storage::open_with(source.path(), options()).await.unwrap();
    for n in 0..300 {
        write(&vault, 0, n).await;
    }
    let (rows, backup) = in_memory(&vault).await;
    let (_, other) = in_memory(&vault).await;
    let folder = source.path().join("restored");
    for at in (0..rows.len()).step_by(rows.len() / 3) {
        let mut damaged = rows.clone();
        damaged[at] ^= 1;
        let words = refused(&damaged, &backup.keys, PASSPHRASE, &folder).await;
        assert!(words.contains("backup"), "byte {at}: {words}");
        assert!(refused(&rows[..at], &backup.keys, PASSPHRASE, &folder).await.contains("no end"));
    }
    let words = refused(&rows, &other.keys, PASSPHRASE, &folder).await;
    assert!(words.contains("another backup"), "{words}");
    let words = refused(&rows, &backup.keys, b"another passphrase", &folder).await;
    assert!(words.contains("passphrase"), "{words}");
    let mut keys = backup.keys.clone();
    *keys.last_mut().unwrap() ^= 1;
    refused(&rows, &keys, PASSPHRASE, &folder).await;
    assert!(back_up(&vault, &mut Vec::new(), b"short").await.is_err());

    restore(rows.as_slice(), &backup.keys, PASSPHRASE, &folder, options()).await.unwrap();
    let again = restore(rows.as_slice(), &backup.keys, PASSPHRASE, &folder, options()).await;
    assert!(again.unwrap_err().to_string().contains("not empty"));
}

#[tokio::test]
async fn a_backup_holds_no_key_and_keys_sealed_again_forget_what_was_erased() {
    let source = TempDir::new().unwrap();
    let vault = reverie_storage::open_with(source.path(), options()).await.unwrap();
    let mut batch = vault.batch();
    batch.put(vec![1, 1], b"to be forgotten").unwrap();
    batch.put(vec![1, 2], b"to be kept").unwrap();
    vault.commit(batch).await.unwrap();
    let (rows, backup) = in_memory(&vault).await;
    for plain in [&b"to be forgotten"[..], b"to be kept"] {
        assert!(!rows.windows(plain.len()).any(|w| w == plain));
    }
    vault.erase(vec![vec![1, 1].into()]).await.unwrap();
    let keys = seal_keys(&vault, backup.id, PASSPHRASE).unwrap();
    let folder = source.path().join("restored");
    let restored = restore(rows.as_slice(), &keys, PASSPHRASE, &folder, options()).await.unwrap();
    assert_eq!(restored.erased_rows, 1);
    let copy = reverie_storage::open_with(&folder, options()).await.unwrap();
    assert_eq!(all(&copy).await, Rows::from([(vec![1, 2], b"to be kept".to_vec())]));
}
