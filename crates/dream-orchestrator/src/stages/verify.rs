//! Verify: what passes is written down as the dream's proposal, whole, before anybody else sees it.

use domain::dream::{Change, Snapshot};
use domain::{Error, Kind, MemoryPath, Result, diff};
use dreamer::{Draft, Memories, Verified};

use super::analyse::Read;
use super::{Step, pure, report};
use crate::key;
use crate::record::{ChangeRow, Dream};

/// Changes written down by one commit.
const ROWS: usize = 100;

/// Verifies the draft, and journals what passed, with the report. Returns how many changes did.
pub async fn run(
    step: &Step<'_>,
    dream: &Dream,
    snapshot: &Snapshot,
    draft: Draft,
    read: Read,
) -> Result<(Dream, u64)> {
    let proposed = draft.changes.len() as u64;
    let (config, pinned) = (step.config.clone(), snapshot.clone());
    let (verified, read) = pure(move || {
        let verified = dreamer::verify(draft, &pinned, &read.transcripts, &config);
        verified.map(|verified| (verified, read))
    })
    .await?
    .map_err(|unverified| Error::new(Kind::Internal, "NOT_VERIFIED", unverified.to_string()))?;
    journal(step, dream, snapshot, &verified).await?;
    let report = report::of(dream, snapshot, &verified, &read, proposed);
    let count = report.verified;
    Ok((step.update(dream, |dream| dream.report = Some(report.clone())).await?, count))
}

async fn journal(step: &Step<'_>, dream: &Dream, snapshot: &Snapshot, verified: &Verified) -> Result<()> {
    let row = |(change, n): (&Change, u32)| {
        let row = ChangeRow { change: change.clone(), diff: diff_of(change, snapshot) };
        (key::change(dream.workspace, dream.id, n), row)
    };
    let rows: Vec<_> = verified.changes().iter().zip(0u32..).map(row).collect();
    for part in rows.chunks(ROWS) {
        step.context.ledger.journal(step.lease, part.to_vec()).await?;
    }
    Ok(())
}

/// The change alone, as a unified diff against the snapshot. Where it builds on another change it is
/// shown on top of nothing: its own edits.
fn diff_of(change: &Change, snapshot: &Snapshot) -> String {
    let Ok(after) = dreamer::apply(&snapshot.memories, std::slice::from_ref(change)) else {
        return String::new();
    };
    let text = |memories: &Memories, path: &MemoryPath| memories.get(path).cloned();
    let file = |path: &&MemoryPath| {
        let (before, after) = (text(&snapshot.memories, path), text(&after, path));
        let name = |side: &Option<String>, prefix: &str| {
            if side.is_some() { format!("{prefix}{path}") } else { "/dev/null".to_owned() }
        };
        let diff = diff::diff_lines(before.as_deref().unwrap_or_default(), after.as_deref().unwrap_or_default(), 3);
        diff::unified(&name(&before, "a"), &name(&after, "b"), &diff)
    };
    change.paths().iter().map(file).collect()
}

/// Verified changes as the journal has them, and the store as they make it. Nothing else is published.
pub struct Proposal {
    changes: Vec<Change>,
    memories: Memories,
}

impl Proposal {
    /// The dream's proposal, which is there once it has a report.
    ///
    /// # Errors
    /// Corrupt where the journal does not make what was verified.
    pub async fn kept(step: &Step<'_>, dream: &Dream, snapshot: &Snapshot) -> Result<Proposal> {
        let rows = step.context.ledger.changes(dream).await?;
        let changes: Vec<Change> = rows.into_iter().map(|(row, _)| row.change).collect();
        let memories = dreamer::apply(&snapshot.memories, &changes).map_err(Error::corrupt)?;
        let verified = dream.report.as_ref().map(|report| report.output_digest.as_str());
        if verified != Some(dreamer::digest(&memories).as_str()) {
            return Err(Error::corrupt(format!("{}: the journal is not what was verified", dream.id)));
        }
        Ok(Proposal { changes, memories })
    }

    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub fn memories(&self) -> &Memories {
        &self.memories
    }
}
