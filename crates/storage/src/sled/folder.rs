//! The database's folder: made so that it is whole or not there, and opened with care.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::durable::{make_folder, sync_folder, write_file};
use crate::engine::{Error, Result};
use crate::sled::failed;

/// The file that says what the folder holds.
const FORMAT_FILE: &str = "FORMAT";
const FORMAT: &str = "reverie storage 1\nengine sled 0.34\n";
/// How often and how long to wait for a lock that a process which just ended still holds.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(100);
/// How often sled's own thread flushes; it also gives old segments back there.
const FLUSH_EVERY_MS: u64 = 500;

pub fn open(folder: &Path, cache_bytes: u64) -> Result<sled::Db> {
    if !folder.exists() {
        create(folder, cache_bytes)?;
    }
    check_format(folder)?;
    // A snapshot that was cut short is taken for the newest and keeps sled from opening; without
    // it sled reads its log.
    for file in snapshots(folder)
        .map_err(Error::failed)?
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "generating"))
    {
        fs::remove_file(file).map_err(Error::failed)?;
    }
    match open_sled(folder, cache_bytes) {
        Err(Error::Corrupt(why)) => {
            tracing::warn!(%why, folder = %folder.display(), "the database does not open: setting its snapshots aside and reading its log");
            for file in snapshots(folder).map_err(Error::failed)? {
                let mut aside = file.clone().into_os_string();
                aside.push(".aside");
                fs::rename(
                    &file,
                    PathBuf::from(aside)
                        .with_file_name(format!("aside.{}", file.file_name().unwrap_or_default().display())),
                )
                .map_err(Error::failed)?;
            }
            open_sled(folder, cache_bytes)
        }
        done => done,
    }
}

/// Makes the database beside its place and moves it there when all of it is on the disk.
fn create(folder: &Path, cache_bytes: u64) -> Result<()> {
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent).map_err(Error::failed)?;
    let mut new = folder.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    if new.exists() {
        fs::remove_dir_all(&new).map_err(Error::failed)?;
    }
    let database = open_sled(&new, cache_bytes)?;
    database.flush().map_err(failed)?;
    drop(database);
    write_file(&new.join(FORMAT_FILE), &[FORMAT.as_bytes()]).map_err(Error::failed)?;
    sync_all(&new).and_then(|()| fs::rename(&new, folder)).and_then(|()| sync_folder(parent)).map_err(Error::failed)
}

fn check_format(folder: &Path) -> Result<()> {
    let file = folder.join(FORMAT_FILE);
    match fs::read_to_string(&file) {
        Ok(text) if text == FORMAT => Ok(()),
        Ok(text) => Err(Error::failed(format!("{} says {text:?}; this version reads {FORMAT:?} only", file.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(Error::failed(format!("{} is missing: the folder is no Reverie database", file.display())))
        }
        Err(e) => Err(Error::failed(e)),
    }
}

/// sled panics on some kinds of damage; that must not take the process down without a word.
fn open_sled(folder: &Path, cache_bytes: u64) -> Result<sled::Db> {
    let config = sled::Config::new()
        .path(folder)
        .cache_capacity(cache_bytes)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .mode(sled::Mode::LowSpace);
    for _ in 0..LOCK_TRIES {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Err(sled::Error::Io(e))) if is_locked(&e) => wait(),
            Ok(opened) => return opened.map_err(failed),
            Err(_) => {
                return Err(Error::Corrupt(format!("sled gave up on {}; restore it from a backup", folder.display())));
            }
        }
    }
    Err(Error::failed(format!("another process has {} open; stop it, or choose another folder", folder.display())))
}

#[expect(clippy::disallowed_methods, reason = "another process's lock tells nobody when it ends")]
fn wait() {
    std::thread::sleep(LOCK_WAIT);
}

/// sled wraps the lock's error into one of kind Other.
fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.to_string().contains("WouldBlock")
        || error.to_string().contains("could not acquire lock")
}

fn snapshots(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    let is_snapshot = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("snap."));
    Ok(entries.into_iter().filter(is_snapshot).collect())
}

/// Syncs every file and folder below a folder, and the folder.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync_all(&path)? } else { fs::File::open(&path)?.sync_all()? }
    }
    sync_folder(folder)
}
