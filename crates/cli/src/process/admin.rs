//! The first administrator's token, in its file.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use domain::access::Secret;
use memory_store::MemoryStore;

const SUBJECT: &str = "admin";

/// How the first administrator gets in.
#[derive(Debug, Clone)]
pub enum AdminToken {
    /// By the token in this file, which somebody put there.
    Given(PathBuf),
    /// By the token in this file, which the first start makes.
    Made(PathBuf),
}

impl AdminToken {
    /// Sees to it that the file's token opens the service.
    pub async fn install(&self, service: &MemoryStore) -> Result<()> {
        let (AdminToken::Given(file) | AdminToken::Made(file)) = self;
        let given = read(file)?;
        if given.is_none() && matches!(self, AdminToken::Given(_)) {
            bail!("there is no token in {}: put rv1_ and 43 characters of base64url there", file.display());
        }
        let is_given = given.is_some();
        let made = service.bootstrap_admin(SUBJECT, given).await;
        match made.with_context(|| format!("taking the admin's token from {}", file.display()))? {
            _ if is_given => Ok(()),
            Some(secret) => {
                write(file, &secret)?;
                tracing::info!(file = %file.display(), "made the admin's token");
                Ok(())
            }
            None => bail!(
                "the admin's token was made at an earlier start, and {file} is gone: put it back, or put another \
                 there, rv1_ and 43 characters of base64url",
                file = file.display()
            ),
        }
    }
}

fn read(file: &Path) -> Result<Option<Secret>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim()).filter(|token| !token.is_empty()).map(Secret::new)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("reading {}", file.display())),
    }
}

/// Whole or not there, and only the owner may read it.
fn write(file: &Path, secret: &Secret) -> Result<()> {
    let new = file.with_added_extension("new");
    let written = || -> io::Result<()> {
        if new.exists() {
            fs::remove_file(&new)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(out, "{}", secret.expose())?;
        out.sync_all()?;
        fs::rename(&new, file)?;
        fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().with_context(|| format!("writing {}", file.display()))
}
