//! History: commits and versions of the past, newest first.

use domain::access::StorePermit;
use domain::commit::{Commit, Revision, Version};
use domain::error::Result;
use domain::history::{Commits, Recorded, Versions};
use domain::id::{MemoryId, VersionId};
use domain::memory::MemoryRef;
use domain::page::Paged;
use domain::path::Prefix;
use domain::{Error, MemoryPath, limits};

use crate::governance::family::{is_erased, why};
use crate::lineage::Lineage;
use crate::stores::OpenStore;
use crate::{MemoryStore, index, page_token, visible};

#[cfg(test)]
mod tests;

impl MemoryStore {
    /// A page of commits. A page that looked at limits::LOG_PAGE_SCAN_MAX commits ends early, with a
    /// token for the rest.
    pub async fn list_commits(&self, permit: &StorePermit, commits: &Commits) -> Result<Paged<Commit>> {
        let time = (commits.time.start.map(|t| t.as_nanosecond()), commits.time.end.map(|t| t.as_nanosecond()));
        let a = &commits.actor;
        let actor = (&a.principal, &a.session, &a.agent, &a.dream);
        let question = (permit.store(), &commits.prefix, commits.memory, actor, time, commits.revision);
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let from = match page_token::decode::<Revision>(&question, &commits.page.token)? {
            Some(next) => next,
            None => self.stores().view_revision(&open, commits.revision)?,
        };
        let size = commits.page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let (mut items, mut next, mut looked_at) = (Vec::new(), from, 0);
        while next > 0 && items.len() < size && looked_at < limits::LOG_PAGE_SCAN_MAX {
            let after = next.saturating_sub(limits::LOG_SCAN_MAX as u64);
            for commit in self.context().log.commits(&open.lineage, after, next).await?.iter().rev() {
                if items.len() == size {
                    break;
                }
                looked_at += 1;
                next = commit.revision - 1;
                if let Some(commit) = visible::commit(commit, permit, None)
                    && concerns(commits, &commit)
                {
                    items.push(commit);
                }
            }
        }
        let next_page_token = if next > 0 { page_token::encode(&question, &next)? } else { String::new() };
        Ok(Paged { items, next_page_token })
    }

    pub async fn commit_at(&self, permit: &StorePermit, revision: Revision) -> Result<Commit> {
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let absent = || Error::not_found(format_args!("commit {revision} of store {}", permit.store()));
        if revision == 0 || revision > open.head().revision() {
            return Err(absent());
        }
        let commit = self.context().log.commit(&open.lineage, revision).await?;
        visible::commit(&commit, permit, None).ok_or_else(absent)
    }

    /// A page of the versions of one memory, by its id, or of the memory that is at a path at the head,
    /// or that was there last; or of those of all memories.
    pub async fn list_versions(&self, permit: &StorePermit, versions: &Versions) -> Result<Paged<Recorded>> {
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let page = match &versions.memory {
            Some(memory) => self.versions_of(permit, &open, memory, versions).await?,
            None => self.versions_of_all(permit, &open, versions).await?,
        };
        let items = self.with_redactions(&open, page.items).await?;
        Ok(Paged { items, next_page_token: page.next_page_token })
    }

    async fn versions_of(
        &self,
        permit: &StorePermit,
        open: &OpenStore,
        memory: &MemoryRef,
        versions: &Versions,
    ) -> Result<Paged<Version>> {
        let named = match memory {
            MemoryRef::Path(path) => path.to_string(),
            MemoryRef::Id(id) => id.to_string(),
        };
        let question = (permit.store(), named, &versions.kinds, &versions.actor, versions.time);
        let head = open.head();
        let place: Option<(MemoryId, Revision)> = page_token::decode(&question, &versions.page.token)?;
        let (memory, from) = match (place, memory) {
            (Some(place), _) => place,
            (None, MemoryRef::Id(id)) => (*id, head.revision()),
            (None, MemoryRef::Path(path)) => {
                permit.check_read(path)?;
                let memory = match head.map.get(path) {
                    Some(entry) => entry.memory,
                    None => self.last_at(&open.lineage, head.revision(), path).await?,
                };
                (memory, head.revision())
            }
        };
        let size = versions.page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let (mut items, mut next, mut known) = (Vec::new(), from, false);
        'pages: while next > 0 {
            let touches = self.context().log.touches(&open.lineage, memory, next, limits::LOG_SCAN_MAX).await?;
            known |= !touches.is_empty();
            let last_page = touches.len() < limits::LOG_SCAN_MAX;
            for touch in touches {
                if items.len() == size {
                    break 'pages;
                }
                next = touch.revision - 1;
                let commit = self.context().log.commit(&open.lineage, touch.revision).await?;
                let found = commit.versions.get(touch.index).and_then(|v| visible::version(v, permit));
                items.extend(found.filter(|v| is_asked(versions, v)));
            }
            if last_page {
                next = 0;
            }
        }
        if !known {
            return Err(Error::not_found(format_args!("memory {memory}")));
        }
        let next_page_token = if next > 0 { page_token::encode(&question, &(memory, next))? } else { String::new() };
        Ok(Paged { items, next_page_token })
    }

    /// Those of one commit in the reverse of their path order: the last comes first. As many commits are
    /// looked at as by `list_commits`.
    async fn versions_of_all(
        &self,
        permit: &StorePermit,
        open: &OpenStore,
        versions: &Versions,
    ) -> Result<Paged<Version>> {
        let question = ("all", permit.store(), &versions.kinds, &versions.actor, versions.time);
        // A commit, and how many of its versions were passed.
        let place: Option<(Revision, u64)> = page_token::decode(&question, &versions.page.token)?;
        let size = versions.page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let (mut items, mut looked_at) = (Vec::new(), 0);
        let mut next = place.unwrap_or((open.head().revision(), 0));
        'pages: while next.0 > 0 && looked_at < limits::LOG_PAGE_SCAN_MAX {
            let after = next.0.saturating_sub(limits::LOG_SCAN_MAX as u64);
            for commit in self.context().log.commits(&open.lineage, after, next.0).await?.iter().rev() {
                looked_at += 1;
                let passed = if commit.revision == next.0 { next.1 } else { 0 };
                for (version, at) in commit.versions.iter().rev().zip(0..).skip(passed as usize) {
                    if items.len() == size {
                        next = (commit.revision, at);
                        break 'pages;
                    }
                    items.extend(visible::version(version, permit).filter(|v| is_asked(versions, v)));
                }
                next = (commit.revision - 1, 0);
            }
        }
        let next_page_token = if next.0 > 0 { page_token::encode(&question, &next)? } else { String::new() };
        Ok(Paged { items, next_page_token })
    }

    /// A version with its content, which is empty for a deletion and where it is erased.
    pub async fn version(&self, permit: &StorePermit, id: VersionId) -> Result<(Recorded, String)> {
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let absent = || Error::not_found(format_args!("version {id}"));
        let revision = index::revision_of(id);
        if revision == 0 || revision > open.head().revision() {
            return Err(absent());
        }
        let row = self.context().log.row(open.lineage.owner(revision), revision).await?;
        let at = row.record.versions.iter().position(|v| v.id == id).ok_or_else(absent)?;
        let mut version = row.version(at).and_then(|v| visible::version(&v, permit)).ok_or_else(absent)?;
        let content = match row.detail.versions[at].content.filter(|_| version.sha256.is_some()) {
            Some(name) => match self.context().contents.read(open.family(), &name).await {
                Ok(text) => text.to_string(),
                Err(e) if is_erased(&e) => {
                    (version.erased, version.sha256) = (Some(why(&e)), None);
                    String::new()
                }
                Err(e) => return Err(e),
            },
            None => String::new(),
        };
        let recorded = self.with_redactions(&open, vec![version]).await?.pop().ok_or_else(absent)?;
        Ok((recorded, content))
    }

    /// The memory that was at a path last.
    async fn last_at(&self, lineage: &Lineage, head: Revision, path: &MemoryPath) -> Result<MemoryId> {
        let mut to = head;
        let oldest = head.saturating_sub(limits::LOG_PAGE_SCAN_MAX as u64);
        while to > oldest {
            let after = to.saturating_sub(limits::LOG_SCAN_MAX as u64);
            for commit in self.context().log.commits(lineage, after, to).await?.iter().rev() {
                let left = |v: &&Version| v.path == *path || v.previous_path.as_ref() == Some(path);
                if let Some(version) = commit.versions.iter().find(left) {
                    return Ok(version.memory);
                }
            }
            to = after;
        }
        Err(Error::not_found(format_args!("memory {path}")))
    }
}

fn is_asked(versions: &Versions, version: &Version) -> bool {
    (versions.kinds.is_empty() || versions.kinds.contains(&version.kind))
        && versions.actor.matches(&version.actor)
        && versions.time.contains(version.time)
}

/// Whether a listing is about a commit, of which only what the reader may see is left.
fn concerns(commits: &Commits, commit: &Commit) -> bool {
    let within = |prefix: &Prefix, v: &Version| {
        v.path.is_within(prefix) || v.previous_path.as_ref().is_some_and(|p| p.is_within(prefix))
    };
    commits.actor.matches(&commit.actor)
        && commits.time.contains(commit.time)
        && commit
            .versions
            .iter()
            .any(|v| within(&commits.prefix, v) && commits.memory.is_none_or(|memory| v.memory == memory))
}
