//! The registry of keys: the first byte is the kind, and is never used for another. Then comes the
//! workspace. Keys hold ids, numbers and keyed hashes, and nothing of the customer's.

use bytes::Bytes;
use domain::id::{SessionId, WorkspaceId};
use storage::engine::{Key, Range};

/// A session's row: the only one that changes.
const SESSION: u8 = 0x01;
/// A block of events, by session and the seq of its first.
const EVENTS: u8 = 0x02;
/// What happened to sessions, by cursor.
const NOTICE: u8 = 0x03;
/// The outcome of a request, by a keyed hash of who asked and its id.
const REQUEST: u8 = 0x04;
/// An imported session, by a keyed hash of what makes it the same.
const IMPORTED: u8 = 0x05;
/// A session whose import has begun and takes more than one commit, by the same hash.
const STAGED: u8 = 0x06;

pub fn session(workspace: WorkspaceId, session: SessionId) -> Key {
    join(SESSION, workspace, &[session.as_bytes()])
}

pub fn events(workspace: WorkspaceId, session: SessionId, first_seq: u64) -> Key {
    join(EVENTS, workspace, &[session.as_bytes(), &first_seq.to_be_bytes()])
}

pub fn events_of(workspace: WorkspaceId, session: SessionId) -> Range {
    Range::prefix(&join(EVENTS, workspace, &[session.as_bytes()]))
}

pub fn notice(workspace: WorkspaceId, cursor: u64) -> Key {
    join(NOTICE, workspace, &[&cursor.to_be_bytes()])
}

pub fn notices(workspace: WorkspaceId) -> Range {
    Range::prefix(&join(NOTICE, workspace, &[]))
}

pub fn cursor(notice: &Key) -> Option<u64> {
    notice.last_chunk().map(|cursor| u64::from_be_bytes(*cursor))
}

pub fn request(workspace: WorkspaceId, hash: &[u8; 32]) -> Key {
    join(REQUEST, workspace, &[hash])
}

pub fn imported(workspace: WorkspaceId, hash: &[u8; 32]) -> Key {
    join(IMPORTED, workspace, &[hash])
}

pub fn staged(workspace: WorkspaceId, hash: &[u8; 32]) -> Key {
    join(STAGED, workspace, &[hash])
}

fn join(kind: u8, workspace: WorkspaceId, parts: &[&[u8]]) -> Key {
    let mut key = vec![kind];
    key.extend_from_slice(workspace.as_bytes());
    parts.iter().for_each(|part| key.extend_from_slice(part));
    Bytes::from(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: WorkspaceId = WorkspaceId::from_bytes([0xaa; 16]);
    const SESSION_ID: SessionId = SessionId::from_bytes([0xbb; 16]);

    /// The bytes, with the workspace as W, the session as S and a hash as H.
    fn golden(key: &Key) -> String {
        let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
        let names = [("aa".repeat(16), " W "), ("bb".repeat(16), "S "), ("cc".repeat(32), "H")];
        names.iter().fold(hex, |text, (bytes, name)| text.replace(bytes, name)).trim().to_owned()
    }

    #[test]
    fn keys_have_these_bytes_for_ever() {
        let hash = [0xcc; 32];
        for (key, bytes) in [
            (session(WORKSPACE, SESSION_ID), "01 W S"),
            (events(WORKSPACE, SESSION_ID, 258), "02 W S 0000000000000102"),
            (notice(WORKSPACE, 7), "03 W 0000000000000007"),
            (request(WORKSPACE, &hash), "04 W H"),
            (imported(WORKSPACE, &hash), "05 W H"),
            (staged(WORKSPACE, &hash), "06 W H"),
        ] {
            assert_eq!(golden(&key), bytes);
        }
    }

    #[test]
    fn numbers_sort_and_come_back() {
        assert!(notice(WORKSPACE, 255) < notice(WORKSPACE, 256));
        assert!(events(WORKSPACE, SESSION_ID, 255) < events(WORKSPACE, SESSION_ID, 256));
        assert_eq!(cursor(&notice(WORKSPACE, 300)), Some(300));
    }
}
