//! The committer: the one thread that writes.

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sled::Transactional as _;
use sled::transaction::{
    ConflictableTransactionError, TransactionError, TransactionalTree, UnabortableTransactionError,
};
use tokio::sync::{mpsc, oneshot};

use super::keeper::Keeper;
use super::mark::Mark;
use super::pieces::{self, Prepared};
use super::room::Room;
use super::{Shared, failed};
use crate::engine::{Condition, Error, Key, Result, Value};
use crate::limits::{GROUP_BATCHES_MAX, GROUP_BYTES_MAX};
use crate::moment::Moment;

/// Where in its tree the moment stands.
const MOMENT_KEY: &[u8] = b"moment";

/// One batch that waits for its turn, and for its answer.
pub struct Job {
    pub conditions: Vec<Condition>,
    pub writes: Vec<Prepared>,
    pub makes_room: bool,
    pub answer: oneshot::Sender<Result<()>>,
}

pub struct Committer {
    database: sled::Db,
    /// The tree that holds the moment.
    moments: sled::Tree,
    folder: PathBuf,
    /// Our own descriptor of sled's file, for the fsync that sled does not make.
    file: File,
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    room: Room,
    mark: Mark,
    /// Dropped last: it syncs the mark.
    keeper: Keeper,
}

impl Committer {
    #[expect(clippy::too_many_arguments, reason = "the one place that puts them together")]
    pub fn new(
        database: sled::Db,
        moments: sled::Tree,
        folder: &Path,
        shared: Arc<Shared>,
        jobs: mpsc::Receiver<Job>,
        room: Room,
        mark: Mark,
        keeper: Keeper,
    ) -> Result<Committer> {
        let file = folder.join("db");
        let file = File::open(&file).map_err(|e| Error::at(&file, e))?;
        Ok(Committer { database, moments, folder: folder.to_owned(), file, shared, jobs, room, mark, keeper })
    }

    /// Commits until every sender is gone.
    pub fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let group = self.drain(first);
            let group = self.admit(group);
            if group.is_empty() {
                continue;
            }
            // sled panics on some kinds of damage: what it then holds in memory nobody knows.
            let committed = catch_unwind(AssertUnwindSafe(|| self.commit(group)));
            if committed.is_err() {
                tracing::error!(folder = %self.folder.display(), "sled gave up while writing, as it does on damaged data: stopping; restore the folder from a backup if it happens again");
                std::process::abort();
            }
        }
    }

    fn drain(&mut self, first: Job) -> Vec<Job> {
        let bytes = |job: &Job| job.writes.iter().map(Prepared::bytes).sum::<usize>();
        let mut total = bytes(&first);
        let mut group = vec![first];
        while group.len() < GROUP_BATCHES_MAX && total < GROUP_BYTES_MAX {
            let Ok(job) = self.jobs.try_recv() else { break };
            total += bytes(&job);
            group.push(job);
        }
        group
    }

    /// Answers those for which the disk has no room.
    fn admit(&self, group: Vec<Job>) -> Vec<Job> {
        let Err(full) = self.room.admit(false) else { return group };
        let mut admitted = Vec::new();
        for job in group {
            match if job.makes_room { self.room.admit(true) } else { Err(full.clone()) } {
                Ok(()) => admitted.push(job),
                Err(full) => _ = job.answer.send(Err(Error::Full(full))),
            }
        }
        admitted
    }

    fn commit(&mut self, group: Vec<Job>) {
        let shared = self.shared.clone();
        let gate = shared.gate.write().unwrap_or_else(PoisonError::into_inner);
        let outcome = (&shared.rows, &shared.pieces, &self.moments).transaction(|(rows, pieces, moments)| {
            let mut replaced = HashMap::new();
            let mut moment = self.shared.moment();
            let mut outcomes = Vec::with_capacity(group.len());
            for job in &group {
                let outcome = apply(job, rows, pieces, &mut replaced, &mut moment)?;
                moment.commits += u64::from(outcome.is_ok());
                outcomes.push(outcome);
            }
            if outcomes.iter().any(Result::is_ok) {
                moments.insert(MOMENT_KEY, moment.to_bytes().as_slice())?;
            }
            // Readers see the transaction once this closure has returned: from here on they are
            // answered from what it replaces.
            self.shared.in_flight.begin(replaced);
            Ok((outcomes, moment))
        });
        let (outcomes, moment) = match outcome {
            Ok(done) => done,
            Err(error) => {
                self.shared.in_flight.end();
                return fail(group, error);
            }
        };
        if outcomes.iter().any(Result::is_ok) {
            self.make_durable();
            self.note(moment, &group, &outcomes);
        }
        self.shared.in_flight.end();
        drop(gate);
        for (job, outcome) in group.into_iter().zip(outcomes) {
            let _ = job.answer.send(outcome.map_err(Error::Conflict));
        }
    }

    /// Notes what is durable now, for who opens the database next and for the walks under way.
    fn note(&mut self, moment: Moment, group: &[Job], outcomes: &[Result<(), Failed>]) {
        *self.shared.moment.lock().unwrap_or_else(PoisonError::into_inner) = moment;
        match self.mark.write(moment) {
            Ok(()) => self.keeper.wake(),
            Err(error) => tracing::error!(%error, "the high-water mark cannot be written"),
        }
        if self.shared.walks.is_idle() {
            return;
        }
        let committed = group.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        let last: HashMap<&Key, &Prepared> =
            committed.flat_map(|(job, _)| job.writes.iter().map(|write| (&write.key, write))).collect();
        let in_flight = self.shared.in_flight.read();
        for (key, write) in last {
            let old = in_flight.replaced(key).and_then(Option::as_ref);
            self.shared.walks.note(key, old, write.value().as_ref());
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

/// The moment that a database's trees hold; that of an empty one where there is none.
pub fn read_moment(moments: &sled::Tree) -> Result<Moment> {
    match moments.get(MOMENT_KEY).map_err(failed)? {
        None => Ok(Moment::default()),
        Some(bytes) => Moment::from_bytes(&bytes).ok_or_else(|| Error::Corrupt("the row of the moment".into())),
    }
}

type Failed = Vec<(Key, Option<Value>)>;
type Replaced = HashMap<Key, Option<Value>>;
type Closure<T> = std::result::Result<T, ConflictableTransactionError<String>>;

/// Applies one batch inside the transaction, or says which of its conditions do not hold. `replaced`
/// collects the values from before the transaction, `moment` what becomes of all rows.
fn apply(
    job: &Job,
    rows: &TransactionalTree,
    pieces: &TransactionalTree,
    replaced: &mut Replaced,
    moment: &mut Moment,
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
        let hash = |row: &[u8]| pieces::value_hash(row);
        moment.change(&write.key, old.as_deref().and_then(hash), write.row.as_deref().and_then(hash));
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
