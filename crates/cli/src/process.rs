//! The processes: a whole cluster in one, or one role of a larger one.

mod admin;
pub mod backup;
mod databases;
pub mod measure;
pub mod role;
pub mod scrub;
pub mod serve;
pub mod up;
