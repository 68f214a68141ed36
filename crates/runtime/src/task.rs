//! Background tasks with owners: a task ends when its handle is dropped.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// A running task. Dropping it aborts the task.
#[derive(Debug)]
#[must_use = "dropping the handle ends the task"]
pub struct Task<T = ()>(Option<JoinHandle<T>>);

/// Starts a task in a span of its name.
#[expect(clippy::disallowed_methods, reason = "this is what others use in its place")]
pub fn spawn<T: Send + 'static>(name: &'static str, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(Some(tokio::spawn(work.instrument(tracing::info_span!("task", name)))))
}

impl<T> Task<T> {
    /// Waits for its end. None where it panicked.
    pub async fn join(mut self) -> Option<T> {
        match &mut self.0 {
            Some(handle) => handle.await.ok(),
            None => None,
        }
    }

    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.abort();
        }
    }
}

/// Tasks with one owner. Dropping it aborts those that still run.
#[derive(Debug)]
pub struct Group<T = ()>(Vec<Task<T>>);

impl<T> Default for Group<T> {
    fn default() -> Group<T> {
        Group(Vec::new())
    }
}

impl<T: Send + 'static> Group<T> {
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = T> + Send + 'static) {
        self.0.push(spawn(name, work));
    }

    /// Waits for the end of all, in the order in which they were started. None for one that panicked.
    pub async fn join(self) -> Vec<Option<T>> {
        let mut ended = Vec::with_capacity(self.0.len());
        for task in self.0 {
            ended.push(task.join().await);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_handle_ends_its_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let task = spawn("held", async move {
            let _held = sender;
            std::future::pending::<()>().await;
        });
        drop(task);
        assert!(receiver.await.is_err(), "the task has let go of what it held");
    }
}
