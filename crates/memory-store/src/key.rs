//! The key registry: every kind of key that memory-store writes.
//!
//! The first byte is the kind and is never used again for another. What follows has a fixed width
//! and sorts as numbers do, most significant byte first. No key holds a customer's bytes, nor a hash
//! that could be guessed: only ids, numbers and hashes under the vault's key. The golden test below
//! fails when a key changes: bytes on disk outlive code.

use bytes::Bytes;
use domain::commit::Revision;
use domain::id::{MemoryId, StoreId, WorkspaceId};

/// (workspace, store): state, head and chain hash. The only key of a store that ever changes, and a
/// condition of every commit.
pub const STORE: u8 = 0x01;
/// (store, number): handle, name, description, metadata.
pub const PROFILE: u8 = 0x02;
/// (workspace, keyed hash of the handle): the store that has it.
pub const HANDLE: u8 = 0x03;
/// (store, revision): the canonical record of a commit, and the chain hash after it.
pub const COMMIT: u8 = 0x04;
/// (store, revision): what a redaction takes away: paths, message, salts, hashes, origins.
pub const DETAIL: u8 = 0x05;
/// (store, memory, revision, newest first): where in its commit a version stands.
pub const VERSION: u8 = 0x06;
/// (family, keyed hash of the content): the content.
pub const CONTENT: u8 = 0x07;
/// (store, revision): a checkpoint of all paths, written after its pages.
pub const CHECKPOINT: u8 = 0x08;
/// (store, revision, page): a part of a checkpoint.
pub const CHECKPOINT_PAGE: u8 = 0x09;
/// (keyed hash of workspace, subject, store and request id): what a request came to.
pub const OUTCOME: u8 = 0x0a;
/// (target, source, target's revision, newest first): the source's revision that a merge brought in.
pub const MERGE: u8 = 0x0b;
/// (store): an import that builds the store, which has no row yet.
pub const IMPORT: u8 = 0x20;
// 0x30 to 0x3f: governance (governance/key.rs).
// 0x40 to 0x4f: access (access/key.rs).

/// All forks of forks of one store: they share contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Family(pub [u8; 16]);

impl From<StoreId> for Family {
    /// A family is named after its first store.
    fn from(first: StoreId) -> Family {
        Family(*first.as_bytes())
    }
}

pub fn store(workspace: WorkspaceId, store: StoreId) -> Bytes {
    Key::new(STORE).put(workspace.as_bytes()).put(store.as_bytes()).done()
}

pub fn stores(workspace: WorkspaceId) -> Bytes {
    Key::new(STORE).put(workspace.as_bytes()).done()
}

/// The store that a key made by `store` is about.
pub fn store_of(key: &[u8]) -> Option<StoreId> {
    Some(StoreId::from_bytes(key.get(17..33)?.try_into().ok()?))
}

/// The workspace of a key made by `store`.
pub fn workspace_of(key: &[u8]) -> Option<WorkspaceId> {
    Some(WorkspaceId::from_bytes(key.get(1..17)?.try_into().ok()?))
}

pub fn profile(store: StoreId, number: u32) -> Bytes {
    Key::new(PROFILE).put(store.as_bytes()).put(&number.to_be_bytes()).done()
}

pub fn handle(workspace: WorkspaceId, hash: &[u8; 32]) -> Bytes {
    Key::new(HANDLE).put(workspace.as_bytes()).put(hash).done()
}

pub fn commit(store: StoreId, revision: Revision) -> Bytes {
    Key::new(COMMIT).put(store.as_bytes()).put(&revision.to_be_bytes()).done()
}

pub fn detail(store: StoreId, revision: Revision) -> Bytes {
    Key::new(DETAIL).put(store.as_bytes()).put(&revision.to_be_bytes()).done()
}

/// The revision at the end of a key made by `commit`, `detail` or `checkpoint`.
pub fn revision_of(key: &[u8]) -> Option<Revision> {
    Some(Revision::from_be_bytes(key.get(17..25)?.try_into().ok()?))
}

pub fn version(store: StoreId, memory: MemoryId, revision: Revision) -> Bytes {
    Key::new(VERSION).put(store.as_bytes()).put(memory.as_bytes()).put(&(!revision).to_be_bytes()).done()
}

/// The revision of a key made by `version` or `merge`.
pub fn newest_first_revision_of(key: &[u8]) -> Option<Revision> {
    Some(!Revision::from_be_bytes(key.get(33..41)?.try_into().ok()?))
}

pub fn content(family: Family, hash: &[u8; 32]) -> Bytes {
    Key::new(CONTENT).put(&family.0).put(hash).done()
}

/// What all contents of a family begin with.
pub fn contents(family: Family) -> Bytes {
    Key::new(CONTENT).put(&family.0).done()
}

/// The hash of a key made by `content`.
pub fn content_hash_of(key: &[u8]) -> Option<[u8; 32]> {
    if key.first() == Some(&CONTENT) { key.get(17..49)?.try_into().ok() } else { None }
}

pub fn checkpoint(store: StoreId, revision: Revision) -> Bytes {
    Key::new(CHECKPOINT).put(store.as_bytes()).put(&revision.to_be_bytes()).done()
}

pub fn checkpoint_page(store: StoreId, revision: Revision, page: u32) -> Bytes {
    let key = Key::new(CHECKPOINT_PAGE).put(store.as_bytes()).put(&revision.to_be_bytes());
    key.put(&page.to_be_bytes()).done()
}

pub fn outcome(hash: &[u8; 32]) -> Bytes {
    Key::new(OUTCOME).put(hash).done()
}

pub fn merge(target: StoreId, source: StoreId, revision: Revision) -> Bytes {
    Key::new(MERGE).put(target.as_bytes()).put(source.as_bytes()).put(&(!revision).to_be_bytes()).done()
}

pub fn import(store: StoreId) -> Bytes {
    Key::new(IMPORT).put(store.as_bytes()).done()
}

/// The store that a key made by `import` is about.
pub fn import_of(key: &[u8]) -> Option<StoreId> {
    Some(StoreId::from_bytes(key.get(1..17)?.try_into().ok()?))
}

/// What all keys of one kind begin with that are about one store, or about the family named after it.
pub fn of_store(kind: u8, store: StoreId) -> Bytes {
    Key::new(kind).put(store.as_bytes()).done()
}

struct Key(Vec<u8>);

impl Key {
    fn new(kind: u8) -> Key {
        let mut bytes = Vec::with_capacity(49);
        bytes.push(kind);
        Key(bytes)
    }

    fn put(mut self, part: &[u8]) -> Key {
        self.0.extend_from_slice(part);
        self
    }

    fn done(self) -> Bytes {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_golden_bytes() {
        let workspace = WorkspaceId::from_bytes([0xaa; 16]);
        let a = StoreId::from_bytes([0x11; 16]);
        let b = StoreId::from_bytes([0x22; 16]);
        let memory = MemoryId::from_bytes([0x33; 16]);
        let hash = [0x44; 32];
        let (aa, x11, x22, x33) = ("aa".repeat(16), "11".repeat(16), "22".repeat(16), "33".repeat(16));
        let x44 = "44".repeat(32);
        let golden = [
            (store(workspace, a), format!("01{aa}{x11}")),
            (profile(a, 7), format!("02{x11}00000007")),
            (handle(workspace, &hash), format!("03{aa}{x44}")),
            (commit(a, 258), format!("04{x11}0000000000000102")),
            (detail(a, 258), format!("05{x11}0000000000000102")),
            (version(a, memory, 258), format!("06{x11}{x33}fffffffffffffefd")),
            (content(a.into(), &hash), format!("07{x11}{x44}")),
            (checkpoint(a, 258), format!("08{x11}0000000000000102")),
            (checkpoint_page(a, 258, 3), format!("09{x11}000000000000010200000003")),
            (outcome(&hash), format!("0a{x44}")),
            (merge(a, b, 258), format!("0b{x11}{x22}fffffffffffffefd")),
            (import(a), format!("20{x11}")),
            (of_store(COMMIT, a), format!("04{x11}")),
        ];
        for (key, hex) in golden {
            assert_eq!(proto::convert::hex::encode(&key), hex);
        }
    }

    #[test]
    fn parts_of_keys_read_back() {
        let (a, memory) = (StoreId::from_bytes([0x11; 16]), MemoryId::from_bytes([0x33; 16]));
        assert_eq!(store_of(&store(WorkspaceId::from_bytes([1; 16]), a)), Some(a));
        assert_eq!(workspace_of(&store(WorkspaceId::from_bytes([1; 16]), a)), Some(WorkspaceId::from_bytes([1; 16])));
        assert_eq!(import_of(&import(a)), Some(a));
        assert_eq!(revision_of(&detail(a, 258)), Some(258));
        assert_eq!(content_hash_of(&content(a.into(), &[9; 32])), Some([9; 32]));
        assert_eq!(content_hash_of(&handle(WorkspaceId::from_bytes([1; 16]), &[9; 32])), None);
        assert_eq!(newest_first_revision_of(&version(a, memory, 258)), Some(258));
    }
}
