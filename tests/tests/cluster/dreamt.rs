//! What a dream comes to, and how two of the same input are compared.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use client::Client;
use proto::dream as dpb;
use proto::memory as pb;
use scenario::oncall::{self, Plan};

use crate::calls::{changes, create_dream, ended, import, memories, new_dream};
use crate::cluster::{answer, create_store, write};
use crate::parts::{Journal, Orchestrator, Parts};

pub const STORE: &str = "team-sre";
/// Few, so that every durable step of a dream can be failed in turn; enough for several changes.
pub const SESSIONS: usize = 7;

/// A team's store and its sessions, in a cluster without a dream-orchestrator.
pub async fn oncall_parts() -> Result<Parts> {
    let parts = Parts::start().await?;
    fill(&parts, STORE, 7).await?;
    Ok(parts)
}

/// Makes a store, and imports sessions of a seed that were attached to it.
pub async fn fill(parts: &Parts, store: &str, seed: u64) -> Result<()> {
    let stores = parts.stores()?;
    create_store(&stores, store).await?;
    let text = "# checkout-db\n\ncheckout-db primary: db-1.prod\ncheckout-db replicas: 2\n";
    write(&stores, store, "/checkout-db.md", text).await?;
    let client = parts.sessions()?;
    for session in &oncall::generate(&Plan { seed, sessions: SESSIONS, planted: true }).sessions {
        let name = format!("{store}-{}", session.id);
        let done = import(&client, session.to_jsonl().into_bytes(), &name, &session.agent, store).await?;
        ensure!(done.problems.is_empty(), "{:?}", done.problems);
    }
    Ok(())
}

/// All that one dream proposes.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub state: dpb::DreamState,
    pub fork: BTreeMap<String, String>,
    pub report: dpb::Report,
    pub changes: Vec<dpb::Change>,
}

impl Outcome {
    pub async fn of(parts: &Parts, dreams: &Client, dream: &dpb::Dream) -> Result<Outcome> {
        Ok(Outcome {
            state: dream.state(),
            fork: memories(&parts.stores()?, &dream.output_store).await?,
            report: dream.report.clone().unwrap_or_default(),
            changes: changes(dreams, &dream.id).await?,
        })
    }

    /// Of a dream that nothing disturbed.
    pub async fn undisturbed(parts: &Parts) -> Result<Outcome> {
        let journal = Journal::new()?;
        let orchestrator = parts.orchestrator(&journal).await?;
        let dream = to_the_end(&orchestrator, "undisturbed").await?;
        let outcome = Outcome::of(parts, &orchestrator.client, &dream).await?;
        ensure!(matches!(outcome.state, dpb::DreamState::Succeeded | dpb::DreamState::NeedsReview), "{dream:?}");
        ensure!(outcome.changes.len() >= 3, "too little to compare: {:?}", outcome.changes);
        Ok(outcome)
    }
}

/// Creates the dream of a request, or finds it, and waits for its end.
pub async fn to_the_end(orchestrator: &Orchestrator, request_id: &str) -> Result<dpb::Dream> {
    let dream = create_dream(&orchestrator.client, new_dream(STORE, request_id)).await?;
    ended(&orchestrator.client, &dream.id).await
}

pub async fn store(client: &Client, store: &str) -> domain::Result<pb::Store> {
    let request = pb::GetStoreRequest { store: store.into() };
    Ok(answer(client.stores().get_store(request).await)?.store.unwrap_or_default())
}

/// The forks that are there.
pub async fn forks(parts: &Parts) -> Result<Vec<pb::Store>> {
    let request = pb::ListStoresRequest { page_size: 1_000, include_forks: true, ..Default::default() };
    let stores = answer(parts.stores()?.stores().list_stores(request).await)?.stores;
    Ok(stores.into_iter().filter(|s| s.forked_from.is_some()).collect())
}

/// The commits of a store that carry a dream, newest first.
pub async fn commits_of(parts: &Parts, store: &str, dream: &str) -> Result<Vec<pb::CommitRecord>> {
    let actor = pb::ActorFilter { dream: dream.into(), ..Default::default() };
    let request = pb::ListCommitsRequest { store: store.into(), actor: Some(actor), ..Default::default() };
    Ok(answer(parts.stores()?.history().list_commits(request).await)?.commits)
}

/// Whatever befell it, the dream is as if nothing had, and was published once.
pub async fn check(parts: &Parts, dreams: &Client, dream: &dpb::Dream, undisturbed: &Outcome) -> Result<()> {
    let outcome = Outcome::of(parts, dreams, dream).await?;
    ensure!(outcome == *undisturbed, "{dream:?} came to\n{outcome:?}\nand not to\n{undisturbed:?}");
    let fork = store(&parts.stores()?, &dream.output_store).await?;
    let base = fork.forked_from.unwrap_or_default().revision;
    ensure!(fork.head_revision == base + 1, "the fork of {base} is at {}", fork.head_revision);
    let commits = commits_of(parts, &fork.id, &dream.id).await?;
    ensure!(commits.len() == 1, "{} commits are the dream's", commits.len());
    Ok(())
}
