//! Draining: whoever is told to stop lets open requests finish, and then ends what has not.
//!
//! Services end their own watches when they are told to stop. Health and reflection streams, which
//! nothing else would end, are ended here; so is, shortly before the time is over, everything else:
//! a caller gets UNAVAILABLE, not a broken connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::Error;
use http::{Request, Response};
use http_body::Frame;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use crate::layer::{Around, AroundBody, Next, refuse, run, wrap};
use crate::rpc;

#[derive(Debug, Clone)]
pub struct Drain {
    /// Health has said that it is over.
    pub announced: CancellationToken,
    /// The time is over.
    pub last_call: CancellationToken,
}

impl Around for Drain {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        let end = if rpc::is_public(request.uri().path()) { self.announced } else { self.last_call.clone() };
        tokio::select! {
            biased;
            response = run(next, request) => response.map(|body| wrap(body, Ending::at(end))),
            () = self.last_call.cancelled() => refuse(stopping()),
        }
    }
}

/// Ends a body once it has nothing to say at the moment and its end has come.
struct Ending {
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl Ending {
    fn at(end: CancellationToken) -> Ending {
        Ending { end: Box::pin(end.cancelled_owned()), is_over: false }
    }
}

impl AroundBody for Ending {
    fn poll(&mut self, body: Pin<&mut Body>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match http_body::Body::poll_frame(body, context) {
            Poll::Pending if self.end.as_mut().poll(context).is_ready() => {
                self.is_over = true;
                let trailers = refuse(stopping()).into_parts().0.headers;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            polled => polled,
        }
    }
}

fn stopping() -> Error {
    Error::unavailable("the service is stopping: ask again, and for a write with the same request_id")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::FutureExt as _;
    use http_body_util::BodyExt as _;
    use tonic::Code;
    use tower::util::BoxCloneSyncService;

    use super::*;

    const UNARY: &str = "/reverie.memory.v1.MemoryService/GetMemory";

    fn drain() -> Drain {
        Drain { announced: CancellationToken::new(), last_call: CancellationToken::new() }
    }

    fn request() -> Request<Body> {
        Request::builder().uri(UNARY).body(Body::empty()).unwrap()
    }

    /// A handler whose answer is made by `answer`.
    fn handler<F>(answer: impl Fn() -> F + Clone + Send + Sync + 'static) -> Next
    where
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        BoxCloneSyncService::new(tower::service_fn(move |_| answer()))
    }

    #[tokio::test]
    async fn a_call_that_outlives_the_drain_is_unavailable_and_not_before() {
        let drain = drain();
        let mut call = Box::pin(drain.clone().around(request(), handler(std::future::pending)));
        drain.announced.cancel();
        assert!((&mut call).now_or_never().is_none(), "it may go on while others drain");
        drain.last_call.cancel();
        assert_eq!(Status::from_header_map(call.await.headers()).unwrap().code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn a_stream_that_outlives_the_drain_ends_with_unavailable() {
        let drain = drain();
        let endless = handler(|| async {
            let body = http_body_util::StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Status>>());
            Ok(Response::new(Body::new(body)))
        });
        let mut body = drain.clone().around(request(), endless).await.into_body();
        assert!(body.frame().now_or_never().is_none(), "nothing ends it");
        drain.last_call.cancel();
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(Status::from_header_map(&trailers).unwrap().code(), Code::Unavailable);
        assert!(body.frame().await.is_none());
    }
}
