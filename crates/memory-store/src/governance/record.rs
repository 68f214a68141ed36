//! What governance writes to disk, encoded as all of memory-store's records are.

use domain::Actor;
use domain::commit::Erased;
use domain::governance::{RedactionCounts, Selector};
use domain::id::{MemoryId, RedactionId, StoreId, VersionId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::record::Time;

/// What is being erased of a family of forks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FamilyRow {
    /// Erasures that have begun and ended so far, each counted twice.
    pub generation: u64,
    /// Why contents are barred.
    pub why: Option<Erased>,
    /// Contents that no commit may name, and nobody read.
    pub barred: Vec<[u8; 32]>,
    /// The redaction that barred them; None for housekeeping.
    pub redaction: Option<RedactionId>,
    /// It is certain that nothing that stays names them.
    pub checked: bool,
    pub workspace: Option<WorkspaceId>,
}

/// A redaction's receipt: it says nothing of what was redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedactionRow {
    pub workspace: WorkspaceId,
    pub store: StoreId,
    pub reason: String,
    pub actor: Actor,
    pub create_time: Time,
    pub finish_time: Option<Time>,
    pub counts: RedactionCounts,
    pub key_epoch: u64,
}

/// Its key says all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedactionOfRow {}

/// What a redaction is about. It is erased with the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub selector: Selector,
    pub phase: Phase,
    /// Memories that were at the selected path.
    pub memories: Vec<MemoryId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing is barred yet.
    Selecting,
    /// What is barred is being erased.
    Erasing,
    /// All rows are gone, and the selector too; keys may be left to destroy.
    Destroying,
}

/// The versions of one commit that a redaction redacted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RedactedRow {
    pub versions: Vec<(VersionId, MemoryId)>,
    /// The commit is the redaction's own.
    pub own: bool,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    pub time: Time,
    pub actor: Actor,
    pub action: String,
    pub store: Option<StoreId>,
    pub description: String,
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use proto::convert::hex;

    use super::*;
    use crate::record;

    #[test]
    fn records_are_the_golden_bytes() {
        let (store, redaction) = (StoreId::from_bytes([0x11; 16]), RedactionId::from_bytes([0x22; 16]));
        let actor = Actor { principal: "p".into(), ..Actor::default() };
        let time = Time::from(Timestamp::new(1, 0).unwrap());
        let family = FamilyRow {
            generation: 1,
            why: Some(Erased::Redacted),
            barred: vec![[3; 32]],
            redaction: Some(redaction),
            checked: true,
            workspace: Some(WorkspaceId::from_bytes([4; 16])),
        };
        let receipt = RedactionRow {
            workspace: WorkspaceId::from_bytes([4; 16]),
            store,
            reason: "r".into(),
            actor: actor.clone(),
            create_time: time,
            finish_time: Some(time),
            counts: RedactionCounts { stores: 1, memories: 2, versions: 3, contents: 4, content_bytes: 5 },
            key_epoch: 6,
        };
        let job = JobRow {
            selector: Selector::Regex("x".into()),
            phase: Phase::Erasing,
            memories: vec![MemoryId::from_bytes([7; 16])],
        };
        let version = (VersionId::from_bytes([8; 16]), MemoryId::from_bytes([7; 16]));
        let redacted = RedactedRow { versions: vec![version], own: true };
        let event = EventRow { time, actor, action: "a".into(), store: Some(store), description: "d".into() };
        let encoded = [
            record::encode(&family),
            record::encode(&receipt),
            record::encode(&job),
            record::encode(&redacted),
            record::encode(&event),
        ];
        let digests = encoded.map(|bytes| hex::encode(&blake3::hash(&bytes.unwrap()).as_bytes()[..8]));
        assert_eq!(
            digests,
            ["648496dc70446c0a", "004b344db818e12e", "6c1fa433c9838aee", "0aa7dec8a5770604", "e8e720097aa599b8"]
        );
    }
}
