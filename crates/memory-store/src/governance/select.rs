//! Selecting: the contents that a redaction is about.

use std::collections::{HashMap, HashSet};

use domain::commit::Version;
use domain::governance::Selector;
use domain::id::{MemoryId, VersionId};
use domain::{Actor, Error, Result, limits};
use regex::Regex;
use storage::engine::{Direction, Range};

use crate::context::Context;
use crate::governance::members::{self, Member};
use crate::governance::scrub::{compile, names};
use crate::key::Family;
use crate::log::Row;
use crate::record::{CommitRecord, VersionDetail, VersionRecord};
use crate::{fault, index, key};

#[derive(Debug, Default)]
pub struct Selection {
    /// Each with its length in bytes. The empty content is none: it tells nothing, and all share it.
    pub contents: HashMap<[u8; 32], u32>,
    /// Memories that were at the selected path.
    pub memories: HashSet<MemoryId>,
}

impl Selection {
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty() && self.memories.is_empty()
    }

    pub fn content_bytes(&self) -> u64 {
        self.contents.values().map(|bytes| u64::from(*bytes)).sum()
    }
}

/// What there is now in the logs of a family.
pub async fn select(context: &Context, family: Family, members: &[Member], selector: &Selector) -> Result<Selection> {
    if let Selector::Regex(regex) = selector {
        return matching(context, family, &compile(regex)?).await;
    }
    let mut selection = Selection::default();
    for member in members {
        members::walk(context, member, 0, &mut |row| {
            for (version, at) in row.record.versions.iter().zip(&row.detail.versions) {
                if selects(selector, &row.record, version, at)
                    && let Some(content) = at.content.filter(|c| c.erasure().is_none() && c.size_bytes > 0)
                {
                    selection.contents.insert(content.hash, content.size_bytes);
                }
                if is_at(selector, at) {
                    selection.memories.insert(version.memory);
                }
            }
            Ok(())
        })
        .await?;
    }
    Ok(selection)
}

/// # Errors
/// NotFound for a version that no store of the family has.
pub async fn check_versions(context: &Context, members: &[Member], versions: &[VersionId]) -> Result<()> {
    for id in versions {
        let revision = index::revision_of(*id);
        let mut known = false;
        for member in members {
            if revision <= member.start() || member.row.head < revision {
                continue;
            }
            let row: Row = context.log.row(member.id, revision).await?;
            known |= row.commit().versions.iter().any(|v: &Version| v.id == *id);
        }
        if !known {
            return Err(Error::not_found(format_args!("version {id}")));
        }
    }
    Ok(())
}

fn selects(selector: &Selector, commit: &CommitRecord, version: &VersionRecord, at: &VersionDetail) -> bool {
    // Lines that a merge brought in are whoever's who wrote them.
    let wrote = |is: &dyn Fn(&Actor) -> bool| is(&commit.actor) || at.credits.iter().any(|c| is(&c.actor));
    match selector {
        Selector::Versions(ids) => ids.contains(&version.id),
        Selector::Path(prefix) => at.path.is_within(prefix),
        Selector::Regex(_) => false,
        Selector::Session(session) => {
            wrote(&|actor| actor.session == *session || actor.claim.as_ref().is_some_and(|c| c.session == *session))
        }
        Selector::Actor(filter) => wrote(&|actor| filter.matches(actor)),
        Selector::DerivedFromSession(session) => at.origins.iter().any(|o| names(&o.source, session)),
    }
}

fn is_at(selector: &Selector, at: &VersionDetail) -> bool {
    let Selector::Path(prefix) = selector else { return false };
    at.path.is_within(prefix) || at.previous_path.as_ref().is_some_and(|p| p.is_within(prefix))
}

async fn matching(context: &Context, family: Family, regex: &Regex) -> Result<Selection> {
    let mut selection = Selection::default();
    let mut range = Range::prefix(&key::contents(family));
    loop {
        let rows = context.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
        let rows = rows.map_err(fault::of)?;
        let Some((last, _)) = rows.last() else { return Ok(selection) };
        range = range.after(last.clone());
        for (key, found) in &rows {
            let text = std::str::from_utf8(found.value()).map_err(Error::corrupt)?;
            if regex.is_match(text) {
                let hash = key::content_hash_of(key).ok_or_else(|| fault::damaged("a content's key"))?;
                selection.contents.insert(hash, u32::try_from(text.len()).unwrap_or(u32::MAX));
            }
        }
        tokio::task::yield_now().await;
    }
}
