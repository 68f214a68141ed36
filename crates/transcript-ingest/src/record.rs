//! What stands in the rows: a byte for the version of the form, then postcard; events are compressed.

use domain::id::SessionId;
use domain::limits::{EVENT_BLOCK_BYTES_MAX, EVENT_BLOCK_EVENTS_MAX};
use domain::transcript::request::NoticeKind;
use domain::transcript::{Event, Session};
use domain::{Error, Result, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Of every row here. A change of `Session` or `Event` that changes their bytes needs a new one, and
/// a reader for the old.
const VERSION: u8 = 1;
/// Of the table that a block's events were masked by: a byte of the block, for a later table to find
/// what it should look at again.
const MASK_VERSION: u8 = mask::VERSION;
/// zstd's own default: 3 to 5 times smaller on transcripts, at several hundred MB/s.
const COMPRESSION_LEVEL: i32 = 3;
/// Bytes that a block may have unpacked: its texts, escapes and names stay far below.
const BLOCK_BYTES_MAX: usize = 32 << 20;

/// Something that happened to a session; its cursor is in the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    pub kind: Kind,
    pub session: SessionId,
    pub time: Timestamp,
}

/// Notices that are stored. Their order is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Created,
    Ended,
}

impl From<Kind> for NoticeKind {
    fn from(kind: Kind) -> NoticeKind {
        match kind {
            Kind::Created => NoticeKind::Created,
            Kind::Ended => NoticeKind::Ended,
        }
    }
}

/// What a request with an id came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub session: SessionId,
    /// BLAKE3 of what was asked.
    pub request: [u8; 32],
    pub time: Timestamp,
}

/// The session that an import made, or is making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    pub session: SessionId,
}

pub fn encode(row: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_extend(row, vec![VERSION]).map_err(Error::internal)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(versioned(bytes)?).map_err(Error::corrupt)
}

pub fn decode_session(bytes: &[u8]) -> Result<Session> {
    decode(bytes)
}

/// Events in their order as blocks, each with the seq of its first.
pub fn encode_blocks(events: &[Event]) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut blocks = Vec::new();
    let mut rest = events;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |event: &&Event| {
            bytes += event.body.text().len();
            bytes <= EVENT_BLOCK_BYTES_MAX
        };
        let len = rest.iter().take(EVENT_BLOCK_EVENTS_MAX).take_while(fits).count().max(1);
        let (block, after) = rest.split_at(len);
        let plain = postcard::to_stdvec(block).map_err(Error::internal)?;
        let packed = zstd::bulk::compress(&plain, COMPRESSION_LEVEL).map_err(Error::internal)?;
        blocks.push((first.seq, [&[VERSION, MASK_VERSION], packed.as_slice()].concat()));
        rest = after;
    }
    Ok(blocks)
}

pub fn decode_block(bytes: &[u8]) -> Result<Vec<Event>> {
    let (_, packed) = versioned(bytes)?.split_first().ok_or_else(|| Error::corrupt("a block is empty"))?;
    let plain = zstd::bulk::decompress(packed, BLOCK_BYTES_MAX).map_err(Error::corrupt)?;
    postcard::from_bytes(&plain).map_err(Error::corrupt)
}

fn versioned(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((version, _)) => {
            Err(Error::corrupt(format!("a row has the form {version}, this program knows {VERSION}")))
        }
        None => Err(Error::corrupt("a row is empty")),
    }
}

#[cfg(test)]
mod tests;
