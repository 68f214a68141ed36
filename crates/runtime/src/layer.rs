//! Layers as one async function each: a request in, a response out, and what comes next between.
//! What a layer does while a stream goes on is done around the response's body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt as _};

use crate::refusal;

pub type Next = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What a layer does around the rest of the stack.
pub trait Around: Clone + Send + Sync + 'static {
    fn around(self, request: Request<Body>, next: Next) -> impl Future<Output = Response<Body>> + Send;
}

/// Runs the rest of the stack.
pub async fn run(next: Next, request: Request<Body>) -> Response<Body> {
    match next.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// A refusal, as a gRPC response.
pub fn refuse(error: domain::Error) -> Response<Body> {
    refusal::refuse(error).into_http()
}

#[derive(Debug, Clone)]
pub struct AroundLayer<A>(pub A);

#[derive(Clone)]
pub struct AroundService<A> {
    around: A,
    next: Next,
}

impl<A, S> Layer<S> for AroundLayer<A>
where
    A: Around,
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Service = AroundService<A>;

    fn layer(&self, inner: S) -> AroundService<A> {
        AroundService { around: self.0.clone(), next: BoxCloneSyncService::new(inner) }
    }
}

impl<A: Around> Service<Request<Body>> for AroundService<A> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (around, next) = (self.around.clone(), self.next.clone());
        Box::pin(async move { Ok(around.around(request, next).await) })
    }
}

/// What is done around a body as it is sent, until it is sent or given up; then it is dropped.
pub trait AroundBody: Unpin + Send + 'static {
    fn poll(&mut self, body: Pin<&mut Body>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        http_body::Body::poll_frame(body, context)
    }
}

/// A body with something around it.
pub fn wrap(body: Body, around: impl AroundBody) -> Body {
    Body::new(Wrapped { body, around })
}

struct Wrapped<A> {
    body: Body,
    around: A,
}

impl<A: AroundBody> http_body::Body for Wrapped<A> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        this.around.poll(Pin::new(&mut this.body), context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
