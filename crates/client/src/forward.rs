//! Passing calls on, for whoever stands between a client and the services.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, Version};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tower::ServiceExt as _;

use crate::Client;
use crate::credential::join_trace;

/// What is about one connection and not about the call.
const HOP_BY_HOP: [http::HeaderName; 5] = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE];

impl Client {
    /// Passes a gRPC call on as it is, with the credential that it carries and not with this client's, in
    /// the trace that it is part of here. A service that cannot be reached is UNAVAILABLE.
    pub async fn forward(&self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        parts.version = Version::HTTP_2;
        HOP_BY_HOP.iter().for_each(|name| drop(parts.headers.remove(name)));
        let mut metadata = MetadataMap::from_headers(parts.headers);
        join_trace(&mut metadata);
        parts.headers = metadata.into_headers();
        match self.channel.clone().oneshot(Request::from_parts(parts, body)).await {
            Ok(response) => response,
            Err(broken) => {
                let error = domain::Error::unavailable(format!("the service cannot be reached: {broken}"));
                proto::error::to_status(&error).into_http()
            }
        }
    }
}
