//! Commits: whether one may be, and what it would write. It judges; `sequencer` makes it real.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use domain::commit::{ChangeKind, Commit, Operation, Precondition, Revision, Step};
use domain::error::Result;
use domain::id::{MemoryId, StoreId};
use domain::store::Snapshot;
use domain::{Actor, Error, Kind, MemoryPath, Timestamp, limits};

use crate::content::Text;
use crate::context::Context;
use crate::draft::{Draft, Finished, Made};
use crate::edit::{self, Edit};
use crate::era::Era;
use crate::governance::family::{State, is_erased};
use crate::index::{Entry, Map};
use crate::lineage::Lineage;
use crate::load::Head;
use crate::outcome::{Claim, Outcomes};
use crate::record::{
    self, CommitRecord, Commitment, Detail, MergeRow, OutcomeResult, Part, Salt, Salts, StoreRow, VersionDetail,
    VersionRecord, VersionRow,
};
use crate::{key, operation};

/// A commit that somebody asks for, checked as far as it can be without the store's state.
pub struct Proposal {
    pub actor: Arc<Actor>,
    pub message: String,
    pub plan: Plan,
    pub claim: Option<Claim>,
    /// The snapshot that the commit brings in.
    pub merged: Option<Merged>,
    /// A redaction's own: it is made in stores that are archived or deleted too.
    pub redaction: bool,
}

impl Proposal {
    /// Bytes of the contents that it brings.
    pub fn size_bytes(&self) -> usize {
        match &self.plan {
            Plan::Steps { steps, .. } => steps.iter().filter_map(|s| s.text.as_ref()).map(|t| t.text.len()).sum(),
            Plan::Edits { edits, .. } => edits.iter().map(Edit::size_bytes).sum(),
        }
    }
}

pub enum Plan {
    /// A caller's steps.
    Steps { steps: Vec<PlannedStep>, preconditions: Vec<(MemoryPath, Precondition)>, store_revision: Option<Revision> },
    /// A merge's or a restore's edits, worked out against a head that may have moved since.
    Edits {
        edits: Vec<Edit>,
        /// The head that they were worked out against.
        based_on: Revision,
        /// The head that the caller insists on.
        expected_revision: Option<Revision>,
    },
}

impl Plan {
    fn only_deletes(&self) -> bool {
        match self {
            Plan::Steps { steps, .. } => steps.iter().all(|s| matches!(s.step.operation, Operation::Delete { .. })),
            Plan::Edits { .. } => false,
        }
    }
}

pub struct PlannedStep {
    pub step: Step,
    /// The content of a write or create, with its names.
    pub text: Option<Text>,
}

#[derive(Debug, Clone, Copy)]
pub struct Merged {
    pub snapshot: Snapshot,
    /// Nothing was left out, so that the next merge need not look at it again.
    pub whole: bool,
}

/// What the commits judged so far come to, none of which is durable yet.
pub struct Pending {
    pub store: StoreId,
    pub lineage: Arc<Lineage>,
    /// What is being erased of the family.
    pub family: Arc<State>,
    /// When the head was read.
    pub era: Era,
    pub row: StoreRow,
    pub map: Map,
    pub texts: HashMap<[u8; 32], Text>,
    /// Those judged so far, after the durable head.
    pub commits: Vec<Arc<Commit>>,
}

impl Pending {
    pub fn new(lineage: Arc<Lineage>, head: &Head, family: Arc<State>, era: Era) -> Pending {
        let (row, map) = (head.row.clone(), head.map.clone());
        let (texts, commits) = (HashMap::new(), Vec::new());
        Pending { store: lineage.store(), lineage, family, era, row, map, texts, commits }
    }
}

#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to the batch")]
pub enum Verdict {
    /// To be written, and then answered.
    Ready(Ready),
    /// Nothing differs. Only the outcome of a request with an id is written.
    NoOp { revision: Revision, outcome: Option<Vec<u8>> },
    /// The same request came before, and came to this.
    Replay(OutcomeResult),
}

/// All that a commit writes, except for the store's row, which a batch writes once.
pub struct Ready {
    pub row: StoreRow,
    pub map: Map,
    pub commit: Arc<Commit>,
    pub writes: Vec<(Bytes, Vec<u8>)>,
    pub texts: Vec<Text>,
    /// The row that keeps what the request came to.
    pub outcome: Option<Vec<u8>>,
}

pub enum Refusal {
    Error(Error),
    /// The preconditions that failed. The contents are added outside the sequencer.
    Conflict(Vec<Failed>),
    /// Edits were worked out against another state: work them out anew.
    Stale,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Error(error)
    }
}

/// A precondition that does not hold.
pub struct Failed {
    /// None for the whole store.
    pub path: Option<MemoryPath>,
    pub expected: Option<Precondition>,
    /// The head, for the whole store.
    pub head: Revision,
    pub entry: Option<Arc<Entry>>,
    pub already_equal: bool,
}

/// Judges a commit against the pending head.
pub async fn judge(
    context: &Context,
    pending: &Pending,
    outcomes: &Outcomes,
    proposal: &Proposal,
) -> Result<Verdict, Refusal> {
    if let Some(found) = proposal.claim.as_ref().and_then(|claim| outcomes.find(claim)) {
        return Ok(Verdict::Replay(found?));
    }
    if !proposal.redaction {
        check_state(pending, &proposal.plan)?;
    }
    let now = context.clock.now().max(pending.row.update_time.into());
    let revision = pending.row.head + 1;
    let mut draft = Draft::new(pending.store, revision, now, proposal.actor.clone(), pending.map.clone());
    let versions_max = match &proposal.plan {
        Plan::Steps { steps, preconditions, store_revision } => {
            check_preconditions(pending, steps, preconditions, *store_revision)?;
            let bulk = operation::apply(context, pending, &mut draft, steps).await?;
            if bulk { limits::BULK_VERSIONS_MAX } else { limits::COMMIT_VERSIONS_MAX }
        }
        Plan::Edits { edits, based_on, expected_revision } => {
            check_revision(pending, *expected_revision)?;
            check_newcomers(context, pending, edits, *based_on).await?;
            check_stored(context, pending, edits).await?;
            edit::apply(&mut draft, edits)?;
            limits::BULK_VERSIONS_MAX
        }
    };
    let finished = draft.finish();
    check_limits(pending, &finished, versions_max)?;
    check_barred(pending, &finished)?;
    if finished.made.is_empty() {
        let revision = pending.row.head;
        let result = OutcomeResult::Commit { revision, no_op: true };
        let outcome = proposal.claim.as_ref().map(|claim| claim.outcome(now, result)).transpose()?;
        return Ok(Verdict::NoOp { revision, outcome });
    }
    Ok(Verdict::Ready(ready(context, pending, proposal, finished, now)?))
}

/// Nothing comes into an archived store, but things go: it may have to be emptied.
fn check_state(pending: &Pending, plan: &Plan) -> Result<()> {
    if pending.row.delete_time.is_some() {
        return Err(Error::not_found(format_args!("store {}", pending.store)));
    }
    if pending.row.archive_time.is_some() && !plan.only_deletes() {
        let message = format!("store {} is archived: unarchive it to write to it", pending.store);
        return Err(Error::new(Kind::Precondition, "STORE_ARCHIVED", message));
    }
    Ok(())
}

fn check_revision(pending: &Pending, expected: Option<Revision>) -> Result<(), Refusal> {
    match expected {
        Some(revision) if revision != pending.row.head => Err(Refusal::Conflict(vec![store_moved(pending.row.head)])),
        _ => Ok(()),
    }
}

/// A memory that comes into the store must not have come in since the edits were worked out.
async fn check_newcomers(
    context: &Context,
    pending: &Pending,
    edits: &[Edit],
    based_on: Revision,
) -> Result<(), Refusal> {
    let newcomers: HashSet<MemoryId> = edits.iter().filter(|e| e.from.is_none()).map(|e| e.memory).collect();
    let durable = pending.row.head - pending.commits.len() as u64;
    let touches = |commit: &Arc<Commit>| commit.versions.iter().any(|v| newcomers.contains(&v.memory));
    let mut after = based_on;
    while !newcomers.is_empty() && after < durable {
        let commits = context.log.commits(&pending.lineage, after, durable).await?;
        if commits.is_empty() || commits.iter().any(touches) {
            return Err(Refusal::Stale);
        }
        after += commits.len() as u64;
    }
    if pending.commits.iter().any(touches) { Err(Refusal::Stale) } else { Ok(()) }
}

/// A content that an edit takes over from elsewhere must not have been erased since it was worked out.
async fn check_stored(context: &Context, pending: &Pending, edits: &[Edit]) -> Result<(), Refusal> {
    for edit in edits {
        let Some(edit::Target { content: edit::NewContent::Stored(name), .. }) = &edit.to else { continue };
        let own = edit.from.as_ref().and_then(|(path, _)| pending.map.get(path)).is_some_and(|e| e.content == *name);
        let there = own || name.erasure().is_some() || pending.texts.contains_key(&name.hash);
        if !there && !context.contents.is_stored(pending.era, pending.row.family, name).await? {
            return Err(Refusal::Stale);
        }
    }
    Ok(())
}

/// Nothing new may name a content that is being erased.
fn check_barred(pending: &Pending, finished: &Finished) -> Result<()> {
    let barred = |made: &Made| made.entry.as_ref().is_some_and(|e| pending.family.is_barred(&e.content.hash));
    match finished.made.iter().find(|made| barred(made)) {
        Some(made) => {
            let message = format!("what {} would say is being redacted at this moment: try again", made.path);
            Err(Error::unavailable(message).retry_after(std::time::Duration::from_secs(1)))
        }
        None => Ok(()),
    }
}

/// The whole store is not at the revision that was expected.
pub fn store_moved(head: Revision) -> Failed {
    Failed { path: None, expected: None, head, entry: None, already_equal: false }
}

/// All of them, against the head, before any step: a caller that rebases wants every conflict.
fn check_preconditions(
    pending: &Pending,
    steps: &[PlannedStep],
    preconditions: &[(MemoryPath, Precondition)],
    store_revision: Option<Revision>,
) -> Result<(), Refusal> {
    let mut failed = Vec::new();
    if store_revision.is_some_and(|r| r != pending.row.head) {
        failed.push(store_moved(pending.row.head));
    }
    let own = steps.iter().filter_map(|s| Some((s.step.operation.path(), s.step.precondition.as_ref()?, Some(s))));
    let named = preconditions.iter().map(|(path, precondition)| {
        let writer = steps.iter().find(|s| s.step.operation.path() == path);
        (path, precondition, writer)
    });
    for (path, precondition, step) in own.chain(named) {
        let entry = pending.map.get(path);
        if !holds(precondition, entry.map(|e| &**e)) {
            failed.push(Failed {
                path: Some(path.clone()),
                expected: Some(precondition.clone()),
                head: pending.row.head,
                entry: entry.cloned(),
                already_equal: step.is_some_and(|s| already_equal(s, entry.map(|e| &**e))),
            });
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Refusal::Conflict(failed)) }
}

fn holds(precondition: &Precondition, entry: Option<&Entry>) -> bool {
    match (precondition, entry) {
        (Precondition::Absent, entry) => entry.is_none(),
        (Precondition::Revision(revision), Some(entry)) => entry.revision == *revision,
        (Precondition::ContentSha256(sha256), Some(entry)) => entry.content.shown_sha256() == Some(*sha256),
        (Precondition::VersionId(version), Some(entry)) => entry.version == *version,
        (Precondition::Revision(_) | Precondition::ContentSha256(_) | Precondition::VersionId(_), None) => false,
    }
}

/// Whether the store already is as the step alone would have made it.
fn already_equal(step: &PlannedStep, entry: Option<&Entry>) -> bool {
    match (&step.step.operation, &step.text, entry) {
        (_, Some(text), Some(entry)) => entry.content == text.name,
        (Operation::Delete { .. }, None, None) => true,
        _ => false,
    }
}

fn check_limits(pending: &Pending, finished: &Finished, versions_max: usize) -> Result<()> {
    let refuse = |message: String| Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
    if finished.made.len() > versions_max {
        return refuse(format!(
            "the commit would make {} versions, at most {versions_max} are allowed: divide it",
            finished.made.len()
        ));
    }
    let bytes: usize = finished.texts.iter().map(|t| t.text.len()).sum();
    if bytes > limits::COMMIT_BYTES_MAX {
        let most = limits::COMMIT_BYTES_MAX;
        return refuse(format!("the commit would write {bytes} bytes, at most {most} are allowed: divide it"));
    }
    let (before, after) = (pending.map.len(), finished.map.len());
    if after > before && after > limits::STORE_MEMORIES_MAX {
        let most = limits::STORE_MEMORIES_MAX;
        return refuse(format!("the store would hold {after} memories, at most {most} are allowed"));
    }
    Ok(())
}

/// What makes a draft's outcome a commit.
pub fn ready(
    context: &Context,
    pending: &Pending,
    proposal: &Proposal,
    finished: Finished,
    now: Timestamp,
) -> Result<Ready> {
    let revision = pending.row.head + 1;
    let foreign = |m: &&Made| m.entry.is_some() && m.path.is_reserved() && m.path != MemoryPath::redacted(m.memory);
    if let Some(made) = finished.made.iter().find(foreign) {
        let message = format!("{} is not for writing: redacted memories stand there", made.path);
        return Err(Error::new(Kind::Precondition, "PRECONDITION", message));
    }
    let size = |entry: &Arc<Entry>| u64::from(entry.content.size_bytes);
    let added: u64 = finished.made.iter().filter_map(|m| m.entry.as_ref()).map(size).sum();
    let removed: u64 = finished.made.iter().filter_map(|m| m.before.as_ref()).map(|(_, e)| size(e)).sum();
    let (memory_count, content_bytes) =
        (finished.map.len() as u64, (pending.row.content_bytes + added).saturating_sub(removed));

    let salts = FreshSalts::new(context, pending.store, revision);
    let message_salt = salts.salt(u32::MAX);
    let details: Vec<VersionDetail> =
        finished.made.iter().zip(0..).map(|(made, i)| version_detail(made, salts.salt(i))).collect();
    let record = CommitRecord {
        revision,
        time: now.into(),
        actor: Actor::clone(&proposal.actor),
        message: Commitment::to(&message_salt, "message", proposal.message.as_bytes()),
        versions: finished.made.iter().zip(&details).map(version_record).collect::<Result<_>>()?,
        merged: proposal.merged.map(|m| m.snapshot),
        memory_count,
        content_bytes,
    };
    let canonical = record::encode(&record)?;
    let chain = record::chain(&pending.row.chain, &canonical);
    let detail = Detail { message: proposal.message.clone(), message_salt: Some(message_salt), versions: details };

    let store = pending.store;
    let mut writes = vec![
        (key::commit(store, revision), record::encode_commit(&chain, &canonical)),
        (key::detail(store, revision), record::encode(&detail)?),
    ];
    for (made, index) in finished.made.iter().zip(0..) {
        writes.push((key::version(store, made.memory, revision), record::encode(&VersionRow { index })?));
    }
    if let Some(merged) = proposal.merged.filter(|m| m.whole) {
        let row = MergeRow { revision: merged.snapshot.revision };
        writes.push((key::merge(store, merged.snapshot.store, revision), record::encode(&row)?));
    }
    let result = OutcomeResult::Commit { revision, no_op: false };
    let outcome = proposal.claim.as_ref().map(|claim| claim.outcome(now, result)).transpose()?;
    let row =
        StoreRow { head: revision, chain, memory_count, content_bytes, update_time: now.into(), ..pending.row.clone() };
    let commit = crate::log::Row { record, detail, chain }.commit();
    Ok(Ready { row, map: finished.map, commit: Arc::new(commit), writes, texts: finished.texts, outcome })
}

fn version_record((made, at): (&Made, &VersionDetail)) -> Result<VersionRecord> {
    let lost = || Error::internal("a version's salts are gone before it is made");
    let commit = |part, bytes: &[u8]| at.salts.commit(part, bytes).ok_or_else(lost);
    let previous_path = at.previous_path.as_ref().map(|p| commit(Part::PreviousPath, p.as_str().as_bytes()));
    Ok(VersionRecord {
        id: made.version,
        memory: made.memory,
        kind: made.kind,
        path: commit(Part::Path, at.path.as_str().as_bytes())?,
        previous_path: previous_path.transpose()?,
        content: at.content.map(|c| commit(Part::Content, &c.sha256)).transpose()?,
        provenance: commit(Part::Provenance, &at.provenance()?)?,
        size_bytes: at.content.map_or(0, |c| c.size_bytes),
    })
}

fn version_detail(made: &Made, salt: Salt) -> VersionDetail {
    let entry = made.entry.as_ref();
    let create_time = entry.or(made.before.as_ref().map(|(_, e)| e)).map_or(Timestamp::UNIX_EPOCH, |e| e.create_time);
    VersionDetail {
        path: made.path.clone(),
        previous_path: made.before.as_ref().filter(|_| made.kind == ChangeKind::Renamed).map(|(p, _)| p.clone()),
        salts: Salts::Whole(salt),
        content: entry.map(|e| e.content),
        origins: entry.map(|e| e.origins.clone()).unwrap_or_default(),
        credits: made.credits.clone(),
        create_time: create_time.into(),
    }
}

/// Salts that nobody can work out again: they come from fresh ids that are not kept.
struct FreshSalts([u8; 32]);

impl FreshSalts {
    fn new(context: &Context, store: StoreId, revision: Revision) -> FreshSalts {
        let fresh = [context.ids.fresh(), context.ids.fresh()].concat();
        let seed = [fresh.as_slice(), store.as_bytes(), &revision.to_be_bytes()].concat();
        FreshSalts(context.vault.keyed_hash("reverie commit salts", &seed))
    }

    fn salt(&self, index: u32) -> Salt {
        *blake3::keyed_hash(&self.0, &index.to_be_bytes()).as_bytes()
    }
}

/// What callers are told of a conflict. Contents are read for those that fit into one answer.
pub async fn conflict(context: &Context, family: key::Family, failed: Vec<Failed>) -> Error {
    let mut conflicts = Vec::new();
    let mut bytes = 0;
    for failed in failed.into_iter().take(limits::CONFLICTS_MAX) {
        let mut actual_content = None;
        if let Some(entry) = &failed.entry {
            let size = entry.content.size_bytes as usize;
            let erased = entry.content.erasure().is_some();
            if !erased
                && size <= limits::CONFLICT_CONTENT_BYTES_MAX
                && bytes + size <= limits::CONFLICT_DETAILS_BYTES_MAX
            {
                match context.contents.read(family, &entry.content).await {
                    Ok(text) => actual_content = Some(text.to_string()),
                    Err(e) if !is_erased(&e) => return e,
                    Err(_) => {}
                }
                bytes += size;
            }
        }
        let entry = failed.entry.as_deref();
        conflicts.push(domain::commit::Conflict {
            actual_revision: if failed.path.is_some() { entry.map_or(0, |e| e.revision) } else { failed.head },
            path: failed.path,
            expected: failed.expected,
            actual_sha256: entry.and_then(|e| e.content.shown_sha256()),
            actual_version: entry.map(|e| e.version),
            actual_actor: entry.map(|e| Actor::clone(&e.actor)),
            actual_content,
            already_equal: failed.already_equal,
        });
    }
    Error::conflict(conflicts)
}
