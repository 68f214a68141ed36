//! The way of accepted changes into the store: scratch forks, and one merge at the end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use client::{Client, answer};
use domain::access::Secret;
use domain::commit::Conflict;
use domain::dream::{Change, Snapshot};
use domain::id::DreamId;
use domain::{Error, Kind, MemoryPath, Result};
use proto::memory as pb;
use proto::memory::operation::Operation;

use super::Adopt;
use crate::DreamOrchestrator;
use crate::caller::Caller;
use crate::create::{delete_store, handle, narrowed, read_only, read_write};
use crate::record::Dream;
use crate::stages::publish::{self, Target};
use crate::stages::snapshot::memories;

/// How often a store that moves meanwhile is followed before the caller is told to try again.
const TRIES: u32 = 8;
/// How long the adoption's own token lives.
const TOKEN_TTL: Duration = Duration::from_secs(600);

pub struct Adopting<'a> {
    orchestrator: &'a DreamOrchestrator,
    dream: &'a Dream,
    person: Client,
    request: Adopt,
    token_ttl: Duration,
    /// Whether an earlier call may have reached the store.
    may_have_landed: bool,
    /// Forks that nobody needs afterwards.
    scratch: Mutex<Vec<String>>,
}

/// The commit in the store.
pub struct Landed {
    pub revision: u64,
    pub no_op: bool,
    /// It was an earlier call's.
    pub earlier: bool,
}

impl<'a> Adopting<'a> {
    pub fn new(
        orchestrator: &'a DreamOrchestrator,
        dream: &'a Dream,
        caller: &Caller,
        request: Adopt,
        may_have_landed: bool,
    ) -> Adopting<'a> {
        let context = orchestrator.context();
        Adopting {
            orchestrator,
            dream,
            person: context.peers.memory(&caller.secret),
            request,
            token_ttl: caller.lives_for(context.clock.now()).min(TOKEN_TTL),
            may_have_landed,
            scratch: Mutex::default(),
        }
    }

    pub async fn run(&self, accepted: &[Change], whole: bool) -> Result<Landed> {
        if self.may_have_landed
            && let Some(landed) = self.landed().await?
        {
            return Ok(landed);
        }
        let landed = self.bring(accepted, whole).await;
        if landed.is_err() || self.request.dry_run {
            self.clean_up().await;
        }
        landed
    }

    /// Deletes the scratch forks. One that stays is clutter, and no reason to fail.
    pub async fn clean_up(&self) {
        let scratch = std::mem::take(&mut *self.scratch.lock().unwrap_or_else(PoisonError::into_inner));
        for store in scratch {
            if let Err(error) = delete_store(&self.person, &store).await {
                tracing::warn!(dream = %self.dream.id, store, ?error, "a scratch fork was left behind");
            }
        }
    }

    async fn bring(&self, accepted: &[Change], whole: bool) -> Result<Landed> {
        let source = if whole { self.dream.output() } else { self.partial(accepted).await? };
        self.follow(&source).await
    }

    /// The dream's commit in the store, where there is one.
    async fn landed(&self) -> Result<Option<Landed>> {
        let actor = pb::ActorFilter { dream: self.dream.id.to_string(), ..Default::default() };
        let mut request =
            pb::ListCommitsRequest { store: self.dream.store.to_string(), actor: Some(actor), ..Default::default() };
        loop {
            let page = answer(self.person.history().list_commits(request.clone()).await)?;
            // The store's commits up to the fork are of before the dream.
            let newest = page.commits.first().filter(|c| c.revision > self.dream.revision);
            if let Some(commit) = newest {
                return Ok(Some(Landed { revision: commit.revision, no_op: false, earlier: true }));
            }
            if page.next_page_token.is_empty() || !page.commits.is_empty() {
                return Ok(None);
            }
            request.page_token = page.next_page_token;
        }
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
            request_id: format!("dream:{}:accepted", self.dream.id),
        };
        publish::write(&client, target, self.dream.id, &snapshot.memories, &after, accepted).await?;
        Ok(store)
    }

    /// Merges on the head, and again on the next head for as long as the store moves.
    async fn follow(&self, source: &str) -> Result<Landed> {
        for _ in 0..TRIES {
            let head = self.head().await?;
            if self.request.expected_target_revision.is_some_and(|expected| expected != head) {
                return Err(Error::conflict(vec![moved(head)]));
            }
            let scratch = self.fork(head, "adopting").await?;
            match self.merge_by(&scratch, source, head).await {
                // The store has moved: on the new head, then, unless that is another call's adoption.
                Err(error) if error.reason() == "COMMIT_CONFLICT" => {
                    if let Some(landed) = self.landed().await? {
                        return Ok(landed);
                    }
                }
                done => return done,
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "COMMIT_CONFLICT",
            "the store moves faster than the proposal can follow; try again",
        ))
    }

    async fn merge_by(&self, scratch: &str, source: &str, head: u64) -> Result<Landed> {
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
        Ok(Landed { revision: landed.revision, no_op: landed.no_op, earlier: false })
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
        let store = answer(self.person.stores().fork_store(request).await)?.store.unwrap_or_default().id;
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
        Ok(store)
    }

    /// The person's own power over these stores and no others, with the dream's name on every commit.
    async fn narrow(&self, grants: Vec<pb::Grant>) -> Result<Client> {
        let secret = narrowed(&self.person, pb::Role::Writer, grants, self.dream.id, self.token_ttl).await?;
        Ok(self.person.with_secret(Secret::new(secret)))
    }
}

fn moved(head: u64) -> Conflict {
    Conflict {
        path: None,
        expected: None,
        actual_revision: head,
        actual_sha256: None,
        actual_version: None,
        actual_actor: None,
        actual_content: None,
        already_equal: false,
    }
}
