//! What memory-store writes to disk: private, and never a wire message.
//!
//! A record is a format byte and its postcard encoding. Types of `domain` inside are held in place by
//! the golden test below: a change of bytes needs a new format.

use domain::commit::{ChangeKind, Origin, Revision};
use domain::id::{MemoryId, StoreId, VersionId};
use domain::store::Snapshot;
use domain::{Actor, MemoryPath, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault;
use crate::key::Family;

#[cfg(test)]
mod tests;

/// The format of records that this code writes.
const FORMAT: u8 = 2;

/// The mutable row of a store. Small: every commit rewrites it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreRow {
    pub family: Family,
    pub forked_from: Option<Snapshot>,
    /// Forks above it.
    pub depth: u8,
    /// The number of the current profile.
    pub profile: u32,
    pub head: Revision,
    pub chain: [u8; 32],
    pub memory_count: u64,
    pub content_bytes: u64,
    pub create_time: Time,
    pub update_time: Time,
    pub archive_time: Option<Time>,
    pub delete_time: Option<Time>,
}

/// What people call a store. Written anew at each change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub handle: String,
    pub name: String,
    pub description: String,
    pub metadata: Vec<(String, String)>,
}

/// The canonical record of a commit: what the chain is over. It stays when contents, paths and
/// messages are erased, and tells nothing of them: it holds commitments whose salts go with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitRecord {
    pub revision: Revision,
    pub time: Time,
    pub actor: Actor,
    pub message: Commitment,
    pub versions: Vec<VersionRecord>,
    pub merged: Option<Snapshot>,
    /// After the commit.
    pub memory_count: u64,
    /// After the commit.
    pub content_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub id: VersionId,
    pub memory: MemoryId,
    pub kind: ChangeKind,
    pub path: Commitment,
    pub previous_path: Option<Commitment>,
    pub content: Option<Commitment>,
    pub size_bytes: u32,
}

/// BLAKE3 of a text (or of a content's SHA-256) under a salt that is kept beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment(pub [u8; 32]);

pub type Salt = [u8; 32];

impl Commitment {
    pub fn to(salt: &Salt, what: &'static str, bytes: &[u8]) -> Commitment {
        let mut hasher = blake3::Hasher::new_keyed(salt);
        hasher.update(what.as_bytes()).update(&[0]).update(bytes);
        Commitment(*hasher.finalize().as_bytes())
    }
}

/// The readable part of a commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    pub message: String,
    pub message_salt: Salt,
    /// In the order of the record's versions.
    pub versions: Vec<VersionDetail>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionDetail {
    pub path: MemoryPath,
    pub previous_path: Option<MemoryPath>,
    pub salt: Salt,
    /// None for a deletion.
    pub content: Option<ContentRef>,
    pub origins: Vec<Origin>,
    /// Whom a merge or a restore brought lines in from.
    pub credits: Vec<Credit>,
    /// When the memory was made.
    pub create_time: Time,
}

/// Names a content of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentRef {
    /// Under the vault's key.
    pub hash: [u8; 32],
    pub sha256: [u8; 32],
    pub size_bytes: u32,
}

/// Who first wrote a range of lines that a merge or a restore brought in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// From 0.
    pub start: u32,
    /// Exclusive.
    pub end: u32,
    pub store: StoreId,
    pub revision: Revision,
    pub actor: Actor,
    pub time: Time,
    pub message: String,
}

/// Where in its commit a version stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    pub index: u32,
}

/// The first row of a checkpoint: it is whole once this is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub pages: u32,
    pub entries: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointPage {
    pub actors: Vec<Actor>,
    pub entries: Vec<CheckpointEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointEntry {
    pub path: MemoryPath,
    pub memory: MemoryId,
    pub version: VersionId,
    pub revision: Revision,
    pub content: ContentRef,
    pub origins: Vec<Origin>,
    /// The place of its actor in the page's list.
    pub actor: u32,
    pub create_time: Time,
    pub update_time: Time,
}

/// What a request with an id came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRow {
    /// Keyed hash of the request's body.
    pub digest: [u8; 32],
    pub time: Time,
    pub result: OutcomeResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeResult {
    Commit { revision: Revision, no_op: bool },
    Store(StoreId),
}

/// The source's revision that a merge brought in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergeRow {
    pub revision: Revision,
}

/// An import that builds a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportRow {
    /// By the engine's clock: later, whoever finds the row may clean up.
    pub expire_time: Time,
}

/// A time as nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(i128);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Time {
        Time(time.as_nanosecond())
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Timestamp {
        Timestamp::from_nanosecond(time.0).unwrap_or(Timestamp::MAX)
    }
}

pub fn encode(record: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(record, vec![FORMAT]).map_err(domain::Error::internal)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&FORMAT, body)) => postcard::from_bytes(body).map_err(fault::damaged),
        Some((format, _)) => Err(fault::damaged(format_args!("a record has the unknown format {format}"))),
        None => Err(fault::damaged("a record is empty")),
    }
}

/// The chain hash after a commit: BLAKE3 of the hash before it and the canonical record.
pub fn chain(before: &[u8; 32], canonical: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("reverie 2026-11 commit chain v1");
    hasher.update(before).update(canonical);
    *hasher.finalize().as_bytes()
}

/// A commit's row: the chain hash after it, then its canonical record as the chain was made over it.
pub fn encode_commit(chain: &[u8; 32], canonical: &[u8]) -> Vec<u8> {
    [chain.as_slice(), canonical].concat()
}

pub struct CommitRow<'a> {
    pub chain: [u8; 32],
    pub canonical: &'a [u8],
}

pub fn decode_commit(bytes: &[u8]) -> Result<CommitRow<'_>> {
    let (chain, canonical) = bytes.split_first_chunk().ok_or_else(|| fault::damaged("a commit's row is too short"))?;
    Ok(CommitRow { chain: *chain, canonical })
}
