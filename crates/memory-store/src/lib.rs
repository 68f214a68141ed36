//! The memory-store service: stores, memories, history, fork, diff, merge, watch, access.
//!
//! One write's path: `rpc` converts and asks for a permit; `write` prepares; `sequencer` has it judged
//! by `commit` and makes it real. Reads never wait for writes: they take the published head, or a
//! snapshot of the past, from memory. What is on disk stands in `key` and `record`.

use std::sync::Arc;

use domain::access::{Authenticator, Secret};
use domain::{Clock, Ids, Result};
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
mod export;
mod fault;
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
mod sequencer;
mod stores;
mod visible;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use crate::access::Access;
use crate::context::Context;
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
    shutdown: CancellationToken,
}

impl MemoryStore {
    /// Opens the service over what the vault holds. Stores are loaded when they are asked for. Open
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
        Ok(MemoryStore(Arc::new(Inner { context, stores, access, imports, shutdown })))
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

    fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }
}
