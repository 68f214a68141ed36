//! Dreaming as pure functions: what many sessions show that no single one sees.
//!
//! `analyse` reads one transcript, `reduce` compares all of them, `curate` turns what they show into
//! itemised changes to a snapshot, and `verify` checks every change against the transcripts again, by
//! code that shares nothing with the miners. Same input in any order, same bytes out: there is no
//! clock, no randomness and no map with an arbitrary order in here.

pub mod candidate;
pub mod config;

pub use candidate::{Candidate, Fact, NoteKind, Probe};
pub use config::Config;
