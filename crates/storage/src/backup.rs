//! Backups: the rows of one moment, sealed as they are stored, and apart from them the keys that open
//! them, sealed under a passphrase.
//!
//! A backup is taken while the database is written to. Without its keys it opens for nobody. Who erases
//! something and wants older backups to forget it too seals the keys again and destroys the old key
//! files: the rows files need not be touched.

mod frame;
mod keys;
mod restore;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

pub use self::restore::{Restored, restore, restore_files};
use crate::durable::{sync_folder, write_file};
use crate::engine::{Error, Moment, Result, Write as Change};
use crate::keyring::random;
use crate::vault::{Vault, hex};

/// Joins the rows of a backup with its keys.
pub type Id = [u8; 16];

/// What a backup holds.
#[derive(Debug, Clone)]
pub struct Backup {
    pub id: Id,
    /// The state that it restores.
    pub moment: Moment,
    pub bytes: u64,
    /// The key part, sealed. It is its own file: keep it elsewhere.
    pub keys: Vec<u8>,
}

/// Writes the rows of one moment to `rows`, which is left to the caller to make durable, and seals the
/// keys. Commits go on meanwhile.
///
/// # Errors
/// Corrupt where the database itself is damaged: a backup is whole or not there. Failed where `rows`
/// cannot be written or the passphrase is too short.
pub async fn back_up(vault: &Vault, rows: &mut (impl Write + Send), passphrase: &[u8]) -> Result<Backup> {
    keys::check(passphrase)?;
    let id: Id = random()?;
    let mut frames = frame::Writer::begin(rows, id).map_err(Error::failed)?;
    let mut walk = vault.engine().walk()?;
    let moment = loop {
        let slice = walk.next().await?;
        for change in &slice.changed {
            frames.add(change).map_err(Error::failed)?;
        }
        for (key, value) in slice.rows {
            let value = value.map_err(|e| Error::Corrupt(format!("the row at {} cannot be read: {e}", hex(&key))))?;
            frames.add(&Change::Put(key, value)).map_err(Error::failed)?;
        }
        match slice.end {
            Some(end) if end.agrees => break end.moment,
            Some(_) => return Err(Error::Corrupt("rows are missing: a backup would miss them too".into())),
            None => {}
        }
    };
    let bytes = frames.end(moment).map_err(Error::failed)?;
    // After the rows: what was erased meanwhile is erased in the backup too.
    let keys = seal_keys(vault, id, passphrase)?;
    Ok(Backup { id, moment, bytes, keys })
}

/// The key part of a backup as the keyring is now: what was erased since the backup does not open with
/// it any more. Destroy the older key files then.
///
/// # Errors
/// Failed where the passphrase is too short.
pub fn seal_keys(vault: &Vault, id: Id, passphrase: &[u8]) -> Result<Vec<u8>> {
    keys::seal(id, &vault.keyring().export()?, passphrase)
}

/// Writes a backup into two files, each whole and on the disk or not there.
///
/// # Errors
/// As `back_up`.
pub async fn back_up_files(vault: &Vault, rows: &Path, keys: &Path, passphrase: &[u8]) -> Result<Backup> {
    let new = rows.with_added_extension("new");
    let mut file = io::BufWriter::new(File::create(&new).map_err(|e| Error::at(&new, e))?);
    let backup = back_up(vault, &mut file, passphrase).await?;
    let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(|e| Error::at(&new, e))?;
    // The keys first: rows under their name are a backup.
    write_file(keys, &[&backup.keys]).map_err(|e| Error::at(keys, e))?;
    let moved = std::fs::rename(&new, rows)
        .and_then(|()| sync_folder(rows.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))));
    moved.map_err(|e| Error::at(rows, e))?;
    Ok(backup)
}
