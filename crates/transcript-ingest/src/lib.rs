//! The service that accepts agents' sessions, normalises and masks them, keeps them and tells who follows.
//!
//! One verb a file. A session is a row, blocks of events and rows of its workspace's log; what is
//! stored is masked, and what is acknowledged is durable.

mod access;
mod append;
mod create;
mod end;
mod fault;
pub mod formats;
mod import;
mod ingest;
mod key;
mod list;
mod log;
mod normalise;
mod read;
mod record;
mod rpc;
mod watch;

pub use ingest::TranscriptIngest;

#[cfg(test)]
mod tests;
