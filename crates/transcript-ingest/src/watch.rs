//! Tells who follows what happens to sessions.

use std::collections::VecDeque;

use domain::transcript::request::{Notice, NoticeKind};
use domain::{Error, Result};
use futures_util::stream::{Stream, try_unfold};
use tokio::sync::watch;

use crate::access::Reach;
use crate::ingest::TranscriptIngest;

/// Notices that one watcher holds in memory.
const NOTICES_MAX: usize = 256;

impl TranscriptIngest {
    /// Every notice after a cursor, once, in order; None means from now on. Where nothing happens, a
    /// progress notice says from time to time, and at the beginning where the caller named no
    /// cursor, from where to resume. Ends with Unavailable when the service stops.
    pub async fn watch(
        &self,
        reach: Reach,
        after_cursor: Option<u64>,
    ) -> Result<impl Stream<Item = Result<Notice>> + Send + use<>> {
        let workspace = reach.permit().workspace();
        let written = self.0.logs.written(workspace);
        let head = self.0.logs.head(workspace).await?;
        let mut pending = VecDeque::new();
        let cursor = after_cursor.unwrap_or(head);
        if cursor > head {
            let message =
                format!("is {cursor}, and the newest cursor is {head}: it is another workspace's, or another server's");
            return Err(Error::invalid("after_cursor", message));
        }
        let watcher = Watcher { ingest: self.clone(), reach, cursor, written, pending: VecDeque::new() };
        if after_cursor.is_none() {
            pending.push_back(watcher.progress());
        }
        let watcher = Watcher { pending, ..watcher };
        Ok(try_unfold(watcher, |mut watcher| async move {
            let notice = watcher.next().await?;
            Ok(Some((notice, watcher)))
        }))
    }
}

struct Watcher {
    ingest: TranscriptIngest,
    reach: Reach,
    /// Read up to here.
    cursor: u64,
    written: watch::Receiver<u64>,
    pending: VecDeque<Notice>,
}

impl Watcher {
    async fn next(&mut self) -> Result<Notice> {
        loop {
            if let Some(notice) = self.pending.pop_front() {
                return Ok(notice);
            }
            if self.ingest.0.shutdown.is_cancelled() {
                return Err(stopping());
            }
            self.written.mark_unchanged();
            if self.fetch().await? == 0 {
                self.wait().await?;
            }
        }
    }

    /// The number of rows that were read, whether the watcher may see them or not.
    async fn fetch(&mut self) -> Result<usize> {
        let workspace = self.reach.permit().workspace();
        let notices = self.ingest.0.logs.after(workspace, self.cursor, NOTICES_MAX).await?;
        let count = notices.len();
        self.cursor = notices.last().map_or(self.cursor, |n| n.cursor);
        let only = self.reach.only();
        self.pending.extend(notices.into_iter().filter(|n| only.is_none_or(|own| n.session == Some(own))));
        Ok(count)
    }

    /// Until something was written here, or long enough to look for what another process wrote.
    async fn wait(&mut self) -> Result<()> {
        let silence = self.ingest.0.bounds.watch_silence;
        tokio::select! {
            () = self.ingest.0.shutdown.cancelled() => Err(stopping()),
            _ = self.written.changed() => Ok(()),
            () = tokio::time::sleep(silence) => {
                if self.fetch().await? == 0 {
                    self.pending.push_back(self.progress());
                }
                Ok(())
            }
        }
    }

    fn progress(&self) -> Notice {
        Notice { cursor: self.cursor, kind: NoticeKind::Progress, session: None, time: self.ingest.0.clock.now() }
    }
}

fn stopping() -> Error {
    Error::unavailable("the server is stopping: resume from the last cursor")
}
