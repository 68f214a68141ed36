//! What governance promises, as tests. Here: a service over an engine that a test can look into.

use std::sync::{Arc, Mutex};

use domain::access::{Action, Grants, Principal, Role, Scope, StorePermit};
use domain::commit::{Operation, Outcome, Request, Revision, Step};
use domain::governance::{Redact, Redaction, Selector};
use domain::id::{StoreId, TokenId, WorkspaceId};
use domain::memory::MemoryRef;
use domain::store::{NewFork, NewStore};
use domain::{Clock, Error, Timestamp};
use runtime::clock::SystemIds;
use storage::Vault;
use storage::engine::{Batch, Direction, Engine, Range, Write};
use storage::keyring::Keyring;
use storage::volatile::Volatile;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::MemoryStore;

mod audit;
mod crash;
mod keep;
mod redact;
mod search;
mod verify;

/// Time that goes when the test says so.
pub struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub struct World {
    pub engine: Arc<dyn Engine>,
    keys: Arc<TempDir>,
    pub vault: Vault,
    pub clock: Arc<Hand>,
    pub service: MemoryStore,
    pub store: StoreId,
}

pub fn principal(subject: &str, role: Role) -> Principal {
    Principal {
        workspace: WorkspaceId::from_bytes([9; 16]),
        token: TokenId::from_bytes([8; 16]),
        subject: subject.into(),
        scope: Scope { role, grants: Grants::All },
        session: None,
        agent: String::new(),
        dream: String::new(),
        expire_time: Timestamp::MAX,
    }
}

pub fn permit(store: StoreId) -> StorePermit {
    principal("ana", Role::Admin).permit_store(Action::StoreRedact, store).unwrap()
}

pub fn write(path: &str, content: &str) -> Operation {
    Operation::Write { path: path.parse().unwrap(), content: content.to_owned(), origins: Vec::new() }
}

pub fn delete(path: &str) -> Operation {
    Operation::Delete { path: path.parse().unwrap(), recursive: false }
}

impl World {
    pub async fn new() -> World {
        let clock = Arc::new(Hand(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())));
        World::open(Volatile::new(), Arc::new(TempDir::new().unwrap()), clock, None).await.unwrap()
    }

    /// Over an engine; makes the store `team` where `store` is None.
    pub async fn open(
        engine: Arc<dyn Engine>,
        keys: Arc<TempDir>,
        clock: Arc<Hand>,
        store: Option<StoreId>,
    ) -> domain::Result<World> {
        let keyring = Keyring::open(keys.path()).map_err(crate::fault::of)?;
        let vault = Vault::open(engine.clone(), keyring).await.map_err(crate::fault::of)?;
        let shutdown = CancellationToken::new();
        let service = MemoryStore::open(vault.clone(), clock.clone(), Arc::new(SystemIds), shutdown).await?;
        let store = match store {
            Some(store) => store,
            None => {
                let permit = principal("ana", Role::Admin).permit(Action::StoreCreate).unwrap();
                let new = NewStore { handle: Some("team".parse().unwrap()), ..NewStore::default() };
                service.create_store(&permit, new, "").await?.id
            }
        };
        Ok(World { engine, keys, vault, clock, service, store })
    }

    /// Another process over the same rows and keys.
    pub async fn reopened(self) -> World {
        let World { engine, keys, clock, store, .. } = self;
        World::open(engine, keys, clock, Some(store)).await.unwrap()
    }

    pub fn days_later(&self, days: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap();
    }

    pub fn permit(&self) -> StorePermit {
        permit(self.store)
    }

    pub async fn commit_to(&self, store: StoreId, operation: Operation, message: &str) -> domain::Result<Outcome> {
        let steps = vec![Step::from(operation)];
        let request = Request { steps, message: message.to_owned(), ..Request::default() };
        self.service.commit(&permit(store), request).await
    }

    pub async fn commit(&self, operation: Operation) -> Revision {
        self.commit_to(self.store, operation, "").await.unwrap().revision
    }

    pub async fn fork(&self, revision: Revision) -> StoreId {
        let new = NewFork { revision, ..NewFork::default() };
        self.service.fork_store(&self.permit(), new, "").await.unwrap().id
    }

    pub async fn read(&self, store: StoreId, path: &str, revision: Revision) -> domain::Result<String> {
        let wanted = MemoryRef::Path(path.parse().unwrap());
        let (memory, _) = self.service.memory(&permit(store), &wanted, revision).await?;
        Ok(memory.content.unwrap_or_default())
    }

    pub async fn redact(&self, selector: Selector) -> Redaction {
        self.try_redact(selector, "").await.unwrap()
    }

    pub async fn try_redact(&self, selector: Selector, request_id: &str) -> domain::Result<Redaction> {
        let (reason, request_id) = ("a test".to_owned(), request_id.to_owned());
        let redact = Redact { selector, reason, dry_run: false, request_id };
        self.service.redact(&self.permit(), &redact).await
    }

    /// The keys of all rows whose plain text has one of the words.
    pub async fn rows_with(&self, words: &[&str]) -> Vec<bytes::Bytes> {
        let rows = self.vault.scan(Range::prefix(&[]), usize::MAX, Direction::Ascending).await.unwrap();
        let has = |plain: &[u8]| words.iter().any(|w| plain.windows(w.len()).any(|part| part == w.as_bytes()));
        rows.into_iter().filter(|(_, row)| has(row.value())).map(|(key, _)| key).collect()
    }

    /// All rows as they lie on the disk.
    pub async fn sealed(&self) -> Vec<(bytes::Bytes, bytes::Bytes)> {
        self.engine.scan(Range::prefix(&[]), usize::MAX, Direction::Ascending).await.unwrap()
    }

    /// Which of some old rows somebody with today's keys could still open, if he had kept a copy.
    pub async fn opening(&self, old: &[(bytes::Bytes, bytes::Bytes)]) -> usize {
        let mut opening = 0;
        for (key, sealed) in old {
            let now = self.engine.get(key).await.unwrap();
            self.put(key, Some(sealed.clone())).await;
            opening += usize::from(self.vault.get(key).await.is_ok_and(|row| row.is_some()));
            self.put(key, now).await;
        }
        opening
    }

    async fn put(&self, key: &bytes::Bytes, value: Option<bytes::Bytes>) {
        let write = match value {
            Some(value) => Write::Put(key.clone(), value),
            None => Write::Delete(key.clone()),
        };
        self.engine.commit(Batch { writes: vec![write], ..Batch::default() }).await.unwrap();
    }

    /// The history is as it was committed; how many versions are erased.
    pub async fn verified(&self, store: StoreId) -> u64 {
        let found = self.service.verify_history(&permit(store)).await.unwrap();
        assert_eq!(found.problems, [], "{store}");
        assert!(found.commits == 0 || found.opened > 0);
        found.redacted
    }
}

pub fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().reason()
}

pub fn path(prefix: &str) -> Selector {
    Selector::Path(prefix.parse().unwrap())
}
