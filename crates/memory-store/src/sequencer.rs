//! The sequencer: the one place that makes writes of a store real.
//!
//! One task per open store takes what is queued, judges each commit in order against the head as the
//! ones before it leave it, writes all of them as one batch on condition of the store's row, and only
//! then publishes the new head, wakes watchers and answers. Refusals wait for the batch too: they may
//! tell of commits that are not durable yet.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use domain::error::Result;
use domain::id::{StoreId, WorkspaceId};
use domain::{Error, Kind, limits, store};
use runtime::task::{self, Task};
use storage::engine;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, error, warn};

use crate::commit::{self, Pending, Proposal, Ready, Refusal, Verdict};
use crate::context::Context;
use crate::era::{Era, ReadIn};
use crate::governance::family::State;
use crate::governance::key::FAMILY;
use crate::key::Family;
use crate::lineage::Lineage;
use crate::load::{self, Head};
use crate::outcome::{self, Claim, Outcomes};
use crate::record::{self, OutcomeResult};
use crate::stores::OpenStore;
use crate::{change, checkpoint, fault, key};

#[cfg(test)]
mod tests;

/// What a commit was answered.
pub type Answer = Result<Done, Refusal>;

pub enum Done {
    Committed(Arc<domain::commit::Commit>),
    NoOp(domain::commit::Revision),
    /// The same request came before, and came to this.
    Replay(OutcomeResult),
}

/// A handle to a store's task, which ends when the handle is dropped.
pub struct Sequencer {
    queue: mpsc::Sender<Job>,
    _task: Task,
}

struct Job {
    work: Work,
    /// Keeps the store open while the job waits.
    _store: Arc<OpenStore>,
}

enum Work {
    Commit {
        proposal: Box<Proposal>,
        answer: oneshot::Sender<Answer>,
    },
    Change {
        change: Box<Alteration>,
        answer: oneshot::Sender<Result<()>>,
    },
    /// Read the head again, if it was read before the last erasure.
    Reload {
        answer: oneshot::Sender<Result<()>>,
    },
}

/// A change of the store itself, with what else is to be written with it.
pub struct Alteration {
    pub change: store::Change,
    pub claim: Option<Claim>,
    pub event: Option<(bytes::Bytes, Vec<u8>)>,
}

impl Sequencer {
    pub fn start(
        context: Arc<Context>,
        workspace: WorkspaceId,
        lineage: Lineage,
        head: Head,
        read_in: Arc<ReadIn>,
    ) -> (Sequencer, watch::Receiver<Arc<Head>>) {
        let (queue, jobs) = mpsc::channel(limits::COMMIT_QUEUE_MAX);
        let store = lineage.store();
        let checkpointed = Arc::new(AtomicU64::new(lineage.start(u64::MAX)));
        let (family, era) = (head.row.family, read_in.era());
        let (published, heads) = watch::channel(Arc::new(head));
        let running = Running {
            context,
            workspace,
            store,
            lineage: Arc::new(lineage),
            jobs,
            published,
            outcomes: Outcomes::default(),
            family,
            era,
            read_in,
            present: HashSet::new(),
            unsure: false,
            checkpointed,
            checkpointing: Arc::new(AtomicBool::new(false)),
            checkpoint: None,
        };
        let span = tracing::info_span!("sequencer", %store);
        let task = task::spawn("sequencer", running.run().instrument(span));
        (Sequencer { queue, _task: task }, heads)
    }

    /// Has a commit judged and, if it may be, made.
    pub async fn commit(&self, store: &Arc<OpenStore>, proposal: Proposal) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.push(store, Work::Commit { proposal: Box::new(proposal), answer })?;
        answered.await.map_err(|_| Refusal::Error(ended()))?
    }

    /// Has the store itself changed.
    pub async fn change(&self, store: &Arc<OpenStore>, change: Alteration) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.push(store, Work::Change { change: Box::new(change), answer })?;
        answered.await.map_err(|_| ended())?
    }

    /// Has the head read again, if it was read before the last erasure.
    pub async fn reload(&self, store: &Arc<OpenStore>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.push(store, Work::Reload { answer })?;
        answered.await.map_err(|_| ended())?
    }

    fn push(&self, store: &Arc<OpenStore>, work: Work) -> Result<()> {
        self.queue.try_send(Job { work, _store: store.clone() }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => {
                let message = format!("too many commits of store {} are waiting", store.id);
                Error::new(Kind::Exhausted, "OVERLOADED", message).retry_after(Duration::from_millis(100))
            }
            mpsc::error::TrySendError::Closed(_) => ended(),
        })
    }
}

fn ended() -> Error {
    Error::unavailable("the server is stopping; a write's outcome is unknown: try again with the same request id")
}

struct Running {
    context: Arc<Context>,
    workspace: WorkspaceId,
    store: StoreId,
    lineage: Arc<Lineage>,
    jobs: mpsc::Receiver<Job>,
    published: watch::Sender<Arc<Head>>,
    outcomes: Outcomes,
    family: Family,
    /// The era in which the head was read.
    era: Era,
    read_in: Arc<ReadIn>,
    /// Contents that a batch was about to write and that are stored already.
    present: HashSet<[u8; 32]>,
    /// A write's outcome is unknown: the head must be read again before the next.
    unsure: bool,
    checkpointed: Arc<AtomicU64>,
    checkpointing: Arc<AtomicBool>,
    checkpoint: Option<Task>,
}

/// Commits that are judged, and the batch that would make them real.
struct Judged {
    batch: storage::VaultBatch,
    head: Option<Head>,
    ready: Vec<Ready>,
    answers: Vec<Answer>,
    family: Arc<State>,
}

impl Running {
    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(limits::BATCH_COMMITS_MAX);
        while self.jobs.recv_many(&mut jobs, limits::BATCH_COMMITS_MAX).await > 0 {
            let mut commits = Vec::with_capacity(jobs.len());
            for job in jobs.drain(..) {
                match job.work {
                    Work::Commit { proposal, answer } => commits.push((proposal, answer, job._store)),
                    Work::Change { change, answer } => {
                        self.commit_all(std::mem::take(&mut commits)).await;
                        // A caller that went away does not want its answer.
                        let _ = answer.send(self.change(*change).await);
                    }
                    Work::Reload { answer } => {
                        let _ = answer.send(self.sure_head().await.map(drop));
                    }
                }
            }
            self.commit_all(commits).await;
        }
    }

    async fn commit_all(&mut self, commits: Vec<(Box<Proposal>, oneshot::Sender<Answer>, Arc<OpenStore>)>) {
        let mut rest = commits.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let (mut proposals, mut waiting) = (Vec::new(), Vec::new());
            while bytes < limits::BATCH_BYTES_MAX
                && let Some((proposal, answer, store)) = rest.next()
            {
                bytes += proposal.size_bytes();
                proposals.push(proposal);
                waiting.push((answer, store));
            }
            let answers = self.commit_batch(&mut proposals).await;
            for ((waiting, _store), answer) in waiting.into_iter().zip(answers) {
                let _ = waiting.send(answer);
            }
        }
    }

    async fn commit_batch(&mut self, proposals: &mut [Box<Proposal>]) -> Vec<Answer> {
        for attempt in 0..=limits::REJUDGES_MAX {
            match self.try_batch(proposals, attempt > 0).await {
                Ok(answers) => return answers,
                // Nothing was written: another process changed the row, or an outcome came first, or an
                // erasure has begun or ended, or a content is there already.
                Err(engine::Error::Conflict(failed)) => self.conflicted(&failed),
                Err(e) => {
                    error!(error = %e, store = %self.store, "a batch of commits failed");
                    self.unsure = !matches!(e, engine::Error::Full(_));
                    let message = fault::of(e);
                    return proposals.iter().map(|_| Err(Refusal::Error(again(&message)))).collect();
                }
            }
        }
        let busy = || Error::unavailable("the store is busy elsewhere: try again").retry_after(Duration::ZERO);
        proposals.iter().map(|_| Err(Refusal::Error(busy()))).collect()
    }

    /// Learns from the conditions of a batch that did not hold.
    fn conflicted(&mut self, failed: &[(engine::Key, Option<engine::Value>)]) {
        for (key, _) in failed {
            match key::content_hash_of(key) {
                Some(hash) => drop(self.present.insert(hash)),
                None => self.unsure = true,
            }
            if key.first() == Some(&FAMILY) {
                self.context.families.distrust(self.family);
                self.present.clear();
            }
        }
    }

    /// Judges and writes. An error means that nothing is answered yet.
    async fn try_batch(
        &mut self,
        proposals: &mut [Box<Proposal>],
        look_up: bool,
    ) -> Result<Vec<Answer>, engine::Error> {
        let judged = match self.judge(proposals, look_up).await {
            Ok(judged) => judged,
            Err(e) => {
                self.outcomes.forget_pending();
                return Ok(proposals.iter().map(|_| Err(Refusal::Error(again(&e)))).collect());
            }
        };
        if !judged.batch.is_empty()
            && let Err(e) = self.context.vault.commit(judged.batch).await
        {
            self.outcomes.forget_pending();
            return Err(e);
        }
        self.outcomes.confirm();
        if let Some(head) = judged.head {
            self.publish(head, &judged.ready, judged.family);
        }
        Ok(judged.answers)
    }

    async fn judge(&mut self, proposals: &mut [Box<Proposal>], look_up: bool) -> Result<Judged> {
        let head = self.sure_head().await?;
        let family = self.context.families.get(self.family).await?;
        let mut pending = Pending::new(self.lineage.clone(), &head, family.clone(), self.era);
        let mut batch = self.context.vault.batch();
        let (mut ready, mut answers) = (Vec::new(), Vec::with_capacity(proposals.len()));
        for proposal in proposals {
            if look_up
                && let Some(claim) = &mut proposal.claim
                && let Some(found) = outcome::look_up(&self.context, claim).await.transpose()
            {
                answers.push(found.map(Done::Replay).map_err(Refusal::Error));
                continue;
            }
            let verdict = commit::judge(&self.context, &pending, &self.outcomes, proposal).await;
            let verdict = match verdict {
                Ok(verdict) => verdict,
                Err(refusal) => {
                    answers.push(Err(refusal));
                    continue;
                }
            };
            match verdict {
                Verdict::Replay(result) => answers.push(Ok(Done::Replay(result))),
                Verdict::NoOp { revision, outcome } => {
                    if let (Some(outcome), Some(claim)) = (outcome, &proposal.claim) {
                        claim.put(&mut batch, &outcome)?;
                        self.outcomes.push(claim, OutcomeResult::Commit { revision, no_op: true });
                    }
                    answers.push(Ok(Done::NoOp(revision)));
                }
                Verdict::Ready(made) => {
                    self.write(&mut batch, &mut pending, proposal, &made)?;
                    answers.push(Ok(Done::Committed(made.commit.clone())));
                    ready.push(made);
                }
            }
        }
        if ready.iter().all(|made| made.texts.is_empty()) {
            // Deletions and moves: a full disk must not keep anybody from making room.
            batch.makes_room();
        }
        let head = if ready.is_empty() {
            None
        } else {
            family.require(self.family, &mut batch);
            let row = record::encode(&pending.row)?;
            let key = key::store(self.workspace, self.store);
            let record = batch.replace(key, &head.record, &row).map_err(fault::of)?;
            Some(Head { row: pending.row, record, profile: head.profile.clone(), map: pending.map })
        };
        Ok(Judged { batch, head, ready, answers, family })
    }

    fn write(
        &mut self,
        batch: &mut storage::VaultBatch,
        pending: &mut Pending,
        proposal: &Proposal,
        made: &Ready,
    ) -> Result<()> {
        for (key, plain) in &made.writes {
            batch.put(key.clone(), plain).map_err(fault::of)?;
        }
        for text in &made.texts {
            let family = made.row.family;
            let hash = &text.name.hash;
            let known = pending.texts.contains_key(hash) || self.present.contains(hash);
            if !known && !self.context.contents.is_durable(self.era, family, &text.name) {
                // Never over one that is there: that one's data key would be out of every erasure's reach.
                let key = key::content(family, hash);
                batch.require_absent(key.clone());
                batch.put(key, text.text.as_bytes()).map_err(fault::of)?;
            }
            pending.texts.insert(text.name.hash, text.clone());
        }
        if let (Some(claim), Some(outcome)) = (&proposal.claim, &made.outcome) {
            claim.put(batch, outcome)?;
            let revision = made.commit.revision;
            self.outcomes.push(claim, OutcomeResult::Commit { revision, no_op: false });
        }
        pending.row = made.row.clone();
        pending.map = made.map.clone();
        pending.commits.push(made.commit.clone());
        Ok(())
    }

    /// The head to judge against: what is published, or what is on disk where that is not sure.
    async fn sure_head(&mut self) -> Result<Arc<Head>> {
        let era = self.context.eras.now();
        if self.unsure || self.era < era {
            let loaded = load::head(&self.context, self.workspace, self.store).await?;
            let (head, _) = loaded.ok_or_else(|| Error::not_found(format_args!("store {}", self.store)))?;
            self.published.send_replace(Arc::new(head));
            if self.era < era {
                // The erasure may have taken checkpoints with it.
                self.checkpointed.store(self.lineage.start(u64::MAX), Ordering::Release);
                self.present.clear();
            }
            (self.unsure, self.era) = (false, era);
            self.read_in.set(era);
        }
        Ok(self.published.borrow().clone())
    }

    fn publish(&mut self, head: Head, ready: &[Ready], family: Arc<State>) {
        for made in ready {
            for text in &made.texts {
                self.context.contents.keep(self.era, made.row.family, text);
            }
            self.context.log.keep(self.era, self.store, &made.commit);
            self.context.snapshots.insert((self.era, self.store, made.commit.revision), made.map.clone());
        }
        let head = Arc::new(head);
        self.published.send_replace(head.clone());
        self.present.clear();
        self.checkpoint_if_due(&head, family);
    }

    async fn change(&mut self, change: Alteration) -> Result<()> {
        let Alteration { change, claim, event } = change;
        let head = self.sure_head().await?;
        let mut batch = self.context.vault.batch();
        let changed = change::judge(&self.context, self.workspace, self.store, &head, change, &mut batch).await?;
        let Some(changed) = changed else {
            return Ok(());
        };
        if let Some(claim) = &claim {
            let row = claim.outcome(self.context.clock.now(), OutcomeResult::Store(self.store))?;
            claim.put(&mut batch, &row)?;
        }
        if let Some((key, row)) = event {
            batch.put(key, &row).map_err(fault::of)?;
        }
        let key = key::store(self.workspace, self.store);
        let record = batch.replace(key, &head.record, &record::encode(&changed.row)?).map_err(fault::of)?;
        match self.context.vault.commit(batch).await {
            Ok(()) => {
                let map = head.map.clone();
                let head = Head { row: changed.row, record, profile: Arc::new(changed.profile), map };
                self.published.send_replace(Arc::new(head));
                Ok(())
            }
            Err(e) => {
                self.unsure = true;
                Err(fault::of(e))
            }
        }
    }

    /// Writes a checkpoint beside the commits; one at a time.
    fn checkpoint_if_due(&mut self, head: &Arc<Head>, family: Arc<State>) {
        let revision = head.revision();
        let since = revision.saturating_sub(self.checkpointed.load(Ordering::Acquire));
        let held_up = family.row.why.is_some();
        if held_up || !checkpoint::is_due(since, head.map.len()) || self.checkpointing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (context, store, head) = (self.context.clone(), self.store, head.clone());
        let (checkpointed, checkpointing) = (self.checkpointed.clone(), self.checkpointing.clone());
        self.checkpoint = Some(task::spawn("checkpoint", async move {
            match checkpoint::write(&context.vault, store, revision, &head.map, (head.row.family, &family)).await {
                Ok(()) => checkpointed.store(revision, Ordering::Release),
                Err(e) => warn!(error = ?e, %store, "a checkpoint was not written; the next one will be"),
            }
            checkpointing.store(false, Ordering::Release);
        }));
    }
}

/// The same error for another caller: errors are not cloned, for they may hold a cause.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.reason(), error.message()).with_details(error.details().clone());
    match error.private() {
        Some(cause) => copy.because(cause.to_string()),
        None => copy,
    }
}

/// Judges a commit against the durable head, and writes nothing.
pub async fn rehearse(context: &Context, store: &OpenStore, proposal: &Proposal) -> Answer {
    let head = store.head();
    let era = context.eras.now();
    let family = context.families.get(head.row.family).await?;
    let pending = Pending::new(Arc::new(store.lineage.clone()), &head, family, era);
    match commit::judge(context, &pending, &Outcomes::default(), proposal).await? {
        Verdict::Ready(ready) => Ok(Done::Committed(ready.commit)),
        Verdict::NoOp { revision, .. } => Ok(Done::NoOp(revision)),
        Verdict::Replay(result) => Ok(Done::Replay(result)),
    }
}
