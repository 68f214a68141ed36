//! Ordered bytes with conditional, atomic, durable commits. Imports nothing of ours.
//!
//! An `engine` keeps bytes: `volatile` in memory, `sled` on a disk. A `vault` is what services use: an
//! engine whose values are sealed, each record under a data key of its own that can be destroyed.

pub mod backup;
#[doc(hidden)]
#[allow(clippy::expect_used, reason = "a test suite")]
pub mod conformance;
mod cover;
pub mod durable;
pub mod engine;
pub mod keyring;
mod limits;
mod moment;
mod scrub;
pub mod sled;
pub mod vault;
pub mod volatile;

use std::path::Path;

pub use scrub::{Damage, Report, Scrub};
pub use sled::Options;
pub use vault::{Erasure, Record, Vault, VaultBatch};

/// The vault in a folder, for tests and tools: without a ballast.
///
/// # Errors
/// As `open_with`.
pub async fn open(folder: &Path, cache_bytes: u64) -> engine::Result<Vault> {
    open_with(folder, Options { cache_bytes, ballast_bytes: 0, ..Options::default() }).await
}

/// The vault in a folder: sled in `db`, its keys in `keyring`. Made where there is none.
///
/// # Errors
/// Corrupt where something is damaged or missing: the words say which file, what is wrong, and what to
/// do. Failed where another process has the folder, Full where the disk has no room to open it.
pub async fn open_with(folder: &Path, options: Options) -> engine::Result<Vault> {
    let (folder, path) = (folder.to_owned(), folder);
    let opened = tokio::task::spawn_blocking(move || -> engine::Result<_> {
        let (database, keys) = (folder.join("db"), folder.join("keyring"));
        if database.exists() && !keyring::Keyring::exists(&keys) {
            return Err(engine::Error::Corrupt(format!(
                "{}: the keyring is not there, and without it no record of {} can be read. Put it back, or restore the \
                 folder from a backup with its keys",
                keys.display(),
                database.display()
            )));
        }
        // The keyring first: records without their keys would be lost, keys without records are not.
        let keyring = keyring::Keyring::open(&keys)?;
        Ok((sled::open(&database, options)?, keyring))
    });
    let (engine, keyring) = opened.await.map_err(engine::Error::failed)??;
    Vault::open(engine, keyring).await.map_err(|error| match error {
        engine::Error::Corrupt(what) => {
            engine::Error::Corrupt(format!("{}: {what}. Restore the folder from a backup", path.display()))
        }
        other => other,
    })
}

/// A vault that is gone with the process.
pub async fn volatile_vault() -> engine::Result<Vault> {
    Vault::open(volatile::Volatile::new(), keyring::Keyring::ephemeral()?).await
}
