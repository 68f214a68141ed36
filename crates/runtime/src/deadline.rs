//! Deadlines: a unary call ends in time, with DEADLINE_EXCEEDED and not with what tonic's own timeout says.

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
        if rpc::is_streaming(request.uri().path()) {
            return run(next, request).await;
        }
        let asked = request.headers().get("grpc-timeout").and_then(|v| v.to_str().ok()).and_then(parse);
        let limit = Duration::from_secs(limits::REQUEST_DEADLINE_S);
        // A little less than asked, so that this answer goes out before tonic's own timer fires.
        let wait = asked.map_or(limit, |asked| asked.mul_f64(0.95).min(limit));
        match tokio::time::timeout(wait, run(next, request)).await {
            Ok(response) => response,
            Err(_) => refuse(&Error::new(
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
    let n: u64 = digits.parse().ok()?;
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
    use super::*;

    #[test]
    fn the_header_has_digits_and_a_unit() {
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
        assert_eq!(parse("m"), None);
        assert_eq!(parse(""), None);
    }
}
