//! AdoptDream and DiscardDream: what becomes of a proposal.
//!
//! Adoption never touches the store before its one last step. What was accepted is merged into a
//! scratch fork of the store's head; INDEX.md is made again there, for what the store holds now; then
//! the scratch fork is merged into the store as one commit, on the condition that the head is still
//! the one it was forked from. If not, all of it is done again on the new head.

use std::time::Duration;

use client::{Client, answer};
use domain::access::{Permit, Secret};
use domain::dream::{Change, Decision, Selection, Snapshot, State};
use domain::id::DreamId;
use domain::{Error, Kind, MemoryPath, Result};
use proto::memory as pb;
use proto::memory::operation::Operation;

use crate::DreamOrchestrator;
use crate::create::{handle, narrowed};
use crate::record::{Adoption, ChangeRow, Dream, Review};
use crate::stages::publish::{self, Target};
use crate::stages::snapshot::memories;

/// How often a store that moves meanwhile is followed before the caller is told to try again.
const TRIES: u32 = 8;
/// How long the adoption's own token lives.
const TOKEN_TTL: Duration = Duration::from_secs(600);

/// What the caller asks for.
#[derive(Debug, Clone)]
pub struct Adopt {
    pub dream: DreamId,
    pub selection: Selection,
    pub expected_target_revision: Option<u64>,
    pub dry_run: bool,
    pub message: String,
}

/// What came of it.
pub struct Adopted {
    pub dream: Dream,
    pub revision: u64,
    pub changes: Vec<String>,
    pub no_op: bool,
}

impl DreamOrchestrator {
    pub(crate) async fn adopt(&self, permit: &Permit, secret: &Secret, request: Adopt) -> Result<Adopted> {
        let (dream, rows) = self.changes(permit, request.dream).await?;
        match &dream.adoption {
            Some(done) if done.adopted => {
                let (revision, changes) = (done.revision, done.changes.clone());
                return Ok(Adopted { dream, revision, changes, no_op: true });
            }
            Some(_) => return Err(not_ready(format!("{} was discarded: dream again", dream.id))),
            None if !matches!(dream.state, State::Succeeded | State::NeedsReview) => {
                return Err(not_ready(format!("{} has not succeeded: there is nothing to adopt", dream.id)));
            }
            None => {}
        }
        let accepted = accepted(&rows, request.selection);
        let all = accepted.len() == rows.len();
        let changes: Vec<String> = accepted.iter().map(|c| c.id.clone()).collect();
        let adoption = Adopting {
            orchestrator: self,
            dream: &dream,
            person: self.context().peers.memory(secret),
            request: &request,
        };
        let (revision, no_op) = adoption.run(&accepted, all).await?;
        if request.dry_run {
            return Ok(Adopted { dream, revision, changes, no_op });
        }
        let settled = Adoption {
            adopted: true,
            revision,
            changes: changes.clone(),
            principal: permit.actor().principal.clone(),
            time: self.context().clock.now(),
        };
        let dream = self.settle(permit, request.dream, settled).await?;
        Ok(Adopted { dream, revision, changes, no_op })
    }

    pub(crate) async fn discard(&self, permit: &Permit, secret: &Secret, id: DreamId) -> Result<Dream> {
        let dream = self.dream(permit, id).await?;
        if !dream.state.is_final() {
            return Err(not_ready(format!("{id} still runs: cancel it first")));
        }
        if dream.adoption.as_ref().is_some_and(|a| a.adopted) {
            return Err(not_ready(format!("{id} is adopted: restore the store to before it instead")));
        }
        let memory = self.context().peers.memory(secret);
        delete_store(&memory, &dream.output_store.to_string()).await?;
        let principal = permit.actor().principal.clone();
        let time = self.context().clock.now();
        self.settle(permit, id, Adoption { adopted: false, revision: 0, changes: Vec::new(), principal, time }).await
    }

    async fn settle(&self, permit: &Permit, id: DreamId, adoption: Adoption) -> Result<Dream> {
        let settled = self.context().ledger.update(permit.workspace(), id, None, |dream| {
            dream.adoption.get_or_insert_with(|| adoption.clone());
            Ok(())
        });
        settled.await
    }
}

fn not_ready(message: String) -> Error {
    Error::new(Kind::Precondition, "DREAM_NOT_READY", message)
}

/// The changes that are wanted, with what they depend on, in the order of the report.
fn accepted(rows: &[(ChangeRow, Option<Review>)], selection: Selection) -> Vec<Change> {
    let decision = |review: &Option<Review>| review.as_ref().map(|r| r.decision);
    let wanted = |review: &Option<Review>| match selection {
        Selection::NotRejected => decision(review) != Some(Decision::Reject),
        Selection::Accepted => decision(review) == Some(Decision::Accept),
    };
    let changes: Vec<Change> = rows.iter().map(|(row, _)| row.change.clone()).collect();
    let ids: Vec<&str> =
        rows.iter().filter(|(_, review)| wanted(review)).map(|(row, _)| row.change.id.as_str()).collect();
    dreamer::close(&changes, &ids).into_iter().cloned().collect()
}

struct Adopting<'a> {
    orchestrator: &'a DreamOrchestrator,
    dream: &'a Dream,
    person: Client,
    request: &'a Adopt,
}

impl Adopting<'_> {
    async fn run(&self, accepted: &[Change], all: bool) -> Result<(u64, bool)> {
        let partial = if all { None } else { Some(self.partial(accepted).await?) };
        let source = partial.clone().unwrap_or_else(|| self.dream.output_store.to_string());
        let merged = self.follow(&source).await;
        if let Some(partial) = partial {
            delete_store(&self.person, &partial).await?;
        }
        merged
    }

    /// A fork of what the dream read, with the accepted changes alone.
    async fn partial(&self, accepted: &[Change]) -> Result<String> {
        let store = self.fork(self.dream.revision, "accepted").await?;
        let client = self.narrow(vec![read_write(&store)]).await?;
        let before = memories(&client, &store, self.dream.revision).await?;
        let snapshot = Snapshot { revision: self.dream.revision, memories: before };
        let after = dreamer::apply(&snapshot.memories, accepted)
            .map_err(|e| Error::new(Kind::Precondition, "CHANGES_DO_NOT_APPLY", e.to_string()))?;
        dreamer::check_retention(&snapshot, accepted, &after)
            .map_err(|e| Error::new(Kind::Precondition, "CHANGES_LOSE_TEXT", e.to_string()))?;
        let target = Target {
            store: store.clone(),
            message: format!("{}, {} changes", self.dream.id, accepted.len()),
            request_id: String::new(),
        };
        publish::write(&client, target, self.dream.id, &snapshot.memories, &after, accepted).await?;
        Ok(store)
    }

    /// Merges on the head, and again on the next head for as long as the store moves.
    async fn follow(&self, source: &str) -> Result<(u64, bool)> {
        for _ in 0..TRIES {
            let head = self.head().await?;
            if self.request.expected_target_revision.is_some_and(|expected| expected != head) {
                let conflict = domain::commit::Conflict {
                    path: None,
                    expected: None,
                    actual_revision: head,
                    actual_sha256: None,
                    actual_version: None,
                    actual_actor: None,
                    actual_content: None,
                    already_equal: false,
                };
                return Err(Error::conflict(vec![conflict]));
            }
            let scratch = self.fork(head, "adopting").await?;
            let merged = self.merge_by(&scratch, source, head).await;
            delete_store(&self.person, &scratch).await?;
            match merged {
                Err(error)
                    if error.reason() == "COMMIT_CONFLICT" && self.request.expected_target_revision.is_none() => {}
                done => return done,
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "COMMIT_CONFLICT",
            "the store moves faster than the proposal can follow; try again",
        ))
    }

    async fn merge_by(&self, scratch: &str, source: &str, head: u64) -> Result<(u64, bool)> {
        let target = self.dream.store.to_string();
        let client = self.narrow(vec![read_write(&target), read_write(scratch), read_only(source)]).await?;
        let index = MemoryPath::clone(&dreamer::INDEX);
        let bring = pb::MergeRequest {
            source: Some(pb::StoreSnapshot { store: source.to_owned(), revision: 0 }),
            target_store: scratch.to_owned(),
            exclude_paths: vec![index.to_string()],
            ..Default::default()
        };
        answer(client.history().merge(bring).await)?;
        self.reindex(&client, scratch, &index).await?;
        let message = match self.request.message.as_str() {
            "" => format!("Adopt {}", self.dream.id),
            message => message.to_owned(),
        };
        let land = pb::MergeRequest {
            source: Some(pb::StoreSnapshot { store: scratch.to_owned(), revision: 0 }),
            target_store: target,
            expected_target_revision: Some(head),
            dry_run: self.request.dry_run,
            message,
            ..Default::default()
        };
        let landed = answer(client.history().merge(land).await)?;
        Ok((landed.revision, landed.no_op))
    }

    /// INDEX.md for what the scratch fork holds now.
    async fn reindex(&self, client: &Client, scratch: &str, index: &MemoryPath) -> Result<()> {
        let now = memories(client, scratch, 0).await?;
        let content = dreamer::reindex(&now);
        if now.get(index) == Some(&content) {
            return Ok(());
        }
        let write = Operation::Write(pb::Write { path: index.to_string(), content, origins: Vec::new() });
        let operation = pb::Operation { operation: Some(write), precondition: None };
        let request = pb::CommitRequest {
            store: scratch.to_owned(),
            operations: vec![operation],
            message: "Index".into(),
            ..Default::default()
        };
        answer(client.memory().commit(request).await).map(drop)
    }

    async fn head(&self) -> Result<u64> {
        let request = pb::GetStoreRequest { store: self.dream.store.to_string() };
        Ok(answer(self.person.stores().get_store(request).await)?.store.unwrap_or_default().head_revision)
    }

    async fn fork(&self, revision: u64, word: &str) -> Result<String> {
        let unique = DreamId::from_bytes(self.orchestrator.context().ids.fresh());
        let request = pb::ForkStoreRequest {
            store: self.dream.store.to_string(),
            revision,
            handle: handle(word, unique),
            name: format!("{word} {}", self.dream.id),
            request_id: String::new(),
        };
        Ok(answer(self.person.stores().fork_store(request).await)?.store.unwrap_or_default().id)
    }

    /// The person's own power over these stores and no others, with the dream's name on every commit.
    async fn narrow(&self, grants: Vec<pb::Grant>) -> Result<Client> {
        let secret = narrowed(&self.person, pb::Role::Writer, grants, self.dream.id, TOKEN_TTL).await?;
        Ok(self.person.with_secret(Secret::new(secret)))
    }
}

fn read_write(store: &str) -> pb::Grant {
    pb::Grant { store: store.to_owned(), access: pb::Access::ReadWrite.into(), path_prefix: String::new() }
}

fn read_only(store: &str) -> pb::Grant {
    pb::Grant { store: store.to_owned(), access: pb::Access::ReadOnly.into(), path_prefix: String::new() }
}

async fn delete_store(memory: &Client, store: &str) -> Result<()> {
    let request = pb::DeleteStoreRequest { store: store.to_owned(), request_id: String::new() };
    match answer(memory.stores().delete_store(request).await) {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        done => done.map(drop),
    }
}
