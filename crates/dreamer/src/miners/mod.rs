//! The miners. Each says in its first lines what it looks for, and by which method.

pub mod acts;
pub mod correction;
pub mod drain;
pub mod error;
pub mod error_repair;
pub mod fact;
pub mod recurring_note;
pub mod repeated_call;
pub mod sibling_diff;
pub mod statement;
pub mod time_lag;
