//! Restoring a backup into an empty folder: verified row by row before the folder has its name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{frame, keys};
use crate::durable::{make_folder, sync_folder};
use crate::engine::{Batch, Engine, Error, Key, Moment, Result, Write};
use crate::keyring::Keyring;
use crate::sled::{self, Options};
use crate::vault::{Vault, hex};

/// What was restored.
#[derive(Debug, Clone, Copy)]
pub struct Restored {
    /// The state that the backup was taken of.
    pub moment: Moment,
    /// Rows that were left out, for their keys have been erased since.
    pub erased_rows: u64,
}

/// Restores a backup into `folder`, which must be empty or not there. It gets its name when every row
/// has been opened with its key and the sum of all rows is that of the backup's moment.
///
/// # Errors
/// Corrupt where the backup is damaged or its parts do not belong together, Failed where the folder is
/// in use or the passphrase is another.
pub async fn restore(
    rows: impl Read + Send,
    key_file: &[u8],
    passphrase: &[u8],
    folder: &Path,
    options: Options,
) -> Result<Restored> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::failed(format!("{}: it is not empty; restore into another folder", folder.display())));
    }
    let mut frames = frame::Reader::begin(rows)?;
    let keyring = keys::open(key_file, frames.id, passphrase)?;
    let work = folder.with_added_extension("restoring");
    // What an earlier attempt has left.
    match fs::remove_dir_all(&work) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::at(&work, e)),
        _ => make_folder(&work).map_err(|e| Error::at(&work, e))?,
    }
    let keyring = Keyring::import(&work.join("keyring"), &keyring)?;
    let engine = sled::open(&work.join("db"), Options { ballast_bytes: 0, ..options })?;
    let moment = loop {
        match frames.next()? {
            frame::Frame::Changes(changes) => apply(&*engine, changes).await?,
            frame::Frame::End(moment) => break moment,
        }
    };
    let erased_rows = verify(engine, keyring, moment).await?;
    let named = || -> io::Result<()> {
        if folder.exists() {
            fs::remove_dir(folder)?;
        }
        sync_folder(&work)?;
        fs::rename(&work, folder)?;
        sync_folder(folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    };
    named().map_err(|e| Error::at(folder, e))?;
    Ok(Restored { moment, erased_rows })
}

/// Restores from the two files of a backup.
///
/// # Errors
/// As `restore`.
pub async fn restore_files(
    rows: &Path,
    key_file: &Path,
    passphrase: &[u8],
    folder: &Path,
    options: Options,
) -> Result<Restored> {
    let keys = fs::read(key_file).map_err(|e| Error::at(key_file, e))?;
    let rows = File::open(rows).map_err(|e| Error::at(rows, e))?;
    restore(io::BufReader::new(rows), &keys, passphrase, folder, options).await
}

async fn apply(engine: &dyn Engine, changes: Vec<Write>) -> Result<()> {
    // Of several changes to one row the last counts.
    let last: BTreeMap<Key, Write> = changes.into_iter().map(|change| (change.key().clone(), change)).collect();
    engine.commit(Batch { writes: last.into_values().collect(), ..Batch::default() }).await
}

/// Opens every record, leaves out those whose keys were erased, and closes the database.
async fn verify(engine: Arc<dyn Engine>, keyring: Keyring, moment: Moment) -> Result<u64> {
    let vault = Vault::new(engine.clone(), keyring);
    let mut walk = engine.walk()?;
    let mut erased = Vec::new();
    let end = loop {
        let slice = walk.next().await?;
        for (key, value) in slice.rows {
            let value = value?;
            if vault.is_erased(&key, &value) {
                erased.push(Write::Delete(key));
            } else {
                let checked = vault.check(&key, value);
                checked.map_err(|e| Error::Corrupt(format!("the backup's row at {} does not open: {e}", hex(&key))))?;
            }
        }
        if let Some(end) = slice.end {
            break end;
        }
    };
    if !end.agrees || !end.moment.same_rows(&moment) {
        return Err(Error::Corrupt("the restored rows are not those of the backup's moment".into()));
    }
    let count = erased.len() as u64;
    if count > 0 {
        apply(&*engine, erased).await?;
    }
    Ok(count)
}
