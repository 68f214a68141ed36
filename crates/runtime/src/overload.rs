//! Overload: beyond a bound of open requests the answer is no, at once, with when to come again.
//! A stream counts until it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::{Error, Kind};
use http::{Request, Response};
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;

use crate::layer::{Around, Next, refuse, run};
use crate::rpc;

#[derive(Debug, Clone)]
pub struct Overload(Arc<Semaphore>);

impl Overload {
    pub fn new(requests_max: usize) -> Overload {
        Overload(Arc::new(Semaphore::new(requests_max)))
    }
}

impl Around for Overload {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        // Health answers even then: an overloaded service is not a dead one.
        if rpc::is_public(request.uri().path()) {
            return run(next, request).await;
        }
        let Ok(permit) = self.0.try_acquire_owned() else {
            let error = Error::new(
                Kind::Exhausted,
                "OVERLOADED",
                "the service has as many open requests as it takes; come again in a moment",
            );
            return refuse(&error.retry_after(Duration::from_millis(250)));
        };
        run(next, request).await.map(|body| Body::new(Held { body, _permit: permit }))
    }
}

/// A body that keeps its place until it has been sent.
struct Held {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
