//! `reverie backup` and `reverie restore-backup`: the databases of a stopped data folder, into files and
//! back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use storage::backup::{back_up_files, restore_files};

use crate::output::Output;
use crate::process::databases;

const ROWS: &str = "backup";
const KEYS: &str = "keys";

/// Where a backup lies.
#[derive(Debug, clap::Args)]
pub struct Places {
    /// The folder of the backup: one file of rows, sealed, for each database
    #[arg(long)]
    pub backup: PathBuf,
    /// The folder of the key files; keep it elsewhere. Without it the backup's folder
    #[arg(long)]
    pub keys: Option<PathBuf>,
    /// A file with the passphrase that seals the keys, 12 bytes or more
    #[arg(long)]
    pub passphrase_file: PathBuf,
}

impl Places {
    fn keys(&self) -> &Path {
        self.keys.as_deref().unwrap_or(&self.backup)
    }

    fn passphrase(&self) -> Result<Vec<u8>> {
        let file = &self.passphrase_file;
        let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        Ok(text.trim_ascii().to_vec())
    }
}

/// Backs up every database of a folder.
pub async fn back_up(data: &Path, places: &Places, output: &Output) -> Result<()> {
    let passphrase = places.passphrase()?;
    let _lock = databases::lock(data)?;
    for folder in [&places.backup, places.keys()] {
        storage::durable::make_folder(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    for (name, folder) in databases::find(data)? {
        let vault = databases::open(&folder).await.with_context(|| format!("opening {}", folder.display()))?;
        let rows = places.backup.join(format!("{name}.{ROWS}"));
        let keys = places.keys().join(format!("{name}.{KEYS}"));
        let backup = back_up_files(&vault, &rows, &keys, &passphrase).await?;
        output.line(&format!(
            "{name}: {} rows at commit {}, {} bytes in {}, keys in {}",
            backup.moment.rows,
            backup.moment.commits,
            backup.bytes,
            rows.display(),
            keys.display()
        ))?;
    }
    output.line("Tokens are not in a backup: keep admin.token yourself.")
}

/// Restores every database of a backup into a folder that has none of them.
pub async fn restore(data: &Path, places: &Places, output: &Output) -> Result<()> {
    let passphrase = places.passphrase()?;
    let names = names(&places.backup)?;
    for name in &names {
        let folder = databases::folder(data, name);
        if folder.join("db").exists() {
            bail!("{} has a database: restore into another folder", folder.display());
        }
    }
    for name in &names {
        let folder = databases::folder(data, name);
        let rows = places.backup.join(format!("{name}.{ROWS}"));
        let keys = places.keys().join(format!("{name}.{KEYS}"));
        let restored = restore_files(&rows, &keys, &passphrase, &folder, databases::options()).await;
        let restored = restored.with_context(|| format!("restoring {name}"))?;
        output.line(&format!(
            "{name}: {} rows at commit {} in {}, each opened with its key",
            restored.moment.rows - restored.erased_rows,
            restored.moment.commits,
            folder.display()
        ))?;
        if restored.erased_rows > 0 {
            output.line(&format!("  {} rows left out: they were erased after the backup", restored.erased_rows))?;
        }
    }
    output.line("Put admin.token back into the folder, or another token in its place, before you start.")
}

/// The databases of a backup.
fn names(backup: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(backup).with_context(|| format!("reading {}", backup.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == ROWS) {
            names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("there is no backup in {}", backup.display());
    }
    Ok(names)
}
