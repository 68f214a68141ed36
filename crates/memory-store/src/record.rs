//! What memory-store writes to disk: private, and never a wire message.
//!
//! A record is a format byte and its postcard encoding. Types of `domain` inside are held in place by
//! the golden test below: a change of bytes needs a new format.

use domain::commit::{ChangeKind, Erased, Origin, Revision};
use domain::id::{MemoryId, RedactionId, StoreId, VersionId};
use domain::store::{Retention, Snapshot};
use domain::{Actor, MemoryPath, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fault;
use crate::key::Family;

#[cfg(test)]
mod tests;

/// The format of records that this code writes.
const FORMAT: u8 = 3;

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
    pub retention: Retention,
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
    /// To where its lines came from and when the memory was made.
    pub provenance: Commitment,
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
    /// None where the message was redacted.
    pub message_salt: Option<Salt>,
    /// In the order of the record's versions.
    pub versions: Vec<VersionDetail>,
}

/// What a version's commitments are to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Path,
    PreviousPath,
    Content,
    Provenance,
}

impl Part {
    pub const ALL: [Part; 4] = [Part::Path, Part::PreviousPath, Part::Content, Part::Provenance];

    fn name(self) -> &'static str {
        match self {
            Part::Path => "path",
            Part::PreviousPath => "previous path",
            Part::Content => "content",
            Part::Provenance => "provenance",
        }
    }
}

/// The salts of a version's commitments: all made from one, until a part is redacted. Then its salt
/// is gone, and the others still open what they are to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Salts {
    Whole(Salt),
    /// In the order of `Part::ALL`.
    Parts([Option<Salt>; 4]),
}

impl Salts {
    pub fn salt(&self, part: Part) -> Option<Salt> {
        match self {
            Salts::Whole(salt) => Some(*blake3::keyed_hash(salt, part.name().as_bytes()).as_bytes()),
            Salts::Parts(salts) => salts[part as usize],
        }
    }

    pub fn forget(&mut self, part: Part) {
        let mut salts = Part::ALL.map(|part| self.salt(part));
        salts[part as usize] = None;
        *self = Salts::Parts(salts);
    }

    /// The commitment to a part; None where its salt is gone.
    pub fn commit(&self, part: Part, bytes: &[u8]) -> Option<Commitment> {
        self.salt(part).map(|salt| Commitment::to(&salt, part.name(), bytes))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionDetail {
    pub path: MemoryPath,
    pub previous_path: Option<MemoryPath>,
    pub salts: Salts,
    /// None for a deletion.
    pub content: Option<ContentRef>,
    pub origins: Vec<Origin>,
    /// Whom a merge or a restore brought lines in from.
    pub credits: Vec<Credit>,
    /// When the memory was made.
    pub create_time: Time,
}

impl VersionDetail {
    /// What the commitment to a version's provenance is to.
    pub fn provenance(&self) -> Result<Vec<u8>> {
        encode(&(&self.origins, &self.credits, self.create_time))
    }
}

/// Names a content of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentRef {
    /// Under the vault's key.
    pub hash: [u8; 32],
    pub sha256: [u8; 32],
    pub size_bytes: u32,
}

impl ContentRef {
    /// Stands where the name of an erased content stood: it tells no more than how long that was.
    pub fn erased(why: Erased, size_bytes: u32) -> ContentRef {
        let mark = match why {
            Erased::Redacted => 1,
            Erased::Expired => 2,
        };
        ContentRef { hash: [0; 32], sha256: [mark; 32], size_bytes }
    }

    /// Why it names no content any more. No content is named by 32 zeros: names are keyed hashes.
    pub fn erasure(&self) -> Option<Erased> {
        match (self.hash == [0; 32], self.sha256[0]) {
            (false, _) => None,
            (true, 2) => Some(Erased::Expired),
            (true, _) => Some(Erased::Redacted),
        }
    }

    /// None for a content that is erased.
    pub fn shown_sha256(&self) -> Option<[u8; 32]> {
        if self.erasure().is_none() { Some(self.sha256) } else { None }
    }
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
    Redaction(RedactionId),
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

/// What the chain of a fork begins with, after its parent's chain hash at the fork point.
pub fn birth(fork: StoreId, from: Snapshot) -> Vec<u8> {
    [b"fork".as_slice(), fork.as_bytes(), from.store.as_bytes(), &from.revision.to_be_bytes()].concat()
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
