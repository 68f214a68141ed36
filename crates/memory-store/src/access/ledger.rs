//! The ledger: tokens and attachments on disk, with those in use in memory.
//!
//! Whoever reads a row into memory holds the pen, and so does whoever writes one: a row in memory is
//! never older than what this process wrote. Another process that shares the engine can make it
//! stale for limits::TOKEN_CACHE_S, which is how late a revocation may take effect anywhere.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::access::Grant;
use domain::id::{SessionId, TokenId, WorkspaceId};
use domain::{Result, limits};
use moka::sync::Cache;
use storage::engine::{Direction, Range};
use storage::{Record, Vault, VaultBatch};
use tokio::sync::{Mutex, MutexGuard};

use crate::access::key;
use crate::access::record::{AttachmentsRow, MadeRow, SecretRow, SessionTokenRow, TokenRow};
use crate::{fault, record};

pub struct Ledger {
    vault: Vault,
    pen: Mutex<()>,
    secrets: Cache<[u8; 32], SecretRow>,
    tokens: Cache<(WorkspaceId, TokenId), Arc<Held>>,
    attachments: Cache<(WorkspaceId, SessionId), Arc<AttachmentsRow>>,
}

/// A token as it is on disk.
pub struct Held {
    pub row: TokenRow,
    /// The stores that its holder made.
    pub made: Vec<Grant>,
    record: Record,
}

impl Ledger {
    pub fn new(vault: Vault) -> Ledger {
        let ttl = Duration::from_secs(limits::TOKEN_CACHE_S);
        Ledger {
            vault,
            pen: Mutex::default(),
            secrets: Cache::builder().max_capacity(limits::TOKENS_CACHED_MAX).time_to_live(ttl).build(),
            tokens: Cache::builder().max_capacity(limits::TOKENS_CACHED_MAX).time_to_live(ttl).build(),
            attachments: Cache::builder().max_capacity(limits::TOKENS_CACHED_MAX).time_to_live(ttl).build(),
        }
    }

    pub async fn pen(&self) -> Pen<'_> {
        Pen { ledger: self, _held: self.pen.lock().await }
    }

    /// Whom a secret opens, by its hash. The token says whether it still does.
    pub async fn secret(&self, hash: &[u8; 32]) -> Result<Option<SecretRow>> {
        if let Some(row) = self.secrets.get(hash) {
            return Ok(Some(row));
        }
        let record = self.vault.get(&key::secret(hash)).await.map_err(fault::of)?;
        let row = record.map(|r| record::decode::<SecretRow>(r.value())).transpose()?;
        if let Some(row) = row {
            self.secrets.insert(*hash, row);
        }
        Ok(row)
    }

    pub async fn token(&self, workspace: WorkspaceId, token: TokenId) -> Result<Option<Arc<Held>>> {
        match self.tokens.get(&(workspace, token)) {
            Some(held) => Ok(Some(held)),
            None => self.pen().await.token(workspace, token).await,
        }
    }

    pub async fn attachments(&self, workspace: WorkspaceId, session: SessionId) -> Result<Option<Arc<AttachmentsRow>>> {
        match self.attachments.get(&(workspace, session)) {
            Some(row) => Ok(Some(row)),
            None => self.pen().await.attachments(workspace, session).await,
        }
    }

    /// A page of a workspace's tokens after one of them, in the order in which they were made.
    pub async fn page(
        &self,
        workspace: WorkspaceId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<(TokenId, TokenRow)>> {
        let range = Range::prefix(&key::tokens(workspace));
        let range = match after {
            Some(token) => range.after(key::token(workspace, token)),
            None => range,
        };
        let rows = self.vault.scan(range, limit, Direction::Ascending).await.map_err(fault::of)?;
        rows.iter().map(|(key, record)| Ok((token_of(key)?, record::decode(record.value())?))).collect()
    }

    /// The newest tokens that were issued to a session.
    pub async fn session_tokens(&self, workspace: WorkspaceId, session: SessionId) -> Result<Vec<TokenId>> {
        let range = Range::prefix(&key::session_tokens(workspace, session));
        let rows = self.vault.scan(range, limits::SESSION_TOKENS_MAX, Direction::Descending).await;
        rows.map_err(fault::of)?.iter().map(|(key, _)| token_of(key)).collect()
    }
}

/// Leave to write, and to read into memory.
pub struct Pen<'a> {
    ledger: &'a Ledger,
    _held: MutexGuard<'a, ()>,
}

impl Pen<'_> {
    pub async fn token(&self, workspace: WorkspaceId, token: TokenId) -> Result<Option<Arc<Held>>> {
        let Ledger { vault, tokens, .. } = self.ledger;
        if let Some(held) = tokens.get(&(workspace, token)) {
            return Ok(Some(held));
        }
        let Some(record) = vault.get(&key::token(workspace, token)).await.map_err(fault::of)? else {
            return Ok(None);
        };
        let row: TokenRow = record::decode(record.value())?;
        let range = Range::prefix(&key::all_made(workspace, token));
        let made = vault.scan(range, limits::GRANTS_MADE_MAX, Direction::Ascending).await.map_err(fault::of)?;
        let made = made.iter().map(|(_, r)| record::decode::<MadeRow>(r.value()).map(|row| row.grant));
        let held = Arc::new(Held { row, made: made.collect::<Result<_>>()?, record });
        tokens.insert((workspace, token), held.clone());
        Ok(Some(held))
    }

    pub async fn attachments(&self, workspace: WorkspaceId, session: SessionId) -> Result<Option<Arc<AttachmentsRow>>> {
        let Ledger { vault, attachments, .. } = self.ledger;
        if let Some(row) = attachments.get(&(workspace, session)) {
            return Ok(Some(row));
        }
        let record = vault.get(&key::attachments(workspace, session)).await.map_err(fault::of)?;
        let Some(row) = record.map(|r| record::decode::<AttachmentsRow>(r.value())).transpose()? else {
            return Ok(None);
        };
        let row = Arc::new(row);
        attachments.insert((workspace, session), row.clone());
        Ok(Some(row))
    }

    /// A row that is not kept in memory.
    pub async fn row<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        let record = self.ledger.vault.get(key).await.map_err(fault::of)?;
        record.map(|r| record::decode(r.value())).transpose()
    }

    pub fn changes(&self) -> Changes<'_> {
        Changes { ledger: self.ledger, batch: self.ledger.vault.batch(), tokens: Vec::new(), sessions: Vec::new() }
    }
}

/// Writes that stand or fall together.
pub struct Changes<'a> {
    ledger: &'a Ledger,
    batch: VaultBatch,
    tokens: Vec<(WorkspaceId, TokenId)>,
    sessions: Vec<(WorkspaceId, SessionId)>,
}

impl Changes<'_> {
    pub fn add_token(&mut self, workspace: WorkspaceId, token: TokenId, row: &TokenRow) -> Result<()> {
        let key = key::token(workspace, token);
        self.batch.require_absent(key.clone());
        self.put(key, row)?;
        self.put(key::secret(&row.secret), &SecretRow { workspace, token })?;
        if let Some(session) = row.session.filter(|_| row.attached) {
            self.put(key::session_token(workspace, session, token), &SessionTokenRow {})?;
        }
        self.tokens.push((workspace, token));
        Ok(())
    }

    /// Replaces a token that is as `held` on disk. Where its secret changes, the old one opens nothing more.
    pub fn change_token(&mut self, workspace: WorkspaceId, token: TokenId, held: &Held, row: &TokenRow) -> Result<()> {
        let plain = record::encode(row)?;
        self.batch.replace(key::token(workspace, token), &held.record, &plain).map_err(fault::of)?;
        if row.secret != held.row.secret {
            self.batch.delete(key::secret(&held.row.secret));
            self.put(key::secret(&row.secret), &SecretRow { workspace, token })?;
        }
        self.tokens.push((workspace, token));
        Ok(())
    }

    pub fn add_made(&mut self, workspace: WorkspaceId, token: TokenId, grant: &Grant) -> Result<()> {
        self.put(key::made(workspace, token, grant.store), &MadeRow { grant: grant.clone() })?;
        self.tokens.push((workspace, token));
        Ok(())
    }

    pub fn put_attachments(&mut self, workspace: WorkspaceId, session: SessionId, row: &AttachmentsRow) -> Result<()> {
        self.put(key::attachments(workspace, session), row)?;
        self.sessions.push((workspace, session));
        Ok(())
    }

    /// The row must not be there yet.
    pub fn require_absent(&mut self, key: &Bytes) {
        self.batch.require_absent(key.clone());
    }

    pub fn put(&mut self, key: Bytes, row: &impl serde::Serialize) -> Result<()> {
        self.batch.put(key, &record::encode(row)?).map(drop).map_err(fault::of)
    }

    pub fn put_encoded(&mut self, key: Bytes, row: &[u8]) -> Result<()> {
        self.batch.put(key, row).map(drop).map_err(fault::of)
    }

    /// Makes the changes durable.
    ///
    /// # Errors
    /// Unavailable where another process came first: nothing was written, and memory is fresh again.
    pub async fn commit(self) -> Result<()> {
        let Changes { ledger, batch, tokens, sessions } = self;
        // Before as well as after: a caller that goes away in between must leave no stale row behind.
        forget(ledger, &tokens, &sessions);
        let done = ledger.vault.commit(batch).await.map_err(fault::of);
        forget(ledger, &tokens, &sessions);
        done
    }
}

fn forget(ledger: &Ledger, tokens: &[(WorkspaceId, TokenId)], sessions: &[(WorkspaceId, SessionId)]) {
    tokens.iter().for_each(|t| ledger.tokens.invalidate(t));
    sessions.iter().for_each(|s| ledger.attachments.invalidate(s));
}

fn token_of(key: &[u8]) -> Result<TokenId> {
    key::token_of(key).ok_or_else(|| fault::damaged("a token's key is too short"))
}
