//! Dreaming as pure functions: what many sessions show that no single one sees.
//!
//! `analyse` reads one transcript, `reduce` compares all of them, `curate` turns what they show into
//! itemised changes to a snapshot, and `verify` checks every change against the transcripts again, by
//! code that shares nothing with the miners. Same input in any order, same bytes out: there is no
//! clock, no randomness and no map with an arbitrary order in here.

pub mod analyse;
mod apply;
pub mod arguments;
pub mod calls;
pub mod candidate;
pub mod cluster;
pub mod config;
mod curate;
pub mod failure;
mod index;
pub mod miners;
pub mod normalise;
mod note;
pub mod pool;
pub mod prose;
pub mod reduce;
pub mod report;
#[cfg(test)]
mod script;
pub mod stats;
mod verify;
mod wording;

pub use analyse::{Analysis, analyse};
pub use apply::{ApplyError, Memories, apply, close, origins};
pub use candidate::{Candidate, Fact, NoteKind, Probe};
pub use config::Config;
pub use curate::{Draft, curate};
pub use index::{INDEX, reindex};
pub use reduce::reduce;
pub use verify::{Dropped, Loss, Unverified, Verified, check_retention, digest, verify};

use domain::dream::Snapshot;
use domain::transcript::Transcript;

/// A whole dream at once: what the service does in stages.
pub fn dream(snapshot: &Snapshot, transcripts: &[Transcript], config: &Config) -> Result<Verified, Unverified> {
    let analyses: Vec<Analysis> = transcripts.iter().map(|t| analyse(t, config)).collect();
    let draft = curate(snapshot, reduce(&analyses, config), config);
    verify(draft, snapshot, transcripts, config)
}
