//! Stores imported sessions, each whole and ended. What makes a session the same is its format, its
//! own id and its digest: one that is there already is found again.
//!
//! A session that is too large for one commit is staged: a row names the id under which its blocks
//! are written, and the last commit, which makes the session appear, holds only if the row is still
//! its own. Whoever comes upon a row that was left behind takes it over and erases what it names.

use std::collections::HashMap;

use domain::id::{SessionId, WorkspaceId};
use domain::transcript::request::ImportedSession;
use domain::{Result, Timestamp};
use storage::engine::{self, Direction};
use storage::{Record, VaultBatch};

use super::prepare::Prepared;
use crate::ingest::{ATTEMPTS_MAX, TranscriptIngest};
use crate::log::Turn;
use crate::record::{Imported, Kind};
use crate::{fault, key, record};

const SAME_CONTEXT: &str = "reverie 2026-11 imported session v1";
/// Blocks erased at once.
const ERASE_MAX: usize = 256;

impl TranscriptIngest {
    /// Stores sessions in one commit.
    pub(super) async fn store(&self, workspace: WorkspaceId, sessions: Vec<Prepared>) -> Result<Vec<ImportedSession>> {
        if sessions.is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut turn = self.0.logs.turn(workspace).await?;
            let now = self.0.clock.now();
            let mut batch = self.0.vault.batch();
            let mut made: HashMap<[u8; 32], SessionId> = HashMap::new();
            let mut results = Vec::with_capacity(sessions.len());
            for prepared in &sessions {
                let same = self.same(prepared);
                let there = match made.get(&same) {
                    Some(id) => Some(*id),
                    None => self.imported(workspace, &same).await?,
                };
                results.push(result(prepared, there));
                if there.is_none() {
                    let id = SessionId::from_bytes(self.0.ids.fresh());
                    add_blocks(&mut batch, workspace, id, &prepared.blocks)?;
                    add_session(&mut batch, &mut turn, workspace, id, prepared, &same, now)?;
                    made.insert(same, id);
                    set_id(&mut results, id);
                }
            }
            if made.is_empty() {
                turn.release();
                return Ok(results);
            }
            match turn.commit(batch).await {
                Ok(()) => return Ok(results),
                Err(engine::Error::Conflict(_)) => {} // Another import of the same came first.
                Err(e) => return Err(fault::of(e)),
            }
        }
        Err(fault::busy())
    }

    /// Stores a session in as many commits as it takes.
    pub(super) async fn store_large(&self, workspace: WorkspaceId, prepared: Prepared) -> Result<ImportedSession> {
        let same = self.same(&prepared);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(id) = self.imported(workspace, &same).await? {
                return Ok(result(&prepared, Some(id)));
            }
            let Some((id, stage)) = self.stage(workspace, &same).await? else { continue };
            let mut rest = prepared.blocks.as_slice();
            while !rest.is_empty() {
                let mut bytes = 0;
                let fits = |(_, block): &&(u64, Vec<u8>)| {
                    bytes += block.len();
                    bytes <= self.0.bounds.import_commit_bytes
                };
                let (now, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
                let mut batch = self.0.vault.batch();
                add_blocks(&mut batch, workspace, id, now)?;
                self.0.vault.commit(batch).await.map_err(fault::of)?;
                rest = after;
            }
            let mut turn = self.0.logs.turn(workspace).await?;
            let mut batch = self.0.vault.batch();
            let staged = key::staged(workspace, &same);
            batch.require(staged.clone(), &stage);
            batch.delete(staged);
            add_session(&mut batch, &mut turn, workspace, id, &prepared, &same, self.0.clock.now())?;
            match turn.commit(batch).await {
                Ok(()) => {
                    let mut results = vec![result(&prepared, None)];
                    set_id(&mut results, id);
                    return results.pop().ok_or_else(fault::busy);
                }
                Err(engine::Error::Conflict(_)) => {}
                Err(e) => return Err(fault::of(e)),
            }
        }
        Err(fault::busy())
    }

    /// The id under which the blocks are to be written, and the row that says so. None where another
    /// came first.
    async fn stage(&self, workspace: WorkspaceId, same: &[u8; 32]) -> Result<Option<(SessionId, Record)>> {
        let vault = &self.0.vault;
        let key = key::staged(workspace, same);
        let left = vault.get(&key).await.map_err(fault::of)?;
        let session = SessionId::from_bytes(self.0.ids.fresh());
        let row = record::encode(&Imported { session })?;
        let mut batch = vault.batch();
        let stage = match &left {
            Some(left) => batch.replace(key, left, &row),
            None => {
                batch.require_absent(key.clone());
                batch.put(key, &row)
            }
        };
        let stage = stage.map_err(fault::of)?;
        match vault.commit(batch).await {
            Ok(()) => {}
            Err(engine::Error::Conflict(_)) => return Ok(None),
            Err(e) => return Err(fault::of(e)),
        }
        if let Some(left) = left {
            let left: Imported = record::decode(left.value())?;
            self.erase_blocks(workspace, left.session).await?;
        }
        Ok(Some((session, stage)))
    }

    async fn erase_blocks(&self, workspace: WorkspaceId, session: SessionId) -> Result<()> {
        let vault = &self.0.vault;
        loop {
            let range = key::events_of(workspace, session);
            let rows = vault.scan(range, ERASE_MAX, Direction::Ascending).await.map_err(fault::of)?;
            if rows.is_empty() {
                return Ok(());
            }
            vault.erase(rows.into_iter().map(|(key, _)| key).collect()).await.map_err(fault::of)?;
        }
    }

    async fn imported(&self, workspace: WorkspaceId, same: &[u8; 32]) -> Result<Option<SessionId>> {
        let row = self.0.vault.get(&key::imported(workspace, same)).await.map_err(fault::of)?;
        row.map(|row| Ok(record::decode::<Imported>(row.value())?.session)).transpose()
    }

    fn same(&self, prepared: &Prepared) -> [u8; 32] {
        let session = &prepared.session;
        let own_id = session.external_id.as_bytes();
        let what = [session.format.as_bytes(), &[0], &(own_id.len() as u64).to_be_bytes(), own_id, &prepared.digest.0];
        self.0.vault.keyed_hash(SAME_CONTEXT, &what.concat())
    }
}

fn add_blocks(batch: &mut VaultBatch, workspace: WorkspaceId, id: SessionId, blocks: &[(u64, Vec<u8>)]) -> Result<()> {
    for (first_seq, block) in blocks {
        batch.put(key::events(workspace, id, *first_seq), block).map_err(fault::of)?;
    }
    Ok(())
}

/// The rows that make a session appear, created and ended.
fn add_session(
    batch: &mut VaultBatch,
    turn: &mut Turn,
    workspace: WorkspaceId,
    id: SessionId,
    prepared: &Prepared,
    same: &[u8; 32],
    now: Timestamp,
) -> Result<()> {
    let imported = key::imported(workspace, same);
    batch.require_absent(imported.clone());
    batch.put(imported, &record::encode(&Imported { session: id })?).map_err(fault::of)?;
    let session = domain::transcript::Session { id, create_time: now, end_time: Some(now), ..prepared.session.clone() };
    let row = key::session(workspace, id);
    batch.require_absent(row.clone());
    batch.put(row, &record::encode(&session)?).map_err(fault::of)?;
    turn.note(batch, Kind::Created, id, now)?;
    turn.note(batch, Kind::Ended, id, now)
}

fn result(prepared: &Prepared, there: Option<SessionId>) -> ImportedSession {
    ImportedSession {
        session: there.unwrap_or(prepared.session.id),
        external_id: prepared.session.external_id.clone(),
        events: prepared.session.last_seq,
        deduplicated: there.is_some(),
    }
}

fn set_id(results: &mut [ImportedSession], id: SessionId) {
    if let Some(last) = results.last_mut() {
        last.session = id;
    }
}
