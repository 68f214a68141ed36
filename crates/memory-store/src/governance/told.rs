//! What versions tell of the redaction that took their content.

use domain::Result;
use domain::commit::{Erased, Version};
use domain::history::{Recorded, VersionRedaction};
use domain::id::RedactionId;
use domain::limits;
use storage::engine::Direction;

use crate::governance::record::RedactedRow;
use crate::governance::{key, members};
use crate::stores::OpenStore;
use crate::{MemoryStore, fault, record};

impl MemoryStore {
    /// Beside each redacted version the redaction that redacted it.
    pub(crate) async fn with_redactions(&self, open: &OpenStore, versions: Vec<Version>) -> Result<Vec<Recorded>> {
        let mut candidates: Option<Vec<RedactionId>> = None;
        let mut recorded = Vec::with_capacity(versions.len());
        for version in versions {
            let mut redaction = None;
            if version.erased == Some(Erased::Redacted) {
                if candidates.is_none() {
                    candidates = Some(self.redactions_of_family(open).await?);
                }
                redaction = self.redaction_of(open, &version, candidates.as_deref().unwrap_or_default()).await?;
            }
            recorded.push(Recorded { version, redaction });
        }
        Ok(recorded)
    }

    /// The first that names the version in its receipt; else the one that runs and has barred it.
    async fn redaction_of(
        &self,
        open: &OpenStore,
        version: &Version,
        candidates: &[RedactionId],
    ) -> Result<Option<VersionRedaction>> {
        let (context, owner) = (self.context(), open.lineage.owner(version.revision));
        let mut found = None;
        for id in candidates {
            let row = context.vault.get(&key::redacted(*id, owner, version.revision)).await.map_err(fault::of)?;
            let row: Option<RedactedRow> = row.map(|row| record::decode(row.value())).transpose()?;
            if row.is_some_and(|row| row.versions.iter().any(|(redacted, _)| *redacted == version.id)) {
                found = Some(*id);
                break;
            }
        }
        let id = match found {
            Some(id) => Some(id),
            None => context.families.get(open.family()).await?.row.redaction,
        };
        let Some(id) = id else { return Ok(None) };
        let row = self.redaction_row(id).await?;
        Ok(row.map(|row| VersionRedaction { id, create_time: row.create_time.into(), actor: row.actor }))
    }

    /// Those that were asked for of any store of a family, oldest first: one reaches all of them.
    async fn redactions_of_family(&self, open: &OpenStore) -> Result<Vec<RedactionId>> {
        let context = self.context();
        let mut ids = Vec::new();
        for member in members::all(context, open.workspace, open.family()).await? {
            let left = limits::REDACTIONS_LOOKED_AT_MAX - ids.len();
            let range = key::redactions_of(member.id, None);
            for (found, _) in context.vault.scan(range, left, Direction::Descending).await.map_err(fault::of)? {
                ids.push(key::redaction_id_of(&found).ok_or_else(|| fault::damaged("a redaction's key"))?);
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}
