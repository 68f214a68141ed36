//! One span per request, a child of the caller's where the caller sent a W3C traceparent. A stream's
//! span lasts until the stream ends.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use opentelemetry::propagation::Extractor;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::layer::{Around, AroundBody, Next, run, wrap};
use crate::metrics::{Metrics, Open};
use crate::rpc;

/// Names the request's span by its route, for example `GET /v1/dreams/{dream_id}`, and notes by which id the
/// caller knows the request.
pub fn route(route: &str, request_id: &str) {
    Span::current().record("otel.name", route).record("request_id", request_id);
}

/// Notes on the request's span which store it is about.
pub fn store(store: impl std::fmt::Display) {
    Span::current().record("store", field::display(store));
}

#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub role: &'static str,
    pub metrics: Metrics,
}

impl Around for Trace {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        if rpc::is_public(request.uri().path()) {
            return run(next, request).await;
        }
        let is_grpc = rpc::is_grpc(request.headers());
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!(
            "rpc",
            // A plain path may hold anything: its handler names the route.
            otel.name = if is_grpc { path.as_str() } else { request.method().as_str() },
            otel.kind = "server",
            otel.status_code = field::Empty,
            rpc.system = if is_grpc { "grpc" } else { "http" },
            request_id = field::Empty,
            role = self.role,
            workspace = field::Empty,
            subject = field::Empty,
            store = field::Empty,
            code = field::Empty,
        );
        let parent = opentelemetry::global::get_text_map_propagator(|p| p.extract(&Headers(request.headers())));
        // Fails only where no exporter is set up: then there is no trace to join.
        let _ = span.set_parent(parent);
        let (started, open) = (Instant::now(), self.metrics.open(self.role));
        let response = run(next, request).instrument(span.clone()).await;
        let code = code(response.headers()).or_else(|| plain_code(&response));
        response.map(|body| wrap(body, Answer { span, path, started, code, trace: self, _open: open }))
    }
}

/// An answer on its way. Dropping it finishes the span.
struct Answer {
    span: Span,
    path: String,
    started: Instant,
    /// None until it is known; a caller that goes away never learns it.
    code: Option<Code>,
    trace: Trace,
    _open: Open,
}

impl AroundBody for Answer {
    fn poll(&mut self, body: Pin<&mut Body>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = self.span.in_scope(|| http_body::Body::poll_frame(body, context));
        match &frame {
            Poll::Ready(Some(Ok(frame))) => self.code = frame.trailers_ref().and_then(code).or(self.code),
            Poll::Ready(Some(Err(status))) => self.code = Some(status.code()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let seconds = self.started.elapsed().as_secs_f64();
        self.trace.metrics.answered(self.trace.role, &self.path, code, seconds);
        let (rpc, ms) = (self.path.as_str(), seconds * 1e3);
        self.span.record("code", field::debug(code));
        let is_error = is_error(code);
        if is_error {
            self.span.record("otel.status_code", "ERROR");
        }
        self.span.in_scope(|| match is_error {
            true => tracing::error!(rpc, ?code, ms, "failed"),
            false => tracing::debug!(rpc, ?code, ms, "answered"),
        });
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    let status = headers.get("grpc-status")?.to_str().ok()?.parse::<i32>().ok()?;
    Some(Code::from(status))
}

/// None for an answer of gRPC: its trailers tell.
fn plain_code(response: &Response<Body>) -> Option<Code> {
    (!rpc::is_grpc(response.headers())).then(|| proto::error::code_of_http(response.status().as_u16()))
}

/// Conflicts, refusals and bad requests are answers: only what a person must look at is an error.
fn is_error(code: Code) -> bool {
    match code {
        Code::Internal | Code::DataLoss | Code::Unknown => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unavailable
        | Code::Unauthenticated => false,
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|v| v.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
