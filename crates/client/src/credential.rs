//! What goes with every call: the caller's token, and the trace that the call is part of.

use domain::access::Secret;
use opentelemetry::propagation::Injector;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

#[derive(Clone)]
pub struct Credential {
    /// None where the token cannot be a header: the server refuses the call, and says so.
    header: Option<MetadataValue<Ascii>>,
}

impl Credential {
    pub fn new(secret: &Secret) -> Credential {
        let mut header: Option<MetadataValue<Ascii>> = format!("Bearer {}", secret.expose()).parse().ok();
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        Credential { header }
    }
}

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.header {
            request.metadata_mut().insert("authorization", header.clone());
        }
        join_trace(request.metadata_mut());
        Ok(request)
    }
}

/// Says which trace a call is part of.
pub fn join_trace(metadata: &mut MetadataMap) {
    let context = Span::current().context();
    opentelemetry::global::get_text_map_propagator(|p| p.inject_context(&context, &mut Metadata(metadata)));
}

struct Metadata<'a>(&'a mut MetadataMap);

impl Injector for Metadata<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}
