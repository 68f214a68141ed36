//! Ordered bytes with conditional, atomic, durable commits. Imports nothing of ours.
//!
//! An `engine` keeps bytes: `volatile` in memory, `sled` on a disk. A `vault` is what services use: an
//! engine whose values are sealed, each record under a data key of its own that can be destroyed.

#[doc(hidden)]
#[allow(clippy::expect_used, reason = "a test suite")]
pub mod conformance;
mod cover;
pub mod durable;
pub mod engine;
pub mod keyring;
pub mod sled;
pub mod vault;
pub mod volatile;

use std::path::Path;

pub use vault::{Erasure, Record, Vault, VaultBatch};

/// The vault in a folder: sled in `db`, its keys in `keyring`. Made where there is none.
pub async fn open(folder: &Path, cache_bytes: u64) -> engine::Result<Vault> {
    let folder = folder.to_owned();
    let opened = tokio::task::spawn_blocking(move || -> engine::Result<_> {
        // The keyring first: records without their keys would be lost, keys without records are not.
        let keyring = keyring::Keyring::open(&folder.join("keyring"))?;
        Ok((sled::open(&folder.join("db"), cache_bytes)?, keyring))
    });
    let (engine, keyring) = opened.await.map_err(engine::Error::failed)??;
    Vault::open(engine, keyring).await
}

/// A vault that is gone with the process.
pub async fn volatile_vault() -> engine::Result<Vault> {
    Vault::open(volatile::Volatile::new(), keyring::Keyring::ephemeral()?).await
}
