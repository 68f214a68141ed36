//! The keeper: the thread that syncs the high-water mark and lays the ballast, so that the committer does
//! not wait for either.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::room::Room;
use crate::limits::MARK_SYNC_EVERY;

/// Dropping it syncs the mark a last time and ends the thread.
pub struct Keeper {
    shared: Arc<(Mutex<Asked>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Asked {
    written: bool,
    closing: bool,
}

impl Keeper {
    pub fn start(mark: File, room: Room) -> std::io::Result<Keeper> {
        let shared = Arc::new((Mutex::new(Asked::default()), Condvar::new()));
        let asked = shared.clone();
        let thread =
            std::thread::Builder::new().name("storage-keeper".into()).spawn(move || keep(&asked, &mark, &room))?;
        Ok(Keeper { shared, thread: Some(thread) })
    }

    /// The mark has been written.
    pub fn wake(&self) {
        let (asked, changed) = &*self.shared;
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.written {
            asked.written = true;
            changed.notify_one();
        }
    }
}

fn keep((asked, changed): &(Mutex<Asked>, Condvar), mark: &File, room: &Room) {
    let lock = || asked.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let now = changed.wait_while(lock(), |a| !a.written && !a.closing).unwrap_or_else(PoisonError::into_inner);
        // More is written meanwhile: one sync serves a second of it.
        let waited = changed.wait_timeout_while(now, MARK_SYNC_EVERY, |a| !a.closing);
        let (mut now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let closing = now.closing;
        now.written = false;
        drop(now);
        // Nobody is promised anything by the mark: a failure is a matter for the log.
        if let Err(error) = mark.sync_data() {
            tracing::error!(%error, "the high-water mark cannot be synced");
        }
        if closing {
            return;
        }
        room.lay_ballast();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let (asked, changed) = &*self.shared;
        asked.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
        changed.notify_one();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
