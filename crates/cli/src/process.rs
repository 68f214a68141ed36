//! The processes: a whole cluster in one, or one role of a larger one.

mod admin;
pub mod role;
pub mod serve;
pub mod up;
