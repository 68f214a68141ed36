//! The keys of governance: kinds 0x30 to 0x3f of the registry in `crate::key`.

use std::ops::Bound;

use bytes::Bytes;
use domain::commit::Revision;
use domain::id::{EventId, RedactionId, StoreId, WorkspaceId};
use storage::engine::Range;

use crate::key::Family;

/// (family): what is being erased of it; a condition of every commit that names contents.
pub const FAMILY: u8 = 0x30;
/// (redaction): its receipt, without the versions.
pub const REDACTION: u8 = 0x31;
/// (store, redaction): that the store was named by it. Ids sort by the time they were made.
pub const REDACTION_OF: u8 = 0x32;
/// (redaction): what it is about, until it is done.
pub const JOB: u8 = 0x33;
/// (redaction, store, revision): the versions of a commit that it redacted.
pub const REDACTED: u8 = 0x34;
/// (workspace, event): something that was done.
pub const DONE: u8 = 0x35;
/// (workspace, event): something that was refused.
pub const REFUSED: u8 = 0x36;

pub fn family(family: Family) -> Bytes {
    join(FAMILY, &[&family.0])
}

/// The family of a key made by `family`.
pub fn family_of(key: &[u8]) -> Option<Family> {
    Some(Family(key.get(1..17)?.try_into().ok()?))
}

pub fn redaction(redaction: RedactionId) -> Bytes {
    join(REDACTION, &[redaction.as_bytes()])
}

pub fn redaction_of(store: StoreId, redaction: RedactionId) -> Bytes {
    join(REDACTION_OF, &[store.as_bytes(), redaction.as_bytes()])
}

/// The redactions of a store that were made before one.
pub fn redactions_of(store: StoreId, before: Option<RedactionId>) -> Range {
    let all = Range::prefix(&join(REDACTION_OF, &[store.as_bytes()]));
    match before {
        Some(before) => Range { end: Bound::Excluded(redaction_of(store, before)), ..all },
        None => all,
    }
}

/// The redaction at the end of a key made by `redaction_of` or `job`.
pub fn redaction_id_of(key: &[u8]) -> Option<RedactionId> {
    Some(RedactionId::from_bytes(*key.last_chunk()?))
}

pub fn job(redaction: RedactionId) -> Bytes {
    join(JOB, &[redaction.as_bytes()])
}

pub fn redacted(redaction: RedactionId, store: StoreId, revision: Revision) -> Bytes {
    join(REDACTED, &[redaction.as_bytes(), store.as_bytes(), &revision.to_be_bytes()])
}

/// What every key made by `redacted` for a redaction begins with.
pub fn all_redacted(redaction: RedactionId) -> Bytes {
    join(REDACTED, &[redaction.as_bytes()])
}

/// The store and revision of a key made by `redacted`.
pub fn redacted_of(key: &[u8]) -> Option<(StoreId, Revision)> {
    let store = StoreId::from_bytes(key.get(17..33)?.try_into().ok()?);
    Some((store, Revision::from_be_bytes(key.get(33..41)?.try_into().ok()?)))
}

/// `kind` is DONE or REFUSED.
pub fn event(kind: u8, workspace: WorkspaceId, event: EventId) -> Bytes {
    join(kind, &[workspace.as_bytes(), event.as_bytes()])
}

/// The events of a workspace that came before one.
pub fn events(kind: u8, workspace: WorkspaceId, before: Option<EventId>) -> Range {
    let all = Range::prefix(&join(kind, &[workspace.as_bytes()]));
    match before {
        Some(before) => Range { end: Bound::Excluded(event(kind, workspace, before)), ..all },
        None => all,
    }
}

/// The event at the end of a key made by `event`.
pub fn event_id_of(key: &[u8]) -> Option<EventId> {
    Some(EventId::from_bytes(*key.last_chunk()?))
}

fn join(kind: u8, parts: &[&[u8]]) -> Bytes {
    let mut bytes = vec![kind];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_golden_bytes() {
        let (w, e) = (WorkspaceId::from_bytes([0xaa; 16]), EventId::from_bytes([0x55; 16]));
        let (s, r) = (StoreId::from_bytes([0x11; 16]), RedactionId::from_bytes([0x22; 16]));
        let (aa, x11, x22, x55) = ("aa".repeat(16), "11".repeat(16), "22".repeat(16), "55".repeat(16));
        let golden = [
            (family(s.into()), format!("30{x11}")),
            (redaction(r), format!("31{x22}")),
            (redaction_of(s, r), format!("32{x11}{x22}")),
            (job(r), format!("33{x22}")),
            (redacted(r, s, 258), format!("34{x22}{x11}0000000000000102")),
            (event(DONE, w, e), format!("35{aa}{x55}")),
            (event(REFUSED, w, e), format!("36{aa}{x55}")),
        ];
        for (key, hex) in golden {
            assert_eq!(proto::convert::hex::encode(&key), hex);
        }
        assert_eq!((redaction_id_of(&redaction_of(s, r)), redaction_id_of(&job(r))), (Some(r), Some(r)));
        assert_eq!(family_of(&family(s.into())), Some(s.into()));
        assert_eq!(redacted_of(&redacted(r, s, 258)), Some((s, 258)));
        assert_eq!(event_id_of(&event(DONE, w, e)), Some(e));
    }
}
