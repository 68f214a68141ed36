//! Builds a store of what a file's reader finds: checks each item against what came before, and stages
//! the rows that it comes to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::commit::Revision;
use domain::id::MemoryId;
use domain::portability::ImportProblem;
use domain::{Actor, MemoryPath, Result, Timestamp, limits};

use crate::catalog::Birth;
use crate::commit::{self, Merged, Pending, Plan, Proposal};
use crate::context::Context;
use crate::draft::{Draft, Finished};
use crate::import::item::{Begin, Change, Item, Place};
use crate::import::replay::{self, Group, exhausted};
use crate::import::staging::Staging;
use crate::key;
use crate::line::{MemoryLine, StoreLine};
use crate::lineage::Lineage;
use crate::record::{ContentRef, Credit, StoreRow};
use crate::{checkpoint, index};

pub struct Builder {
    context: Arc<Context>,
    pub staging: Staging,
    importer: Actor,
    now: Timestamp,
    pending: Pending,
    contents: HashMap<[u8; 32], Known>,
    /// The memories that there are.
    alive: HashSet<MemoryId>,
    store: Option<StoreLine>,
    group: Option<Group>,
    part: Option<Part>,
    /// Files beside the history that were as it says.
    files: HashSet<MemoryPath>,
    checkpointed: Revision,
    /// Commits of which nothing was to be stored.
    empty: u64,
    pub problems: Vec<ImportProblem>,
    pub more_problems: u64,
}

struct Known {
    name: ContentRef,
    used: bool,
}

/// A commit that changes go to. It is divided where it grows too large.
struct Part {
    actor: Arc<Actor>,
    message: String,
    claimed: bool,
    number: u32,
    draft: Draft,
    bytes: usize,
    made: bool,
}

impl Builder {
    pub fn new(context: Arc<Context>, staging: Staging, importer: Actor, birth: &Birth) -> Builder {
        let pending = Pending {
            store: birth.id,
            lineage: Arc::new(Lineage::new(birth.id, &[])),
            // Nothing can have been erased of a family that is not there yet.
            family: Arc::default(),
            era: context.eras.now(),
            row: birth.row.clone(),
            map: index::Map::new(),
            texts: HashMap::new(),
            commits: Vec::new(),
        };
        Builder {
            now: birth.row.create_time.into(),
            context,
            staging,
            importer,
            pending,
            contents: HashMap::new(),
            alive: HashSet::new(),
            store: None,
            group: None,
            part: None,
            files: HashSet::new(),
            checkpointed: 0,
            empty: 0,
            problems: Vec::new(),
            more_problems: 0,
        }
    }

    pub async fn take(&mut self, place: &Place, item: Item) -> Result<()> {
        match item {
            Item::Store(store) => self.store = Some(store),
            Item::Content { sha256, text } => self.content(place, sha256, text).await?,
            Item::Commit(commit) => {
                self.check_group_ended(place)?;
                self.group = Some(Group::new(place, commit, self.pending.row.head + 1)?);
            }
            Item::Version(version) => {
                let group = self.group.as_mut().ok_or_else(|| place.refuse("a version without its commit"))?;
                group.push(place, version)?;
            }
            Item::Begin(begin) => self.begin(begin).await?,
            Item::Change(change) => self.change(place, change).await?,
            Item::File { path, sha256 } => {
                self.check_group_ended(place)?;
                if self.pending.map.get(&path).is_none_or(|entry| entry.content.sha256 != sha256) {
                    let why = "it is not as the history says: delete .reverie to import the files alone";
                    return Err(place.refuse(why));
                }
                self.files.insert(path);
            }
            Item::FilesEnd if self.files.len() != self.pending.map.len() => {
                let missing = self.pending.map.keys().find(|path| !self.files.contains(*path));
                let missing = missing.map(ToString::to_string).unwrap_or_default();
                return Err(place.refuse(format_args!("{missing} is in the history, and its file is missing")));
            }
            Item::FilesEnd => {}
            Item::Problem { path, reason } => self.problem(place.problem(path, reason)),
        }
        if self.group.as_ref().is_some_and(Group::is_whole)
            && let Some(group) = self.group.take()
        {
            self.exact(group).await?;
        }
        Ok(())
    }

    /// Completes the store: its row, and what the file says of it.
    pub async fn finish(&mut self) -> Result<(StoreRow, Option<StoreLine>)> {
        let file = Place::default();
        self.check_group_ended(&file)?;
        self.end_part().await?;
        if let Some(store) = &self.store {
            let (memories, head) = (self.pending.map.len() as u64, self.pending.row.head);
            if store.memories != memories {
                let said = store.memories;
                return Err(file.refuse(format_args!("it should hold {said} memories, and holds {memories}")));
            }
            if store.with_history && store.revision != head {
                let said = store.revision;
                return Err(file.refuse(format_args!("its history should end at revision {said}, and ends at {head}")));
            }
        }
        if self.empty > 0 {
            let reason = format!("{} commits are left out: they change nothing that can be stored", self.empty);
            self.problem(file.problem(String::new(), reason));
        }
        let family = self.pending.row.family;
        let unused: Vec<_> = self.contents.values().filter(|known| !known.used).map(|known| known.name.hash).collect();
        for batch in unused.chunks(limits::STORE_IMPORT_BATCH_ROWS_MAX) {
            self.staging.flush().await?;
            batch.iter().for_each(|hash| self.staging.delete(key::content(family, hash)));
        }
        self.staging.flush().await?;
        self.checkpoint().await?;
        Ok((self.pending.row.clone(), self.store.take()))
    }

    async fn content(&mut self, place: &Place, sha256: [u8; 32], text: Arc<str>) -> Result<()> {
        if self.contents.contains_key(&sha256) {
            return Ok(());
        }
        if text.len() > limits::CONTENT_BYTES_MAX {
            let (bytes, most) = (text.len(), limits::CONTENT_BYTES_MAX);
            return Err(place.refuse(format_args!("a content has {bytes} bytes, at most {most} are allowed")));
        }
        if self.contents.len() == limits::STORE_IMPORT_CONTENTS_MAX {
            return Err(exhausted(place, "different contents", limits::STORE_IMPORT_CONTENTS_MAX as u64));
        }
        let family = self.pending.row.family;
        let text = self.context.contents.name(family, text);
        self.staging.put(key::content(family, &text.name.hash), text.text.as_bytes()).await?;
        self.contents.insert(sha256, Known { name: text.name, used: false });
        Ok(())
    }

    fn use_content(&mut self, place: &Place, sha256: &[u8; 32]) -> Result<ContentRef> {
        let known = self.contents.get_mut(sha256).ok_or_else(|| {
            place.refuse(format_args!("the content {} has not come before", proto::convert::hex::encode(sha256)))
        })?;
        known.used = true;
        Ok(known.name)
    }

    /// Makes a commit as the file has it.
    async fn exact(&mut self, group: Group) -> Result<()> {
        for (place, version) in group.versions() {
            if let Some(sha256) = &version.sha256 {
                self.use_content(place, sha256)?;
            }
        }
        let contents = &self.contents;
        let name = |sha256: &[u8; 32]| contents.get(sha256).map(|known| known.name);
        let replayed = group.replay(&self.pending, &mut self.alive, &self.importer, self.now, name)?;
        let merged = replayed.merged.map(|snapshot| Merged { snapshot, whole: false });
        self.commit(&replayed.place, replayed.actor, replayed.message, merged, replayed.finished).await
    }

    async fn begin(&mut self, begin: Begin) -> Result<()> {
        self.end_part().await?;
        let claimed = begin.claim.is_some();
        let actor = begin.claim.map_or_else(|| self.importer.clone(), |claim| self.importer.claiming(claim));
        let actor = Arc::new(actor);
        let draft = self.draft(&actor);
        self.part = Some(Part { actor, message: begin.message, claimed, number: 1, draft, bytes: 0, made: false });
        Ok(())
    }

    fn draft(&self, actor: &Arc<Actor>) -> Draft {
        let revision = self.pending.row.head + 1;
        Draft::new(self.pending.store, revision, self.now, actor.clone(), self.pending.map.clone())
    }

    async fn change(&mut self, place: &Place, change: Change) -> Result<()> {
        let full =
            |part: &Part| part.draft.len() >= limits::COMMIT_VERSIONS_MAX || part.bytes >= limits::COMMIT_BYTES_MAX;
        if self.part.as_ref().is_some_and(full) {
            self.end_draft(place).await?;
        }
        let content = match &change {
            Change::Write { sha256, .. } => Some(self.use_content(place, sha256)?),
            Change::Create(memory) => Some(self.use_content(place, &memory.sha256)?),
            Change::Move { .. } | Change::Delete { .. } => None,
        };
        let fresh = MemoryId::from_bytes(self.context.ids.fresh());
        let Some(part) = &mut self.part else { return Err(place.refuse("a change without its commit")) };
        let blocked = |draft: &Draft, path: &MemoryPath| {
            let blocker = index::blocker(draft.map(), path)?.to_owned();
            Some(format!("{blocker} is in the way: a path is a file or a directory, not both"))
        };
        match (change, content) {
            (Change::Write { path, .. }, Some(content)) => {
                if let Some(reason) = blocked(&part.draft, &path) {
                    self.problem(place.problem(path.to_string(), reason));
                    return Ok(());
                }
                part.bytes += content.size_bytes as usize;
                if part.draft.map().contains_key(&path) {
                    part.draft.modify(&path, content, Vec::new());
                } else {
                    part.draft.create(path, fresh, content, Vec::new());
                }
            }
            (Change::Create(memory), Some(content)) => {
                if let Some(reason) = blocked(&part.draft, &memory.path) {
                    return Err(place.refuse(reason));
                }
                if part.draft.map().contains_key(&memory.path) || !self.alive.insert(memory.memory) {
                    return Err(place.refuse(format_args!("{} is there twice", memory.path)));
                }
                part.bytes += content.size_bytes as usize;
                let MemoryLine { path, memory, time, actor, create_time, origins, .. } = *memory;
                let origins = replay::origins(place, origins)?;
                replay::check_actor(place, &actor)?;
                let credit = Credit {
                    start: 0,
                    end: u32::MAX,
                    store: self.pending.store,
                    revision: self.pending.row.head + 1,
                    actor: self.importer.claiming(actor.claim(time)),
                    time: self.now.into(),
                    message: String::new(),
                };
                part.draft.restore(path, memory, content, origins, create_time);
                part.draft.credit(memory, vec![credit]);
            }
            (Change::Move { from, to }, _) => {
                if let Some(entry) = part.draft.remove(&from) {
                    part.draft.put_back(to, &entry);
                }
            }
            (Change::Delete { path }, _) => drop(part.draft.remove(&path)),
            (Change::Write { .. } | Change::Create(_), None) => {}
        }
        Ok(())
    }

    /// Makes what the current part has so far, and begins the next.
    async fn end_draft(&mut self, place: &Place) -> Result<()> {
        let Some(mut part) = self.part.take() else { return Ok(()) };
        let draft = std::mem::replace(&mut part.draft, self.draft(&part.actor));
        let finished = draft.finish();
        if !finished.made.is_empty() {
            let message = match part.number {
                1 => part.message.clone(),
                n => format!(
                    "{} (part {n})",
                    &part.message[..part.message.floor_char_boundary(limits::TEXT_BYTES_MAX - 32)]
                ),
            };
            self.commit(place, part.actor.clone(), message, None, finished).await?;
            (part.number, part.made) = (part.number + 1, true);
        }
        part.draft = self.draft(&part.actor);
        part.bytes = 0;
        self.part = Some(part);
        Ok(())
    }

    async fn end_part(&mut self) -> Result<()> {
        self.end_draft(&Place::default()).await?;
        if self.part.take().is_some_and(|part| part.claimed && !part.made) {
            self.empty += 1;
        }
        Ok(())
    }

    async fn commit(
        &mut self,
        place: &Place,
        actor: Arc<Actor>,
        message: String,
        merged: Option<Merged>,
        finished: Finished,
    ) -> Result<()> {
        if finished.map.len() > limits::STORE_MEMORIES_MAX {
            return Err(exhausted(place, "memories", limits::STORE_MEMORIES_MAX as u64));
        }
        if self.pending.row.head == limits::STORE_IMPORT_COMMITS_MAX {
            return Err(exhausted(place, "commits", limits::STORE_IMPORT_COMMITS_MAX));
        }
        let plan = Plan::Edits { edits: Vec::new(), based_on: self.pending.row.head, expected_revision: None };
        let proposal = Proposal { actor, message, plan, claim: None, merged, redaction: false };
        let ready = commit::ready(&self.context, &self.pending, &proposal, finished, self.now)?;
        for (key, plain) in &ready.writes {
            self.staging.put(key.clone(), plain).await?;
        }
        self.pending.row = ready.row;
        self.pending.map = ready.map;
        if checkpoint::is_due(self.pending.row.head - self.checkpointed, self.pending.map.len()) {
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// So that opening the store replays few commits.
    async fn checkpoint(&mut self) -> Result<()> {
        let revision = self.pending.row.head;
        if revision > self.checkpointed {
            self.staging.flush().await?;
            let family = (self.pending.row.family, &*self.pending.family);
            checkpoint::write(&self.context.vault, self.pending.store, revision, &self.pending.map, family).await?;
            self.checkpointed = revision;
        }
        Ok(())
    }

    fn check_group_ended(&self, place: &Place) -> Result<()> {
        match &self.group {
            Some(group) => Err(place.refuse(group.missing())),
            None => Ok(()),
        }
    }

    fn problem(&mut self, problem: ImportProblem) {
        if self.problems.len() < limits::IMPORT_PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}
