//! The database's folder: made so that it is whole or not there, and opened with care.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::durable::{make_folder, sync_folder, write_file};
use crate::engine::{Error, Result};
use crate::limits::{DATABASE_BYTES_WARN, LOCK_TRIES, LOCK_WAIT};
use crate::moment::Moment;
use crate::sled::{Options, commit, failed, mark, rehearsal, walk};

/// The file that says what the folder holds.
const FORMAT_FILE: &str = "FORMAT";
const FORMAT: &str = "reverie storage 1\nengine sled 0.34\n";
/// How often sled's own thread flushes; it also gives old segments back there.
const FLUSH_EVERY_MS: u64 = 500;

/// A database that is open and whole, as far as an open can tell.
pub struct Opened {
    pub database: sled::Db,
    pub rows: sled::Tree,
    pub pieces: sled::Tree,
    /// Holds the moment.
    pub moments: sled::Tree,
    pub moment: Moment,
}

pub fn open(folder: &Path, options: &Options) -> Result<Opened> {
    let cache_bytes = options.cache_bytes;
    let mark = mark::read(folder)?;
    if !folder.exists() {
        if let Some(mark) = mark.filter(|m| m.commits > 0) {
            return Err(damaged(
                folder,
                &format!("the folder is not there, and its high-water mark says that it held {} commits", mark.commits),
                &format!(
                    "See that its volume is mounted. To begin with nothing, remove {}",
                    mark::path(folder).display()
                ),
            ));
        }
        create(folder, cache_bytes)?;
    }
    check_format(folder)?;
    // A snapshot that was cut short is taken for the newest and keeps sled from opening; without
    // it sled reads its log.
    for file in snapshots(folder)?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "generating")) {
        fs::remove_file(&file).map_err(|e| Error::at(&file, e))?;
    }
    let database = match open_sled(folder, cache_bytes) {
        Err(Error::Corrupt(why)) => {
            tracing::warn!(%why, folder = %folder.display(), "the database does not open: setting its snapshots aside and reading its log");
            for file in snapshots(folder)? {
                let name = format!("aside.{}", file.file_name().unwrap_or_default().display());
                fs::rename(&file, file.with_file_name(name)).map_err(|e| Error::at(&file, e))?;
            }
            open_sled(folder, cache_bytes)?
        }
        done => done?,
    };
    // Whatever sled has made or removed.
    sync_folder(folder).map_err(|e| Error::at(folder, e))?;
    // Trees that do not open, and rows that do not read, panic or not as sled sees fit.
    let opened = catch_unwind(AssertUnwindSafe(|| check(folder, database, mark, options)));
    match opened.unwrap_or_else(|_| Err(Error::Corrupt("sled gave up reading it".into()))) {
        Err(Error::Corrupt(what)) => Err(damaged(folder, &what, "")),
        done => done,
    }
}

/// Whether the database holds what it must.
fn check(folder: &Path, database: sled::Db, mark: Option<Moment>, options: &Options) -> Result<Opened> {
    let tree = |name: &str| database.open_tree(name).map_err(failed);
    let (rows, pieces, moments) = (tree("rows")?, tree("pieces")?, tree("moments")?);
    let moment = commit::read_moment(&moments)?;
    match mark {
        None if moment.commits > 0 => {
            tracing::warn!(folder = %folder.display(), commits = moment.commits, "there is no high-water mark: the database is taken as it is");
        }
        Some(mark) if mark.commits > moment.commits || (mark.commits == moment.commits && mark != moment) => {
            return Err(Error::Corrupt(format!(
                "it has {} commits and {} rows, and its high-water mark says {} and {}: it has lost its end (to serve \
                 what is left all the same, remove {})",
                moment.commits,
                moment.rows,
                mark.commits,
                mark.rows,
                mark::path(folder).display()
            )));
        }
        _ => {}
    }
    if moment.rows <= options.verify_rows_max {
        let found = walk::count(&rows)?;
        if !found.same_rows(&moment) {
            let (there, wanted) = (found.rows, moment.rows);
            let what = format!("{there} rows are there and {wanted} should be, or some are not the newest");
            return Err(Error::Corrupt(what));
        }
    }
    let bytes = database.size_on_disk().map_err(failed)?;
    if bytes > DATABASE_BYTES_WARN {
        tracing::warn!(folder = %folder.display(), bytes, "the database has outgrown one process: opening takes a minute for each 10 GB; move to the PostgreSQL engine");
    }
    Ok(Opened { database, rows, pieces, moments, moment })
}

/// Words for the operator: which file, what is wrong, what to do.
fn damaged(path: &Path, what: &str, also: &str) -> Error {
    let stop = if also.is_empty() { "" } else { ". " };
    Error::Corrupt(format!("{}: {what}. Restore the folder from a backup{stop}{also}", path.display()))
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
    match fs::read(&file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
        Ok(text) if text == FORMAT => Ok(()),
        Ok(text) => Err(Error::Corrupt(format!(
            "{}: it says {text:?}, and this version reads {FORMAT:?} only. Run the version that wrote it; if none did, \
             the file is damaged: restore the folder from a backup",
            file.display()
        ))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(damaged(&file, "it is missing: the folder is no Reverie database, or not all of one", ""))
        }
        Err(e) => Err(Error::at(&file, e)),
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
        if let Err(error) = rehearsal::rehearse(folder) {
            tracing::warn!(%error, folder = %folder.display(), "the open cannot be rehearsed: a loss of power in the next moments might harm the database");
        }
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Err(sled::Error::Io(e))) if is_locked(&e) => wait(),
            Ok(Err(sled::Error::Io(e))) if e.kind() == io::ErrorKind::StorageFull => {
                return Err(Error::Full(format!(
                    "{}: the disk is full: make room there and start again",
                    folder.display()
                )));
            }
            // It says so of files that it cannot parse as well.
            Ok(Err(sled::Error::Corruption { .. })) => return Err(damaged(folder, "sled finds it damaged", "")),
            Ok(Err(e)) => return Err(damaged(folder, &format!("sled does not open it ({e})"), "")),
            Ok(Ok(database)) => return Ok(database),
            Err(_) => return Err(damaged(folder, "sled gave up opening it, as it does on damaged data", "")),
        }
    }
    Err(Error::failed(format!("{}: another process has it open; stop it, or choose another folder", folder.display())))
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

fn snapshots(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
    let entries: Vec<PathBuf> = entries.map_err(|e| Error::at(folder, e))?;
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
