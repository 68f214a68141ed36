//! Every engine against the conformance suite, and the vault on top.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::sync::Arc;

use proptest::prelude::*;
use reverie_storage::conformance::{self, Step};
use reverie_storage::engine::{Direction, Engine, Error, Range};
use reverie_storage::keyring::Keyring;
use reverie_storage::volatile::Volatile;
use reverie_storage::{Options, Vault, sled};
use tempfile::TempDir;

const CACHE_BYTES: u64 = 8 << 20;

fn options() -> Options {
    Options { cache_bytes: CACHE_BYTES, ballast_bytes: 0, ..Options::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn the_volatile_engine_conforms() {
    runtime().block_on(conformance::run(Volatile::new));
}

#[test]
fn the_sled_engine_conforms() {
    let folders = TempDir::new().unwrap();
    let next = std::sync::atomic::AtomicU32::new(0);
    let open = || {
        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        sled::open(&folders.path().join(n.to_string()), options()).unwrap()
    };
    runtime().block_on(conformance::run(open));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let conditions = proptest::collection::vec((any::<u8>(), any::<bool>()), 0..3);
    let writes = proptest::collection::vec((any::<u8>(), proptest::option::of(0..9_000u16)), 0..5);
    proptest::collection::vec((conditions, writes).prop_map(|(conditions, writes)| Step { conditions, writes }), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn engines_and_a_map_say_the_same(steps in steps()) {
        let folder = TempDir::new().unwrap();
        runtime().block_on(async {
            conformance::agrees_with_a_map(&*Volatile::new(), &steps).await;
            conformance::agrees_with_a_map(&*sled::open(&folder.path().join("db"), options()).unwrap(), &steps).await;
        });
    }
}

#[tokio::test]
async fn what_sled_has_acknowledged_is_there_after_a_reopen() {
    let folder = TempDir::new().unwrap();
    let vault = reverie_storage::open(folder.path(), CACHE_BYTES).await.unwrap();
    let mut batch = vault.batch();
    batch.put(vec![1, 1], b"short").unwrap();
    batch.put(vec![1, 2], &[7; 50_000]).unwrap();
    vault.commit(batch).await.unwrap();
    drop(vault);
    // A snapshot that a crash cut short must not keep it from opening.
    std::fs::write(folder.path().join("db/snap.0000000000000000.generating"), b"torn").unwrap();
    let vault = reverie_storage::open(folder.path(), CACHE_BYTES).await.unwrap();
    assert_eq!(vault.get(&[1, 1]).await.unwrap().unwrap().value().as_ref(), b"short");
    assert_eq!(vault.get(&[1, 2]).await.unwrap().unwrap().value().as_ref(), &[7; 50_000]);
}

#[tokio::test]
async fn a_folder_of_another_format_or_in_use_is_refused_in_words() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    drop(sled::open(&path, options()).unwrap());
    std::fs::write(path.join("FORMAT"), "reverie storage 99\n").unwrap();
    let refused = sled::open(&path, options()).map(drop).unwrap_err();
    let words = format!("{refused:?}");
    assert!(words.contains("reverie storage 99"), "{words}");
}

async fn vault_on(engine: &Arc<dyn Engine>) -> Vault {
    Vault::open(engine.clone(), Keyring::ephemeral().unwrap()).await.unwrap()
}

#[tokio::test]
async fn neither_keys_nor_values_are_stored_in_clear_and_a_moved_or_damaged_record_does_not_open() {
    let engine = Volatile::new();
    let vault = vault_on(&engine).await;
    let mut batch = vault.batch();
    batch.put(b"\x01a".to_vec(), b"the plain words").unwrap();
    vault.commit(batch).await.unwrap();
    let sealed = engine.get(b"\x01a").await.unwrap().unwrap();
    assert!(!sealed.windows(5).any(|w| w == b"plain"));

    let put = |key: &'static [u8], value: Vec<u8>| reverie_storage::engine::Batch {
        writes: vec![reverie_storage::engine::Write::Put(key.into(), value.into())],
        ..Default::default()
    };
    engine.commit(put(b"\x01b", sealed.to_vec())).await.unwrap();
    assert!(matches!(vault.get(b"\x01b").await, Err(Error::Corrupt(_))), "moved");
    for at in [0, 5, 20, sealed.len() - 1] {
        let mut damaged = sealed.to_vec();
        damaged[at] ^= 1;
        engine.commit(put(b"\x01a", damaged)).await.unwrap();
        assert!(matches!(vault.get(b"\x01a").await, Err(Error::Corrupt(_))), "a bit of byte {at}");
    }
}

#[tokio::test]
async fn an_erased_row_is_gone_with_every_value_that_it_ever_had() {
    let engine = Volatile::new();
    let vault = vault_on(&engine).await;
    let mut batch = vault.batch();
    let first = batch.put(b"\x01a".to_vec(), b"first").unwrap();
    batch.put(b"\x01b".to_vec(), b"another").unwrap();
    vault.commit(batch).await.unwrap();
    let old = engine.get(b"\x01a").await.unwrap().unwrap();
    let mut batch = vault.batch();
    batch.replace(b"\x01a".to_vec(), &first, b"second").unwrap();
    vault.commit(batch).await.unwrap();

    let erased = vault.erase(vec![b"\x01a".as_slice().into(), b"\x01missing".as_slice().into()]).await.unwrap();
    assert_eq!(erased.rows, 1);
    assert!(vault.get(b"\x01a").await.unwrap().is_none());
    // Somebody kept a copy of the old bytes: the key is gone all the same.
    let restored = reverie_storage::engine::Write::Put(b"\x01a".as_slice().into(), old);
    engine.commit(reverie_storage::engine::Batch { writes: vec![restored], ..Default::default() }).await.unwrap();
    assert!(matches!(vault.get(b"\x01a").await, Err(Error::Corrupt(_))));
    assert_eq!(vault.get(b"\x01b").await.unwrap().unwrap().value().as_ref(), b"another");
}

/// Puts old bytes of a row back, as somebody may who kept a copy.
async fn restore(engine: &Arc<dyn Engine>, key: &'static [u8], old: bytes::Bytes) {
    let writes = vec![reverie_storage::engine::Write::Put(key.into(), old)];
    engine.commit(reverie_storage::engine::Batch { writes, ..Default::default() }).await.unwrap();
}

#[tokio::test]
async fn a_renewed_row_reads_on_and_what_it_was_before_is_destroyed_at_the_latest_when_the_vault_is_opened_again() {
    for crash in [false, true] {
        let engine = Volatile::new();
        let folder = TempDir::new().unwrap();
        let keyring = || Keyring::open(folder.path()).unwrap();
        let vault = Vault::open(engine.clone(), keyring()).await.unwrap();
        let mut batch = vault.batch();
        let (a, b) = (batch.put(&b"\x01a"[..], b"secret").unwrap(), batch.put(&b"\x01b"[..], b"other").unwrap());
        vault.commit(batch).await.unwrap();
        let old_a = engine.get(b"\x01a").await.unwrap().unwrap();
        let old_b = engine.get(b"\x01b").await.unwrap().unwrap();

        let mut batch = vault.batch();
        batch.renew(&b"\x01a"[..], &a, b"[redacted]").unwrap();
        batch.erase(&b"\x01b"[..], &b);
        vault.commit(batch).await.unwrap();
        assert_eq!(vault.get(b"\x01a").await.unwrap().unwrap().value().as_ref(), b"[redacted]");
        assert!(vault.get(b"\x01b").await.unwrap().is_none());
        let vault = if crash {
            drop(vault);
            Vault::open(engine.clone(), keyring()).await.unwrap()
        } else {
            let done = vault.finish_erasures().await.unwrap();
            assert_eq!((done.rows, done.epoch), (2, 2), "both keys go in one epoch");
            vault
        };
        assert_eq!(vault.finish_erasures().await.unwrap().rows, 0);
        assert_eq!(vault.get(b"\x01a").await.unwrap().unwrap().value().as_ref(), b"[redacted]");
        restore(&engine, b"\x01a", old_a).await;
        restore(&engine, b"\x01b", old_b).await;
        for key in [b"\x01a", b"\x01b"] {
            assert!(matches!(vault.get(key).await, Err(Error::Corrupt(_))), "crash: {crash}");
        }
    }
}

#[tokio::test]
async fn two_vaults_on_one_engine_never_share_a_data_key() {
    let engine = Volatile::new();
    let folder = TempDir::new().unwrap();
    let mut serials = std::collections::BTreeSet::new();
    for n in 0..3u8 {
        let vault = Vault::open(engine.clone(), Keyring::open(folder.path()).unwrap()).await.unwrap();
        let mut batch = vault.batch();
        for i in 0..5u8 {
            batch.put(vec![1, n, i], b"x").unwrap();
        }
        vault.commit(batch).await.unwrap();
    }
    for (_, sealed) in engine.scan(Range::prefix(&[1]), 99, Direction::Ascending).await.unwrap() {
        assert!(serials.insert(sealed[1..9].to_vec()), "a serial was used twice");
    }
    assert_eq!(serials.len(), 15);
}
