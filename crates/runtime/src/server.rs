//! The server: one service's routes, or several services' together, behind one stack of layers, on one
//! or more addresses, until it is told to stop.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use domain::access::Authenticator;
use domain::limits;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::ServiceBuilder;

use crate::auth::Authenticate;
use crate::clock::SystemClock;
use crate::deadline::Deadline;
use crate::drain::Drain;
use crate::front::{Front, Plain};
use crate::layer::AroundLayer;
use crate::metrics::Metrics;
use crate::overload::Overload;
use crate::panic::CatchPanic;
use crate::trace::Trace;

#[cfg(test)]
mod tests;

/// How often an idle connection is asked whether it lives, and how long it has to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A health name that is served as long as the process runs, for liveness probes.
const LIVENESS: &str = "liveness";

const HEALTH: &str = "grpc.health.v1.Health";
const REFLECTION_V1: &str = "grpc.reflection.v1.ServerReflection";
const REFLECTION_V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

/// Before the end of the drain: time for the last answers to go out.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What to serve. `run` serves it.
pub struct Server {
    role: &'static str,
    routes: Routes,
    services: Vec<String>,
    authenticator: Arc<dyn Authenticator>,
    shutdown: CancellationToken,
    requests_max: usize,
    plain: Option<Plain>,
    metrics: Option<Metrics>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("role", &self.role).field("services", &self.services).finish_non_exhaustive()
    }
}

impl Server {
    /// `services` are full names such as reverie.memory.v1.StoreService: what health answers for.
    pub fn new(
        role: &'static str,
        routes: Routes,
        services: impl IntoIterator<Item = impl Into<String>>,
        authenticator: Arc<dyn Authenticator>,
        shutdown: CancellationToken,
    ) -> Server {
        let services = services.into_iter().map(Into::into).collect();
        Server {
            role,
            routes,
            services,
            authenticator,
            shutdown,
            requests_max: limits::REQUESTS_MAX,
            plain: None,
            metrics: None,
        }
    }

    /// Open requests beyond which it refuses; `limits::REQUESTS_MAX` where nothing is said.
    #[must_use]
    pub fn requests_max(mut self, requests_max: usize) -> Server {
        self.requests_max = requests_max;
        self
    }

    /// Says that some of the routes speak plain HTTP.
    #[must_use]
    pub fn plain(mut self, plain: Plain) -> Server {
        self.plain = Some(plain);
        self
    }

    /// Counts its calls there; where nothing is said, into metrics that nobody reads.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Server {
        self.metrics = Some(metrics);
        self
    }

    /// Serves until the shutdown token fires, then lets open requests finish. Returns within
    /// `limits::DRAIN_S` seconds of that; what is still open by then ends with UNAVAILABLE.
    pub async fn run(self, listener: TcpListener) -> io::Result<()> {
        let (health, health_service) = tonic_health::server::health_reporter();
        self.report(&health, ServingStatus::Serving).await;
        health.set_service_status(LIVENESS, ServingStatus::Serving).await;

        let metrics = self.metrics.clone().map_or_else(Metrics::new, Ok).map_err(io::Error::other)?;
        let drain = Drain { announced: CancellationToken::new(), last_call: CancellationToken::new() };
        let layers = ServiceBuilder::new()
            .layer(Front(self.plain.clone()))
            .layer(AroundLayer(Trace { role: self.role, metrics }))
            .layer(AroundLayer(CatchPanic))
            .layer(AroundLayer(drain.clone()))
            .layer(AroundLayer(Overload::new(self.requests_max)))
            .layer(AroundLayer(Deadline))
            .layer(AroundLayer(Authenticate {
                authenticator: self.authenticator.clone(),
                clock: Arc::new(SystemClock),
            }))
            .into_inner();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .max_concurrent_streams(limits::CONNECTION_STREAMS_MAX)
            .accept_http1(true) // grpc-web, and what is plain
            .layer(layers)
            .add_routes(self.routes.clone())
            .add_service(health_service)
            .add_service(self.reflection(REFLECTION_V1).build_v1().map_err(io::Error::other)?)
            .add_service(self.reflection(REFLECTION_V1ALPHA).build_v1alpha().map_err(io::Error::other)?)
            .serve_with_incoming_shutdown(incoming, self.shutdown.clone().cancelled_owned());

        let draining = async {
            self.shutdown.cancelled().await;
            self.report(&health, ServingStatus::NotServing).await;
            drain.announced.cancel();
            tokio::time::sleep(Duration::from_secs(limits::DRAIN_S).saturating_sub(LAST_CALL)).await;
            tracing::warn!(role = self.role, "requests were still open at the end of the drain: they are ended");
            drain.last_call.cancel();
            tokio::time::sleep(LAST_CALL).await;
        };
        tokio::select! {
            served = serving => served.map_err(io::Error::other),
            () = draining => Ok(()),
        }
    }

    async fn report(&self, health: &HealthReporter, status: ServingStatus) {
        for service in self.services.iter().map(String::as_str).chain([""]) {
            health.set_service_status(service, status).await;
        }
    }

    /// What this server serves, described by the descriptors of Reverie, of error details and of
    /// health, so that grpcurl prints all of them.
    fn reflection(&self, own_name: &str) -> tonic_reflection::server::Builder<'static> {
        let described = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let names = self.services.iter().map(String::as_str).chain([HEALTH, own_name]);
        names.fold(described, |builder, name| builder.with_service_name(name))
    }
}

/// Several services' routes as one.
pub fn merge(routes: impl IntoIterator<Item = Routes>) -> Routes {
    // Each brings a fallback that says UNIMPLEMENTED; together they may have one.
    let routers = routes.into_iter().map(|r| r.prepare().into_axum_router().reset_fallback());
    let merged = routers.reduce(|all, more| all.merge(more));
    merged.map(Routes::from).unwrap_or_default()
}
