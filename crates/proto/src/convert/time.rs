//! Times: google.protobuf.Timestamp and Duration, and domain's Timestamp.

use std::time::Duration;

use domain::{Error, Result, Timestamp};

pub fn from_time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// `field` is the request's field, as the proto names it.
pub fn to_time(field: &str, time: prost_types::Timestamp) -> Result<Timestamp> {
    Timestamp::new(time.seconds, time.nanos)
        .map_err(|_| Error::invalid(field, "is not a time between the years -9999 and 9999"))
}

pub fn to_optional_time(field: &str, time: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>> {
    time.map(|t| to_time(field, t)).transpose()
}

pub fn from_duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: duration.subsec_nanos() as i32 }
}

/// Refuses negative durations.
pub fn to_duration(field: &str, duration: prost_types::Duration) -> Result<Duration> {
    match (u64::try_from(duration.seconds), u32::try_from(duration.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Ok(Duration::new(seconds, nanos)),
        _ => Err(Error::invalid(field, "must not be negative")),
    }
}
