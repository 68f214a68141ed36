//! A full disk: writes end early and in words, what makes room goes on, and the database opens again.
//! Each test mounts a small file system of its own; where that is not allowed it says so and skips.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![allow(clippy::disallowed_methods, reason = "processes are told by their environment what to do")]

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reverie_storage::engine::{Error, Result};
use reverie_storage::{Options, Vault};
use tempfile::TempDir;

const CHILD: &str = "REVERIE_FULL_DISK_CHILD";
const MIB: u64 = 1 << 20;

fn options() -> Options {
    Options { cache_bytes: 8 * MIB, ballast_bytes: 3 * MIB, free_bytes_min: 4 * MIB, ..Options::default() }
}

/// A disk of 32 MiB; unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Option<Disk> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "none"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Disk(folder)),
            refused => {
                println!("SKIPPED: a full disk is not tested, for this process may not mount one: {refused:?}");
                None
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Fills the disk until so many bytes are left.
    fn fill(&self, left: u64) {
        let file = self.0.path().join("filler");
        _ = fs::remove_file(&file);
        let mut file = File::create(file).unwrap();
        let free = || {
            let disk = rustix::fs::statvfs(self.0.path()).unwrap();
            disk.f_bavail * disk.f_frsize
        };
        while free() > left {
            if file.write(&[1; 4_096]).is_err() {
                break;
            }
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

async fn put(vault: &Vault, key: &[u8]) -> Result<()> {
    let mut batch = vault.batch();
    batch.put(key.to_vec(), &[7; 2_000])?;
    vault.commit(batch).await
}

#[tokio::test]
async fn writes_end_early_deletions_go_on_and_the_ballast_opens_the_database() {
    let Some(disk) = Disk::mount() else { return };
    let ballast = disk.data().join("db.ballast");
    let vault = reverie_storage::open_with(&disk.data(), options()).await.unwrap();
    for n in 0..20 {
        put(&vault, &[1, n]).await.unwrap();
    }
    assert_eq!(fs::metadata(&ballast).unwrap().len(), 3 * MIB);

    disk.fill(2 * MIB);
    let refused = put(&vault, &[1, 100]).await.unwrap_err();
    let words = refused.to_string();
    assert!(matches!(refused, Error::Full(_)), "{words}");
    assert!(words.contains(disk.data().to_str().unwrap()) && words.contains("bytes left"), "{words}");
    assert!(vault.get(&[1, 100]).await.unwrap().is_none() && vault.get(&[1, 1]).await.unwrap().is_some());
    let mut batch = vault.batch();
    batch.delete(vec![1, 0]);
    batch.makes_room();
    vault.commit(batch).await.unwrap();
    assert!(ballast.exists(), "there was still room for a deletion");

    disk.fill(0);
    assert_eq!(vault.erase(vec![vec![1, 1].into()]).await.unwrap().rows, 1);
    assert!(!ballast.exists(), "it was given up for the erasure");

    disk.empty();
    let began = Instant::now();
    let mut n = 20;
    while !ballast.exists() {
        put(&vault, &[1, n]).await.unwrap();
        n = 20 + (n + 1) % 100;
        assert!(began.elapsed() < Duration::from_secs(20), "the ballast is laid again");
    }
    disk.fill(0);
    drop(vault);
    let vault = reverie_storage::open_with(&disk.data(), options()).await.unwrap();
    assert!(!ballast.exists(), "it was given up for the open");
    // The open itself may give space back: sled drops segments that hold nothing any more.
    disk.fill(2 * MIB);
    assert!(matches!(put(&vault, &[1, 100]).await, Err(Error::Full(_))));
    for n in 2..20 {
        assert!(vault.get(&[1, n]).await.unwrap().is_some(), "row {n}");
    }
    assert!(vault.scrub().unwrap().run().await.unwrap().is_sound());
}

/// Writes and tells until it ends. Alone it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = env::var(CHILD) else { return };
    // As if another had filled the disk between the look and the write.
    let options = Options { free_bytes_min: 0, ..options() };
    let vault = reverie_storage::open_with(Path::new(&folder), options).await.unwrap();
    for n in 0u32.. {
        put(&vault, &[&[1][..], &n.to_be_bytes()].concat()).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "wrote {n}").and_then(|()| out.flush()).unwrap();
    }
}

#[tokio::test]
async fn a_process_that_meets_the_end_of_the_disk_loses_nothing_and_starts_again() {
    let Some(disk) = Disk::mount() else { return };
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture", "--quiet"])
        .env(CHILD, disk.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told: Vec<u32> = lines.filter_map(|l| l.ok()?.strip_prefix("wrote ")?.parse().ok()).collect();
    let status = child.wait().unwrap();
    assert!(!status.success() && told.len() > 100, "{status}, {} rows", told.len());
    let vault = reverie_storage::open_with(&disk.data(), options()).await.unwrap();
    for n in told {
        let key = [&[1][..], &n.to_be_bytes()].concat();
        assert!(vault.get(&key).await.unwrap().is_some(), "row {n} was acknowledged");
    }
    assert!(matches!(put(&vault, &[2]).await, Err(Error::Full(_))));
    assert!(vault.scrub().unwrap().run().await.unwrap().is_sound());
}
