//! Receipts: what redactions did.

use domain::Error;
use domain::access::StorePermit;
use domain::error::Result;
use domain::governance::{RedactedVersion, Redaction};
use domain::id::{RedactionId, WorkspaceId};
use domain::limits;
use domain::page::{Page, Paged};
use domain::store::Snapshot;
use storage::engine::{Direction, Range};

use crate::governance::erase::scan_all;
use crate::governance::key;
use crate::governance::record::{RedactedRow, RedactionRow};
use crate::{MemoryStore, fault, page_token, record};

/// What a redaction took, and the commits that it made.
pub type Redacted = (Vec<RedactedVersion>, Vec<Snapshot>);

impl RedactionRow {
    pub fn shown(&self, id: RedactionId, (versions, commits): Redacted) -> Redaction {
        Redaction {
            id: Some(id),
            store: self.store,
            reason: self.reason.clone(),
            actor: self.actor.clone(),
            create_time: self.create_time.into(),
            finish_time: self.finish_time.map(Into::into),
            counts: self.counts,
            versions,
            commits,
            key_epoch: self.key_epoch,
        }
    }
}

impl MemoryStore {
    /// The store that a redaction of a workspace was asked for of.
    pub async fn redaction_store(&self, workspace: WorkspaceId, id: RedactionId) -> Result<domain::id::StoreId> {
        let row = self.redaction_row(id).await?.filter(|row| row.workspace == workspace);
        row.map(|row| row.store).ok_or_else(|| absent(id))
    }

    /// A redaction's receipt, with the first limits::REDACTION_VERSIONS_SHOWN_MAX of its versions.
    pub async fn redaction(&self, permit: &StorePermit, id: RedactionId) -> Result<Redaction> {
        let row = self.redaction_row(id).await?;
        let row = row.filter(|row| row.workspace == permit.workspace() && row.store == permit.store());
        row.ok_or_else(|| absent(id))?;
        self.receipt(id).await
    }

    /// The redactions that were asked for of a store, newest first, without their versions.
    pub async fn list_redactions(&self, permit: &StorePermit, page: &Page) -> Result<Paged<Redaction>> {
        let question = ("ListRedactions", permit.store());
        let before: Option<RedactionId> = page_token::decode(&question, &page.token)?;
        let size = page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let range = key::redactions_of(permit.store(), before);
        let rows = self.context().vault.scan(range, size + 1, Direction::Descending).await.map_err(fault::of)?;
        let mut items = Vec::new();
        for (found, _) in rows.iter().take(size) {
            let id = key::redaction_id_of(found).ok_or_else(|| fault::damaged("a redaction's key"))?;
            let row =
                self.redaction_row(id).await?.ok_or_else(|| fault::damaged(format_args!("{id} has no receipt")))?;
            items.push(row.shown(id, Redacted::default()));
        }
        let last = items.last().and_then(|r| r.id).filter(|_| rows.len() > size);
        let next_page_token = last.map(|id| page_token::encode(&question, &id)).transpose()?.unwrap_or_default();
        Ok(Paged { items, next_page_token })
    }

    pub(super) async fn receipt(&self, id: RedactionId) -> Result<Redaction> {
        let row = self.redaction_row(id).await?.ok_or_else(|| absent(id))?;
        let mut redaction = row.shown(id, self.redacted(id).await?);
        redaction.versions.truncate(limits::REDACTION_VERSIONS_SHOWN_MAX);
        Ok(redaction)
    }

    /// What a redaction has taken so far.
    pub(super) async fn redacted(&self, id: RedactionId) -> Result<Redacted> {
        let (mut versions, mut commits) = Redacted::default();
        for (found, row) in scan_all(self.context(), Range::prefix(&key::all_redacted(id))).await? {
            let (store, revision) = key::redacted_of(&found).ok_or_else(|| fault::damaged("a receipt's key"))?;
            let row: RedactedRow = record::decode(row.value())?;
            if row.own {
                commits.push(Snapshot { store, revision });
            }
            let version = |(version, memory)| RedactedVersion { store, revision, version, memory };
            versions.extend(row.versions.into_iter().map(version));
        }
        Ok((versions, commits))
    }

    pub(super) async fn redaction_row(&self, id: RedactionId) -> Result<Option<RedactionRow>> {
        let found = self.context().vault.get(&key::redaction(id)).await.map_err(fault::of)?;
        found.map(|row| record::decode(row.value())).transpose()
    }
}

fn absent(id: RedactionId) -> Error {
    Error::not_found(format_args!("redaction {id}"))
}
