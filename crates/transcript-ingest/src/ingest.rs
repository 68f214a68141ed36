//! The service: what its verbs work on.

use std::sync::Arc;
use std::time::Duration;

use domain::id::{SessionId, WorkspaceId};
use domain::limits::{IMPORT_COMMIT_BYTES_MAX, IMPORT_SILENCE_S, IMPORTS_RUNNING_MAX, WATCH_PROGRESS_S};
use domain::transcript::Session;
use domain::{Clock, Error, Ids, Result};
use storage::{Record, Vault};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::log::Logs;
use crate::{fault, key, record, rpc};

/// Times that a write is judged anew when another came first, before the caller is asked to wait.
pub(crate) const ATTEMPTS_MAX: usize = 64;

/// Cheap to clone.
#[derive(Clone)]
pub struct TranscriptIngest(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Ends open watches.
    pub shutdown: CancellationToken,
    pub logs: Logs,
    /// One permit for each import in memory.
    pub imports: Arc<Semaphore>,
    pub bounds: Bounds,
}

/// The limits that tests bring within reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For which nothing may happen before a watch says how far it is.
    pub watch_silence: Duration,
    /// For which nothing may come before an import is given up.
    pub import_silence: Duration,
    /// Of sessions in one commit of an import.
    pub import_commit_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            watch_silence: Duration::from_secs(WATCH_PROGRESS_S),
            import_silence: Duration::from_secs(IMPORT_SILENCE_S),
            import_commit_bytes: IMPORT_COMMIT_BYTES_MAX,
        }
    }
}

impl TranscriptIngest {
    /// Everything is in the vault: there is nothing to load.
    #[allow(clippy::unused_async)] // The services open alike.
    pub async fn open(
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        shutdown: CancellationToken,
    ) -> Result<TranscriptIngest> {
        Ok(TranscriptIngest::within(vault, clock, ids, shutdown, Bounds::default()))
    }

    pub(crate) fn within(
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        shutdown: CancellationToken,
        bounds: Bounds,
    ) -> TranscriptIngest {
        let logs = Logs::new(vault.clone());
        let imports = Arc::new(Semaphore::new(IMPORTS_RUNNING_MAX));
        TranscriptIngest(Arc::new(Inner { vault, clock, ids, shutdown, logs, imports, bounds }))
    }

    /// The gRPC services.
    pub fn routes(&self) -> tonic::service::Routes {
        rpc::routes(self)
    }
}

impl Inner {
    /// A session's row, and what it says.
    pub async fn session(&self, workspace: WorkspaceId, id: SessionId) -> Result<(Record, Session)> {
        let row = self.vault.get(&key::session(workspace, id)).await.map_err(fault::of)?;
        let row = row.ok_or_else(|| Error::not_found(format_args!("session {id}")))?;
        let session = record::decode_session(row.value())?;
        Ok((row, session))
    }
}

/// Runs what would keep the executor from its work. A panic in it is a defect.
pub(crate) async fn off_executor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}
