//! Publish: write what was verified into the fork, as one commit whose lines name the changes that
//! brought them.

use std::collections::BTreeMap;

use client::{Client, answer};
use domain::access::Secret;
use domain::dream::{Change, Snapshot};
use domain::id::DreamId;
use domain::limits;
use domain::{MemoryPath, Result};
use proto::memory as pb;
use proto::memory::operation::Operation;

use super::Step;
use super::verify::Proposal;
use crate::of_memory;
use crate::record::Dream;

pub async fn run(step: &Step<'_>, dream: &Dream, snapshot: &Snapshot, proposal: &Proposal) -> Result<()> {
    let client = step.context.peers.memory(&Secret::new(dream.token.as_str()));
    let target = Target {
        store: dream.output(),
        message: format!("{} proposes {} changes", dream.id, proposal.changes().len()),
        request_id: format!("dream:{}:publish", dream.id),
    };
    let (before, after) = (&snapshot.memories, proposal.memories());
    write(&client, target, dream.id, before, after, proposal.changes()).await.map_err(of_memory)
}

/// Where a proposal is written.
pub struct Target {
    pub store: String,
    pub message: String,
    pub request_id: String,
}

/// Brings a store from one set of memories to another by commits of what differs. More than one commit
/// is made only for more paths than one takes; each has its own request id.
pub async fn write(
    client: &Client,
    target: Target,
    dream: DreamId,
    before: &BTreeMap<MemoryPath, String>,
    after: &BTreeMap<MemoryPath, String>,
    changes: &[Change],
) -> Result<()> {
    let deletes = before.keys().filter(|p| !after.contains_key(*p)).map(delete);
    let writes = after.iter().filter(|(p, text)| before.get(*p) != Some(text));
    let writes = writes.map(|(path, text)| write_operation(dream, path, before.get(path), text, changes));
    // Deletes first: a file may take the place of a folder.
    let operations: Vec<_> =
        deletes.chain(writes).map(|o| pb::Operation { operation: Some(o), precondition: None }).collect();
    for (n, part) in operations.chunks(limits::COMMIT_VERSIONS_MAX).enumerate() {
        let request = pb::CommitRequest {
            store: target.store.clone(),
            operations: part.to_vec(),
            message: target.message.clone(),
            request_id: format!("{}:{n}", target.request_id),
            ..Default::default()
        };
        client::retry::retry(|| async { answer(client.memory().commit(request.clone()).await) }).await?;
    }
    Ok(())
}

fn delete(path: &MemoryPath) -> Operation {
    Operation::Delete(pb::Delete { path: path.to_string(), recursive: false })
}

fn write_operation(
    dream: DreamId,
    path: &MemoryPath,
    before: Option<&String>,
    after: &str,
    changes: &[Change],
) -> Operation {
    let origin = |(lines, id): (std::ops::RangeInclusive<u32>, &str)| pb::Origin {
        start_line: *lines.start(),
        end_line: *lines.end(),
        source: format!("reverie:dream/{dream}/change/{id}"),
    };
    let touching: Vec<&Change> = changes.iter().filter(|c| c.paths().contains(&path)).collect();
    let origins =
        dreamer::origins(&touching, path, before.map_or("", String::as_str), after).into_iter().map(origin).collect();
    Operation::Write(pb::Write { path: path.to_string(), content: after.to_owned(), origins })
}
