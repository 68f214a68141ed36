//! The stages of a dream, one verb a file. Types make this order the only one that compiles: what is
//! published is a proposal, a proposal was verified, what is verified was curated, and so on back to
//! the snapshot.
//!
//! What is dear (a session's analysis) is journaled, and a dream that goes on pays only for what is
//! missing; what is cheap and pure (reduce, curate, verify) is done again. What was verified is
//! journaled before anybody else sees it: from then on the dream proposes that, whatever has become of
//! its sessions, or of this program, when it goes on. Effects on other services carry request ids made
//! from the dream's, and happen once.

pub mod analyse;
pub mod publish;
pub mod report;
pub mod snapshot;
mod step;
pub mod verify;

use domain::Result;
use domain::dream::Snapshot;
use dreamer::Config;

pub use self::step::{Step, pure};
use self::verify::Proposal;
use crate::Context;
use crate::lease::Lease;
use crate::record::{Dream, Stage};

pub async fn run(context: &Context, lease: &Lease, dream: Dream) -> Result<()> {
    let step = Step { context, lease, config: Config::default() };
    let dream = step.begin(dream).await?;

    let (dream, started) = step.enter(dream, Stage::Snapshot).await?;
    let (dream, snapshot) = snapshot::run(&step, dream).await?;
    let memories = snapshot.memories.len() as u64;
    let dream = step.leave(dream, Stage::Snapshot, started, memories).await?;

    let dream = if dream.report.is_some() { dream } else { propose(&step, dream, &snapshot).await? };
    context.ledger.drop_analyses(dream.workspace, dream.id, Some(lease)).await?;

    let (dream, started) = step.enter(dream, Stage::Publish).await?;
    let proposal = Proposal::kept(&step, &dream, &snapshot).await?;
    publish::run(&step, &dream, &snapshot, &proposal).await?;
    let dream = step.leave(dream, Stage::Publish, started, proposal.changes().len() as u64).await?;

    let (dream, _) = step.enter(dream, Stage::Report).await?;
    report::run(&step, &dream).await
}

/// From the sessions to a proposal that is written down.
async fn propose(step: &Step<'_>, dream: Dream, snapshot: &Snapshot) -> Result<Dream> {
    let (dream, started) = step.enter(dream, Stage::Analyse).await?;
    let mut read = analyse::run(step, &dream).await?;
    let analyses = std::mem::take(&mut read.analyses);
    let dream = step.leave(dream, Stage::Analyse, started, analyses.len() as u64).await?;

    let (dream, started) = step.enter(dream, Stage::Reduce).await?;
    let config = step.config.clone();
    let candidates = pure(move || dreamer::reduce(&analyses, &config)).await?;
    let dream = step.leave(dream, Stage::Reduce, started, candidates.len() as u64).await?;

    let (dream, started) = step.enter(dream, Stage::Curate).await?;
    let (config, pinned) = (step.config.clone(), snapshot.clone());
    let draft = pure(move || dreamer::curate(&pinned, candidates, &config)).await?;
    let dream = step.leave(dream, Stage::Curate, started, draft.changes.len() as u64).await?;

    let (dream, started) = step.enter(dream, Stage::Verify).await?;
    let (dream, verified) = verify::run(step, &dream, snapshot, draft, read).await?;
    step.leave(dream, Stage::Verify, started, verified).await
}
