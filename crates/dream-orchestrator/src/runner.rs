//! The runner: takes dreams that have not ended, a few at once, through their stages, each under a
//! lease. What nobody runs, because its process has stopped or died, is found by looking.

mod patience;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::dream::State;
use domain::id::{DreamId, WorkspaceId};
use domain::{Error, Kind, Result, limits};
use runtime::task::{self, Task};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::patience::{BUDGET_SPENT, Patience};
use crate::lease::{LOST, Lease};
use crate::record::Failure;
use crate::{Context, recording, request, stages};

/// Dropping it aborts the dreams that it runs.
pub struct Runner {
    places: Arc<Places>,
    _look: Task,
}

struct Places {
    context: Arc<Context>,
    free: Arc<Semaphore>,
    running: Mutex<HashMap<DreamId, Running>>,
}

struct Running {
    stop: CancellationToken,
    task: Task,
}

impl Runner {
    pub fn start(context: Arc<Context>) -> Runner {
        let free = Arc::new(Semaphore::new(limits::DREAMS_RUNNING_MAX));
        let places = Arc::new(Places { context, free, running: Mutex::default() });
        let _look = task::spawn("look for dreams", look(places.clone()));
        Runner { places, _look }
    }

    /// Runs a dream, unless it runs here already or another process has it.
    pub fn run(&self, workspace: WorkspaceId, id: DreamId) {
        self.places.run(workspace, id);
    }

    /// Tells a dream of this process to stop where it is.
    pub fn stop(&self, id: DreamId) {
        if let Some(running) = self.places.running.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            running.stop.cancel();
        }
    }
}

impl Places {
    fn run(&self, workspace: WorkspaceId, id: DreamId) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, r| !r.task.is_finished());
        if running.contains_key(&id) {
            return;
        }
        let stop = self.context.shutdown.child_token();
        let (context, free, stopped) = (self.context.clone(), self.free.clone(), stop.clone());
        let task = task::spawn("dream", async move {
            let Ok(_place) = free.acquire().await else { return };
            if let Err(error) = run(&context, workspace, id, &stopped).await {
                tracing::warn!(dream = %id, ?error, "a dream stopped before its end");
            }
        });
        running.insert(id, Running { stop, task });
    }
}

/// Looks for dreams that nobody runs, and now and then sweeps up what has expired.
async fn look(places: Arc<Places>) {
    let context = &places.context;
    let mut swept = None::<Instant>;
    loop {
        if swept.is_none_or(|at| at.elapsed() > Duration::from_secs(limits::DREAM_SWEEP_S)) {
            swept = Some(Instant::now());
            if let Err(error) = context.ledger.drop_outcomes(request::oldest(context.clock.now())).await {
                tracing::warn!(?error, "a sweep of expired requests failed");
            }
        }
        match context.ledger.unfinished().await {
            Ok(unfinished) => unfinished.into_iter().for_each(|(workspace, id)| places.run(workspace, id)),
            Err(error) => tracing::warn!(?error, "a look for dreams failed"),
        }
        tokio::select! {
            () = tokio::time::sleep(context.timing.look) => {}
            () = context.shutdown.cancelled() => return,
        }
    }
}

/// One dream, from wherever it is to its end.
async fn run(context: &Context, workspace: WorkspaceId, id: DreamId, stop: &CancellationToken) -> Result<()> {
    let dream = context.ledger.dream(workspace, id).await?.dream;
    if !dream.has_begun() {
        return give_up(context, workspace, id).await;
    }
    let at = (workspace, dream.store);
    let Some(lease) = Lease::claim(context.ledger.vault(), at, id, context.timing.lease).await? else {
        return Ok(());
    };
    let work = async {
        match attempts(context, &lease, workspace, id).await {
            // The dream is another process's now, or has ended.
            Err(error) if error.reason() == LOST => Err(error),
            Err(error) => fail(context, &lease, workspace, id, &error).await,
            Ok(()) => Ok(()),
        }
    };
    tokio::select! {
        ended = work => ended,
        lost = lease.keep() => Err(lost),
        () = stop.cancelled() => {
            lease.release().await;
            Ok(())
        }
    }
}

/// Tries until the dream ends, or its peers have been silent for too long. Each try goes on from the
/// journal.
async fn attempts(context: &Context, lease: &Lease, workspace: WorkspaceId, id: DreamId) -> Result<()> {
    let mut patience = Patience::new(context.timing);
    loop {
        let started = Instant::now();
        let Err(error) = attempt(context, lease, workspace, id).await else { return Ok(()) };
        match patience.after(&error, started) {
            Some(wait) => {
                tracing::warn!(dream = %id, ?error, ?wait, "a dream waits for what did not answer");
                tokio::time::sleep(wait).await;
            }
            None => return Err(patience.told(error)),
        }
    }
}

async fn attempt(context: &Context, lease: &Lease, workspace: WorkspaceId, id: DreamId) -> Result<()> {
    let dream = context.ledger.dream(workspace, id).await?.dream;
    if dream.state.is_final() {
        return Ok(());
    }
    let now = context.clock.now();
    let left_s = dream.wall_time_s - now.duration_since(dream.start_time.unwrap_or(now)).as_secs();
    let left = Duration::from_secs(u64::try_from(left_s).unwrap_or(0));
    let work = tokio::time::timeout(left, stages::run(context, lease, dream)).await;
    work.unwrap_or_else(|_| Err(Error::new(Kind::Deadline, BUDGET_SPENT, "the budget's wall time is over")))
}

async fn fail(context: &Context, lease: &Lease, workspace: WorkspaceId, id: DreamId, error: &Error) -> Result<()> {
    tracing::warn!(dream = %id, ?error, "a dream failed");
    let now = context.clock.now();
    let failure = Failure { reason: error.reason().to_owned(), message: error.message().to_owned() };
    context.ledger.drop_analyses(workspace, id, Some(lease)).await?;
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

/// Ends a dream whose maker has not come back to finish making it.
async fn give_up(context: &Context, workspace: WorkspaceId, id: DreamId) -> Result<()> {
    let now = context.clock.now();
    let dream = context.ledger.dream(workspace, id).await?.dream;
    if now.duration_since(dream.create_time).as_secs() < limits::DREAM_BEGIN_S {
        return Ok(());
    }
    let message = "it was cut short while it was being made: create it again";
    let ended = context.ledger.update(workspace, id, None, |dream| {
        if !dream.has_begun() && !dream.state.is_final() {
            dream.state = State::Failed;
            dream.failure = Some(Failure { reason: "NOT_BEGUN".to_owned(), message: message.to_owned() });
            dream.end_time = Some(now);
        }
        Ok(())
    });
    ended.await.map(drop)
}
