//! Time and fresh ids, as arguments: nothing below the process reads a clock or rolls dice itself.

use jiff::Timestamp;

/// Wall-clock time. Never used for correctness, only for what people read and for expiry.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// Fresh 16-byte ids that sort by the time they were made (UUID version 7, RFC 9562).
pub trait Ids: Send + Sync + 'static {
    fn fresh(&self) -> [u8; 16];
}
