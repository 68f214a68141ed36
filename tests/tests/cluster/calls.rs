//! What tests ask of a cluster, whichever way it was started.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use client::Client;
use proto::dream as dpb;
use proto::dream::evidence::Source;
use proto::dream::session_selector::Selector;
use proto::memory as pb;
use proto::memory::memory_entry::Entry;
use proto::transcript as tpb;
use proto::transcript::import_transcripts_request::Part;
use tonic::Streaming;

use crate::cluster::answer;

/// Imports one file for an agent, attached to a store.
pub async fn import(
    client: &Client,
    bytes: Vec<u8>,
    name: &str,
    agent: &str,
    store: &str,
) -> Result<tpb::ImportTranscriptsResponse> {
    let header = tpb::ImportHeader {
        source_name: name.into(),
        agent: Some(tpb::Agent { name: agent.into(), version: String::new() }),
        attachments: vec![store.into()],
        ..Default::default()
    };
    let mut parts = vec![Part::Header(header)];
    parts.extend(bytes.chunks(1 << 20).map(|c| Part::Chunk(c.to_vec().into())));
    let requests = parts.into_iter().map(|part| tpb::ImportTranscriptsRequest { part: Some(part) });
    Ok(answer(client.transcripts().import_transcripts(tokio_stream::iter(requests)).await)?)
}

/// A dream on the sessions attached to a store.
pub fn new_dream(store: &str, request_id: &str) -> dpb::CreateDreamRequest {
    let filter = dpb::DreamSessionFilter { attached_only: true, ..Default::default() };
    dpb::CreateDreamRequest {
        store: store.into(),
        sessions: Some(dpb::SessionSelector { selector: Some(Selector::Filter(filter)) }),
        request_id: request_id.into(),
        ..Default::default()
    }
}

pub async fn create_dream(client: &Client, request: dpb::CreateDreamRequest) -> domain::Result<dpb::Dream> {
    Ok(answer(client.dreams().create_dream(request).await)?.dream.unwrap_or_default())
}

pub async fn get_dream(client: &Client, id: &str) -> domain::Result<dpb::Dream> {
    Ok(answer(client.dreams().get_dream(dpb::GetDreamRequest { dream: id.into() }).await)?.dream.unwrap_or_default())
}

/// Waits for the end of a dream.
pub async fn ended(client: &Client, id: &str) -> Result<dpb::Dream> {
    last(watch(client, id).await?, |_| false).await
}

/// Waits until a dream is as it should be, or has ended.
pub async fn watched(client: &Client, id: &str, is_so: impl Fn(&dpb::Dream) -> bool) -> Result<dpb::Dream> {
    last(watch(client, id).await?, is_so).await
}

pub async fn watch(client: &Client, id: &str) -> Result<Streaming<dpb::WatchDreamResponse>> {
    Ok(answer(client.dreams().watch_dream(dpb::WatchDreamRequest { dream: id.into() }).await)?)
}

/// What a watch says last, or first as it should be.
pub async fn last(
    mut watch: Streaming<dpb::WatchDreamResponse>,
    is_so: impl Fn(&dpb::Dream) -> bool,
) -> Result<dpb::Dream> {
    let mut last = dpb::Dream::default();
    while let Some(part) = watch.message().await? {
        last = part.dream.unwrap_or_default();
        if is_so(&last) {
            break;
        }
    }
    Ok(last)
}

/// Dreams on the sessions attached to a store, and waits for the end.
pub async fn dream(client: &Client, store: &str) -> Result<dpb::Dream> {
    let id = create_dream(client, new_dream(store, "")).await?.id;
    ended(client, &id).await
}

pub async fn changes(client: &Client, dream: &str) -> Result<Vec<dpb::Change>> {
    let request = dpb::ListChangesRequest { dream: dream.into(), page_size: 1_000, page_token: String::new() };
    Ok(answer(client.dreams().list_changes(request).await)?.changes)
}

/// Every memory of a store, by path.
pub async fn memories(client: &Client, store: &str) -> Result<BTreeMap<String, String>> {
    let mut request = pb::ListMemoriesRequest {
        store: store.into(),
        view: pb::MemoryView::Full.into(),
        page_size: 100,
        ..Default::default()
    };
    let mut all = BTreeMap::new();
    loop {
        let page = answer(client.memory().list_memories(request.clone()).await)?;
        for entry in page.entries {
            if let Some(Entry::Memory(memory)) = entry.entry {
                all.insert(memory.path, memory.content);
            }
        }
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// Opens every piece of evidence of every change. Returns how many there were.
pub async fn open_evidence(client: &Client, dream: &str, changes: &[dpb::Change]) -> Result<usize> {
    let mut opened = 0;
    for change in changes {
        for evidence in &change.evidence {
            let request = dpb::GetEvidenceRequest { dream: dream.into(), evidence: Some(evidence.clone()) };
            let found = answer(client.dreams().get_evidence(request).await)
                .with_context(|| format!("{}: {evidence:?}", change.id))?;
            assert_eq!(found.quote, evidence.quote, "{}", change.id);
            if matches!(evidence.source, Some(Source::Event(_))) {
                assert!(
                    found.events.iter().any(|e| e.quoted && e.text.contains(&found.quote)),
                    "{}: {evidence:?}",
                    change.id
                );
            }
            opened += 1;
        }
    }
    Ok(opened)
}
