//! A handler that panics is a defect of ours, not the end of the connection.

use std::panic::AssertUnwindSafe;

use domain::Error;
use futures_util::FutureExt as _;
use http::{Request, Response};
use tonic::body::Body;

use crate::layer::{Around, Next, refuse, run};

#[derive(Debug, Clone)]
pub struct CatchPanic;

impl Around for CatchPanic {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match AssertUnwindSafe(run(next, request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                let words =
                    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                tracing::error!(rpc = path, panic = words.unwrap_or("without words"), "a handler panicked");
                refuse(&Error::internal("a handler panicked"))
            }
        }
    }
}
