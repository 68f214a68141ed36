//! A handler that panics is a defect of ours, not the end of the connection.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::Error;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use crate::layer::{Around, AroundBody, Next, refuse, run, wrap};

#[derive(Debug, Clone)]
pub struct CatchPanic;

impl Around for CatchPanic {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        let rpc = request.uri().path().to_owned();
        match AssertUnwindSafe(run(next, request)).catch_unwind().await {
            Ok(response) => response.map(|body| wrap(body, Guard { rpc, has_panicked: false })),
            Err(panic) => refuse(defect(&rpc, &*panic)),
        }
    }
}

/// Catches what a stream's producer throws.
struct Guard {
    rpc: String,
    has_panicked: bool,
}

impl AroundBody for Guard {
    fn poll(&mut self, body: Pin<&mut Body>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_panicked {
            return Poll::Ready(None);
        }
        catch_unwind(AssertUnwindSafe(|| http_body::Body::poll_frame(body, context))).unwrap_or_else(|panic| {
            self.has_panicked = true;
            let trailers = refuse(defect(&self.rpc, &*panic)).into_parts().0.headers;
            Poll::Ready(Some(Ok(Frame::trailers(trailers))))
        })
    }
}

fn defect(rpc: &str, panic: &(dyn Any + Send)) -> Error {
    let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    Error::internal(format!("{rpc} panicked: {}", words.unwrap_or("without words")))
}
