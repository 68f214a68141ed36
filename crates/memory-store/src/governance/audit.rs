//! The audit trail: what was administered and redacted, and who was refused what.
//!
//! What was done is written in the batch that does it. Refusals are written by a task, under a bound:
//! whoever is refused a million times must not fill the disk. What the bound leaves out is counted, and
//! the next one that is written says how many there were. No description holds a content or a path, so
//! that a redaction has nothing to look for here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::access::{Action, Permit, Principal};
use domain::error::Result;
use domain::governance::{AuditEvent, AuditFilter};
use domain::id::{EventId, StoreId, WorkspaceId};
use domain::page::{Page, Paged};
use domain::{Actor, Clock, Ids, Timestamp, limits};
use runtime::task::{self, Task};
use storage::engine::Direction;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::governance::key;
use crate::governance::record::EventRow;
use crate::record::{self, Time};
use crate::{MemoryStore, fault, page_token};

/// Something that is being done.
pub struct Done {
    pub workspace: WorkspaceId,
    pub actor: Actor,
    pub action: Action,
    pub store: Option<StoreId>,
    /// Never content, nor a path.
    pub description: String,
}

impl Done {
    /// The row to write with it.
    pub fn row(self, context: &Context) -> Result<(Bytes, Vec<u8>)> {
        self.row_at(&*context.clock, &*context.ids)
    }

    pub fn row_at(self, clock: &dyn Clock, ids: &dyn Ids) -> Result<(Bytes, Vec<u8>)> {
        let row = EventRow {
            time: clock.now().into(),
            actor: self.actor,
            action: format!("{:?}", self.action),
            store: self.store,
            description: self.description,
        };
        let id = EventId::from_bytes(ids.fresh());
        Ok((key::event(key::DONE, self.workspace, id), record::encode(&row)?))
    }
}

/// Takes refusals to be recorded. Cheap to clone.
#[derive(Clone)]
pub struct Refusals(Arc<Inner>);

struct Inner {
    queue: mpsc::Sender<(WorkspaceId, EventRow)>,
    clock: Arc<dyn Clock>,
    /// Refusals that found the queue full.
    lost: Arc<AtomicU64>,
    _task: Task,
}

impl Refusals {
    pub fn start(context: &Arc<Context>) -> Refusals {
        let (queue, waiting) = mpsc::channel(limits::AUDIT_QUEUE_MAX);
        let lost = Arc::new(AtomicU64::default());
        let writer = Writer { context: context.clone(), buckets: HashMap::new(), lost: lost.clone() };
        let task = task::spawn("audit", writer.run(waiting));
        Refusals(Arc::new(Inner { queue, clock: context.clock.clone(), lost, _task: task }))
    }

    /// Never waits.
    pub fn record(&self, principal: &Principal, action: Action, store: Option<StoreId>) {
        let (have, least) = (principal.scope.role, action.least_role());
        let description = match store {
            _ if have < least => format!("needs the role {least}, has the role {have}"),
            Some(_) => "has no such access to the store".to_owned(),
            None => "asked for more than it may".to_owned(),
        };
        let row = EventRow {
            time: self.0.clock.now().into(),
            actor: principal.actor(),
            action: format!("{action:?}"),
            store,
            description,
        };
        if self.0.queue.try_send((principal.workspace, row)).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    context: Arc<Context>,
    buckets: HashMap<WorkspaceId, Bucket>,
    lost: Arc<AtomicU64>,
}

/// How many refusals of a workspace may be written now.
struct Bucket {
    left: f64,
    filled: Timestamp,
    left_out: u64,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<(WorkspaceId, EventRow)>) {
        while let Some((workspace, row)) = waiting.recv().await {
            if let Err(e) = self.write(workspace, row).await {
                tracing::warn!(error = ?e, "a refusal was not recorded");
            }
        }
    }

    async fn write(&mut self, workspace: WorkspaceId, mut row: EventRow) -> Result<()> {
        let now = self.context.clock.now();
        let burst = f64::from(limits::AUDIT_REFUSALS_BURST);
        let bucket = self.buckets.entry(workspace).or_insert_with(|| Bucket { left: burst, filled: now, left_out: 0 });
        let passed_s = bucket.filled.duration_until(now).as_secs_f64().max(0.0);
        bucket.left = (bucket.left + passed_s / 60.0 * f64::from(limits::AUDIT_REFUSALS_PER_MINUTE)).min(burst);
        bucket.filled = now;
        if bucket.left < 1.0 {
            bucket.left_out += 1;
            return Ok(());
        }
        bucket.left -= 1.0;
        let left_out = std::mem::take(&mut bucket.left_out) + self.lost.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            row.description = format!("{} ({left_out} more refusals before it are not listed)", row.description);
        }
        let id = EventId::from_bytes(self.context.ids.fresh());
        let mut batch = self.context.vault.batch();
        batch.put(key::event(key::REFUSED, workspace, id), &record::encode(&row)?).map_err(fault::of)?;
        self.context.vault.commit(batch).await.map_err(fault::of)
    }
}

impl MemoryStore {
    /// A page of a workspace's events about stores that `sees` holds for or about none, newest first. A page that looked at limits::AUDIT_PAGE_SCAN_MAX
    /// of them ends early, with a token for the rest.
    pub async fn list_audit_events(
        &self,
        permit: &Permit,
        sees: impl Fn(StoreId) -> bool + Send,
        filter: &AuditFilter,
        page: &Page,
    ) -> Result<Paged<AuditEvent>> {
        let time = (filter.time.start.map(|t| t.as_nanosecond()), filter.time.end.map(|t| t.as_nanosecond()));
        let question = (filter.store, &filter.principal, &filter.action, filter.refused_only, time);
        let mut before: Option<EventId> = page_token::decode(&question, &page.token)?;
        let size = page.size(limits::PAGE_SIZE_DEFAULT, limits::PAGE_SIZE_MAX);
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while looked_at < limits::AUDIT_PAGE_SCAN_MAX {
            let events = self.events(permit.workspace(), filter.refused_only, before).await?;
            let is_last = events.len() < limits::LOG_SCAN_MAX;
            looked_at += events.len();
            for event in events {
                if items.len() == size {
                    let next_page_token = before.map(|id| page_token::encode(&question, &id)).transpose()?;
                    return Ok(Paged { items, next_page_token: next_page_token.unwrap_or_default() });
                }
                before = Some(event.id);
                if concerns(filter, &event) && event.store.is_none_or(&sees) {
                    items.push(event);
                }
            }
            if is_last {
                return Ok(Paged { items, next_page_token: String::new() });
            }
        }
        let next_page_token = before.map(|id| page_token::encode(&question, &id)).transpose()?.unwrap_or_default();
        Ok(Paged { items, next_page_token })
    }

    /// The newest events before one, of both kinds, at most limits::LOG_SCAN_MAX.
    async fn events(
        &self,
        workspace: WorkspaceId,
        refused_only: bool,
        before: Option<EventId>,
    ) -> Result<Vec<AuditEvent>> {
        let kinds: &[u8] = if refused_only { &[key::REFUSED] } else { &[key::DONE, key::REFUSED] };
        let mut events = Vec::new();
        for kind in kinds {
            let range = key::events(*kind, workspace, before);
            let rows = self.context().vault.scan(range, limits::LOG_SCAN_MAX, Direction::Descending).await;
            for (found, row) in rows.map_err(fault::of)? {
                let id = key::event_id_of(&found).ok_or_else(|| fault::damaged("an event's key"))?;
                events.push(shown(id, *kind, record::decode(row.value())?));
            }
        }
        events.sort_by_key(|event| std::cmp::Reverse(event.id));
        events.truncate(limits::LOG_SCAN_MAX);
        Ok(events)
    }
}

fn shown(id: EventId, kind: u8, row: EventRow) -> AuditEvent {
    let EventRow { time, actor, action, store, description } = row;
    AuditEvent { id, time: time.into(), actor, action, store, allowed: kind == key::DONE, description }
}

fn concerns(filter: &AuditFilter, event: &AuditEvent) -> bool {
    filter.store.is_none_or(|store| event.store == Some(store))
        && (filter.principal.is_empty() || filter.principal == event.actor.principal)
        && (filter.action.is_empty() || filter.action == event.action)
        && filter.time.contains(event.time)
}

/// Deletes the refusals that were recorded before a time.
pub async fn expire(context: &Context, before: Timestamp) -> Result<usize> {
    let (mut expired, before) = (0, Time::from(before));
    let mut range = storage::engine::Range::prefix(&[key::REFUSED]);
    loop {
        let rows = context.vault.scan(range.clone(), limits::LOG_SCAN_MAX, Direction::Ascending).await;
        let rows = rows.map_err(fault::of)?;
        let Some((last, _)) = rows.last() else { return Ok(expired) };
        range = range.after(last.clone());
        let mut batch = context.vault.batch();
        for (found, row) in rows {
            if record::decode::<EventRow>(row.value())?.time < before {
                batch.delete(found);
                expired += 1;
            }
        }
        if !batch.is_empty() {
            batch.makes_room();
            context.vault.commit(batch).await.map_err(fault::of)?;
        }
    }
}
