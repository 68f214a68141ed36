//! Commits that an export has in full: kept with their ids, on condition that each follows from the
//! one before.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use domain::commit::{ChangeKind, Origin, Revision};
use domain::id::MemoryId;
use domain::store::Snapshot;
use domain::{Actor, Error, Kind, MemoryPath, Result, Timestamp, limits};

use crate::commit::Pending;
use crate::draft::{Finished, Made};
use crate::import::item::Place;
use crate::index::{self, Entry, Map};
use crate::line::{ActorLine, CommitLine, CreditLine, OriginLine, VersionLine};
use crate::record::{ContentRef, Credit};

/// A commit, and those of its versions that have come.
pub struct Group {
    place: Place,
    commit: CommitLine,
    versions: Vec<(Place, VersionLine)>,
}

/// What a commit came to.
pub struct Replayed {
    pub place: Place,
    pub actor: Arc<Actor>,
    pub message: String,
    pub merged: Option<Snapshot>,
    pub finished: Finished,
}

impl Group {
    pub fn new(place: &Place, commit: CommitLine, next: Revision) -> Result<Group> {
        if commit.revision != next {
            return Err(place.refuse(format_args!("revision {} comes where {next} is due", commit.revision)));
        }
        let most = limits::BULK_VERSIONS_MAX;
        if commit.versions == 0 || commit.versions as usize > most {
            return Err(place.refuse(format_args!("a commit has 1 to {most} versions, not {}", commit.versions)));
        }
        if commit.message.len() > limits::TEXT_BYTES_MAX {
            return Err(place.refuse(format_args!("the message has more than {} bytes", limits::TEXT_BYTES_MAX)));
        }
        check_actor(place, &commit.actor)?;
        Ok(Group { place: place.clone(), commit, versions: Vec::new() })
    }

    pub fn push(&mut self, place: &Place, version: VersionLine) -> Result<()> {
        if index::revision_of(version.id) != self.commit.revision {
            return Err(place.refuse(format_args!("the version's id is not one of revision {}", self.commit.revision)));
        }
        self.versions.push((place.clone(), version));
        Ok(())
    }

    pub fn is_whole(&self) -> bool {
        self.versions.len() == self.commit.versions as usize
    }

    pub fn missing(&self) -> String {
        let (have, of) = (self.versions.len(), self.commit.versions);
        format!("revision {} should have {of} versions, {have} are there", self.commit.revision)
    }

    pub fn versions(&self) -> impl Iterator<Item = &(Place, VersionLine)> {
        self.versions.iter()
    }

    /// Applies it to what is pending. `alive` are the memories that there are.
    pub fn replay(
        self,
        pending: &Pending,
        alive: &mut HashSet<MemoryId>,
        importer: &Actor,
        now: Timestamp,
        content: impl Fn(&[u8; 32]) -> Option<ContentRef>,
    ) -> Result<Replayed> {
        let Group { place, commit, versions } = self;
        let actor = Arc::new(importer.claiming(commit.actor.claim(commit.time)));
        let mut map = pending.map.clone();
        let before = leave(&mut map, alive, &versions)?;
        let mut made = Vec::with_capacity(versions.len());
        let mut ids = HashSet::with_capacity(versions.len());
        for (place, version) in versions {
            if !ids.insert(version.id) {
                return Err(place.refuse("two versions have one id"));
            }
            let before = before.get(&version.memory).cloned();
            let content = version.sha256.as_ref().and_then(&content);
            let is_deletion = version.kind == ChangeKind::Deleted.into();
            if is_deletion == content.is_some() {
                return Err(place.refuse("a version has a content, unless it is a deletion"));
            }
            let entry = content.map(|content| {
                Ok::<_, Error>(Arc::new(Entry {
                    memory: version.memory,
                    version: version.id,
                    revision: commit.revision,
                    content,
                    origins: origins(&place, version.origins)?,
                    actor: actor.clone(),
                    create_time: version.create_time,
                    update_time: now,
                }))
            });
            let entry = entry.transpose()?;
            if let Some(entry) = &entry {
                arrive(&mut map, alive, &place, &version.path, entry, version.kind.into())?;
            }
            made.push((
                place.clone(),
                Made {
                    kind: version.kind.into(),
                    memory: version.memory,
                    version: version.id,
                    path: version.path,
                    before,
                    entry,
                    credits: credits(&place, version.credits, importer, now)?,
                },
            ));
        }
        for (place, made) in made.iter().filter(|(_, made)| made.entry.is_some()) {
            if let Some(blocker) = index::blocker(&map, &made.path) {
                return Err(place.refuse(format_args!("{blocker} is in the way of {}", made.path)));
            }
        }
        let finished = Finished { map, made: made.into_iter().map(|(_, made)| made).collect(), texts: Vec::new() };
        let merged = commit.merged.map(|m| Snapshot { store: m.store, revision: m.revision });
        Ok(Replayed { place, actor, message: commit.message, merged, finished })
    }
}

type Before = HashMap<MemoryId, (MemoryPath, Arc<Entry>)>;

/// Takes from their paths what versions move, change or delete. What they were before.
fn leave(map: &mut Map, alive: &mut HashSet<MemoryId>, versions: &[(Place, VersionLine)]) -> Result<Before> {
    let mut before = Before::new();
    let mut seen = HashSet::with_capacity(versions.len());
    for (place, version) in versions {
        if !seen.insert(version.memory) {
            return Err(place.refuse("two versions of one commit are of one memory"));
        }
        let kind: ChangeKind = version.kind.into();
        if (kind == ChangeKind::Renamed) != version.previous_path.is_some() {
            return Err(place.refuse("a version has a previous path where it is renamed, and only there"));
        }
        let from = match kind {
            ChangeKind::Created => continue,
            ChangeKind::Modified | ChangeKind::Deleted => &version.path,
            ChangeKind::Renamed => version.previous_path.as_ref().unwrap_or(&version.path),
        };
        let entry = map.remove(from).filter(|entry| entry.memory == version.memory);
        let entry = entry.ok_or_else(|| place.refuse(format_args!("the memory is not at {from} before the commit")))?;
        if kind == ChangeKind::Deleted {
            alive.remove(&version.memory);
        }
        before.insert(version.memory, (from.clone(), entry));
    }
    Ok(before)
}

fn arrive(
    map: &mut Map,
    alive: &mut HashSet<MemoryId>,
    place: &Place,
    path: &MemoryPath,
    entry: &Arc<Entry>,
    kind: ChangeKind,
) -> Result<()> {
    if map.insert(path.clone(), entry.clone()).is_some() {
        return Err(place.refuse(format_args!("there is a memory at {path} already")));
    }
    if kind == ChangeKind::Created && !alive.insert(entry.memory) {
        return Err(place.refuse("the memory exists already"));
    }
    Ok(())
}

pub fn origins(place: &Place, lines: Vec<OriginLine>) -> Result<Vec<Origin>> {
    check_count(place, "origins", lines.len())?;
    for line in &lines {
        check_lines(place, line.start, line.end)?;
        check_words(place, "an origin's source", &line.source, limits::ORIGIN_SOURCE_BYTES_MAX)?;
    }
    Ok(lines.into_iter().map(Origin::from).collect())
}

/// Whom lines are owed to is a claim too.
fn credits(place: &Place, lines: Vec<CreditLine>, importer: &Actor, now: Timestamp) -> Result<Vec<Credit>> {
    check_count(place, "credits", lines.len())?;
    let credit = |line: CreditLine| {
        check_lines(place, line.start, line.end)?;
        check_actor(place, &line.actor)?;
        check_words(place, "a credit's message", &line.message, limits::TEXT_BYTES_MAX)?;
        Ok(Credit {
            start: line.start - 1,
            end: line.end,
            store: line.store,
            revision: line.revision,
            actor: importer.claiming(line.actor.claim(line.time)),
            time: now.into(),
            message: line.message,
        })
    };
    lines.into_iter().map(credit).collect()
}

pub fn check_actor(place: &Place, actor: &ActorLine) -> Result<()> {
    let words = [&actor.principal, &actor.session, &actor.agent, &actor.tool_call, &actor.on_behalf_of, &actor.dream];
    words.into_iter().try_for_each(|word| check_words(place, "an actor's name", word, limits::TEXT_BYTES_MAX))
}

fn check_count(place: &Place, what: &str, count: usize) -> Result<()> {
    if count > limits::ORIGINS_MAX {
        return Err(place.refuse(format_args!("{count} {what}, at most {} are allowed", limits::ORIGINS_MAX)));
    }
    Ok(())
}

fn check_lines(place: &Place, start: u32, end: u32) -> Result<()> {
    if start == 0 || end < start {
        return Err(place.refuse(format_args!("{start} to {end} are no lines")));
    }
    Ok(())
}

fn check_words(place: &Place, what: impl fmt::Display, words: &str, most: usize) -> Result<()> {
    if words.len() > most {
        return Err(place.refuse(format_args!("{what} has more than {most} bytes")));
    }
    Ok(())
}

pub fn exhausted(place: &Place, what: &str, most: u64) -> Error {
    let message = format!("{place}: a store has at most {most} {what}; nothing was imported");
    Error::new(Kind::Exhausted, "LIMIT_REACHED", message)
}
