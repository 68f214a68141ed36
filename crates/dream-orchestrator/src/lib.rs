//! The dream-orchestrator service: runs dreams to completion across crashes; review and adoption.
//!
//! A dream's path is `stages`, one verb a file, each result journaled under the dream's lease. What a
//! dream is on disk stands in `record` and `key`; all writes of it go through `ledger`. The other two
//! services are reached over gRPC, with a token that the dream's maker narrowed for it.

mod adopt;
mod caller;
mod create;
mod evidence;
mod key;
mod lease;
mod ledger;
mod query;
mod record;
mod recording;
mod request;
mod review;
mod rpc;
mod runner;
mod stages;
mod timing;
mod watch;

use std::fmt;
use std::sync::Arc;

use client::Client;
use domain::access::Secret;
use domain::{Clock, Error, Ids, Result};
use storage::Vault;
use tokio_util::sync::CancellationToken;

use crate::ledger::Ledger;
use crate::runner::Runner;
pub use crate::timing::Timing;

/// Where the other two services are, for example http://127.0.0.1:7401.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub memory: String,
    pub transcript: String,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct DreamOrchestrator(Arc<Inner>);

struct Inner {
    context: Arc<Context>,
    runner: Runner,
}

/// What every part has at hand.
struct Context {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    peers: Peers,
    timing: Timing,
    shutdown: CancellationToken,
}

/// The other two services, for whoever's credential is at hand.
struct Peers {
    memory: Client,
    transcript: Client,
}

/// Names the service that an error came from.
const PEER: &str = "peer";

fn of_memory(error: Error) -> Error {
    error.with(PEER, "memory-store")
}

fn of_transcript(error: Error) -> Error {
    error.with(PEER, "transcript-ingest")
}

impl Peers {
    fn memory(&self, secret: &Secret) -> Client {
        self.memory.with_secret(secret.clone())
    }

    fn transcript(&self, secret: &Secret) -> Client {
        self.transcript.with_secret(secret.clone())
    }
}

impl fmt::Debug for DreamOrchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DreamOrchestrator")
    }
}

impl DreamOrchestrator {
    /// Opens the service and goes on with every dream that nobody runs, now and whenever there is one.
    /// Open streams end with Unavailable once `shutdown` fires; running dreams stop where they are, and
    /// go on at the next start.
    pub async fn open(
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        endpoints: Endpoints,
        shutdown: CancellationToken,
    ) -> Result<DreamOrchestrator> {
        DreamOrchestrator::open_timed(vault, clock, ids, endpoints, Timing::default(), shutdown).await
    }

    /// The same with leases, looks and patience of other lengths.
    pub async fn open_timed(
        vault: Vault,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        endpoints: Endpoints,
        timing: Timing,
        shutdown: CancellationToken,
    ) -> Result<DreamOrchestrator> {
        let nobody = || Secret::new("");
        let peers = Peers {
            memory: Client::connect(&endpoints.memory, nobody())?,
            transcript: Client::connect(&endpoints.transcript, nobody())?,
        };
        let context = Arc::new(Context { ledger: Ledger::new(vault), clock, ids, peers, timing, shutdown });
        let runner = Runner::start(context.clone());
        Ok(DreamOrchestrator(Arc::new(Inner { context, runner })))
    }

    /// The gRPC services.
    pub fn routes(&self) -> tonic::service::Routes {
        rpc::routes(self)
    }

    fn context(&self) -> &Context {
        &self.0.context
    }
}
