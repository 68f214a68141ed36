//! The committer: the one thread that writes.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sled::Transactional as _;
use sled::transaction::{
    ConflictableTransactionError, TransactionError, TransactionalTree, UnabortableTransactionError,
};
use tokio::sync::{mpsc, oneshot};

use super::pieces::{self, Prepared};
use super::{Shared, failed};
use crate::engine::{Condition, Error, Key, Result, Value};

/// Batches of one transaction.
const GROUP_BATCHES: usize = 512;
/// Bytes of one transaction; one batch may be larger.
const GROUP_BYTES: usize = 1 << 20;
/// Free bytes of the disk below which nothing more is written: a full disk cannot be opened again.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// One batch that waits for its turn, and for its answer.
pub struct Job {
    pub conditions: Vec<Condition>,
    pub writes: Vec<Prepared>,
    pub answer: oneshot::Sender<Result<()>>,
}

pub struct Committer {
    database: sled::Db,
    folder: PathBuf,
    /// Our own descriptor of sled's file, for the fsync that sled does not make.
    file: File,
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
}

impl Committer {
    pub fn new(database: sled::Db, folder: &Path, shared: Arc<Shared>, jobs: mpsc::Receiver<Job>) -> Result<Committer> {
        let file = File::open(folder.join("db")).map_err(Error::failed)?;
        Ok(Committer { database, folder: folder.to_owned(), file, shared, jobs })
    }

    /// Commits until every sender is gone.
    pub fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let group = self.drain(first);
            if let Err(error) = self.room() {
                for job in group {
                    let _ = job.answer.send(Err(Error::Full(error.clone())));
                }
                continue;
            }
            self.commit(group);
        }
    }

    fn drain(&mut self, first: Job) -> Vec<Job> {
        let bytes = |job: &Job| job.writes.iter().map(Prepared::bytes).sum::<usize>();
        let mut total = bytes(&first);
        let mut group = vec![first];
        while group.len() < GROUP_BATCHES && total < GROUP_BYTES {
            let Ok(job) = self.jobs.try_recv() else { break };
            total += bytes(&job);
            group.push(job);
        }
        group
    }

    /// Whether the disk has room. A disk that cannot be asked is taken to have some.
    fn room(&self) -> Result<(), String> {
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < FREE_BYTES_MIN { Err(format!("the disk has {} MiB left; make room", free >> 20)) } else { Ok(()) }
    }

    fn commit(&self, group: Vec<Job>) {
        let gate = self.shared.gate.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = (&self.shared.rows, &self.shared.pieces).transaction(|(rows, pieces)| {
            let mut replaced = HashMap::new();
            let outcomes =
                group.iter().map(|job| apply(job, rows, pieces, &mut replaced)).collect::<Result<Vec<_>, _>>()?;
            // Readers see the transaction once this closure has returned: from here on they are
            // answered from what it replaces.
            self.shared.in_flight.begin(replaced);
            Ok(outcomes)
        });
        let outcomes = match outcome {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.shared.in_flight.end();
                return fail(group, error);
            }
        };
        if outcomes.iter().any(Result::is_ok) {
            self.make_durable();
        }
        self.shared.in_flight.end();
        drop(gate);
        for (job, outcome) in group.into_iter().zip(outcomes) {
            let _ = job.answer.send(outcome.map_err(Error::Conflict));
        }
    }

    /// Ends the process where it cannot be done: after a failed fsync nobody knows what is on the
    /// disk, and asking again may lie (fsyncgate).
    fn make_durable(&self) {
        let synced = self
            .database
            .flush()
            .map_err(|e| e.to_string())
            .and_then(|_| self.file.sync_data().map_err(|e| e.to_string()));
        if let Err(error) = synced {
            tracing::error!(%error, folder = %self.folder.display(), "writes cannot be made durable: stopping before anything false is said");
            std::process::abort();
        }
    }
}

type Failed = Vec<(Key, Option<Value>)>;
type Replaced = HashMap<Key, Option<Value>>;
type Closure<T> = std::result::Result<T, ConflictableTransactionError<String>>;

/// Applies one batch inside the transaction, or says which of its conditions do not hold. `replaced`
/// collects the values from before the transaction.
fn apply(
    job: &Job,
    rows: &TransactionalTree,
    pieces: &TransactionalTree,
    replaced: &mut Replaced,
) -> Closure<Result<(), Failed>> {
    let value = |row: Option<sled::IVec>| -> Closure<Option<Value>> {
        let piece = |key: &[u8]| pieces.get(key).map_err(Abort::from);
        row.map(|row| pieces::assemble(&row, piece)).transpose().map_err(|abort| abort.0)
    };
    let mut failed = Vec::new();
    for condition in &job.conditions {
        let actual = value(rows.get(condition.key())?)?;
        if !condition.holds(actual.as_deref()) {
            failed.push((condition.key().clone(), actual));
        }
    }
    if !failed.is_empty() {
        return Ok(Err(failed));
    }
    for write in &job.writes {
        let old = match &write.row {
            Some(row) => rows.insert(write.key.as_ref(), row.as_slice())?,
            None => rows.remove(write.key.as_ref())?,
        };
        if !replaced.contains_key(&write.key) {
            replaced.insert(write.key.clone(), value(old.clone())?);
        }
        for key in old.iter().flat_map(|row| pieces::keys(row)) {
            pieces.remove(key)?;
        }
        for (key, piece) in &write.pieces {
            pieces.insert(key.as_slice(), piece.as_ref())?;
        }
    }
    Ok(Ok(()))
}

/// Lets damage found inside the transaction end it.
struct Abort(ConflictableTransactionError<String>);

impl From<Error> for Abort {
    fn from(error: Error) -> Abort {
        Abort(ConflictableTransactionError::Abort(error.to_string()))
    }
}

impl From<UnabortableTransactionError> for Abort {
    fn from(error: UnabortableTransactionError) -> Abort {
        Abort(error.into())
    }
}

fn fail(group: Vec<Job>, error: TransactionError<String>) {
    let error: Arc<str> = match error {
        TransactionError::Abort(damage) => damage.into(),
        TransactionError::Storage(error) => failed(error).to_string().into(),
    };
    tracing::error!(%error, "a transaction failed");
    for job in group {
        let _ = job.answer.send(Err(Error::failed(error.to_string())));
    }
}

/// The keys of the batch between transaction and fsync, with their values from before it.
#[derive(Default)]
pub struct InFlight(RwLock<Arc<Keys>>);

#[derive(Default)]
pub struct Keys {
    replaced: Replaced,
}

impl Keys {
    pub fn replaced(&self, key: &Key) -> Option<&Option<Value>> {
        self.replaced.get(key)
    }
}

impl InFlight {
    pub fn read(&self) -> Arc<Keys> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether nothing has begun or ended since `keys` was read.
    pub fn is_still(&self, keys: &Arc<Keys>) -> bool {
        Arc::ptr_eq(&self.0.read().unwrap_or_else(PoisonError::into_inner), keys)
    }

    fn begin(&self, replaced: Replaced) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys { replaced });
    }

    fn end(&self) {
        self.begin(Replaced::new());
    }
}
