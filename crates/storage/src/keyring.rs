//! The keyring: what opens the records, kept in files of its own beside the database.
//!
//! `keyring.N` holds the cover of all data keys, sealed under the epoch key in `epoch.N.key`. To erase
//! is to puncture the cover, write it again under the key of epoch N+1, and destroy the key of epoch
//! N: then no file left makes the erased keys. Destroying a file means unlinking it and making that
//! durable; whether the device keeps the old blocks is the device's affair, so give the epoch keys a
//! folder on a volume where deletion is real.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::cover::{Cover, Neighbourhood};
use crate::durable::{make_folder, sync_folder, write_file};
use crate::engine::{Error, Result};

const MAGIC: &[u8] = b"reverie keyring v1";
const NONCE_BYTES: usize = 24;

pub struct Keyring {
    state: RwLock<State>,
    /// One rotation at a time.
    files: Option<Mutex<Files>>,
}

#[derive(Serialize, Deserialize)]
struct State {
    cover: Cover,
    /// Keys the hashes that stand in the database's keys.
    hash_key: [u8; 32],
    /// Where the last data key was made. Goes with every puncture.
    #[serde(skip)]
    near: Mutex<Option<Neighbourhood>>,
}

struct Files {
    folder: PathBuf,
    epoch_folder: PathBuf,
    epoch: u64,
}

impl Keyring {
    /// The keyring in a folder, made where there is none. Epoch keys lie in the same folder.
    pub fn open(folder: &Path) -> Result<Keyring> {
        Keyring::open_split(folder, folder)
    }

    /// The same with the epoch keys in a folder of their own.
    pub fn open_split(folder: &Path, epoch_folder: &Path) -> Result<Keyring> {
        for folder in [folder, epoch_folder] {
            make_folder(folder).map_err(Error::failed)?;
        }
        let mut files = Files { folder: folder.to_owned(), epoch_folder: epoch_folder.to_owned(), epoch: 0 };
        let state = match files.newest().map_err(Error::failed)? {
            Some(epoch) => {
                files.epoch = epoch;
                let state = files.read()?;
                files.destroy_all_but(epoch).map_err(Error::failed)?;
                state
            }
            None if files.has_any().map_err(Error::failed)? => {
                return Err(Error::Corrupt(format!(
                    "{}: no keyring has the key of its epoch in {}. Put both back as they were, or restore the folder \
                     from a backup with its keys: without them no record can be read",
                    files.folder.display(),
                    files.epoch_folder.display()
                )));
            }
            None => {
                let state = State::fresh()?;
                files.rotate(&state)?;
                state
            }
        };
        Ok(Keyring { state: RwLock::new(state), files: Some(Mutex::new(files)) })
    }

    /// All that the keyring is, in clear: to be sealed at once.
    pub(crate) fn export(&self) -> Result<Zeroizing<Vec<u8>>> {
        let epoch = self.epoch();
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        postcard::to_stdvec(&(epoch, &*state)).map(Zeroizing::new).map_err(Error::failed)
    }

    /// Makes the keyring that was exported in a folder that has none. Its epoch is a new one.
    pub(crate) fn import(folder: &Path, exported: &[u8]) -> Result<Keyring> {
        let (epoch, state): (u64, State) =
            postcard::from_bytes(exported).map_err(|_| Error::Corrupt("the exported keyring".into()))?;
        make_folder(folder).map_err(|e| Error::at(folder, e))?;
        let mut files = Files { folder: folder.to_owned(), epoch_folder: folder.to_owned(), epoch };
        files.rotate(&state)?;
        Ok(Keyring { state: RwLock::new(state), files: Some(Mutex::new(files)) })
    }

    /// Whether a folder holds a keyring, or a part of one.
    pub fn exists(folder: &Path) -> bool {
        epochs(folder, "keyring.", "").is_ok_and(|epochs| !epochs.is_empty())
    }

    /// A keyring that is gone with the process, for tests.
    pub fn ephemeral() -> Result<Keyring> {
        Ok(Keyring { state: RwLock::new(State::fresh()?), files: None })
    }

    /// The data key of a serial; None where it was erased.
    pub fn data_key(&self, serial: u64) -> Option<Zeroizing<[u8; 32]>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut near = state.near.lock().unwrap_or_else(PoisonError::into_inner);
        if !near.as_ref().is_some_and(|n| n.contains(serial)) {
            *near = Some(state.cover.neighbourhood(serial)?);
        }
        near.as_ref().map(|n| Zeroizing::new(n.key(serial)))
    }

    /// A hash that nobody can make without the keyring.
    pub fn keyed_hash(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut hasher = blake3::Hasher::new_keyed(&state.hash_key);
        hasher.update(&(context.len() as u64).to_be_bytes());
        hasher.update(context.as_bytes());
        hasher.update(bytes);
        *hasher.finalize().as_bytes()
    }

    /// The epoch whose key opens the keyring now; 0 for one without files.
    pub fn epoch(&self) -> u64 {
        self.files.as_ref().map_or(0, |f| f.lock().unwrap_or_else(PoisonError::into_inner).epoch)
    }

    /// Destroys the data keys of some serials. When it returns, no file left makes them. Blocks on
    /// the disk. Doing it again does no harm.
    pub fn erase(&self, serials: &[u64]) -> Result<()> {
        let mut files = self.files.as_ref().map(|f| f.lock().unwrap_or_else(PoisonError::into_inner));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.cover.puncture(serials);
        *state.near.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        match &mut files {
            Some(files) => files.rotate(&state),
            None => Ok(()),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.hash_key.zeroize();
    }
}

impl State {
    fn fresh() -> Result<State> {
        Ok(State { cover: Cover::new(random()?), hash_key: random()?, near: Mutex::default() })
    }
}

impl Files {
    fn keyring(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("keyring.{epoch}"))
    }

    fn epoch_key(&self, epoch: u64) -> PathBuf {
        self.epoch_folder.join(format!("epoch.{epoch}.key"))
    }

    /// The newest epoch with both of its files. A rotation that was cut short leaves one of the next.
    fn newest(&self) -> io::Result<Option<u64>> {
        let epochs = epochs(&self.folder, "keyring.", "")?;
        Ok(epochs.into_iter().filter(|&e| self.epoch_key(e).exists()).max())
    }

    /// Whether there is a keyring, or a key older than the first that a fresh one would write.
    fn has_any(&self) -> io::Result<bool> {
        let keys = epochs(&self.epoch_folder, "epoch.", ".key")?;
        Ok(!epochs(&self.folder, "keyring.", "")?.is_empty() || keys.iter().any(|&e| e > 1))
    }

    fn read(&self) -> Result<State> {
        let (key, file) = (self.epoch_key(self.epoch), self.keyring(self.epoch));
        let damaged = || {
            Error::Corrupt(format!(
                "{}: it does not open with {}; one of them is damaged. Restore the folder from a backup with its keys: \
                 without them no record can be read",
                file.display(),
                key.display()
            ))
        };
        let key = Zeroizing::new(fs::read(&key).map_err(|e| Error::at(&key, e))?);
        let file = fs::read(&file).map_err(|e| Error::at(&file, e))?;
        let sealed = file.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| damaged())?;
        let nonce = XNonce::try_from(nonce).map_err(|_| damaged())?;
        let plain =
            cipher.decrypt(&nonce, Payload { msg: sealed, aad: &self.epoch.to_be_bytes() }).map_err(|_| damaged())?;
        postcard::from_bytes(&Zeroizing::new(plain)).map_err(|_| damaged())
    }

    /// Writes the state under a new epoch's key, durably, and destroys the old epoch.
    fn rotate(&mut self, state: &State) -> Result<()> {
        let epoch = self.epoch + 1;
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
        let nonce: [u8; NONCE_BYTES] = random()?;
        let plain = Zeroizing::new(postcard::to_stdvec(state).map_err(Error::failed)?);
        let cipher = XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|e| Error::failed(e.to_string()))?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &epoch.to_be_bytes() })
            .map_err(|e| Error::failed(e.to_string()))?;
        // The key first: a keyring without its key is no epoch, a key without its keyring neither.
        write_file(&self.epoch_key(epoch), &[key.as_slice()]).map_err(Error::failed)?;
        write_file(&self.keyring(epoch), &[MAGIC, &nonce, &sealed]).map_err(Error::failed)?;
        self.epoch = epoch;
        self.destroy_all_but(epoch).map_err(Error::failed)
    }

    fn destroy_all_but(&self, epoch: u64) -> io::Result<()> {
        for old in epochs(&self.epoch_folder, "epoch.", ".key")?.into_iter().filter(|&e| e != epoch) {
            fs::remove_file(self.epoch_key(old))?;
        }
        sync_folder(&self.epoch_folder)?;
        for old in epochs(&self.folder, "keyring.", "")?.into_iter().filter(|&e| e != epoch) {
            fs::remove_file(self.keyring(old))?;
        }
        sync_folder(&self.folder)
    }
}

/// The epochs of the files in a folder that are named `prefix`, a number, `suffix`.
fn epochs(folder: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<u64>().ok());
        found.extend(number);
    }
    Ok(found)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| Error::failed(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_opens_again_with_the_same_keys() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(folder.path()).unwrap();
        let (key, hash) = (keyring.data_key(41), keyring.keyed_hash("handle", b"team-sre"));
        drop(keyring);
        let keyring = Keyring::open(folder.path()).unwrap();
        assert_eq!((keyring.data_key(41), keyring.keyed_hash("handle", b"team-sre")), (key, hash));
        assert_ne!(keyring.keyed_hash("other", b"team-sre"), hash);
    }

    #[test]
    fn after_an_erasure_only_the_new_epoch_is_left_and_the_old_key_does_not_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open(folder.path()).unwrap();
        let old_key = fs::read(folder.path().join("epoch.1.key")).unwrap();
        keyring.erase(&[7]).unwrap();
        drop(keyring);
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["epoch.2.key", "keyring.2"]);
        let keyring = Keyring::open(folder.path()).unwrap();
        assert!(keyring.data_key(7).is_none() && keyring.data_key(8).is_some());
        drop(keyring);
        fs::write(folder.path().join("epoch.2.key"), old_key).unwrap();
        assert!(matches!(Keyring::open(folder.path()), Err(Error::Corrupt(_))));
    }

    #[test]
    fn a_rotation_that_was_cut_short_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let key = Keyring::open(folder.path()).unwrap().data_key(1);
        fs::write(folder.path().join("epoch.2.key"), [0; 32]).unwrap();
        let keyring = Keyring::open(folder.path()).unwrap();
        assert_eq!(keyring.data_key(1), key);
        assert!(!folder.path().join("epoch.2.key").exists());
    }
}
