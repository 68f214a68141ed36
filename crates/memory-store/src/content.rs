//! Contents: what memories say, kept once for a family of forks, with the newest in memory.

use std::sync::Arc;

use domain::{Error, Result, limits};
use sha2::{Digest as _, Sha256};
use storage::Vault;

use crate::era::{Era, Eras};
use crate::fault;
use crate::governance::family::{Stopped, erased};
use crate::key::{self, Family};
use crate::record::ContentRef;

/// A content with its names.
#[derive(Debug, Clone)]
pub struct Text {
    pub text: Arc<str>,
    pub name: ContentRef,
}

/// Reads contents through a cache of those that are durable. A content is deleted by an erasure alone,
/// which first bars it: see `governance::family`.
#[derive(Clone)]
pub struct Contents {
    vault: Vault,
    eras: Eras,
    stopped: Stopped,
    durable: moka::sync::Cache<(Era, Family, [u8; 32]), Arc<str>>,
}

impl Contents {
    pub fn new(vault: Vault, eras: Eras, stopped: Stopped) -> Contents {
        let durable = moka::sync::Cache::builder()
            .weigher(|_, text: &Arc<str>| u32::try_from(text.len() + 128).unwrap_or(u32::MAX))
            .max_capacity(limits::CONTENT_CACHE_BYTES_MAX)
            .build();
        Contents { vault, eras, stopped, durable }
    }

    /// Names a content. Forks of one family share names; no others do.
    pub fn name(&self, family: Family, text: Arc<str>) -> Text {
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let hash = self.vault.keyed_hash("reverie memory content", &[family.0.as_slice(), &sha256].concat());
        let size_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Text { text, name: ContentRef { hash, sha256, size_bytes } }
    }

    /// Whether it is known to be stored, as of the family's row.
    pub fn is_durable(&self, era: Era, family: Family, name: &ContentRef) -> bool {
        self.durable.contains_key(&(era, family, name.hash))
    }

    /// To be called once a commit that wrote it, and that was judged in the era, is durable.
    pub fn keep(&self, era: Era, family: Family, text: &Text) {
        self.durable.insert((era, family, text.name.hash), text.text.clone());
    }

    /// Forgets all.
    pub fn forget(&self) {
        self.durable.invalidate_all();
    }

    /// # Errors
    /// Precondition, REDACTED or EXPIRED, where the content is erased or about to be.
    pub async fn read(&self, family: Family, name: &ContentRef) -> Result<Arc<str>> {
        if let Some(why) = name.erasure().or_else(|| self.stopped.is_stopped(family, &name.hash)) {
            return Err(erased(why));
        }
        self.read_anyway(family, name).await
    }

    /// Also where reads have stopped: for the erasure itself.
    pub async fn read_anyway(&self, family: Family, name: &ContentRef) -> Result<Arc<str>> {
        let era = self.eras.now();
        if let Some(text) = self.durable.get(&(era, family, name.hash)) {
            return Ok(text);
        }
        let record = self.vault.get(&key::content(family, &name.hash)).await.map_err(fault::of)?;
        let Some(record) = record else {
            return Err(match self.stopped.was_erased(family, &name.hash) {
                Some(why) => erased(why),
                None => fault::damaged("a content that a version names is absent"),
            });
        };
        let text: Arc<str> = std::str::from_utf8(record.value()).map_err(Error::corrupt)?.into();
        self.durable.insert((era, family, name.hash), text.clone());
        Ok(text)
    }

    /// Whether it is stored. To be asked only where the answer stays true: by a commit's judge.
    pub async fn is_stored(&self, era: Era, family: Family, name: &ContentRef) -> Result<bool> {
        if self.is_durable(era, family, name) {
            return Ok(true);
        }
        Ok(self.vault.get(&key::content(family, &name.hash)).await.map_err(fault::of)?.is_some())
    }
}
