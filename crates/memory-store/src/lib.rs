//! The memory-store service: stores, memories, history, fork, diff, merge, watch, access.
//!
//! One write's path: `rpc` converts and asks for a permit; `write` prepares; `sequencer` has it judged
//! by `commit` and makes it real. Reads never wait for writes: they take the published head, or a
//! snapshot of the past, from memory. What is on disk stands in `key` and `record`.

use std::sync::Arc;
use std::time::Duration;

use domain::access::{Authenticator, Secret};
use domain::{Clock, Ids, Result, limits};
use storage::Vault;
use tokio_util::sync::CancellationToken;

pub mod access;
mod blame;
mod catalog;
mod change;
mod check;
mod checkpoint;
mod commit;
mod compare;
mod content;
mod context;
mod draft;
mod edit;
mod era;
mod export;
mod fault;
mod governance;
mod grep;
mod history;
mod import;
mod index;
mod key;
mod line;
mod lineage;
mod load;
mod log;
mod merge;
mod operation;
mod outcome;
mod page_token;
mod read;
mod record;
mod restore;
mod rpc;
mod search;
mod sequencer;
mod stores;
mod visible;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use crate::access::Access;
use crate::context::Context;
use crate::governance::Governance;
use crate::governance::audit::Refusals;
use crate::import::Imports;
use crate::stores::Stores;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    context: Arc<Context>,
    stores: Stores,
    access: Access,
    imports: Imports,
    governance: Governance,
    refusals: Refusals,
    shutdown: CancellationToken,
}

impl MemoryStore {
    /// Opens the service over what the vault holds, and finishes the erasures that a crash cut short.
    /// Stores are loaded when they are asked for, and looked after every limits::HOUSEKEEPING_S. Open
    /// streams end with Unavailable once `shutdown` fires.
    pub async fn open(
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        shutdown: CancellationToken,
    ) -> Result<MemoryStore> {
        let access = Access::open(vault.clone(), clock.clone(), ids.clone());
        let context = Arc::new(Context::new(vault, clock, ids));
        let stores = Stores::new(context.clone());
        let imports = Imports::start(context.clone());
        let refusals = Refusals::start(&context);
        let governance = Governance::default();
        let inner = Arc::new(Inner { context, stores, access, imports, governance, refusals, shutdown });
        let interval = Duration::from_secs(limits::HOUSEKEEPING_S);
        inner.governance.own(governance::housekeep::start(&inner, interval, inner.shutdown.clone()));
        let service = MemoryStore(inner);
        service.stop_barred_reads().await?;
        if let Err(e) = service.resume_erasures().await {
            tracing::error!(error = ?e, "an erasure is not done; housekeeping will try again");
        }
        Ok(service)
    }

    /// The gRPC services.
    pub fn routes(&self) -> tonic::service::Routes {
        rpc::routes(self)
    }

    pub fn authenticator(&self) -> Arc<dyn Authenticator> {
        self.0.access.authenticator()
    }

    /// Makes the workspace `default` and its admin token, where there is none; see `Access`.
    pub async fn bootstrap_admin(&self, subject: &str, given: Option<Secret>) -> Result<Option<Secret>> {
        self.0.access.bootstrap_admin(subject, given).await
    }

    pub fn access(&self) -> &Access {
        &self.0.access
    }

    fn context(&self) -> &Arc<Context> {
        &self.0.context
    }

    fn stores(&self) -> &Stores {
        &self.0.stores
    }

    fn imports(&self) -> &Imports {
        &self.0.imports
    }

    fn governance(&self) -> &Governance {
        &self.0.governance
    }

    fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }
}
