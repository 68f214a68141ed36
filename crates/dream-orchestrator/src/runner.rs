//! The runner: takes dreams that have not ended, a few at once, through their stages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::dream::State;
use domain::id::{DreamId, WorkspaceId};
use domain::{Error, Kind, Result, limits};
use runtime::task::{self, Task};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;
use crate::record::Failure;
use crate::{Context, recording, stages};

pub struct Runner {
    context: Arc<Context>,
    places: Arc<Semaphore>,
    running: Mutex<HashMap<DreamId, Running>>,
}

struct Running {
    stop: CancellationToken,
    task: Task,
}

impl Runner {
    /// Goes on with what a stop or a crash has left.
    pub async fn start(context: Arc<Context>) -> Result<Runner> {
        let unfinished = context.ledger.unfinished().await?;
        let runner =
            Runner { context, places: Arc::new(Semaphore::new(limits::DREAMS_RUNNING_MAX)), running: Mutex::default() };
        for dream in unfinished {
            tracing::info!(dream = %dream.id, stage = dream.stage.as_str(), "going on with a dream");
            runner.run(dream.workspace, dream.id);
        }
        Ok(runner)
    }

    pub fn run(&self, workspace: WorkspaceId, id: DreamId) {
        let stop = self.context.shutdown.child_token();
        let (context, places, stopped) = (self.context.clone(), self.places.clone(), stop.clone());
        let task = task::spawn("dream", async move {
            let Ok(_place) = places.acquire().await else { return };
            if let Err(error) = run(&context, workspace, id, &stopped).await {
                tracing::warn!(dream = %id, ?error, "a dream stopped before its end");
            }
        });
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, r| !r.task.is_finished());
        running.insert(id, Running { stop, task });
    }

    /// Tells a dream of this process to stop at its next step.
    pub fn stop(&self, id: DreamId) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            running.stop.cancel();
        }
    }
}

/// One dream, from wherever it is to its end.
async fn run(context: &Context, workspace: WorkspaceId, id: DreamId, stop: &CancellationToken) -> Result<()> {
    let lease = Lease::claim(context.ledger.vault(), workspace, id).await?;
    let dream = context.ledger.dream(workspace, id).await?.dream;
    if dream.state.is_final() {
        return Ok(());
    }
    let start = dream.start_time.unwrap_or_else(|| context.clock.now());
    let left_s = dream.wall_time_s - context.clock.now().duration_since(start).as_secs();
    let left = std::time::Duration::from_secs(u64::try_from(left_s).unwrap_or(0));
    let work = stages::run(context, &lease, dream);
    let ended = tokio::select! {
        ended = tokio::time::timeout(left, work) => ended.unwrap_or_else(|_| Err(Error::new(Kind::Deadline, "BUDGET_SPENT", "the budget's wall time is over"))),
        () = stop.cancelled() => return Ok(()),
    };
    match ended {
        Ok(()) => Ok(()),
        // The dream is another process's now.
        Err(error) if error.reason() == "LEASE_LOST" => Err(error),
        Err(error) => fail(context, &lease, workspace, id, error).await,
    }
}

async fn fail(context: &Context, lease: &Lease, workspace: WorkspaceId, id: DreamId, error: Error) -> Result<()> {
    tracing::warn!(dream = %id, ?error, "a dream failed");
    let now = context.clock.now();
    let failure = Failure { reason: error.reason().to_owned(), message: error.message().to_owned() };
    let failed = context.ledger.update(workspace, id, Some(lease), |dream| {
        dream.state = State::Failed;
        dream.failure = Some(failure.clone());
        dream.end_time = Some(now);
        Ok(())
    });
    let dream = failed.await?;
    recording::end(context, &dream).await;
    Ok(())
}
