//! The service that accepts agents' sessions, normalises and masks them, keeps them and tells who follows.

pub mod formats;
pub mod mask;
