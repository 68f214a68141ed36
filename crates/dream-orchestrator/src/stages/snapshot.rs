//! Snapshot: pin what the dream reads: the store's memories at one revision, and its sessions by their
//! digests, each distinct run once.

use std::collections::BTreeMap;

use client::{Client, answer, pages};
use domain::access::Secret;
use domain::dream::Snapshot;
use domain::limits;
use domain::transcript::{Session, SessionState};
use domain::{Error, Kind, Result};
use proto::convert::session::to_session;
use proto::convert::time::from_time;
use proto::memory as mpb;
use proto::memory::memory_entry::Entry;
use proto::transcript as tpb;

use super::Step;
use crate::record::{Dream, Filter, Pinned, Selector};
use crate::recording;

pub async fn run(step: &Step<'_>, dream: Dream) -> Result<(Dream, Snapshot)> {
    let secret = Secret::new(dream.token.as_str());
    let memory = step.context.peers.memory(&secret);
    let memories = memories(&memory, &dream.store.to_string(), dream.revision).await?;
    let snapshot = Snapshot { revision: dream.revision, memories };
    // A dream that goes on keeps the sessions that it began with.
    if !dream.sessions.is_empty() {
        return Ok((dream, snapshot));
    }
    let transcript = step.context.peers.transcript(&secret);
    let sessions = select(&transcript, &dream).await?;
    let (pinned, duplicates) = pin(sessions);
    let dream = step.update(&dream, |dream| {
        dream.sessions = pinned.clone();
        dream.duplicates = duplicates;
    });
    Ok((dream.await?, snapshot))
}

/// Every memory of a store at a revision, by path.
pub async fn memories(client: &Client, store: &str, revision: u64) -> Result<BTreeMap<domain::MemoryPath, String>> {
    let page = |page_token: String| async move {
        let request = mpb::ListMemoriesRequest {
            store: store.to_owned(),
            view: mpb::MemoryView::Full.into(),
            revision,
            page_size: limits::PAGE_SIZE_FULL_MAX as i32,
            page_token,
            ..Default::default()
        };
        let page = answer(client.memory().list_memories(request).await)?;
        Ok((page.entries, page.next_page_token))
    };
    let memories = pages::all(page).await?.into_iter().filter_map(|entry| match entry.entry {
        Some(Entry::Memory(memory)) => Some(memory),
        _ => None,
    });
    memories.map(|m| Ok((m.path.parse()?, m.content))).collect()
}

async fn select(client: &Client, dream: &Dream) -> Result<Vec<Session>> {
    let sessions = match &dream.selector {
        Selector::Ids(ids) => {
            let mut sessions = Vec::new();
            for id in ids {
                let request = tpb::GetSessionRequest { session: id.to_string() };
                let session = answer(client.transcripts().get_session(request).await)?.session.unwrap_or_default();
                sessions.push(to_session(session)?);
            }
            sessions
        }
        Selector::Filter(filter) => list(client, filter, dream).await?,
    };
    let ended = sessions.into_iter().filter(|s| s.state == SessionState::Ended && s.content_digest.is_some());
    // Dreams record themselves; a dream of dreams would take its own words for evidence.
    let ended: Vec<_> =
        ended.filter(|s| s.labels.get(recording::KIND_LABEL).is_none_or(|kind| kind != recording::KIND)).collect();
    if ended.len() > limits::DREAM_SESSIONS_MAX {
        let message = format!(
            "{} sessions match, one dream reads at most {}: narrow the selector",
            ended.len(),
            limits::DREAM_SESSIONS_MAX
        );
        return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
    }
    Ok(ended)
}

async fn list(client: &Client, filter: &Filter, dream: &Dream) -> Result<Vec<Session>> {
    let request = tpb::SessionFilter {
        start_time: filter.start_time.map(from_time),
        end_time: filter.end_time.map(from_time),
        agent: filter.agent.clone(),
        task_key: filter.task_key.clone(),
        labels: filter.labels.clone().into_iter().collect(),
        store: String::new(),
        state: tpb::SessionState::Ended.into(),
        outcome: String::new(),
    };
    let page = |page_token: String| {
        let request = tpb::ListSessionsRequest {
            filter: Some(request.clone()),
            page_size: limits::PAGE_SIZE_MAX as i32,
            page_token,
        };
        async move {
            let page = answer(client.transcripts().list_sessions(request).await)?;
            Ok((page.sessions, page.next_page_token))
        }
    };
    let sessions = pages::all(page).await?.into_iter().map(to_session).collect::<Result<Vec<_>>>()?;
    let is_new = |s: &Session| filter.ended_after.is_none_or(|after| s.end_time.is_some_and(|end| end > after));
    // Sessions name their stores as their importer did: by id or by handle.
    let (id, handle) = (dream.store.to_string(), &dream.store_handle);
    let is_attached = |s: &Session| !filter.attached_only || s.attached_stores.iter().any(|a| *a == id || a == handle);
    Ok(sessions.into_iter().filter(|s| is_new(s) && is_attached(s)).collect())
}

/// One of each digest, in their order: the same runs in any order of import are the same input.
fn pin(sessions: Vec<Session>) -> (Vec<Pinned>, u64) {
    let total = sessions.len();
    let mut by_digest: BTreeMap<_, Pinned> = BTreeMap::new();
    for session in sessions {
        let Some(digest) = session.content_digest else { continue };
        let pinned = Pinned { digest, id: session.id, agent: session.agent.name, task_key: session.task_key };
        let held = by_digest.entry(digest).or_insert_with(|| pinned.clone());
        if pinned.id < held.id {
            *held = pinned;
        }
    }
    let duplicates = total - by_digest.len();
    (by_digest.into_values().collect(), duplicates as u64)
}
