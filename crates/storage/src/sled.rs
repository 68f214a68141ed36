//! The sled engine: one process, one folder, durable.
//!
//! sled 0.34's `flush` is sync_file_range, which a loss of power does not respect; its blob files are
//! never synced; a snapshot cut short keeps it from opening. Hence the protocol here: one thread
//! commits; what has queued up goes into one transaction; then flush, then an fsync of our own, and
//! only then is anybody told. Values are kept in pieces that never reach blob files.
//!
//! Nobody reads what is not yet durable: between transaction and fsync a get is answered from the
//! values that the batch replaces, and a scan waits.
//!
//! Beside the rows stands the moment: how many commits and rows, and the digest of all rows, written in
//! each transaction. With the high-water mark it tells a whole database from one that has lost something.

mod commit;
mod folder;
mod keeper;
mod mark;
mod pieces;
mod rehearsal;
mod room;
mod walk;

use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use self::commit::{Committer, InFlight, Job};
use self::keeper::Keeper;
use self::mark::Mark;
use self::pieces::Prepared;
use self::room::Room;
use self::walk::{SledWalk, Walks};
use crate::engine::{Batch, Direction, Engine, Error, Key, Range, Result, Value, Walk};
use crate::limits::{BALLAST_BYTES, CACHE_BYTES_DEFAULT, FREE_BYTES_MIN, QUEUE_MAX, VERIFY_AT_OPEN_ROWS_MAX};
use crate::moment::Moment;

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// sled's page cache; the process takes two to three times that at its peak.
    pub cache_bytes: u64,
    /// The file that is given up when the disk is full; 0 for none.
    pub ballast_bytes: u64,
    /// Free bytes of the disk below which only what makes room is written.
    pub free_bytes_min: u64,
    /// Rows up to which the open itself compares all rows with what they must be; more are the scrub's.
    pub verify_rows_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: CACHE_BYTES_DEFAULT,
            ballast_bytes: BALLAST_BYTES,
            free_bytes_min: FREE_BYTES_MIN,
            verify_rows_max: VERIFY_AT_OPEN_ROWS_MAX,
        }
    }
}

/// Opens the database in a folder, and makes it where there is none. Beside the folder stand its
/// high-water mark, `FOLDER.mark`, and its ballast, `FOLDER.ballast`.
///
/// # Errors
/// Failed where another process has the folder, Corrupt where what is in it does not open or is not all
/// that was acknowledged, Full where the disk is.
pub fn open(folder: &Path, options: Options) -> Result<Arc<dyn Engine>> {
    let room = Room::new(folder, options.ballast_bytes, options.free_bytes_min);
    room.make();
    let folder::Opened { database, rows, pieces, moments, moment } = folder::open(folder, &options)?;
    let mark = Mark::open(folder, moment).map_err(|e| Error::at(&mark::path(folder), e))?;
    room.lay_ballast();
    let keeper = Keeper::start(mark.file().map_err(Error::failed)?, room.clone()).map_err(Error::failed)?;
    let shared = Arc::new(Shared {
        rows,
        pieces,
        in_flight: InFlight::default(),
        gate: RwLock::new(()),
        moment: Mutex::new(moment),
        walks: Walks::default(),
    });
    let (sender, jobs) = mpsc::channel(QUEUE_MAX);
    let committer = Committer::new(database, moments, folder, shared.clone(), jobs, room, mark, keeper)?;
    let thread = std::thread::Builder::new()
        .name("storage-commit".into())
        .spawn(move || committer.run())
        .map_err(Error::failed)?;
    Ok(Arc::new(Sled { shared, sender: Some(sender), thread: Some(thread) }))
}

struct Sled {
    shared: Arc<Shared>,
    /// None only while dropping.
    sender: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What readers and the committer share.
struct Shared {
    rows: sled::Tree,
    pieces: sled::Tree,
    in_flight: InFlight,
    /// Held for writing from transaction to fsync: scans wait for it.
    gate: RwLock<()>,
    /// The durable state. Changes only while the gate is held for writing.
    moment: Mutex<Moment>,
    walks: Walks,
}

#[async_trait::async_trait]
impl Engine for Sled {
    async fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let (shared, key) = (self.shared.clone(), Bytes::copy_from_slice(key));
        blocking(move || shared.get(&key)).await
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Value)>> {
        let shared = self.shared.clone();
        blocking(move || shared.scan(range, limit, direction)).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let (answer, outcome) = oneshot::channel();
        let Batch { conditions, writes, makes_room } = batch;
        let job = Job { conditions, writes: Prepared::all(writes)?, makes_room, answer };
        let sender = self.sender.as_ref().ok_or(Error::Closed)?;
        sender.send(job).await.map_err(|_| Error::Closed)?;
        outcome.await.map_err(|_| Error::Closed)?
    }

    fn walk(&self) -> Result<Box<dyn Walk>> {
        Ok(Box::new(SledWalk::new(self.shared.clone())))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the engine's clock")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn name(&self) -> &'static str {
        "sled"
    }
}

impl Drop for Sled {
    /// Lets the committer finish what has queued up, and waits for it.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn moment(&self) -> Moment {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &Key) -> Result<Option<Value>> {
        loop {
            let before = self.in_flight.read();
            let found = match before.replaced(key) {
                Some(durable) => Ok(durable.clone()),
                None => pieces::read(&self.rows, &self.pieces, key),
            };
            // A batch that began or ended meanwhile may have changed what was read.
            if self.in_flight.is_still(&before) {
                return found;
            }
        }
    }

    fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Value)>> {
        if crate::volatile::is_empty(&range) {
            return Ok(Vec::new());
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let bound = |b: Bound<Key>| match b {
            Bound::Included(k) => Bound::Included(k.to_vec()),
            Bound::Excluded(k) => Bound::Excluded(k.to_vec()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut rows = self.rows.range::<Vec<u8>, _>((bound(range.start), bound(range.end)));
        let mut next = || match direction {
            Direction::Ascending => rows.next(),
            Direction::Descending => rows.next_back(),
        };
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(row) = next() else { break };
            let (key, row) = row.map_err(failed)?;
            found.push((
                Bytes::copy_from_slice(&key),
                pieces::assemble(&row, |piece| self.pieces.get(piece).map_err(failed))?,
            ));
        }
        Ok(found)
    }
}

async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    // sled panics on some kinds of damage.
    tokio::task::spawn_blocking(read).await.map_err(|e| match e.is_panic() {
        true => Error::Corrupt("sled gave up reading: restore the folder from a backup".into()),
        false => Error::Closed,
    })?
}

fn failed(error: sled::Error) -> Error {
    match error {
        sled::Error::Corruption { at, .. } => Error::Corrupt(format!("sled reports damage at {at:?}")),
        sled::Error::Io(e) if e.kind() == std::io::ErrorKind::StorageFull => Error::Full(e.to_string()),
        other => Error::failed(other),
    }
}
