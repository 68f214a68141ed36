//! Reverie's gRPC contract: generated types, checked conversions, the error table.
//!
//! Requests are parsed once, here, into the words of `domain`; a field that is wrong is named as the
//! proto names it. Answers are built here from the same words.

pub mod authorisation;
pub mod convert;
pub mod error;

/// What protoc-style generation makes; documented in proto/.
#[allow(clippy::all, clippy::unwrap_used, rustdoc::all)]
pub mod reverie {
    pub mod memory {
        pub mod v1 {
            tonic::include_proto!("reverie.memory.v1");
        }
    }
    pub mod transcript {
        pub mod v1 {
            tonic::include_proto!("reverie.transcript.v1");
        }
    }
    pub mod dream {
        pub mod v1 {
            tonic::include_proto!("reverie.dream.v1");
        }
    }
}

pub use reverie::dream::v1 as dream;
pub use reverie::memory::v1 as memory;
pub use reverie::transcript::v1 as transcript;

/// Every message and service of Reverie, encoded, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
