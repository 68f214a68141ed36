//! The Rust SDK of Reverie.
//!
//! ```no_run
//! # extern crate reverie_client as client;
//! use client::Client;
//! use domain::access::Secret;
//! use futures_util::TryStreamExt as _;
//! use proto::memory::operation::Operation;
//! use proto::memory::{self as pb, Write};
//!
//! # async fn quick_start(ids: &dyn domain::Ids) -> Result<(), domain::Error> {
//! let client = Client::connect("http://127.0.0.1:7400", Secret::new("rv1_..."))?;
//!
//! // One atomic write. It carries a request id, so that it is made once whatever the network does.
//! let write = Write { path: "/on-call.md".into(), content: "on call: ana\n".into(), ..Default::default() };
//! let request = pb::CommitRequest {
//!     store: "team-sre".into(),
//!     operations: vec![pb::Operation { operation: Some(Operation::Write(write)), precondition: None }],
//!     request_id: client::request_id(ids),
//!     ..Default::default()
//! };
//! match client.commit(&request).await {
//!     Ok(done) => println!("revision {}", done.revision),
//!     Err(error) => println!("{error}; it reads now: {:?}", error.details().conflicts),
//! }
//!
//! // Every commit from now on; a server that starts anew in between is nothing to care about.
//! let request = pb::WatchStoreRequest { store: "team-sre".into(), ..Default::default() };
//! let mut commits = std::pin::pin!(client.watch_store(request));
//! while let Some(event) = commits.try_next().await? {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```

pub mod auth;
mod channel;
mod commit;
mod credential;
mod forward;
pub mod pages;
pub mod retry;
mod search;
mod watch;

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::fmt;

use domain::access::Secret;
use domain::limits;
use proto::dream::dream_service_client::DreamServiceClient;
use proto::memory::access_service_client::AccessServiceClient;
use proto::memory::governance_service_client::GovernanceServiceClient;
use proto::memory::history_service_client::HistoryServiceClient;
use proto::memory::memory_service_client::MemoryServiceClient;
use proto::memory::store_service_client::StoreServiceClient;
use proto::transcript::transcript_service_client::TranscriptServiceClient;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

pub use crate::commit::request_id;
use crate::credential::Credential;

/// A channel that sends the caller's credential and the trace that it is part of.
pub type Authorised = InterceptedService<Channel, Credential>;

/// A connection to a cluster, with a credential. Cheap to clone; connects when it is first used, and again by itself.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    secret: Secret,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

macro_rules! service {
    ($(#[$doc:meta])* $name:ident, $client:ident) => {
        $(#[$doc])*
        pub fn $name(&self) -> $client<Authorised> {
            let service = InterceptedService::new(self.channel.clone(), Credential::new(&self.secret));
            $client::new(service)
                .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
                .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
        }
    };
}

impl Client {
    /// `url` is an address such as http://127.0.0.1:7400. Nothing is sent yet.
    pub fn connect(url: &str, secret: Secret) -> domain::Result<Client> {
        Ok(Client { channel: channel::lazy(url)?, secret })
    }

    /// The same connection for another credential.
    #[must_use]
    pub fn with_secret(&self, secret: Secret) -> Client {
        Client { channel: self.channel.clone(), secret }
    }

    service!(stores, StoreServiceClient);
    service!(memory, MemoryServiceClient);
    service!(history, HistoryServiceClient);
    service!(access, AccessServiceClient);
    service!(governance, GovernanceServiceClient);
    service!(transcripts, TranscriptServiceClient);
    service!(dreams, DreamServiceClient);
}

/// The answer of a call, or what went wrong in Reverie's own words.
pub fn answer<T>(result: Result<tonic::Response<T>, tonic::Status>) -> domain::Result<T> {
    result.map(tonic::Response::into_inner).map_err(|status| match status.source() {
        // No server said this: the connection broke, under whatever name the transport has for it.
        Some(broken) if matches!(status.code(), Code::Unknown | Code::Internal | Code::Cancelled) => {
            domain::Error::unavailable(format!("the connection broke: {broken}"))
        }
        _ => proto::error::from_status(&status),
    })
}
