//! Redacting: a job that goes on until nothing opens the text any more, whatever happens meanwhile.
//!
//! What is on disk says how far it is. Selecting: contents are looked for; then they are barred, and
//! with that reads of them stop. Erasing: memories leave the heads by commits, rows are written anew or
//! deleted, what is in memory is forgotten, the bar is lifted. Destroying: the data keys go with their
//! epoch, and the receipt is completed. A phase that a crash cut short is done again from its start.

use std::collections::HashSet;
use std::time::Duration;

use domain::access::{Action, StorePermit};
use domain::commit::Erased;
use domain::error::Result;
use domain::governance::{Redact, Redaction, RedactionCounts, Selector};
use domain::id::RedactionId;
use domain::{Error, Kind, limits};
use runtime::task;
use storage::engine::{self, Direction, Range};
use storage::{Record, VaultBatch};
use tokio::sync::oneshot;

use crate::governance::erase::Erasure;
use crate::governance::members::{self, Member};
use crate::governance::record::{FamilyRow, JobRow, Phase, RedactionOfRow, RedactionRow};
use crate::governance::scrub::{Scrub, compile};
use crate::governance::select::{self, Selection};
use crate::governance::{audit, key};
use crate::key::Family;
use crate::outcome::{self, Asker};
use crate::record::{self, OutcomeResult, Time};
use crate::{MemoryStore, fault, load};

mod withdraw;

/// A redaction that is not done, as it is on disk.
struct Job {
    id: RedactionId,
    row: JobRow,
    sealed: Record,
    receipt: RedactionRow,
    receipt_sealed: Record,
    family: Family,
}

impl MemoryStore {
    /// Erases what a selector is about from a store's family. Waits for it for limits::REDACTION_WAIT_S.
    ///
    /// # Errors
    /// Precondition with LEGAL_HOLD where a store of the family is held; NotFound for a version that is
    /// not there; Invalid for a bad expression.
    pub async fn redact(&self, permit: &StorePermit, redact: &Redact) -> Result<Redaction> {
        permit.check_writes_all()?;
        if let Selector::Regex(regex) = &redact.selector {
            compile(regex)?;
        }
        let context = self.context();
        let open = self.stores().open(permit.workspace(), permit.store()).await?;
        let members = members::all(context, permit.workspace(), open.family()).await?;
        check_holds(&members)?;
        if let Selector::Versions(ids) = &redact.selector {
            select::check_versions(context, &members, ids).await?;
        }
        if redact.dry_run {
            return self.rehearse(permit, redact, open.family(), &members).await;
        }
        let store = permit.store();
        let asker =
            Asker { workspace: permit.workspace(), subject: &permit.actor().principal, store: store.as_bytes() };
        let mut claim = match outcome::claim(context, asker, &redact.request_id, "Redact", redact).await? {
            Some((_, Some(result))) => return self.redacted_before(result).await,
            claim => claim.map(|(claim, _)| claim),
        };

        let id = RedactionId::from_bytes(context.ids.fresh());
        let now = context.clock.now();
        let receipt = RedactionRow {
            workspace: permit.workspace(),
            store: permit.store(),
            reason: redact.reason.clone(),
            actor: permit.actor().clone(),
            create_time: now.into(),
            finish_time: None,
            counts: RedactionCounts::default(),
            key_epoch: 0,
        };
        let job = JobRow { selector: redact.selector.clone(), phase: Phase::Selecting, memories: Vec::new() };
        let mut batch = context.vault.batch();
        put(&mut batch, key::redaction(id), &receipt)?;
        put(&mut batch, key::redaction_of(receipt.store, id), &RedactionOfRow {})?;
        put(&mut batch, key::job(id), &job)?;
        let event = audit::Done {
            workspace: receipt.workspace,
            actor: receipt.actor.clone(),
            action: Action::StoreRedact,
            store: Some(receipt.store),
            description: format!("{id} was asked for"),
        };
        let (event_key, event) = event.row(context)?;
        batch.put(event_key, &event).map_err(fault::of)?;
        if let Some(claim) = &claim {
            claim.put(&mut batch, &claim.outcome(now, OutcomeResult::Redaction(id))?)?;
        }
        match context.vault.commit(batch).await {
            Ok(()) => {}
            Err(engine::Error::Conflict(_)) => {
                // The same request came first.
                if let Some(claim) = &mut claim
                    && let Some(result) = outcome::look_up(context, claim).await?
                {
                    return self.redacted_before(result).await;
                }
                return Err(Error::unavailable("another write came first: try again"));
            }
            Err(e) => return Err(fault::of(e)),
        }
        self.await_redaction(id).await
    }

    /// Does what erasures have left to do that were cut short, and what was asked for since, oldest first:
    /// one family has one bar.
    pub(crate) async fn resume_erasures(&self) -> Result<()> {
        let _pen = self.governance().pen.lock().await;
        self.resume_collections().await?;
        for id in self.jobs().await? {
            self.finish_redaction(id).await?;
        }
        Ok(())
    }

    async fn redacted_before(&self, result: OutcomeResult) -> Result<Redaction> {
        match result {
            OutcomeResult::Redaction(id) => self.await_redaction(id).await,
            OutcomeResult::Commit { .. } | OutcomeResult::Store(_) => Err(fault::damaged("the outcome of a redaction")),
        }
    }

    /// Has a redaction run, in a task of the service's own: a caller that goes away does not stop it.
    async fn await_redaction(&self, id: RedactionId) -> Result<Redaction> {
        let (done, finished) = oneshot::channel();
        let service = self.clone();
        self.governance().own(task::spawn("redaction", async move {
            if let Err(e) = service.resume_erasures().await {
                tracing::error!(error = ?e, redaction = %id, "a redaction is not done; housekeeping will try again");
            }
            // Nobody may be waiting any more.
            let _ = done.send(());
        }));
        let _ = tokio::time::timeout(Duration::from_secs(limits::REDACTION_WAIT_S), finished).await;
        self.receipt(id).await
    }

    async fn rehearse(
        &self,
        permit: &StorePermit,
        redact: &Redact,
        family: Family,
        members: &[Member],
    ) -> Result<Redaction> {
        let context = self.context();
        let selection = select::select(context, family, members, &redact.selector).await?;
        let versions = erasure(self, family, &redact.selector, &selection, None)?.preview(members).await?;
        let mut redaction = Redaction {
            id: None,
            store: permit.store(),
            reason: redact.reason.clone(),
            actor: permit.actor().clone(),
            create_time: context.clock.now(),
            finish_time: None,
            counts: RedactionCounts {
                contents: selection.contents.len() as u64,
                content_bytes: selection.content_bytes(),
                ..RedactionCounts::default()
            },
            versions,
            commits: Vec::new(),
            key_epoch: 0,
        };
        redaction.count_versions();
        Ok(redaction)
    }

    /// The redactions that are not done, oldest first.
    async fn jobs(&self) -> Result<Vec<RedactionId>> {
        let rows = self.context().vault.scan(Range::prefix(&[key::JOB]), usize::MAX, Direction::Ascending).await;
        let id = |job: &[u8]| key::redaction_id_of(job).ok_or_else(|| fault::damaged("a redaction's key"));
        rows.map_err(fault::of)?.iter().map(|(job, _)| id(job)).collect()
    }

    async fn finish_redaction(&self, id: RedactionId) -> Result<()> {
        while let Some(job) = self.job(id).await? {
            match job.row.phase {
                Phase::Selecting => self.bar_selected(job).await?,
                Phase::Erasing => self.erase_selected(job).await?,
                Phase::Destroying => self.destroy_selected(job).await?,
            }
        }
        Ok(())
    }

    async fn job(&self, id: RedactionId) -> Result<Option<Job>> {
        let context = self.context();
        let Some(sealed) = context.vault.get(&key::job(id)).await.map_err(fault::of)? else { return Ok(None) };
        let row: JobRow = record::decode(sealed.value())?;
        let receipt_sealed = context.vault.get(&key::redaction(id)).await.map_err(fault::of)?;
        let receipt_sealed = receipt_sealed.ok_or_else(|| fault::damaged(format_args!("{id} has no receipt")))?;
        let receipt: RedactionRow = record::decode(receipt_sealed.value())?;
        let store = load::row(context, receipt.workspace, receipt.store).await?;
        // A store that was purged meanwhile has nothing left to redact but what its forks have.
        let family = store.map_or_else(|| Family::from(receipt.store), |(row, ..)| row.family);
        Ok(Some(Job { id, row, sealed, receipt, receipt_sealed, family }))
    }

    /// Finds what it is about, and stops reads and writes of it.
    async fn bar_selected(&self, mut job: Job) -> Result<()> {
        let context = self.context();
        if let Selector::Path(prefix) = &job.row.selector {
            // First out of the heads: what is written at the path from now on is not of the redaction.
            for member in members::all(context, job.receipt.workspace, job.family).await? {
                self.withdraw_path(&job, &member, prefix).await?;
            }
        }
        let members = members::all(context, job.receipt.workspace, job.family).await?;
        let selection = select::select(context, job.family, &members, &job.row.selector).await?;
        let mut batch = context.vault.batch();
        if selection.is_empty() {
            return self.lift(job, batch).await;
        }
        let mut memories: Vec<_> = selection.memories.iter().copied().collect();
        memories.sort_unstable();
        job.row = JobRow { phase: Phase::Erasing, memories, ..job.row };
        job.receipt.counts.contents = selection.contents.len() as u64;
        job.receipt.counts.content_bytes = selection.content_bytes();
        replace(&mut batch, key::job(job.id), &job.sealed, &job.row)?;
        replace(&mut batch, key::redaction(job.id), &job.receipt_sealed, &job.receipt)?;
        if context.families.get(job.family).await?.row.why.is_some() {
            return Err(Error::unavailable("another erasure of the family is not done"));
        }
        let mut barred: Vec<_> = selection.contents.into_keys().collect();
        barred.sort_unstable();
        let row = FamilyRow {
            why: Some(Erased::Redacted),
            barred,
            redaction: Some(job.id),
            checked: true,
            workspace: Some(job.receipt.workspace),
            ..FamilyRow::default()
        };
        context.families.change(job.family, row, batch).await
    }

    /// Takes it out of the heads and out of every row.
    async fn erase_selected(&self, job: Job) -> Result<()> {
        let context = self.context();
        let state = context.families.get(job.family).await?;
        context.families.stop(job.family, &state);
        let selection = Selection {
            contents: state.row.barred.iter().map(|hash| (*hash, 0)).collect(),
            memories: job.row.memories.iter().copied().collect(),
        };
        let erasure = erasure(self, job.family, &job.row.selector, &selection, Some(job.id))?;
        for member in members::all(context, job.receipt.workspace, job.family).await? {
            self.withdraw(&job, &member, &erasure).await?;
        }
        // Read again: the heads have moved.
        let members = members::all(context, job.receipt.workspace, job.family).await?;
        // First, so that a head is never read from what was and what is; and last, for one that was being made.
        erasure.erase_checkpoints(&members).await?;
        erasure.rewrite(&members).await?;
        erasure.erase_contents().await?;
        erasure.erase_checkpoints(&members).await?;
        context.forget();
        self.lift(job, context.vault.batch()).await
    }

    /// Lifts the bar and erases the selector.
    async fn lift(&self, job: Job, mut batch: VaultBatch) -> Result<()> {
        let row = JobRow { selector: Selector::Versions(Vec::new()), phase: Phase::Destroying, memories: Vec::new() };
        batch.renew(key::job(job.id), &job.sealed, &record::encode(&row)?).map_err(fault::of)?;
        self.context().families.change(job.family, FamilyRow::default(), batch).await
    }

    async fn destroy_selected(&self, mut job: Job) -> Result<()> {
        let context = self.context();
        let destroyed = context.vault.finish_erasures().await.map_err(fault::of)?;
        let redacted = self.redacted(job.id).await?;
        let mut whole = job.receipt.shown(job.id, redacted);
        whole.count_versions();
        job.receipt.counts = whole.counts;
        job.receipt.key_epoch = destroyed.epoch;
        job.receipt.finish_time = Some(Time::from(context.clock.now()));
        let mut batch = context.vault.batch();
        replace(&mut batch, key::redaction(job.id), &job.receipt_sealed, &job.receipt)?;
        batch.require(key::job(job.id), &job.sealed);
        batch.delete(key::job(job.id));
        let (id, counts) = (job.id, job.receipt.counts);
        let event = audit::Done {
            workspace: job.receipt.workspace,
            actor: job.receipt.actor.clone(),
            action: Action::StoreRedact,
            store: Some(job.receipt.store),
            description: format!("{id} is done: {} versions in {} stores", counts.versions, counts.stores),
        };
        let (event_key, event) = event.row(context)?;
        batch.put(event_key, &event).map_err(fault::of)?;
        context.vault.commit(batch).await.map_err(fault::of)?;
        tracing::info!(redaction = %id, versions = counts.versions, stores = counts.stores, "a redaction is done");
        Ok(())
    }
}

fn erasure<'a>(
    service: &'a MemoryStore,
    family: Family,
    selector: &Selector,
    selection: &Selection,
    redaction: Option<RedactionId>,
) -> Result<Erasure<'a>> {
    let path = if let Selector::Path(prefix) = selector { Some(prefix.clone()) } else { None };
    Ok(Erasure {
        context: service.context(),
        family,
        why: Erased::Redacted,
        contents: selection.contents.keys().copied().collect::<HashSet<_>>(),
        path,
        memories: selection.memories.clone(),
        scrub: Scrub::new(selector)?,
        redaction,
    })
}

/// A legal hold goes before an erasure.
pub fn check_holds(members: &[Member]) -> Result<()> {
    match members.iter().find(|member| member.retention.legal_hold) {
        Some(held) => {
            let message = format!("store {} is under a legal hold: nothing of its family may be erased", held.id);
            Err(Error::new(Kind::Precondition, "LEGAL_HOLD", message))
        }
        None => Ok(()),
    }
}

fn put(batch: &mut VaultBatch, key: bytes::Bytes, row: &impl serde::Serialize) -> Result<()> {
    batch.put(key, &record::encode(row)?).map(drop).map_err(fault::of)
}

fn replace(batch: &mut VaultBatch, key: bytes::Bytes, old: &Record, row: &impl serde::Serialize) -> Result<()> {
    batch.replace(key, old, &record::encode(row)?).map(drop).map_err(fault::of)
}
