//! WatchDream: the dream as it is, whenever it changes, until it ends. The newest state wins; a slow
//! watcher misses states in between and never the last. Changes that another process makes are found
//! by looking.

use bytes::Bytes;
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
        let (orchestrator, workspace, told) = (self.clone(), permit.workspace(), Bytes::new());
        let watch = Watch { orchestrator, workspace, id, news, told, next: Next::Look };
        Ok(stream::unfold(watch, |watch| watch.step()))
    }
}

struct Watch {
    orchestrator: DreamOrchestrator,
    workspace: WorkspaceId,
    id: DreamId,
    news: broadcast::Receiver<DreamId>,
    /// What was told last.
    told: Bytes,
    next: Next,
}

enum Next {
    Look,
    Listen,
    End,
}

impl Watch {
    async fn step(mut self) -> Option<(Result<Dream>, Watch)> {
        loop {
            match self.next {
                Next::End => return None,
                Next::Listen => {
                    if let Err(error) = self.listen().await {
                        self.next = Next::End;
                        return Some((Err(error), self));
                    }
                }
                Next::Look => {}
            }
            if let Some(found) = self.look().await {
                return Some((found, self));
            }
        }
    }

    /// Waits until the dream may have changed.
    async fn listen(&mut self) -> Result<()> {
        let context = self.orchestrator.context();
        let look = tokio::time::sleep(context.timing.look);
        tokio::pin!(look);
        loop {
            tokio::select! {
                () = context.shutdown.cancelled() => {
                    return Err(Error::unavailable("the service is stopping: watch again"));
                }
                () = &mut look => return Ok(()),
                told = self.news.recv() => match told {
                    Ok(id) if id != self.id => {}
                    // Too much news at once: look for oneself.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(Error::unavailable("the service is stopping: watch again"));
                    }
                },
            }
        }
    }

    /// The dream, where it is not as it was told.
    async fn look(&mut self) -> Option<Result<Dream>> {
        let found = self.orchestrator.context().ledger.dream(self.workspace, self.id).await;
        self.next = if found.as_ref().is_ok_and(|d| !d.dream.state.is_final()) { Next::Listen } else { Next::End };
        match found {
            Ok(held) if *held.row.value() == self.told => None,
            Ok(held) => {
                self.told = held.row.value().clone();
                Some(Ok(held.dream))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
