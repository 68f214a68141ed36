//! Watching: every commit of a store once, in order, whole, from the log.
//!
//! A watcher goes at its own pace: it is woken by a new head and then reads the log from where it is.
//! Nothing is kept for it, so that a slow one costs writers nothing, and one that comes back with the
//! last revision that it saw misses nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::{Commit, Revision};
use domain::error::Result;
use domain::path::PathGlob;
use domain::{Error, Timestamp};
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::load::Head;
use crate::stores::OpenStore;
use crate::{MemoryStore, visible};

#[cfg(test)]
mod tests;

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is a commit")]
pub enum Event {
    Commit(Commit),
    /// Everything up to here was delivered or did not match.
    Progress(Revision),
}

/// Asks again for leave to watch: credentials end, and attachments change.
pub type Renew = Box<dyn Fn() -> futures_util::future::BoxFuture<'static, Result<StorePermit>> + Send>;

struct Watch {
    context: Arc<Context>,
    store: Arc<OpenStore>,
    heads: watch::Receiver<Arc<Head>>,
    shutdown: CancellationToken,
    glob: Option<PathGlob>,
    permit: StorePermit,
    renew: Renew,
    renewed: Timestamp,
    /// Read up to here.
    cursor: Revision,
    ready: VecDeque<Event>,
}

impl MemoryStore {
    /// Streams the commits after a revision, or from now on. It begins with a progress mark that says
    /// where it starts, and ends with Unavailable when the server stops.
    ///
    /// # Errors
    /// NotFound for a revision that is not yet.
    pub async fn watch(
        &self,
        permit: StorePermit,
        after: Option<Revision>,
        glob: Option<PathGlob>,
        renew: Renew,
    ) -> Result<impl Stream<Item = Result<Event>> + Send + use<>> {
        let store = self.stores().open(permit.workspace(), permit.store()).await?;
        let heads = store.heads();
        let head = store.head().revision();
        let cursor = after.unwrap_or(head);
        if cursor > head {
            let what = format!("revision {cursor} of store {}, whose head is {head}", store.id);
            return Err(Error::not_found(what));
        }
        let watch = Watch {
            context: self.context().clone(),
            store,
            heads,
            shutdown: self.shutdown().clone(),
            glob,
            permit,
            renew,
            renewed: self.context().clock.now(),
            cursor,
            ready: VecDeque::from([Event::Progress(cursor)]),
        };
        Ok(stream::try_unfold(watch, |mut watch| async move { Ok(Some((watch.next().await?, watch))) }))
    }
}

impl Watch {
    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.shutdown.is_cancelled() {
                return Err(stopping());
            }
            self.renew_if_due().await?;
            let head = self.heads.borrow_and_update().clone();
            head.check_visible(self.store.id)?;
            if self.cursor < head.revision() {
                self.read_on(head.revision()).await?;
                continue;
            }
            tokio::select! {
                changed = self.heads.changed() => changed.map_err(|_| stopping())?,
                () = self.shutdown.cancelled() => return Err(stopping()),
            }
        }
    }

    async fn read_on(&mut self, head: Revision) -> Result<()> {
        let commits = self.context.log.commits(&self.store.lineage, self.cursor, head).await?;
        let mut delivered = self.cursor;
        for commit in &commits {
            self.cursor = commit.revision;
            if let Some(commit) = visible::commit(commit, &self.permit, self.glob.as_ref()) {
                delivered = commit.revision;
                self.ready.push_back(Event::Commit(commit));
            }
        }
        if delivered < self.cursor {
            self.ready.push_back(Event::Progress(self.cursor));
        }
        Ok(())
    }

    async fn renew_if_due(&mut self) -> Result<()> {
        let now = self.context.clock.now();
        let age_s = self.renewed.duration_until(now).as_secs();
        if u64::try_from(age_s).is_ok_and(|age_s| age_s >= domain::limits::TOKEN_CACHE_S) {
            self.permit = (self.renew)().await?;
            self.renewed = now;
        }
        Ok(())
    }
}

fn stopping() -> Error {
    Error::unavailable("the server is stopping: watch again from the last revision that you saw")
}
