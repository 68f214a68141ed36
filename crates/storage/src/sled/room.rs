//! Room on the disk: writes end early, so that the database can always be opened again, and a ballast
//! lies there to be given up.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::limits::FREE_FLOOR_DIVISOR;

/// The disk of a database's folder.
#[derive(Debug, Clone)]
pub struct Room {
    folder: PathBuf,
    ballast: PathBuf,
    ballast_bytes: u64,
    free_bytes_min: u64,
}

impl Room {
    pub fn new(folder: &Path, ballast_bytes: u64, free_bytes_min: u64) -> Room {
        Room {
            folder: folder.to_owned(),
            ballast: folder.with_added_extension("ballast"),
            ballast_bytes,
            free_bytes_min,
        }
    }

    /// Gives the ballast up where the disk is too full to open a database.
    pub fn make(&self) {
        if self.free_bytes() < self.free_bytes_min {
            self.give_up_ballast();
        }
    }

    /// Whether there is room for a write, or for one that `makes_room`. Err says what is missing where.
    pub fn admit(&self, makes_room: bool) -> Result<(), String> {
        let free = self.free_bytes();
        if free >= self.free_bytes_min {
            return Ok(());
        }
        let floor = self.free_bytes_min / FREE_FLOOR_DIVISOR;
        if makes_room && (free >= floor || (self.give_up_ballast() && self.free_bytes() >= floor)) {
            return Ok(());
        }
        Err(format!(
            "the disk of {} has {free} bytes left, and {} are kept free so that the database can be opened again: \
             make room there; deletions and erasures still work",
            self.folder.display(),
            self.free_bytes_min
        ))
    }

    /// Lays the ballast where it is missing and there is plenty of room.
    pub fn lay_ballast(&self) {
        let wanted = self.ballast_bytes.saturating_add(self.free_bytes_min.saturating_mul(2));
        if self.ballast_bytes == 0 || self.ballast.exists() || self.free_bytes() < wanted {
            return;
        }
        if let Err(error) = self.write_ballast() {
            tracing::warn!(%error, file = %self.ballast.display(), "the ballast cannot be laid: a full disk may keep the database from opening");
            _ = fs::remove_file(&self.ballast);
        }
    }

    fn write_ballast(&self) -> io::Result<()> {
        let file = File::create(&self.ballast)?;
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.ballast_bytes).is_ok() {
            return Ok(());
        }
        // A file system without fallocate.
        let zeros = [0; 1 << 16];
        let mut left = self.ballast_bytes;
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            (&file).write_all(&zeros[..part as usize])?;
            left -= part;
        }
        Ok(())
    }

    /// Whether there was one to give up.
    fn give_up_ballast(&self) -> bool {
        let given = fs::remove_file(&self.ballast).is_ok();
        if given {
            tracing::warn!(folder = %self.folder.display(), bytes = self.ballast_bytes, "the disk is full: the ballast is given up; make room");
        }
        given
    }

    /// A disk that cannot be asked is taken to have room.
    fn free_bytes(&self) -> u64 {
        let asked = self.folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok());
        asked.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
