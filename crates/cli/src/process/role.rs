//! The roles: what each opens and serves.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use client::Client;
use client::auth::WhoAmI;
use domain::access::{Authenticator, Secret};
use dream_orchestrator::{DreamOrchestrator, Endpoints};
use memory_store::MemoryStore;
use runtime::clock::{SystemClock, SystemIds};
use runtime::config::Config;
use runtime::memory;
use runtime::server::Server;
use storage::{Options, Vault};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use transcript_ingest::TranscriptIngest;

use crate::process::admin::AdminToken;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    MemoryStore,
    TranscriptIngest,
    DreamOrchestrator,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::MemoryStore, Role::TranscriptIngest, Role::DreamOrchestrator];

    pub const fn name(self) -> &'static str {
        match self {
            Role::MemoryStore => "memory-store",
            Role::TranscriptIngest => "transcript-ingest",
            Role::DreamOrchestrator => "dream-orchestrator",
        }
    }

    /// The gRPC services that it serves, by their full names.
    pub const fn services(self) -> &'static [&'static str] {
        match self {
            Role::MemoryStore => &[
                "reverie.memory.v1.StoreService",
                "reverie.memory.v1.MemoryService",
                "reverie.memory.v1.HistoryService",
                "reverie.memory.v1.GovernanceService",
                "reverie.memory.v1.AccessService",
            ],
            Role::TranscriptIngest => &["reverie.transcript.v1.TranscriptService"],
            Role::DreamOrchestrator => &["reverie.dream.v1.DreamService"],
        }
    }
}

/// A role that is open and ready to be served.
pub struct Opened {
    pub routes: Routes,
    pub authenticator: Arc<dyn Authenticator>,
    /// The database under the service, for those who look after it.
    pub vault: Vault,
}

impl Opened {
    /// The role's server, which is not running yet.
    pub fn server(self, role: Role, shutdown: CancellationToken) -> Server {
        Server::new(role.name(), self.routes, role.services().iter().copied(), self.authenticator, shutdown)
    }
}

/// Opens a role's database and the service on it. `admin` is memory-store's.
pub async fn open(role: Role, config: &Config, admin: &AdminToken, shutdown: CancellationToken) -> Result<Opened> {
    let vault = vault(config)
        .await
        .with_context(|| format!("opening {}'s database in {}", role.name(), config.data.display()))?;
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let memory = || Client::connect(&config.peers.memory_store, Secret::new(""));
    match role {
        Role::MemoryStore => {
            let service = MemoryStore::open(vault.clone(), clock, ids, shutdown).await?;
            admin.install(&service).await?;
            Ok(Opened { routes: service.routes(), authenticator: service.authenticator(), vault })
        }
        Role::TranscriptIngest => {
            let service = TranscriptIngest::open(vault.clone(), clock, ids, shutdown).await?;
            Ok(Opened { routes: service.routes(), authenticator: Arc::new(WhoAmI::new(memory()?)), vault })
        }
        Role::DreamOrchestrator => {
            let endpoints = Endpoints {
                memory: config.peers.memory_store.clone(),
                transcript: config.peers.transcript_ingest.clone(),
            };
            let service = DreamOrchestrator::open(vault.clone(), clock, ids, endpoints, shutdown).await?;
            Ok(Opened { routes: service.routes(), authenticator: Arc::new(WhoAmI::new(memory()?)), vault })
        }
    }
}

async fn vault(config: &Config) -> Result<Vault> {
    let options = Options {
        cache_bytes: config.cache_bytes(memory::limit_bytes()),
        ballast_bytes: config.ballast_mib << 20,
        free_bytes_min: config.free_mib_min << 20,
        ..Options::default()
    };
    Ok(storage::open_with(&config.data, options).await?)
}
