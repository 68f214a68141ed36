//! The databases in a data folder, for commands that work on them while nobody serves them.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use storage::{Options, Vault};

use crate::process::role::Role;
use crate::process::up;

/// What the one database of a role's own folder is called in a backup.
pub const ONE: &str = "data";
/// Nobody else is served meanwhile: little is enough.
const CACHE_BYTES: u64 = 64 << 20;

/// The names and folders of a data folder's databases: those of all roles, or the folder's own.
pub fn find(data: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let roles = Role::ALL.into_iter().map(|role| (role.name(), data.join(role.name())));
    let found: Vec<_> =
        [(ONE, data.to_owned())].into_iter().chain(roles).filter(|(_, f)| f.join("db").exists()).collect();
    if found.is_empty() {
        bail!(
            "there is no database in {}: name the folder that `reverie up --data` or a role's configuration names",
            data.display()
        );
    }
    Ok(found)
}

/// The folder of a database in a data folder.
pub fn folder(data: &Path, name: &str) -> PathBuf {
    if name == ONE { data.to_owned() } else { data.join(name) }
}

/// Keeps a folder of `reverie up` from being served meanwhile. A role's own folder is kept by its database.
pub fn lock(data: &Path) -> Result<Option<File>> {
    data.join("lock").exists().then(|| up::lock(data)).transpose()
}

pub fn options() -> Options {
    Options { cache_bytes: CACHE_BYTES, ballast_bytes: 0, ..Options::default() }
}

pub async fn open(folder: &Path) -> storage::engine::Result<Vault> {
    storage::open_with(folder, options()).await
}
