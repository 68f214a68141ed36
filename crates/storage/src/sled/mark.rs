//! The high-water mark: what the database had reached, kept outside of it.
//!
//! sled that must read its log takes damage for the log's end, and would serve what it has lost as if it
//! had never been. The mark stands in a file beside the database's folder, two slots by turns, each with
//! its checksum, each in a sector of its own. It is written after each transaction is durable and
//! before anybody is told, which costs a copy into the page cache; it is synced once a second and at
//! the end. So what it says was true, and a database below it is refused. A crash of the process
//! leaves it exact, a loss of power up to a second behind; commits of that second are guarded by the
//! digest of all rows alone.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::durable::write_file;
use crate::engine::{Error, Result};
use crate::moment::{MOMENT_BYTES, Moment};

const MAGIC: &[u8; 8] = b"rvmark01";
const SUM_BYTES: usize = 16;
const SLOT_BYTES: usize = MAGIC.len() + MOMENT_BYTES + SUM_BYTES;
const SLOT_AT: [u64; 2] = [0, 4_096];
const FILE_BYTES: usize = 4_096 + 512;

/// The mark of a database's folder, `FOLDER.mark`.
pub struct Mark {
    file: File,
    turn: usize,
}

pub fn path(folder: &Path) -> PathBuf {
    folder.with_added_extension("mark")
}

/// What the mark says; None where there is none.
///
/// # Errors
/// Corrupt where neither slot can be read.
pub fn read(folder: &Path) -> Result<Option<Moment>> {
    let path = path(folder);
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::at(&path, e)),
        Ok(_) => {}
    }
    let slots = SLOT_AT.map(|at| bytes.get(at as usize..).and_then(|b| b.get(..SLOT_BYTES)).and_then(parse));
    match slots.into_iter().flatten().max_by_key(|m| m.commits) {
        Some(moment) => Ok(Some(moment)),
        None => Err(Error::Corrupt(format!(
            "{}: the high-water mark is damaged, so nothing says how much the database must hold. Restore the folder \
             from a backup; or remove this file to accept the database as it is",
            path.display()
        ))),
    }
}

impl Mark {
    /// Opens the mark for writing, and makes it where there is none.
    pub fn open(folder: &Path, moment: Moment) -> io::Result<Mark> {
        let path = path(folder);
        if !path.exists() {
            let mut bytes = vec![0; FILE_BYTES];
            for at in SLOT_AT {
                bytes[at as usize..][..SLOT_BYTES].copy_from_slice(&slot(moment));
            }
            write_file(&path, &[&bytes])?;
        }
        Ok(Mark { file: File::options().write(true).open(&path)?, turn: 0 })
    }

    /// Another handle, to sync the file with.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    pub fn write(&mut self, moment: Moment) -> io::Result<()> {
        self.turn ^= 1;
        self.file.write_all_at(&slot(moment), SLOT_AT[self.turn])
    }
}

fn slot(moment: Moment) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[MAGIC.len()..][..MOMENT_BYTES].copy_from_slice(&moment.to_bytes());
    let sum = blake3::hash(&bytes[..SLOT_BYTES - SUM_BYTES]);
    bytes[SLOT_BYTES - SUM_BYTES..].copy_from_slice(&sum.as_bytes()[..SUM_BYTES]);
    bytes
}

fn parse(bytes: &[u8]) -> Option<Moment> {
    let moment = Moment::from_bytes(bytes.get(MAGIC.len()..)?.get(..MOMENT_BYTES)?)?;
    (slot(moment) == bytes).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        assert_eq!(read(&database).unwrap(), None);
        let at = |commits| Moment { commits, ..Moment::default() };
        let mut mark = Mark::open(&database, at(1)).unwrap();
        for n in 2..6 {
            mark.write(at(n)).unwrap();
            assert_eq!(read(&database).unwrap(), Some(at(n)));
        }
        let bytes = std::fs::read(path(&database)).unwrap();
        let newest =
            SLOT_AT.into_iter().find(|at| parse(&bytes[*at as usize..][..SLOT_BYTES]) == Some(self::tests_at(5)));
        let mut damaged = bytes.clone();
        damaged[newest.unwrap() as usize + 20] ^= 4;
        std::fs::write(path(&database), &damaged).unwrap();
        assert_eq!(read(&database).unwrap(), Some(at(4)));
        damaged[(newest.unwrap() ^ SLOT_AT[1]) as usize] ^= 4;
        std::fs::write(path(&database), &damaged).unwrap();
        assert!(matches!(read(&database), Err(Error::Corrupt(_))));
    }

    fn tests_at(commits: u64) -> Moment {
        Moment { commits, ..Moment::default() }
    }
}
