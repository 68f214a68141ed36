//! Exporting: a store at a revision as one file, streamed with bounded memory.
//!
//! A revision never changes, so that nothing need be held still meanwhile, and the same store at the
//! same revision gives the same bytes. What an import claims goes out as it came in: the file says who
//! wrote what, the store says who imported it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use domain::access::StorePermit;
use domain::commit::Revision;
use domain::governance::NOTICE;
use domain::portability::{Export, Format};
use domain::{Error, Kind, Result};
use futures_util::{Stream, StreamExt as _};
use runtime::task;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::MemoryStore;
use crate::context::Context;
use crate::export::history::Walk;
use crate::line::{self, StoreLine};
use crate::record::{ContentRef, Profile};
use crate::stores::View;

pub mod git;
mod history;
mod jsonl;
pub mod tar;

/// Messages that wait between the export and its reader.
const READ_AHEAD: usize = 4;

pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

impl MemoryStore {
    /// The file in pieces, and the revision that it is of. Dropping the pieces ends the export.
    ///
    /// # Errors
    /// Denied without access to the whole store, NotFound for a revision that is not.
    pub async fn export(&self, permit: &StorePermit, export: &Export) -> Result<(Revision, Chunks)> {
        permit.check_reads_all()?;
        let view = self.view(permit, export.revision).await?;
        let revision = view.revision;
        let profile = view.store.head().profile.clone();
        let source = Source { context: self.context().clone(), view, profile, with_history: export.with_history };
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let out = Out { sender, shutdown: self.shutdown().clone() };
        let format = export.format;
        let task = task::spawn("export", async move {
            let done = match format {
                Format::Tar => tar::write(&source, &out).await,
                Format::Jsonl => jsonl::write(&source, &out).await,
                Format::Git => git::write(&source, &out).await,
            };
            if let Err(e) = done {
                // A reader that went away does not want to know.
                let _ = out.sender.send(Err(e)).await;
            }
        });
        // The task is dropped, and so ended, with the stream.
        let chunks = ReceiverStream::new(receiver).map(move |chunk| {
            let _running = &task;
            chunk
        });
        Ok((revision, Box::pin(chunks)))
    }
}

/// What is exported.
pub struct Source {
    context: Arc<Context>,
    view: View,
    profile: Arc<Profile>,
    with_history: bool,
}

impl Source {
    fn line(&self) -> StoreLine {
        StoreLine {
            format: line::FORMAT.to_owned(),
            version: line::VERSION,
            with_history: self.with_history,
            revision: self.view.revision,
            memories: self.view.map.len() as u64,
            name: self.profile.name.clone(),
            description: self.profile.description.clone(),
            metadata: self.profile.metadata.iter().cloned().collect(),
        }
    }

    fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    /// In place of a content that is erased goes a notice, so that the file is whole.
    async fn text(&self, content: &ContentRef) -> Result<Arc<str>> {
        if content.erasure().is_some() {
            return Ok(NOTICE.into());
        }
        self.context.contents.read(self.view.store.family(), content).await
    }
}

/// The SHA-256 of what the file has for a content.
fn shown_sha256(content: &ContentRef) -> [u8; 32] {
    content.shown_sha256().unwrap_or_else(|| Sha256::digest(NOTICE.as_bytes()).into())
}

/// Where the file goes.
pub struct Out {
    sender: mpsc::Sender<Result<Bytes>>,
    shutdown: CancellationToken,
}

impl Out {
    /// Waits for a slow reader.
    async fn send(&self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        tokio::select! {
            sent = self.sender.send(Ok(bytes.into())) => {
                sent.map_err(|_| Error::new(Kind::Cancelled, "CANCELLED", "the reader went away"))
            }
            () = self.shutdown.cancelled() => Err(Error::unavailable("the server is stopping: export again")),
        }
    }
}
