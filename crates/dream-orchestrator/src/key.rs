//! The registry of keys. The first byte is the kind, never used again for another; numbers are
//! big-endian; a workspace comes next, so that no scan crosses one.

use domain::id::{DreamId, StoreId, WorkspaceId};
use domain::transcript::Digest;
use storage::engine::Range;

const DREAM: u8 = 0x01;
const RUNNING: u8 = 0x02;
const FENCE: u8 = 0x03;
const ANALYSIS: u8 = 0x04;
const CHANGE: u8 = 0x05;
const REVIEW: u8 = 0x06;
const REQUEST: u8 = 0x07;
const TERM: u8 = 0x08;

fn key(kind: u8, workspace: WorkspaceId, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(workspace.as_bytes());
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub fn dream(workspace: WorkspaceId, dream: DreamId) -> Vec<u8> {
    key(DREAM, workspace, &[dream.as_bytes()])
}

/// A workspace's dreams, oldest first: their ids sort by the time they were made.
pub fn dreams(workspace: WorkspaceId) -> Range {
    Range::prefix(&key(DREAM, workspace, &[]))
}

/// The dream that runs on a store.
pub fn running(workspace: WorkspaceId, store: StoreId) -> Vec<u8> {
    key(RUNNING, workspace, &[store.as_bytes()])
}

/// Every dream that has not ended, of every workspace.
pub fn all_running() -> Range {
    Range::prefix(&[RUNNING])
}

/// The workspace of a key.
pub fn workspace(key: &[u8]) -> Option<WorkspaceId> {
    Some(WorkspaceId::from_bytes(*key.get(1..)?.first_chunk()?))
}

/// Which claim of a dream counts.
pub fn fence(workspace: WorkspaceId, dream: DreamId) -> Vec<u8> {
    key(FENCE, workspace, &[dream.as_bytes()])
}

/// Until when that claim holds.
pub fn term(workspace: WorkspaceId, dream: DreamId) -> Vec<u8> {
    key(TERM, workspace, &[dream.as_bytes()])
}

/// What one session of a dream showed.
pub fn analysis(workspace: WorkspaceId, dream: DreamId, session: Digest) -> Vec<u8> {
    key(ANALYSIS, workspace, &[dream.as_bytes(), &session.0])
}

pub fn analyses(workspace: WorkspaceId, dream: DreamId) -> Range {
    Range::prefix(&key(ANALYSIS, workspace, &[dream.as_bytes()]))
}

pub fn change(workspace: WorkspaceId, dream: DreamId, number: u32) -> Vec<u8> {
    key(CHANGE, workspace, &[dream.as_bytes(), &number.to_be_bytes()])
}

pub fn changes(workspace: WorkspaceId, dream: DreamId) -> Range {
    Range::prefix(&key(CHANGE, workspace, &[dream.as_bytes()]))
}

pub fn review(workspace: WorkspaceId, dream: DreamId, number: u32) -> Vec<u8> {
    key(REVIEW, workspace, &[dream.as_bytes(), &number.to_be_bytes()])
}

pub fn reviews(workspace: WorkspaceId, dream: DreamId) -> Range {
    Range::prefix(&key(REVIEW, workspace, &[dream.as_bytes()]))
}

/// The outcome of a request, by a keyed hash of who made it and its id.
pub fn request(workspace: WorkspaceId, hash: &[u8; 32]) -> Vec<u8> {
    key(REQUEST, workspace, &[hash])
}

pub fn all_requests() -> Range {
    Range::prefix(&[REQUEST])
}

/// The number at the end of a change's or review's key.
pub fn number(key: &[u8]) -> u32 {
    key.last_chunk::<4>().map_or(0, |n| u32::from_be_bytes(*n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_always_were() {
        let (w, d, s) = (WorkspaceId::from_bytes([1; 16]), DreamId::from_bytes([2; 16]), StoreId::from_bytes([3; 16]));
        let hex = |key: Vec<u8>| key.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (ws, dr) = ("01".repeat(16), "02".repeat(16));
        assert_eq!(hex(dream(w, d)), format!("01{ws}{dr}"));
        assert_eq!(hex(running(w, s)), format!("02{ws}{}", "03".repeat(16)));
        assert_eq!(hex(fence(w, d)), format!("03{ws}{dr}"));
        assert_eq!(hex(analysis(w, d, Digest([4; 32]))), format!("04{ws}{dr}{}", "04".repeat(32)));
        assert_eq!(hex(change(w, d, 258)), format!("05{ws}{dr}00000102"));
        assert_eq!(hex(review(w, d, 1)), format!("06{ws}{dr}00000001"));
        assert_eq!(hex(request(w, &[5; 32])), format!("07{ws}{}", "05".repeat(32)));
        assert_eq!(hex(term(w, d)), format!("08{ws}{dr}"));
        assert_eq!(number(&change(w, d, 258)), 258);
        assert_eq!(workspace(&term(w, d)), Some(w));
    }
}
