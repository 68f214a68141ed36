//! Contents: what memories say, kept once for a family of forks, with the newest in memory.

use std::sync::Arc;

use domain::{Error, Result, limits};
use sha2::{Digest as _, Sha256};
use storage::Vault;

use crate::fault;
use crate::key::{self, Family};
use crate::record::ContentRef;

/// A content with its names.
#[derive(Debug, Clone)]
pub struct Text {
    pub text: Arc<str>,
    pub name: ContentRef,
}

/// Reads contents through a cache of those that are durable.
///
/// Nothing deletes a content yet, so that a cached one is known to be stored. Redaction must drop it
/// from here, and make commits that reuse a content conditional on it.
#[derive(Clone)]
pub struct Contents {
    vault: Vault,
    durable: moka::sync::Cache<(Family, [u8; 32]), Arc<str>>,
}

impl Contents {
    pub fn new(vault: Vault) -> Contents {
        let durable = moka::sync::Cache::builder()
            .weigher(|_, text: &Arc<str>| u32::try_from(text.len() + 128).unwrap_or(u32::MAX))
            .max_capacity(limits::CONTENT_CACHE_BYTES_MAX)
            .build();
        Contents { vault, durable }
    }

    /// Names a content. Forks of one family share names; no others do.
    pub fn name(&self, family: Family, text: Arc<str>) -> Text {
        let sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let hash = self.vault.keyed_hash("reverie memory content", &[family.0.as_slice(), &sha256].concat());
        let size_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Text { text, name: ContentRef { hash, sha256, size_bytes } }
    }

    /// Whether it is known to be stored.
    pub fn is_durable(&self, family: Family, name: &ContentRef) -> bool {
        self.durable.contains_key(&(family, name.hash))
    }

    /// To be called once a commit that wrote it is durable.
    pub fn keep(&self, family: Family, text: &Text) {
        self.durable.insert((family, text.name.hash), text.text.clone());
    }

    pub async fn read(&self, family: Family, name: &ContentRef) -> Result<Arc<str>> {
        if let Some(text) = self.durable.get(&(family, name.hash)) {
            return Ok(text);
        }
        let record = self.vault.get(&key::content(family, &name.hash)).await.map_err(fault::of)?;
        let record = record.ok_or_else(|| fault::damaged("a content that a version names is absent"))?;
        let text: Arc<str> = std::str::from_utf8(record.value()).map_err(Error::corrupt)?.into();
        self.durable.insert((family, name.hash), text.clone());
        Ok(text)
    }
}
