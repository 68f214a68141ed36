//! An engine that fails at the commit where a test says it should, in the ways in which databases and
//! processes fail.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use storage::engine::{Batch, Direction, Engine, Error, Key, Range, Result, Value, Write};
use tokio::sync::watch;

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not written, and nothing returns any more: the process was killed.
    Crash,
    /// It is not written, and the caller is told that the outcome is unknown.
    Refuse,
    /// It is written, and the caller is told that the outcome is unknown.
    LoseAnswer,
    /// It waits until it is let go, others do not.
    Hold,
    /// It and all after it wait until they are let go: the process was stopped for a while.
    Stall,
}

/// The engine's clock of all processes on one engine: it stands still until it is moved.
#[derive(Debug, Default)]
pub struct EngineClock(AtomicU64);

impl EngineClock {
    pub fn advance(&self, time: std::time::Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    fn now(&self) -> Timestamp {
        let passed_s = i64::try_from(self.0.load(Ordering::SeqCst)).unwrap_or(i64::MAX);
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(passed_s)
    }
}

/// One process's way to the engine that it shares with others.
pub struct Faulty {
    inner: Arc<dyn Engine>,
    clock: Arc<EngineClock>,
    fault: Mutex<Option<(u64, Fault)>>,
    commits: AtomicU64,
    state: watch::Sender<State>,
    put: Mutex<Vec<Key>>,
}

/// What a test can wait for.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    reached: bool,
    released: bool,
    /// Commits that wait.
    waiting: usize,
    /// Commits that waited and were then refused by their conditions.
    refused: usize,
    /// Commits that waited and were then written.
    written: usize,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Engine>, clock: Arc<EngineClock>) -> Arc<Faulty> {
        Arc::new(Faulty {
            inner,
            clock,
            fault: Mutex::default(),
            commits: AtomicU64::default(),
            state: watch::Sender::default(),
            put: Mutex::default(),
        })
    }

    /// The n-th commit from now on, the first is 1, fails.
    pub fn arm(&self, n: u64, fault: Fault) {
        self.state.send_replace(State::default());
        self.commits.store(0, Ordering::SeqCst);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((n, fault));
    }

    /// Returns when that commit comes.
    pub async fn reached(&self) {
        self.until(|state| state.reached).await;
    }

    /// Lets go what waits.
    pub fn release(&self) {
        self.state.send_modify(|state| state.released = true);
    }

    /// Returns when nothing waits any more: how many of those that did were refused, and how many written.
    pub async fn settled(&self) -> (usize, usize) {
        let state = self.until(|state| state.released && state.waiting == 0).await;
        (state.refused, state.written)
    }

    /// Commits since it was armed.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// The keys of a kind that were written, once for each time.
    pub fn put(&self, kind: u8) -> Vec<Key> {
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        put.iter().filter(|key| key.first() == Some(&kind)).cloned().collect()
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool + Send) -> State {
        let mut states = self.state.subscribe();
        let state = states.wait_for(is_so).await.map(|state| *state);
        state.expect("the sender lives as long as self")
    }

    /// What becomes of the next commit.
    fn next(&self) -> Option<Fault> {
        let n = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let (at, fault) = (*self.fault.lock().unwrap_or_else(PoisonError::into_inner))?;
        let goes_on = matches!(fault, Fault::Crash | Fault::Stall);
        (n == at || n > at && goes_on).then_some(fault)
    }

    async fn crashed(&self) {
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let is_crash = fault.is_some_and(|(_, fault)| fault == Fault::Crash);
        if is_crash && self.state.borrow().reached {
            pending::<()>().await;
        }
    }

    async fn wait(&self, batch: Batch) -> Result<()> {
        let _waiting = Waiting::new(&self.state);
        self.until(|state| state.released).await;
        let done = self.write(batch).await;
        self.state.send_modify(|state| match &done {
            Ok(()) => state.written += 1,
            Err(_) => state.refused += 1,
        });
        done
    }

    async fn write(&self, batch: Batch) -> Result<()> {
        let keys: Vec<Key> =
            batch.writes.iter().filter(|w| matches!(w, Write::Put(..))).map(|w| w.key().clone()).collect();
        self.inner.commit(batch).await?;
        self.put.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
        Ok(())
    }
}

/// Counts a commit that waits, also where its caller gives it up.
struct Waiting<'a>(&'a watch::Sender<State>);

impl Waiting<'_> {
    fn new(state: &watch::Sender<State>) -> Waiting<'_> {
        state.send_modify(|state| state.waiting += 1);
        Waiting(state)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.waiting -= 1);
    }
}

fn unknown() -> Error {
    Error::failed("a fault that the test asked for")
}

#[async_trait::async_trait]
impl Engine for Faulty {
    async fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.crashed().await;
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Value)>> {
        self.crashed().await;
        self.inner.scan(range, limit, direction).await
    }

    async fn commit(&self, batch: Batch) -> Result<()> {
        let fault = self.next();
        if fault.is_some() && !self.state.borrow().reached {
            self.state.send_modify(|state| state.reached = true);
        }
        match fault {
            None => self.write(batch).await,
            Some(Fault::Crash) => pending().await,
            Some(Fault::Refuse) => Err(unknown()),
            Some(Fault::LoseAnswer) => self.write(batch).await.and(Err(unknown())),
            Some(Fault::Hold | Fault::Stall) => self.wait(batch).await,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn name(&self) -> &'static str {
        "faulty"
    }
}
