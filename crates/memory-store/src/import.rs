//! Importing: a file made into a store, all of it or nothing.
//!
//! Three run at once, with bounded queues between them: the upload is received; a thread reads its
//! format; the builder checks what is read and stages rows that nobody sees. The store's own row comes
//! last. What was staged for an import that fails is taken away, at once or, after a crash, by a sweep.
//! A file is a claim: the actor of what is imported is the importer. See docs/adr/0005.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::access::{Action, Permit};
use domain::id::StoreId;
use domain::portability::{Format, ImportHeader, ImportPart, ImportReport};
use domain::store::NewStore;
use domain::{Error, Kind, Result, limits};
use futures_util::{Stream, StreamExt as _};
use runtime::task::{self, Task};
use tokio::sync::{Semaphore, mpsc};

use crate::catalog::Birth;
use crate::change::is_taken;
use crate::context::Context;
use crate::governance::audit::Done;
use crate::import::build::Builder;
use crate::import::item::{Item, Items, Place};
use crate::import::staging::Staging;
use crate::import::upload::{Upload, overloaded};
use crate::line::StoreLine;
use crate::outcome::{self, Asker};
use crate::record::StoreRow;
use crate::{MemoryStore, check, fault};

mod build;
mod git;
mod item;
mod jsonl;
mod replay;
mod staging;
mod tar;
#[cfg(test)]
mod tests;
mod upload;

/// Chunks that wait for the reader.
const CHUNKS_AHEAD: usize = 4;
/// Items that wait for the builder.
const ITEMS_AHEAD: usize = 64;

/// What imports share.
pub struct Imports {
    running: Arc<Semaphore>,
    _sweeper: Task,
}

impl Imports {
    pub fn start(context: Arc<Context>) -> Imports {
        let sweeper = task::spawn("import sweeper", async move {
            loop {
                match staging::sweep(&context.vault).await {
                    Ok(_) => {}
                    Err(e) => tracing::warn!(error = ?e, "what imports have left was not taken away; it will be"),
                }
                tokio::time::sleep(Duration::from_secs(limits::STORE_IMPORT_SWEEP_S)).await;
            }
        });
        Imports { running: Arc::new(Semaphore::new(limits::STORE_IMPORTS_RUNNING_MAX)), _sweeper: sweeper }
    }
}

/// What the file came to, before the store is made.
struct Built {
    builder: Builder,
    row: StoreRow,
    line: Option<StoreLine>,
    digest: [u8; 32],
}

impl MemoryStore {
    /// Takes the parts of an import and makes a store of them.
    ///
    /// # Errors
    /// Invalid for parts out of order, and for a file that cannot be taken as a whole, with the place
    /// in it; Exists where the handle is taken; Exhausted beyond a limit, or where too many imports
    /// run. None of them leaves a store.
    pub async fn import_parts(
        &self,
        permit: &Permit,
        parts: impl Stream<Item = Result<ImportPart<Bytes>>> + Send,
    ) -> Result<ImportReport> {
        let _running = self.imports().running.clone().try_acquire_owned().map_err(|_| overloaded())?;
        let mut parts = std::pin::pin!(parts);
        let Some(ImportPart::Header(header)) = next(&mut parts).await? else {
            return Err(Error::invalid("header", "must be sent first, once"));
        };
        let new = NewStore {
            handle: header.handle.clone(),
            name: header.name.clone(),
            description: header.description.clone(),
            ..NewStore::default()
        };
        check::new_store(&new, &header.request_id)?;
        if let Some(handle) = &header.handle
            && header.request_id.is_empty()
            && is_taken(self.context(), permit.workspace(), handle).await?
        {
            return Err(crate::change::taken("header.handle", handle));
        }
        let birth = self.birth(StoreId::from_bytes(self.context().ids.fresh()), new)?;
        let staging = Staging::begin(&self.context().vault, birth.id).await?;
        let builder = Builder::new(self.context().clone(), staging, permit.actor().clone(), &birth);
        let (builder, built) = self.build(builder, &header, parts).await;
        let made = match built {
            Ok((row, line, digest)) => self.publish(permit, header, birth, Built { builder, row, line, digest }).await,
            Err(e) => Err((builder.staging, e)),
        };
        match made {
            Ok(report) => Ok(report),
            Err((staging, refusal)) => {
                if let Err(e) = staging.abandon().await {
                    tracing::warn!(error = ?e, "what an import has left was not taken away; the sweep will");
                }
                Err(refusal)
            }
        }
    }

    /// Receives, reads and builds.
    async fn build(
        &self,
        mut builder: Builder,
        header: &ImportHeader,
        mut parts: impl Stream<Item = Result<ImportPart<Bytes>>> + Send + Unpin,
    ) -> (Builder, Result<(StoreRow, Option<StoreLine>, [u8; 32])>) {
        let (chunks, received) = mpsc::channel(CHUNKS_AHEAD);
        let (items, mut found) = mpsc::channel(ITEMS_AHEAD);
        let (format, branch) = (header.format, header.git_branch.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let items = Items(items);
            if let Err(e) = read(Upload::new(received), format, &branch, &items) {
                // A builder that has ended does not want to know.
                let _ = items.0.blocking_send(Err(e));
            }
        });
        let mut sent = 0;
        let receive = async {
            let mut hash = blake3::Hasher::new();
            while let Some(part) = next(&mut parts).await? {
                let ImportPart::Chunk(chunk) = part else {
                    return Err(Error::invalid("header", "must be sent first, once"));
                };
                sent += chunk.len() as u64;
                if sent > limits::STORE_IMPORT_BYTES_MAX {
                    let most = limits::STORE_IMPORT_BYTES_MAX;
                    let message = format!("the file has more than {most} bytes; nothing was imported");
                    return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
                }
                hash.update(&chunk);
                if chunks.send(chunk).await.is_err() {
                    // The reader has ended, with an error that the builder has.
                    break;
                }
            }
            drop(chunks);
            Ok::<_, Error>(*hash.finalize().as_bytes())
        };
        let build = async {
            loop {
                let renew = Duration::from_secs(limits::STORE_IMPORT_LEASE_S as u64 / 4);
                match tokio::time::timeout(renew, found.recv()).await {
                    Ok(Some(item)) => {
                        let (place, item): (Place, Item) = item?;
                        builder.take(&place, item).await?;
                    }
                    Ok(None) => return builder.finish().await,
                    Err(_) => builder.staging.flush().await?,
                }
            }
        };
        // An error of either ends both: a file that was not received whole is none.
        let built = tokio::try_join!(receive, build).map(|(digest, (row, line))| (row, line, digest));
        drop(found);
        if reading.await.is_err() {
            return (builder, Err(Error::internal("the reader of an import has panicked")));
        }
        (builder, built)
    }

    /// Makes the store visible.
    async fn publish(
        &self,
        permit: &Permit,
        header: ImportHeader,
        mut birth: Birth,
        built: Built,
    ) -> Result<ImportReport, (Staging, Error)> {
        let Built { mut builder, row, line, digest } = built;
        let workspace = permit.workspace();
        let asker = Asker { workspace, subject: &permit.actor().principal, store: &[] };
        let said = line.map(|line| NewStore {
            handle: header.handle.clone(),
            name: if header.name.is_empty() { line.name } else { header.name.clone() },
            description: if header.description.is_empty() { line.description } else { header.description.clone() },
            metadata: line.metadata,
        });
        let made = async {
            if let Some(new) = said {
                check::new_store(&new, "")?;
                birth = Birth { row: birth.row, ..self.birth(birth.id, new)? };
            }
            let (commits, memories) = (row.head, row.memory_count);
            birth.row = row;
            let body = (&header, digest);
            let claim = match outcome::claim(self.context(), asker, &header.request_id, "ImportStore", &body).await? {
                // The same file came before: what was built for this one is taken away.
                Some((_, Some(result))) => return Ok((self.born(workspace, result).await?, commits, memories, false)),
                claim => claim.map(|(claim, _)| claim),
            };
            let mut batch = builder.staging.last_batch().await?;
            let id = birth.id;
            let done = Done {
                workspace,
                actor: permit.actor().clone(),
                action: Action::StoreCreate,
                store: Some(id),
                description: format!("imported with {commits} commits"),
            };
            let (key, event) = done.row(self.context())?;
            batch.put(key, &event).map_err(fault::of)?;
            let store = self.bear(workspace, birth, claim, batch).await?;
            Ok::<_, Error>((store.clone(), commits, memories, store.id == id))
        };
        let (store, commits, memories, is_new) = match made.await {
            Ok(made) => made,
            Err(e) => return Err((builder.staging, e)),
        };
        tracing::info!(
            store = %store.id, subject = permit.actor().principal, commits, memories,
            problems = builder.problems.len() as u64 + builder.more_problems, "imported a store"
        );
        let (problems, more_problems) = (builder.problems, builder.more_problems);
        if !is_new && let Err(e) = builder.staging.abandon().await {
            tracing::warn!(error = ?e, "what an import has left was not taken away; the sweep will");
        }
        Ok(ImportReport { store, commits, memories, problems, more_problems })
    }
}

/// Runs on a thread of its own.
fn read(upload: Upload, wanted: Option<Format>, branch: &str, items: &Items) -> Result<()> {
    let (format, input) = upload::open(upload, wanted)?;
    match format {
        Format::Tar => tar::read(input, items),
        Format::Jsonl => jsonl::read(input, items),
        Format::Git => git::read(input, branch, items),
    }
}

/// The next part, if it comes in time.
async fn next<T>(parts: &mut (impl Stream<Item = Result<T>> + Unpin)) -> Result<Option<T>> {
    let silence = Duration::from_secs(limits::IMPORT_SILENCE_S);
    match tokio::time::timeout(silence, parts.next()).await {
        Ok(part) => part.transpose(),
        Err(_) => {
            let message = format!("no chunk came for {} s: import the file again", silence.as_secs());
            Err(Error::new(Kind::Deadline, "DEADLINE", message))
        }
    }
}
