//! The service on a volatile engine: what callers see of its verbs.

mod follow;
mod imports;
mod record_run;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::access::{Action, Grants, Permit, Principal, Role, Scope};
use domain::id::{SessionId, TokenId, WorkspaceId};
use domain::transcript::request::{Append, End, NewSession};
use domain::transcript::{Body, Event, EventActor, Outcome, OutcomeSource, Session};
use domain::{Clock, Ids, Timestamp};
use futures_util::TryStreamExt as _;
use storage::Vault;
use storage::engine::Engine;
use storage::keyring::Keyring;
use storage::volatile::Volatile;
use tokio_util::sync::CancellationToken;

use crate::TranscriptIngest;
use crate::access::Reach;
use crate::ingest::Bounds;

/// Of one commit of an import.
const COMMIT_BYTES: usize = 200_000;

/// A second passes at each look.
#[derive(Default)]
struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        let seconds = 1_790_000_000 + self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(seconds).unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn fresh(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&(1 + self.0.fetch_add(1, Ordering::Relaxed)).to_be_bytes());
        id
    }
}

/// The service, and what it needs to be started again on the same data.
struct Bench {
    ingest: TranscriptIngest,
    engine: Arc<dyn Engine>,
    keyring: tempfile::TempDir,
    clock: Arc<Ticks>,
    ids: Arc<Counted>,
    shutdown: CancellationToken,
}

impl Bench {
    async fn new() -> Bench {
        Bench::on(Volatile::new()).await
    }

    async fn on(engine: Arc<dyn Engine>) -> Bench {
        let keyring = tempfile::tempdir().unwrap();
        let (clock, ids, shutdown) = (Arc::default(), Arc::default(), CancellationToken::new());
        let ingest = open(&engine, &keyring, &clock, &ids, &shutdown).await;
        Bench { ingest, engine, keyring, clock, ids, shutdown }
    }

    async fn restarted(self) -> Bench {
        let Bench { ingest, engine, keyring, clock, ids, .. } = self;
        drop(ingest);
        let shutdown = CancellationToken::new();
        let ingest = open(&engine, &keyring, &clock, &ids, &shutdown).await;
        Bench { ingest, engine, keyring, clock, ids, shutdown }
    }

    async fn session(&self) -> Session {
        self.ingest.create(&permit(), NewSession::default()).await.unwrap()
    }

    async fn append(&self, session: SessionId, first_seq: u64, texts: &[&str]) -> domain::Result<u64> {
        let event = |(i, text): (usize, &&str)| message(first_seq + i as u64, text);
        let events = texts.iter().enumerate().map(event).collect();
        self.ingest.append(&permit(), Append { session, first_seq, events }).await
    }

    async fn end(&self, session: SessionId) -> domain::Result<Session> {
        self.ingest.end(&permit(), End { session, outcome: None, last_seq: None }).await
    }

    async fn events(&self, session: SessionId) -> Vec<Event> {
        self.ingest.read(&permit(), session, 0).await.unwrap().try_concat().await.unwrap()
    }

    async fn texts(&self, session: SessionId) -> Vec<String> {
        self.events(session).await.iter().map(|e| e.body.text().to_owned()).collect()
    }
}

async fn open(
    engine: &Arc<dyn Engine>,
    keyring: &tempfile::TempDir,
    clock: &Arc<Ticks>,
    ids: &Arc<Counted>,
    shutdown: &CancellationToken,
) -> TranscriptIngest {
    let vault = Vault::open(engine.clone(), Keyring::open(keyring.path()).unwrap()).await.unwrap();
    let wait = Duration::from_millis(40);
    let bounds = Bounds { watch_silence: wait, import_silence: wait, import_commit_bytes: COMMIT_BYTES };
    TranscriptIngest::within(vault, clock.clone(), ids.clone(), shutdown.clone(), bounds)
}

fn principal(workspace: u8) -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([workspace; 16]),
        token: TokenId::from_bytes([0; 16]),
        subject: "ana".into(),
        scope: Scope { role: Role::Writer, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}

fn permit() -> Permit {
    principal(1).permit(Action::SessionRecord).unwrap()
}

fn reach() -> Reach {
    Reach::new(&principal(1)).unwrap()
}

fn message(seq: u64, text: &str) -> Event {
    Event {
        seq,
        time: None,
        actor: EventActor::User,
        thread: String::new(),
        body: Body::Message { text: text.to_owned() },
        source: None,
        copied: false,
    }
}

fn outcome(value: f64) -> Option<Outcome> {
    Some(Outcome { value, label: String::new(), source: OutcomeSource::Grader })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures").join(path)).unwrap()
}
