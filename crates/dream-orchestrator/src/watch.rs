//! WatchDream: the dream as it is, whenever it changes, until it ends. The newest state wins; a slow
//! watcher misses states in between and never the last.

use domain::access::Permit;
use domain::id::{DreamId, WorkspaceId};
use domain::{Error, Result};
use futures_util::{Stream, stream};
use tokio::sync::broadcast;

use crate::DreamOrchestrator;
use crate::record::Dream;

impl DreamOrchestrator {
    pub(crate) async fn watch(
        &self,
        permit: &Permit,
        id: DreamId,
    ) -> Result<impl Stream<Item = Result<Dream>> + Send + use<>> {
        // Listening begins before the first look, so that nothing falls between.
        let news = self.context().ledger.news();
        self.dream(permit, id).await?;
        let watch = Watch { orchestrator: self.clone(), workspace: permit.workspace(), id, news, next: Next::Look };
        Ok(stream::unfold(watch, |watch| watch.step()))
    }
}

struct Watch {
    orchestrator: DreamOrchestrator,
    workspace: WorkspaceId,
    id: DreamId,
    news: broadcast::Receiver<DreamId>,
    next: Next,
}

enum Next {
    Look,
    Listen,
    End,
}

impl Watch {
    async fn step(mut self) -> Option<(Result<Dream>, Watch)> {
        let context = self.orchestrator.context();
        if matches!(self.next, Next::Listen) {
            let shutdown = context.shutdown.clone();
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => {
                        self.next = Next::End;
                        return Some((Err(Error::unavailable("the service is stopping: watch again")), self));
                    }
                    told = self.news.recv() => match told {
                        Ok(id) if id != self.id => {}
                        // Too much news at once: look for oneself.
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                }
            }
        } else if matches!(self.next, Next::End) {
            return None;
        }
        let found = self.orchestrator.context().ledger.dream(self.workspace, self.id).await.map(|held| held.dream);
        self.next = if found.as_ref().is_ok_and(|d| !d.state.is_final()) { Next::Listen } else { Next::End };
        Some((found, self))
    }
}
