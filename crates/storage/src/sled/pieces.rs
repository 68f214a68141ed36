//! Values in pieces: what is longer than one piece stands in a tree of its own, under keys that no
//! other value ever has, so that a reader never mixes two values; the row keeps the hash of the whole.

use bytes::{Bytes, BytesMut};

use crate::engine::{Error, Key, Result, Value, Write};
use crate::keyring::random;
use crate::limits::PIECE_BYTES;
use crate::moment;
use crate::sled::failed;

const INLINE: u8 = 0;
const IN_PIECES: u8 = 1;
const GENERATION_BYTES: usize = 12;
const COUNT_END: usize = GENERATION_BYTES + 4;
const HASH_BYTES: usize = 32;

/// A write, cut into what the trees hold.
pub struct Prepared {
    pub key: Key,
    /// None deletes.
    pub row: Option<Vec<u8>>,
    pub pieces: Vec<(Vec<u8>, Bytes)>,
}

impl Prepared {
    pub fn all(writes: Vec<Write>) -> Result<Vec<Prepared>> {
        writes.into_iter().map(Prepared::new).collect()
    }

    fn new(write: Write) -> Result<Prepared> {
        let (key, value) = match write {
            Write::Delete(key) => return Ok(Prepared { key, row: None, pieces: Vec::new() }),
            Write::Put(key, value) => (key, value),
        };
        if value.len() < PIECE_BYTES {
            let row = [&[INLINE], value.as_ref()].concat();
            return Ok(Prepared { key, row: Some(row), pieces: Vec::new() });
        }
        // 96 random bits: a collision among 2^30 long values has a chance of 2^-37.
        let generation: [u8; GENERATION_BYTES] = random()?;
        let starts = (0..value.len()).step_by(PIECE_BYTES);
        let piece = |(n, start): (usize, usize)| {
            (piece_key(&generation, n as u32), value.slice(start..(start + PIECE_BYTES).min(value.len())))
        };
        let pieces: Vec<_> = starts.enumerate().map(piece).collect();
        let count = (pieces.len() as u32).to_be_bytes();
        let row = [&[IN_PIECES], generation.as_slice(), &count, &moment::value_hash(&value)].concat();
        Ok(Prepared { key, row: Some(row), pieces })
    }

    /// The whole value again; None for a deletion.
    pub fn value(&self) -> Option<Value> {
        let row = self.row.as_ref()?;
        match self.pieces.is_empty() {
            true => Some(Bytes::copy_from_slice(&row[1..])),
            false => Some(self.pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect()),
        }
    }

    pub fn bytes(&self) -> usize {
        self.key.len() + self.row.as_ref().map_or(0, Vec::len) + self.pieces.iter().map(|(_, p)| p.len()).sum::<usize>()
    }
}

/// The keys of a row's pieces; none for an inline value.
pub fn keys(row: &[u8]) -> Vec<Vec<u8>> {
    match row.split_first() {
        Some((&IN_PIECES, rest)) if rest.len() == COUNT_END + HASH_BYTES => {
            let (generation, count) = rest[..COUNT_END].split_at(GENERATION_BYTES);
            let count = u32::from_be_bytes(count.try_into().unwrap_or_default());
            (0..count).map(|n| piece_key(generation, n)).collect()
        }
        _ => Vec::new(),
    }
}

/// The whole value of a row, its pieces read by `piece`.
pub fn assemble<E: From<Error>>(
    row: &[u8],
    mut piece: impl FnMut(&[u8]) -> Result<Option<sled::IVec>, E>,
) -> Result<Value, E> {
    match row.split_first() {
        Some((&INLINE, value)) => Ok(Bytes::copy_from_slice(value)),
        Some((&IN_PIECES, rest)) if rest.len() == COUNT_END + HASH_BYTES => {
            let mut value = BytesMut::new();
            for key in keys(row) {
                let piece = piece(&key)?.ok_or_else(|| Error::Corrupt("a piece of a value is missing".into()))?;
                value.extend_from_slice(&piece);
            }
            if moment::value_hash(&value) != rest[COUNT_END..] {
                return Err(Error::Corrupt("the pieces of a value are not those that were written".into()).into());
            }
            Ok(value.freeze())
        }
        _ => Err(Error::Corrupt("a row has an unknown form".into()).into()),
    }
}

/// The hash of a row's value, without a look at its pieces; None for a row of unknown form.
pub fn value_hash(row: &[u8]) -> Option<[u8; 32]> {
    match row.split_first() {
        Some((&INLINE, value)) => Some(moment::value_hash(value)),
        Some((&IN_PIECES, rest)) => rest.get(COUNT_END..)?.try_into().ok(),
        _ => None,
    }
}

/// The value of a key outside a transaction. Its pieces may go while they are read: then the row has changed.
pub fn read(rows: &sled::Tree, pieces: &sled::Tree, key: &[u8]) -> Result<Option<Value>> {
    loop {
        let Some(row) = rows.get(key).map_err(failed)? else { return Ok(None) };
        let value = assemble(&row, |piece| pieces.get(piece).map_err(failed));
        if value.is_ok() || rows.get(key).map_err(failed)?.as_ref() == Some(&row) {
            return value.map(Some);
        }
    }
}

fn piece_key(generation: &[u8], n: u32) -> Vec<u8> {
    [generation, &n.to_be_bytes()].concat()
}
