//! Overload: beyond a bound of open requests the answer is no, at once, with when to come again.
//! A stream counts until it ends.

use std::sync::Arc;
use std::time::Duration;

use domain::{Error, Kind};
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;

use crate::layer::{Around, AroundBody, Next, refuse, run, wrap};
use crate::rpc;

/// When to come again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

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
            return refuse(error.retry_after(RETRY_AFTER));
        };
        run(next, request).await.map(|body| wrap(body, Place(permit)))
    }
}

/// A request's place, kept until its answer has been sent.
struct Place(#[expect(dead_code, reason = "given back when it is dropped")] OwnedSemaphorePermit);

impl AroundBody for Place {}
