//! The key part: the keyring, sealed under a passphrase.
//!
//! `magic | id 16 | salt 16 | memory KiB u32 | passes u32 | lanes u32 | nonce 24 | sealed`: Argon2id
//! (RFC 9106) makes the key, XChaCha20-Poly1305 seals, all before the nonce is associated data.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::Id;
use crate::engine::{Error, Result};
use crate::keyring::random;
use crate::limits::{
    PASSPHRASE_BYTES_MIN, PASSPHRASE_LANES, PASSPHRASE_MEMORY_KIB, PASSPHRASE_MEMORY_KIB_MAX, PASSPHRASE_PASSES,
    PASSPHRASE_PASSES_MAX,
};

const MAGIC: &[u8] = b"reverie backup keys 1\n";
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const ID_END: usize = MAGIC.len() + 16;
const SALT_END: usize = ID_END + SALT_BYTES;
const HEAD_BYTES: usize = SALT_END + 12;

pub fn check(passphrase: &[u8]) -> Result<()> {
    if passphrase.len() < PASSPHRASE_BYTES_MIN {
        return Err(Error::failed(format!("the passphrase needs {PASSPHRASE_BYTES_MIN} bytes or more")));
    }
    Ok(())
}

pub fn seal(id: Id, keyring: &[u8], passphrase: &[u8]) -> Result<Vec<u8>> {
    check(passphrase)?;
    let salt: [u8; SALT_BYTES] = random()?;
    let nonce: [u8; NONCE_BYTES] = random()?;
    let costs = [PASSPHRASE_MEMORY_KIB, PASSPHRASE_PASSES, PASSPHRASE_LANES];
    let mut file = [MAGIC, &id, &salt].concat();
    file.extend(costs.into_iter().flat_map(u32::to_be_bytes));
    let cipher = cipher(passphrase, &salt, costs)?;
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: keyring, aad: &file });
    let sealed = sealed.map_err(|e| Error::failed(e.to_string()))?;
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&sealed);
    Ok(file)
}

/// The keyring of the backup with this id.
pub fn open(file: &[u8], id: Id, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let corrupt = |what: &str| Error::Corrupt(format!("the backup's key file {what}"));
    let (head, rest) = file.split_at_checked(HEAD_BYTES).ok_or_else(|| corrupt("is cut off"))?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or_else(|| corrupt("is cut off"))?;
    if !head.starts_with(MAGIC) {
        return Err(corrupt("is none of this format"));
    }
    if head[MAGIC.len()..ID_END] != id {
        return Err(corrupt("belongs to another backup's rows file"));
    }
    let mut costs = [0; 3];
    for (cost, bytes) in costs.iter_mut().zip(head[SALT_END..].as_chunks::<4>().0) {
        *cost = u32::from_be_bytes(*bytes);
    }
    if costs[0] > PASSPHRASE_MEMORY_KIB_MAX || costs[1] > PASSPHRASE_PASSES_MAX {
        return Err(corrupt("is damaged"));
    }
    let cipher = cipher(passphrase, &head[ID_END..SALT_END], costs)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| corrupt("is cut off"))?;
    let opened = cipher.decrypt(&nonce, Payload { msg: sealed, aad: head });
    opened.map(Zeroizing::new).map_err(|_| corrupt("does not open: the passphrase is another, or the file is damaged"))
}

fn cipher(passphrase: &[u8], salt: &[u8], [memory_kib, passes, lanes]: [u32; 3]) -> Result<XChaCha20Poly1305> {
    let params = argon2::Params::new(memory_kib, passes, lanes, Some(32));
    let params = params.map_err(|e| Error::Corrupt(format!("the backup's key file is damaged: {e}")))?;
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut key = Zeroizing::new([0; 32]);
    argon2.hash_password_into(passphrase, salt, key.as_mut_slice()).map_err(|e| Error::failed(e.to_string()))?;
    XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|e| Error::failed(e.to_string()))
}
