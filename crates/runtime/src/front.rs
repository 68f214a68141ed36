//! The front: which way a request takes, by what it speaks. gRPC and grpc-web take the one; plain HTTP
//! below a path prefix takes the other, and what the layers refuse on it is said in its own words.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::Error;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service};

use crate::layer::{Next, run};
use crate::rpc;

/// Routes below a path prefix that speak plain HTTP.
#[derive(Clone)]
pub struct Plain {
    /// For example /v1/.
    pub prefix: &'static str,
    /// Says a refusal to those who do not speak gRPC.
    pub refuse: Arc<dyn Fn(Error) -> Response<Body> + Send + Sync>,
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Plain {
    fn concerns(&self, request: &Request<Body>) -> bool {
        request.uri().path().starts_with(self.prefix) && !rpc::is_grpc(request.headers())
    }

    /// A layer's refusal has the form of a gRPC answer without a body.
    fn translate(&self, response: Response<Body>) -> Response<Body> {
        match Status::from_header_map(response.headers()) {
            Some(status) if rpc::is_grpc(response.headers()) => (self.refuse)(proto::error::from_status(&status)),
            _ => response,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Front(pub Option<Plain>);

#[derive(Clone)]
pub(crate) struct FrontService {
    plain: Option<Plain>,
    inner: Next,
    rpc: Next,
}

impl<S> Layer<S> for Front
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Service = FrontService;

    fn layer(&self, inner: S) -> FrontService {
        let inner = Next::new(inner);
        let rpc = Next::new(GrpcWebLayer::new().layer(inner.clone()));
        FrontService { plain: self.0.clone(), inner, rpc }
    }
}

impl Service<Request<Body>> for FrontService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.plain.clone().filter(|plain| plain.concerns(&request)) {
            Some(plain) => {
                let inner = self.inner.clone();
                Box::pin(async move { Ok(plain.translate(run(inner, request).await)) })
            }
            None => self.rpc.call(request),
        }
    }
}
