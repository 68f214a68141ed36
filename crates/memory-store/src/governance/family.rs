//! Families: what is being erased of them, as a condition of commits.
//!
//! Contents are shared within a family of forks, and every store of it has a writer of its own. So that
//! none names a content that another takes away, an erasure first bars what it is about in the
//! family's row. Each batch of commits that makes versions is on condition of that row: what was judged
//! before the bar fails and is judged again, and then refused. From then on nothing new names what is
//! barred, so that the erasure may look at the logs and take away what it likes; in the end it lifts
//! the bar. What is then written anew with the same text is another row, under another key.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use domain::commit::Erased;
use domain::{Error, Kind, Result, limits};
use storage::{Record, Vault, VaultBatch, engine};

use crate::era::Eras;
use crate::governance::key;
use crate::governance::record::FamilyRow;
use crate::key::Family;
use crate::{fault, record};

/// The rows of families, those in use in memory.
pub struct Families {
    vault: Vault,
    eras: Eras,
    known: moka::sync::Cache<Family, Arc<State>>,
    stopped: Stopped,
}

/// A family's row as it was read. None on disk is the row of one that nothing was ever erased of.
#[derive(Debug, Default)]
pub struct State {
    record: Option<Record>,
    pub row: FamilyRow,
    barred: HashSet<[u8; 32]>,
    /// Another process may have changed it: it is to be read again.
    stale: bool,
}

impl State {
    fn new(record: Option<Record>, row: FamilyRow) -> State {
        let barred = row.barred.iter().copied().collect();
        State { record, row, barred, stale: false }
    }

    pub fn is_barred(&self, hash: &[u8; 32]) -> bool {
        self.barred.contains(hash)
    }

    /// Makes a batch fail where the row is another by now.
    pub fn require(&self, family: Family, batch: &mut VaultBatch) {
        match &self.record {
            Some(record) => batch.require(key::family(family), record),
            None => batch.require_absent(key::family(family)),
        }
    }
}

impl Families {
    pub fn new(vault: Vault, eras: Eras, stopped: Stopped) -> Families {
        let known = moka::sync::Cache::new(4 * limits::OPEN_STORES_MAX as u64);
        Families { vault, eras, known, stopped }
    }

    pub async fn get(&self, family: Family) -> Result<Arc<State>> {
        let known = self.known.get(&family);
        if let Some(state) = known.as_ref().filter(|state| !state.stale) {
            return Ok(state.clone());
        }
        let record = self.vault.get(&key::family(family)).await.map_err(fault::of)?;
        let row: FamilyRow = match &record {
            Some(record) => record::decode(record.value())?,
            None => FamilyRow::default(),
        };
        if known.is_some_and(|known| known.row.generation != row.generation) {
            // Another process has erased something: nothing that is kept here can be trusted.
            self.eras.next();
        }
        let state = Arc::new(State::new(record, row));
        self.known.insert(family, state.clone());
        Ok(state)
    }

    /// To be called when a condition on the row failed.
    pub fn distrust(&self, family: Family) {
        if let Some(state) = self.known.get(&family) {
            let (record, row) = (state.record.clone(), state.row.clone());
            self.known.insert(family, Arc::new(State { stale: true, ..State::new(record, row) }));
        }
    }

    /// Changes the row by a batch, with what else the batch holds. Reads of what is barred stop before
    /// the batch is written, and go on only once nothing of it is barred any more.
    ///
    /// # Errors
    /// Unavailable where another process came first: nothing was written.
    pub async fn change(&self, family: Family, mut row: FamilyRow, mut batch: VaultBatch) -> Result<()> {
        let state = self.get(family).await?;
        row.generation = state.row.generation + 1;
        let plain = record::encode(&row)?;
        let key = key::family(family);
        let record = match &state.record {
            // What was barred is nobody's business afterwards.
            Some(old) => batch.renew(key, old, &plain),
            None => {
                batch.require_absent(key.clone());
                batch.put(key, &plain)
            }
        };
        let record = record.map_err(fault::of)?;
        if let Some(why) = row.why {
            self.stopped.stop(family, &row.barred, why);
        }
        if let Err(e) = self.vault.commit(batch).await {
            self.distrust(family);
            if matches!(e, engine::Error::Conflict(_)) {
                let new: Vec<_> = row.barred.iter().filter(|hash| !state.is_barred(hash)).copied().collect();
                self.stopped.lift(family, &new);
            }
            return Err(fault::of(e));
        }
        let lifted = state.row.barred.iter().filter(|hash| !row.barred.contains(hash));
        let lifted: Vec<_> = lifted.copied().collect();
        self.known.insert(family, Arc::new(State::new(Some(record), row)));
        self.stopped.lift(family, &lifted);
        Ok(())
    }

    /// Stops reads of what is barred, as it stands in the row: after a restart.
    pub fn stop(&self, family: Family, state: &State) {
        self.stopped.stop(family, &state.row.barred, state.row.why.unwrap_or(Erased::Redacted));
    }
}

/// A content of a family.
type Named = (Family, [u8; 32]);

/// Contents that nobody may read, and those that were erased a while ago, of which readers that began
/// before may still ask.
#[derive(Clone)]
pub struct Stopped {
    now: Arc<RwLock<HashMap<Named, Erased>>>,
    before: moka::sync::Cache<Named, Erased>,
}

impl Default for Stopped {
    fn default() -> Stopped {
        Stopped { now: Arc::default(), before: moka::sync::Cache::new(limits::ERASED_REMEMBERED_MAX) }
    }
}

impl Stopped {
    /// Why a content must not be read now.
    pub fn is_stopped(&self, family: Family, hash: &[u8; 32]) -> Option<Erased> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        if now.is_empty() { None } else { now.get(&(family, *hash)).copied() }
    }

    /// Why a content that is absent was erased.
    pub fn was_erased(&self, family: Family, hash: &[u8; 32]) -> Option<Erased> {
        self.before.get(&(family, *hash))
    }

    fn stop(&self, family: Family, hashes: &[[u8; 32]], why: Erased) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        now.extend(hashes.iter().map(|hash| ((family, *hash), why)));
    }

    fn lift(&self, family: Family, hashes: &[[u8; 32]]) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        for hash in hashes {
            if let Some(why) = now.remove(&(family, *hash)) {
                self.before.insert((family, *hash), why);
            }
        }
    }
}

/// What a reader of an erased content is told.
pub fn erased(why: Erased) -> Error {
    match why {
        Erased::Redacted => Error::new(Kind::Precondition, "REDACTED", "this content was redacted: it cannot be read"),
        Erased::Expired => Error::new(
            Kind::Precondition,
            "EXPIRED",
            "this content was erased by the store's retention: it cannot be read any more",
        ),
    }
}

/// Whether an error says that a content is erased.
pub fn is_erased(error: &Error) -> bool {
    matches!(error.reason(), "REDACTED" | "EXPIRED")
}

/// What an error that `is_erased` says.
pub fn why(error: &Error) -> Erased {
    if error.reason() == "EXPIRED" { Erased::Expired } else { Erased::Redacted }
}
