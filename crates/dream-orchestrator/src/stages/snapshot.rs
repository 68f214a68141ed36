//! Snapshot: pin what the dream reads: the store's memories at one revision, and its sessions by their
//! digests, each distinct run once.

use std::collections::BTreeMap;

use client::{Client, answer, pages};
use domain::access::Secret;
use domain::dream::Snapshot;
use domain::id::SessionId;
use domain::limits;
use domain::transcript::{Session, SessionState};
use domain::{Error, Kind, Result};
use proto::convert::session::to_session;
use proto::convert::time::from_time;
use proto::memory as mpb;
use proto::memory::memory_entry::Entry;
use proto::transcript as tpb;

use super::Step;
use crate::record::{Dream, Filter, Pinned, Selector, Skipped, Why};
use crate::{of_memory, of_transcript, recording};

pub async fn run(step: &Step<'_>, dream: Dream) -> Result<(Dream, Snapshot)> {
    let secret = Secret::new(dream.token.as_str());
    let memory = step.context.peers.memory(&secret);
    let memories = memories(&memory, &dream.store.to_string(), dream.revision).await.map_err(of_memory)?;
    let snapshot = Snapshot { revision: dream.revision, memories };
    // A dream that goes on keeps the sessions that it began with.
    if dream.is_pinned {
        return Ok((dream, snapshot));
    }
    let transcript = step.context.peers.transcript(&secret);
    let (sessions, skipped) = select(&transcript, &dream).await.map_err(of_transcript)?;
    if sessions.is_empty() && !skipped.is_empty() {
        return Err(no_input(&skipped));
    }
    let (pinned, duplicates) = pin(sessions);
    let dream = step.update(&dream, |dream| {
        dream.is_pinned = true;
        dream.sessions = pinned.clone();
        dream.duplicates = duplicates;
        dream.skipped.clone_from(&skipped);
    });
    Ok((dream.await?, snapshot))
}

/// Nothing that was asked for can be read: that is no dream of it.
pub fn no_input(skipped: &[Skipped]) -> Error {
    let first = skipped.first().map(|s| format!(": {}: {}", s.id, s.why.words())).unwrap_or_default();
    let message = format!("none of the {} sessions can be read{first}", skipped.len());
    Error::new(Kind::Precondition, "NO_SESSIONS", message)
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

/// The sessions to read. Those that were asked for by their ids and cannot be are named.
async fn select(client: &Client, dream: &Dream) -> Result<(Vec<Session>, Vec<Skipped>)> {
    let (sessions, skipped) = match &dream.selector {
        Selector::Ids(ids) => named(client, ids).await?,
        // Dreams record themselves; a dream of dreams would take its own words for evidence.
        Selector::Filter(filter) => {
            let sessions = list(client, filter, dream).await?;
            (sessions.into_iter().filter(|s| unfit(s).is_none()).collect(), Vec::new())
        }
    };
    if sessions.len() > limits::DREAM_SESSIONS_MAX {
        let message = format!(
            "{} sessions match, one dream reads at most {}: narrow the selector",
            sessions.len(),
            limits::DREAM_SESSIONS_MAX
        );
        return Err(Error::new(Kind::Exhausted, "LIMIT_REACHED", message));
    }
    Ok((sessions, skipped))
}

async fn named(client: &Client, ids: &[SessionId]) -> Result<(Vec<Session>, Vec<Skipped>)> {
    let (mut sessions, mut skipped) = (Vec::new(), Vec::new());
    for id in ids {
        let session = find(client, *id).await?;
        match session.as_ref().map_or(Some(Why::Gone), unfit) {
            Some(why) => skipped.push(Skipped { id: *id, why }),
            None => sessions.extend(session),
        }
    }
    Ok((sessions, skipped))
}

/// A session; None where there is none, or none any more.
pub async fn find(client: &Client, id: SessionId) -> Result<Option<Session>> {
    match answer(client.transcripts().get_session(tpb::GetSessionRequest { session: id.to_string() }).await) {
        Ok(found) => to_session(found.session.unwrap_or_default()).map(Some),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a session is not one to read, where it is not.
fn unfit(session: &Session) -> Option<Why> {
    let is_recording = session.labels.get(recording::KIND_LABEL).is_some_and(|kind| kind == recording::KIND);
    let is_whole = session.state == SessionState::Ended && session.content_digest.is_some();
    match is_recording {
        true => Some(Why::Recording),
        false => (!is_whole).then_some(Why::Open),
    }
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
