//! One span per request, a child of the caller's where the caller sent a W3C traceparent.

use std::time::Instant;

use http::{HeaderMap, Request, Response};
use opentelemetry::propagation::Extractor;
use tonic::Code;
use tonic::body::Body;
use tracing::{Instrument as _, Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::layer::{Around, Next, run};
use crate::rpc;

#[derive(Debug, Clone)]
pub struct Trace {
    pub role: &'static str,
}

impl Around for Trace {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        if rpc::is_public(request.uri().path()) {
            return run(next, request).await;
        }
        let span = tracing::info_span!(
            "rpc",
            otel.name = path,
            otel.kind = "server",
            otel.status_code = field::Empty,
            rpc.system = "grpc",
            role = self.role,
            workspace = field::Empty,
            subject = field::Empty,
            code = field::Empty,
        );
        let parent = opentelemetry::global::get_text_map_propagator(|p| p.extract(&Headers(request.headers())));
        // Fails only where no exporter is set up: then there is no trace to join.
        let _ = span.set_parent(parent);
        let started = Instant::now();
        let response = run(next, request).instrument(span.clone()).await;
        finish(&span, &path, code(&response), started);
        response
    }
}

/// The code that is known when the headers go out; a stream that fails later says so in its trailers.
fn code(response: &Response<Body>) -> Code {
    let status =
        response.headers().get("grpc-status").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<i32>().ok());
    status.map_or(Code::Ok, Code::from)
}

/// Conflicts, refusals and bad requests are answers, not errors: only what a person must look at is one.
fn finish(span: &Span, rpc: &str, code: Code, started: Instant) {
    let ms = started.elapsed().as_secs_f64() * 1e3;
    span.record("code", field::debug(code));
    span.in_scope(|| match code {
        Code::Internal | Code::DataLoss | Code::Unknown => {
            span.record("otel.status_code", "ERROR");
            tracing::error!(rpc, ?code, ms, "failed");
        }
        _ => tracing::debug!(rpc, ?code, ms, "answered"),
    });
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
