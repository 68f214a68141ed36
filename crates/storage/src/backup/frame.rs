//! The rows file: frames of changes, each with a sum over itself and all before it, and an end.
//!
//! `magic | id 16`, then frames `kind u8 | length u32 | payload | sum 32`. A change is `op u8 | key
//! length u32 | key`, and for a put `value length u32 | value`. Numbers are big-endian.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};

use super::Id;
use crate::engine::{Error, Moment, Result, Write as Change};
use crate::limits::{FRAME_BYTES, FRAME_BYTES_MAX};
use crate::moment::MOMENT_BYTES;

const MAGIC: &[u8] = b"reverie backup 1\n";
const CHANGES: u8 = 1;
const END: u8 = 2;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const SUM_BYTES: usize = 32;

type Sum = [u8; SUM_BYTES];

fn sum(before: &Sum, kind: u8, payload: &[u8]) -> Sum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(&[kind]).update(&(payload.len() as u64).to_be_bytes()).update(payload);
    *hasher.finalize().as_bytes()
}

fn first_sum(id: &Id) -> Sum {
    *blake3::hash(&[MAGIC, id].concat()).as_bytes()
}

pub struct Writer<W> {
    file: W,
    payload: Vec<u8>,
    sum: Sum,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    pub fn begin(mut file: W, id: Id) -> io::Result<Writer<W>> {
        file.write_all(MAGIC)?;
        file.write_all(&id)?;
        Ok(Writer { file, payload: Vec::new(), sum: first_sum(&id), bytes: (MAGIC.len() + id.len()) as u64 })
    }

    pub fn add(&mut self, change: &Change) -> io::Result<()> {
        let (op, key, value) = match change {
            Change::Put(key, value) => (PUT, key, Some(value)),
            Change::Delete(key) => (DELETE, key, None),
        };
        self.payload.push(op);
        for part in [Some(key), value].into_iter().flatten() {
            self.payload.extend_from_slice(&(part.len() as u32).to_be_bytes());
            self.payload.extend_from_slice(part);
        }
        if self.payload.len() >= FRAME_BYTES { self.flush(CHANGES) } else { Ok(()) }
    }

    /// Writes the end. Gives the bytes of the whole.
    pub fn end(mut self, moment: Moment) -> io::Result<u64> {
        if !self.payload.is_empty() {
            self.flush(CHANGES)?;
        }
        self.payload = moment.to_bytes().to_vec();
        self.flush(END)?;
        self.file.flush()?;
        Ok(self.bytes)
    }

    fn flush(&mut self, kind: u8) -> io::Result<()> {
        self.sum = sum(&self.sum, kind, &self.payload);
        self.file.write_all(&[kind])?;
        self.file.write_all(&(self.payload.len() as u32).to_be_bytes())?;
        self.file.write_all(&self.payload)?;
        self.file.write_all(&self.sum)?;
        self.bytes += (5 + self.payload.len() + SUM_BYTES) as u64;
        self.payload.clear();
        Ok(())
    }
}

/// A part of the rows file.
pub enum Frame {
    Changes(Vec<Change>),
    End(Moment),
}

pub struct Reader<R> {
    file: R,
    pub id: Id,
    sum: Sum,
}

impl<R: Read> Reader<R> {
    pub fn begin(mut file: R) -> Result<Reader<R>> {
        let magic = read::<{ MAGIC.len() }>(&mut file)?;
        if magic != MAGIC {
            return Err(Error::Corrupt("the rows file is no backup of this format".into()));
        }
        let id: Id = read(&mut file)?;
        Ok(Reader { file, sum: first_sum(&id), id })
    }

    pub fn next(&mut self) -> Result<Frame> {
        let [kind] = read(&mut self.file)?;
        let len = u32::from_be_bytes(read(&mut self.file)?) as usize;
        if len > FRAME_BYTES_MAX {
            return Err(damaged());
        }
        let mut payload = vec![0; len];
        self.file.read_exact(&mut payload).map_err(cut)?;
        self.sum = sum(&self.sum, kind, &payload);
        if read::<SUM_BYTES>(&mut self.file)? != self.sum {
            return Err(damaged());
        }
        match kind {
            CHANGES => changes(payload.into()).map(Frame::Changes).ok_or_else(damaged),
            END => Moment::from_bytes(&payload[..MOMENT_BYTES.min(len)]).map(Frame::End).ok_or_else(damaged),
            _ => Err(damaged()),
        }
    }
}

fn changes(mut payload: Bytes) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while !payload.is_empty() {
        let op = payload.get_u8();
        let key = part(&mut payload)?;
        changes.push(match op {
            PUT => Change::Put(key, part(&mut payload)?),
            DELETE => Change::Delete(key),
            _ => return None,
        });
    }
    Some(changes)
}

fn part(payload: &mut Bytes) -> Option<Bytes> {
    let len = payload.try_get_u32().ok()? as usize;
    (payload.len() >= len).then(|| payload.split_to(len))
}

fn read<const N: usize>(file: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map_err(cut)?;
    Ok(bytes)
}

fn cut(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Corrupt("the backup's rows file has no end: take another".into()),
        _ => Error::failed(error),
    }
}

fn damaged() -> Error {
    Error::Corrupt("the backup's rows file is damaged: take another".into())
}
