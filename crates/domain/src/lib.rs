//! The nouns and rules of Reverie. Pure: no runtime, no network, no clock, no randomness.
//!
//! One noun a file. Everything here can be tested without starting anything.

pub mod access;
pub mod actor;
pub mod blame;
pub mod clock;
pub mod commit;
pub mod diff;
pub mod dream;
pub mod error;
pub mod governance;
pub mod handle;
pub mod history;
pub mod id;
pub mod limits;
pub mod memory;
pub mod merge;
pub mod page;
pub mod path;
pub mod portability;
pub mod search;
pub mod store;
pub mod transcript;

pub use actor::Actor;
pub use clock::{Clock, Ids};
pub use error::{Error, Kind, Result};
pub use handle::Handle;
pub use jiff::Timestamp;
pub use path::MemoryPath;
