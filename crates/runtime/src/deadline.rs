//! Deadlines: a call is answered in time, with DEADLINE_EXCEEDED and not with what tonic's own timeout
//! says. A stream's answer is its beginning: it may go on for as long as it likes.

use std::time::Duration;

use domain::{Error, Kind, limits};
use http::{Request, Response};
use tonic::body::Body;

use crate::layer::{Around, Next, refuse, run};
use crate::rpc;

#[derive(Debug, Clone)]
pub struct Deadline;

impl Around for Deadline {
    async fn around(self, request: Request<Body>, next: Next) -> Response<Body> {
        let asked = request.headers().get("grpc-timeout").and_then(|v| v.to_str().ok()).and_then(parse);
        let limit = Duration::from_secs(limits::REQUEST_DEADLINE_S);
        // A little less than asked, so that this answer goes out before tonic's own timer fires.
        let asked = asked.map(|asked| asked.mul_f64(0.95));
        let wait = match asked {
            Some(asked) if rpc::is_streaming(request.uri().path()) => asked,
            None if rpc::is_streaming(request.uri().path()) => return run(next, request).await,
            Some(asked) => asked.min(limit),
            None => limit,
        };
        match tokio::time::timeout(wait, run(next, request)).await {
            Ok(response) => response,
            Err(_) => refuse(Error::new(
                Kind::Deadline,
                "DEADLINE",
                format!(
                    "not done within {} ms; a write may have happened: ask again with the same request_id",
                    wait.as_millis()
                ),
            )),
        }
    }
}

/// The gRPC header: at most 8 digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(Duration::from_secs(n * 3_600)),
        "M" => Some(Duration::from_secs(n * 60)),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tonic::Code;
    use tower::util::BoxCloneSyncService;

    use super::*;

    const UNARY: &str = "/reverie.memory.v1.MemoryService/GetMemory";
    const STREAM: &str = "/reverie.memory.v1.MemoryService/Grep";

    /// After how long a call that would never be answered is, and with which code.
    async fn answered(path: &str, asked: Option<&str>) -> (Duration, Code) {
        let never = tower::service_fn(|_| std::future::pending::<Result<Response<Body>, Infallible>>());
        let mut request = Request::builder().uri(path);
        if let Some(asked) = asked {
            request = request.header("grpc-timeout", asked);
        }
        let started = tokio::time::Instant::now();
        let next: Next = BoxCloneSyncService::new(never);
        let response = Deadline.around(request.body(Body::empty()).unwrap(), next).await;
        (started.elapsed(), tonic::Status::from_header_map(response.headers()).unwrap().code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_unary_call_ends_before_the_callers_patience_and_ours() {
        let limit = Duration::from_secs(limits::REQUEST_DEADLINE_S);
        assert_eq!(answered(UNARY, None).await, (limit, Code::DeadlineExceeded));
        assert_eq!(answered(UNARY, Some("1H")).await, (limit, Code::DeadlineExceeded));
        assert_eq!(answered(UNARY, Some("2S")).await, (Duration::from_millis(1_900), Code::DeadlineExceeded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_has_the_callers_deadline_only() {
        assert_eq!(answered(STREAM, Some("2S")).await, (Duration::from_millis(1_900), Code::DeadlineExceeded));
        let day = Duration::from_secs(24 * 3_600);
        assert!(tokio::time::timeout(day, answered(STREAM, None)).await.is_err(), "it goes on");
    }

    #[test]
    fn the_header_has_digits_and_a_unit() {
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        assert_eq!(parse("m"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("123456789H"), None);
    }
}
