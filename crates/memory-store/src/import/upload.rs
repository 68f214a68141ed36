//! The upload: what a client sends as one reader, decompressed, its format told from its first bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bytes::Bytes;
use domain::portability::Format;
use domain::{Error, Kind, Result, limits};
use tokio::sync::mpsc;

use crate::import::item::Place;

/// Where a tar says what it is.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;
const TAR_BLOCK_BYTES: usize = 512;
/// Compressed within compressed: what deeper is, is not told.
const LAYERS_MAX: usize = 2;
const GIT_BEGINS: [&[u8]; 7] = [b"feature ", b"blob\n", b"reset ", b"commit ", b"option ", b"progress ", b"done\n"];

pub type Input = BufReader<Box<dyn Read + Send>>;

/// Reads what arrives. Blocks, so that it needs a thread of its own.
pub struct Upload {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Upload {
    pub fn new(chunks: mpsc::Receiver<Bytes>) -> Upload {
        Upload { chunks, current: Bytes::new() }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        Ok(n)
    }
}

/// Opens a file: its format, and a reader of what is within Zstandard or gzip.
pub fn open(upload: impl Read + Send + 'static, wanted: Option<Format>) -> Result<(Format, Input)> {
    let file = Place::default();
    let mut reader: Box<dyn Read + Send> = Box::new(upload);
    for _ in 0..=LAYERS_MAX {
        let mut head = Vec::new();
        let peeked = (&mut reader).take(TAR_BLOCK_BYTES as u64).read_to_end(&mut head);
        peeked.map_err(|e| broken(&file, &e))?;
        if head.is_empty() {
            return Err(file.refuse("it is empty"));
        }
        let magic = head.clone();
        reader = Box::new(Cursor::new(head).chain(reader));
        if magic.starts_with(&zstd::zstd_safe::MAGICNUMBER.to_le_bytes()) {
            reader = Box::new(zstd::stream::read::Decoder::new(reader).map_err(|e| broken(&file, &e))?);
        } else if magic.starts_with(&[0x1f, 0x8b]) {
            reader = Box::new(flate2::read::MultiGzDecoder::new(reader));
        } else {
            let format = told(&magic).ok_or_else(|| {
                file.refuse("its format is not known: expected an export, a tar, or what git fast-export writes")
            })?;
            if wanted.is_some_and(|wanted| wanted != format) {
                return Err(file.refuse(format_args!("it is of the format {format:?}, not {wanted:?}")));
            }
            let limited: Box<dyn Read + Send> =
                Box::new(Limited { inner: reader, left: limits::STORE_IMPORT_BYTES_MAX });
            return Ok((format, BufReader::with_capacity(64 << 10, limited)));
        }
    }
    Err(file.refuse("it is compressed more than twice"))
}

fn told(head: &[u8]) -> Option<Format> {
    let is_empty_tar = head.len() == TAR_BLOCK_BYTES && head.iter().all(|&b| b == 0);
    if head.get(TAR_MAGIC) == Some(b"ustar") || is_empty_tar {
        Some(Format::Tar)
    } else if head.starts_with(b"{\"store\":") {
        Some(Format::Jsonl)
    } else if GIT_BEGINS.iter().any(|begin| head.starts_with(begin)) {
        Some(Format::Git)
    } else {
        None
    }
}

/// What is decompressed may be far more than what was sent.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other(format!("it has more than {} bytes", limits::STORE_IMPORT_BYTES_MAX)))?;
        Ok(n)
    }
}

/// The file cannot be read on.
pub fn broken(place: &Place, error: &io::Error) -> Error {
    place.refuse(format_args!("the file is damaged or cut short: {error}"))
}

/// Reads a line, with its end where it has one, into an empty buffer. False at the end.
pub fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, place: &Place) -> Result<bool> {
    line.clear();
    let most = limits::STORE_IMPORT_RECORD_BYTES_MAX as u64;
    input.take(most + 1).read_until(b'\n', line).map_err(|e| broken(place, &e))?;
    if line.len() as u64 > most {
        return Err(place.refuse(format_args!("it has more than {most} bytes")));
    }
    Ok(!line.is_empty())
}

/// Reads on to the end, so that checksums behind the last record are looked at.
pub fn drain(input: &mut impl Read, place: &Place) -> Result<u64> {
    io::copy(input, &mut io::sink()).map_err(|e| broken(place, &e))
}

pub fn overloaded() -> Error {
    Error::new(Kind::Exhausted, "OVERLOADED", "too many imports run: try again")
        .retry_after(std::time::Duration::from_secs(5))
}
