//! The vault: an engine whose values nobody reads without the keyring.
//!
//! A record is `format u8 | serial u64 | nonce 24 | ciphertext and tag`: XChaCha20-Poly1305 under the
//! serial's own data key, with the engine's key as associated data, so that a record that was moved
//! or damaged does not open. A row that is replaced keeps its serial: erasing it takes every value that
//! the row ever had, wherever the engine has left copies of them.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::cover::SERIAL_BITS;
use crate::engine::{Batch, Condition, Direction, Engine, Error, Key, Range, Result, Write};
use crate::keyring::{Keyring, random};
use crate::scrub::Scrub;

const FORMAT: u8 = 1;
const SERIAL_END: usize = 9;
const NONCE_END: usize = SERIAL_END + 24;
const TAG_BYTES: usize = 16;

/// Keys of the vault's own rows begin with this byte; no service may use it.
const OWN: u8 = 0;
/// The next serial that no block has claimed: a big-endian u64, not sealed.
const SERIALS_KEY: &[u8] = &[OWN, b's'];
/// Erasures that have begun: `OWN, 'e', id` holds serials, big-endian u64 each, not sealed.
const ERASURES: &[u8] = &[OWN, b'e'];
/// A record that only the database's own keyring opens.
const KEYRING_KEY: &[u8] = &[OWN, b'k'];
/// Serials claimed at once: a claim is a commit, and what is left of a block at the end is lost.
const BLOCK: u64 = 1 << 20;

/// An engine with sealed values. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    keyring: Keyring,
    /// The serials that are claimed and not yet used.
    serials: Mutex<std::ops::Range<u64>>,
    claiming: tokio::sync::Mutex<()>,
}

/// A value as it was read or will be written: its plain text, and the sealed bytes that conditions compare.
#[derive(Debug, Clone)]
pub struct Record {
    plain: Bytes,
    sealed: Bytes,
}

impl Record {
    pub fn value(&self) -> &Bytes {
        &self.plain
    }

    fn serial(&self) -> u64 {
        serial_of(&self.sealed).unwrap_or_default()
    }
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Rows that were there and are gone.
    pub rows: usize,
    /// The epoch whose key opens the keyring now; all older ones are destroyed.
    pub epoch: u64,
}

impl Vault {
    /// Finishes the erasures that a crash cut short, and claims the serials that it will use.
    pub async fn open(engine: Arc<dyn Engine>, keyring: Keyring) -> Result<Vault> {
        let vault = Vault::new(engine, keyring);
        let own = vault
            .get(KEYRING_KEY)
            .await
            .map_err(|_| Error::Corrupt("the keyring is not the one that the database was written with".into()))?;
        vault.finish_erasures().await?;
        vault.claim_block().await?;
        if own.is_none() {
            let mut batch = vault.batch();
            batch.put(KEYRING_KEY, b"the keyring of this database")?;
            vault.commit(batch).await?;
        }
        Ok(vault)
    }

    /// A vault for reading alone: it has no serials.
    pub(crate) fn new(engine: Arc<dyn Engine>, keyring: Keyring) -> Vault {
        let (serials, claiming) = (Mutex::new(0..0), tokio::sync::Mutex::default());
        Vault(Arc::new(Inner { engine, keyring, serials, claiming }))
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub async fn get(&self, key: &[u8]) -> Result<Option<Record>> {
        let sealed = self.0.engine.get(key).await?;
        sealed.map(|sealed| self.unseal(key, sealed)).transpose()
    }

    pub async fn scan(&self, range: Range, limit: usize, direction: Direction) -> Result<Vec<(Key, Record)>> {
        let pairs = self.0.engine.scan(range, limit, direction).await?;
        let own = pairs.into_iter().filter(|(key, _)| key.first() != Some(&OWN));
        own.map(|(key, sealed)| Ok((key.clone(), self.unseal(&key, sealed)?))).collect()
    }

    pub fn batch(&self) -> VaultBatch {
        VaultBatch { vault: self.clone(), batch: Batch::default(), erased: Vec::new() }
    }

    /// All or nothing, durable when it returns. See `Engine::commit` for what an error means.
    pub async fn commit(&self, batch: VaultBatch) -> Result<()> {
        let left = self.serials().clone();
        if left.end - left.start < BLOCK / 2 {
            self.claim_block().await?;
        }
        let VaultBatch { mut batch, erased, .. } = batch;
        if !erased.is_empty() {
            batch.writes.push(intent(&erased)?);
            batch.makes_room = true;
        }
        self.0.engine.commit(batch).await
    }

    /// A hash for keys: it tells nothing about the bytes to who has not got the keyring.
    pub fn keyed_hash(&self, context: &'static str, bytes: &[u8]) -> [u8; 32] {
        self.0.keyring.keyed_hash(context, bytes)
    }

    /// Deletes rows and destroys their data keys: no value that they ever had can be read again, here
    /// or in a copy of the database. Rows that are absent are passed over.
    pub async fn erase(&self, keys: Vec<Key>) -> Result<Erasure> {
        let mut batch = Batch { makes_room: true, ..Batch::default() };
        let mut serials = Vec::new();
        for key in keys {
            let Some(sealed) = self.0.engine.get(&key).await? else { continue };
            serials.push(serial_of(&sealed)?);
            batch.conditions.push(Condition::Equals(key.clone(), sealed));
            batch.writes.push(Write::Delete(key));
        }
        let rows = serials.len();
        if rows > 0 {
            batch.writes.push(intent(&serials)?);
            self.0.engine.commit(batch).await?;
            self.finish_erasures().await?;
        }
        Ok(Erasure { rows, epoch: self.0.keyring.epoch() })
    }

    /// Begins a scrub: every record is read and opened, and their sum compared with what it must be.
    pub fn scrub(&self) -> Result<Scrub> {
        Ok(Scrub::new(self.clone(), self.0.engine.walk()?))
    }

    /// The engine's clock, for leases.
    pub fn now(&self) -> jiff::Timestamp {
        self.0.engine.now()
    }

    /// Destroys the data keys of all rows that committed batches have erased or renewed, at once: the
    /// keyring is written under a new epoch, and the key of the old one destroyed. What a crash keeps
    /// from it is done when the vault is opened again.
    pub async fn finish_erasures(&self) -> Result<Erasure> {
        let intents = self.0.engine.scan(Range::prefix(ERASURES), usize::MAX, Direction::Ascending).await?;
        let serials: Vec<u64> = intents
            .iter()
            .flat_map(|(_, list)| list.chunks_exact(8).map(|c| u64::from_be_bytes(c.try_into().unwrap_or_default())))
            .collect();
        let rows = serials.len();
        if !intents.is_empty() {
            let vault = self.clone();
            let erased = tokio::task::spawn_blocking(move || vault.0.keyring.erase(&serials)).await;
            erased.map_err(Error::failed)??;
            let writes = intents.into_iter().map(|(intent, _)| Write::Delete(intent)).collect();
            self.0.engine.commit(Batch { writes, makes_room: true, ..Batch::default() }).await?;
        }
        Ok(Erasure { rows, epoch: self.0.keyring.epoch() })
    }

    /// Claims the next block of serials by a commit, so that no two processes ever share one.
    async fn claim_block(&self) -> Result<()> {
        let _one = self.0.claiming.lock().await;
        loop {
            let stored = self.0.engine.get(SERIALS_KEY).await?;
            let start = match &stored {
                Some(bytes) => u64::from_be_bytes(
                    bytes.as_ref().try_into().map_err(|_| Error::Corrupt("the row of serials".into()))?,
                ),
                None => 0,
            };
            let end = start + BLOCK;
            if end >> SERIAL_BITS != 0 {
                return Err(Error::Full("every serial has been used: export the data into a new database".into()));
            }
            let key = Key::from_static(SERIALS_KEY);
            let condition = match stored {
                Some(bytes) => Condition::Equals(key.clone(), bytes),
                None => Condition::Absent(key.clone()),
            };
            let write = Write::Put(key, Bytes::copy_from_slice(&end.to_be_bytes()));
            match self.0.engine.commit(claim(condition, write)).await {
                Err(Error::Conflict(_)) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    // What is left of the old block is given up: blocks need not be neighbours.
                    *self.serials() = start..end;
                    return Ok(());
                }
            }
        }
    }

    fn fresh_serial(&self) -> Result<u64> {
        self.serials().next().ok_or_else(|| Error::failed("a batch took more serials than a block holds"))
    }

    fn serials(&self) -> std::sync::MutexGuard<'_, std::ops::Range<u64>> {
        self.0.serials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seal(&self, key: &[u8], serial: u64, plain: &[u8]) -> Result<Record> {
        let data_key = self.0.keyring.data_key(serial).ok_or_else(|| Error::failed("the row was erased meanwhile"))?;
        let cipher =
            XChaCha20Poly1305::new_from_slice(data_key.as_slice()).map_err(|e| Error::failed(e.to_string()))?;
        let nonce: [u8; 24] = random()?;
        let cipher_text = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: key })
            .map_err(|e| Error::failed(e.to_string()))?;
        let mut sealed = Vec::with_capacity(NONCE_END + cipher_text.len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&serial.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&cipher_text);
        Ok(Record { plain: Bytes::copy_from_slice(plain), sealed: sealed.into() })
    }

    /// Whether the bytes that the engine has at a key now are whole; None where there are none any more.
    pub(crate) async fn is_whole(&self, key: &[u8]) -> Option<Result<()>> {
        match self.0.engine.get(key).await {
            Ok(None) => None,
            Ok(Some(sealed)) => Some(self.check(key, sealed)),
            Err(error) => Some(Err(error)),
        }
    }

    /// Whether a record opens. The vault's own rows are not all sealed.
    pub(crate) fn check(&self, key: &[u8], sealed: Bytes) -> Result<()> {
        match key.first() {
            Some(&OWN) if key != KEYRING_KEY => Ok(()),
            _ => self.unseal(key, sealed).map(drop),
        }
    }

    /// Whether a record's data key has been destroyed.
    pub(crate) fn is_erased(&self, key: &[u8], sealed: &[u8]) -> bool {
        let is_sealed = key.first() != Some(&OWN) || key == KEYRING_KEY;
        is_sealed && serial_of(sealed).is_ok_and(|serial| self.0.keyring.data_key(serial).is_none())
    }

    fn unseal(&self, key: &[u8], sealed: Bytes) -> Result<Record> {
        let damaged = |why: &str| Error::Corrupt(format!("the record at {}: {why}", hex(key)));
        let serial = serial_of(&sealed)?;
        let data_key = self.0.keyring.data_key(serial).ok_or_else(|| damaged("its key was erased"))?;
        let cipher = XChaCha20Poly1305::new_from_slice(data_key.as_slice())
            .map_err(|_| damaged("its key has a wrong length"))?;
        let nonce = XNonce::try_from(&sealed[SERIAL_END..NONCE_END]).map_err(|_| damaged("it is too short"))?;
        let plain = cipher
            .decrypt(&nonce, Payload { msg: &sealed[NONCE_END..], aad: key })
            .map_err(|_| damaged("it does not open with its key"))?;
        Ok(Record { plain: plain.into(), sealed })
    }
}

/// Conditions and writes that stand or fall together.
pub struct VaultBatch {
    vault: Vault,
    batch: Batch,
    /// Serials whose rows the batch takes away.
    erased: Vec<u64>,
}

impl VaultBatch {
    /// The key must have no value.
    pub fn require_absent(&mut self, key: impl Into<Key>) {
        self.batch.conditions.push(Condition::Absent(key.into()));
    }

    /// The key's value must be the one that was read.
    pub fn require(&mut self, key: impl Into<Key>, record: &Record) {
        self.batch.conditions.push(Condition::Equals(key.into(), record.sealed.clone()));
    }

    /// Writes under a fresh data key.
    pub fn put(&mut self, key: impl Into<Key>, plain: &[u8]) -> Result<Record> {
        let serial = self.vault.fresh_serial()?;
        self.write(key.into(), serial, plain)
    }

    /// Writes over a value that was read, if it is still the value, under the same data key.
    pub fn replace(&mut self, key: impl Into<Key>, old: &Record, plain: &[u8]) -> Result<Record> {
        let key = key.into();
        self.require(key.clone(), old);
        self.write(key, old.serial(), plain)
    }

    /// Writes over a value that was read, if it is still the value, under a fresh data key. The old one
    /// is destroyed by `Vault::finish_erasures`: then no value that the row had before can be read again.
    pub fn renew(&mut self, key: impl Into<Key>, old: &Record, plain: &[u8]) -> Result<Record> {
        let key = key.into();
        self.require(key.clone(), old);
        self.erased.push(old.serial());
        self.put(key, plain)
    }

    /// Deletes a row that was read, if it still has that value. Its data key is destroyed by
    /// `Vault::finish_erasures`: then no value that it ever had can be read again.
    pub fn erase(&mut self, key: impl Into<Key>, old: &Record) {
        let key = key.into();
        self.require(key.clone(), old);
        self.erased.push(old.serial());
        self.batch.writes.push(Write::Delete(key));
    }

    /// Deletes the row; its older values stay readable to who finds them and has the keyring. `erase` ends that.
    pub fn delete(&mut self, key: impl Into<Key>) {
        self.batch.writes.push(Write::Delete(key.into()));
    }

    /// The batch is made to take less room: a full disk does not keep it from being written.
    pub fn makes_room(&mut self) {
        self.batch.makes_room = true;
    }

    pub fn is_empty(&self) -> bool {
        self.batch.writes.is_empty() && self.batch.conditions.is_empty()
    }

    /// How many writes.
    pub fn len(&self) -> usize {
        self.batch.writes.len()
    }

    fn write(&mut self, key: Key, serial: u64, plain: &[u8]) -> Result<Record> {
        let record = self.vault.seal(&key, serial, plain)?;
        self.batch.writes.push(Write::Put(key, record.sealed.clone()));
        Ok(record)
    }
}

/// Made on a full disk as well: whoever makes room must be able to open the vault first.
fn claim(condition: Condition, write: Write) -> Batch {
    Batch { conditions: vec![condition], writes: vec![write], makes_room: true }
}

/// The row that keeps serials until their data keys are destroyed.
fn intent(serials: &[u64]) -> Result<Write> {
    let id: [u8; 16] = random()?;
    let list: Vec<u8> = serials.iter().flat_map(|s| s.to_be_bytes()).collect();
    Ok(Write::Put([ERASURES, &id].concat().into(), list.into()))
}

fn serial_of(sealed: &[u8]) -> Result<u64> {
    let damaged = |why: &str| Error::Corrupt(format!("a record {why}"));
    if sealed.len() < NONCE_END + TAG_BYTES {
        return Err(damaged("is too short"));
    }
    if sealed[0] != FORMAT {
        return Err(damaged(&format!("has the unknown format {}", sealed[0])));
    }
    Ok(u64::from_be_bytes(sealed[1..SERIAL_END].try_into().map_err(|_| damaged("is too short"))?))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
