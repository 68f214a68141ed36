//! GetEvidence: from a reference back to the events, or the memory, that it quotes.

use client::answer;
use domain::access::{Permit, Secret};
use domain::dream::{Evidence, Source};
use domain::id::DreamId;
use domain::transcript::Event;
use domain::{Error, Kind, Result};
use proto::memory as pb;

use crate::DreamOrchestrator;
use crate::record::{Dream, Pinned};
use crate::stages::analyse::events;

/// Events shown on each side of the one that is quoted.
const NEIGHBOURS: u64 = 2;

/// What an evidence reference stands for.
pub struct Opened {
    pub quote: String,
    pub events: Vec<Event>,
    pub quoted_seq: u64,
    pub agent: String,
    pub task_key: String,
}

impl DreamOrchestrator {
    /// Read with the caller's own credential: who may not read the session sees none of it here.
    pub(crate) async fn evidence(
        &self,
        permit: &Permit,
        secret: &Secret,
        id: DreamId,
        evidence: impl FnOnce(&Dream) -> Result<Evidence>,
    ) -> Result<Opened> {
        let dream = self.dream(permit, id).await?;
        let evidence = evidence(&dream)?;
        match &evidence.source {
            Source::Event { session, seq, .. } => {
                let pinned = dream.sessions.iter().find(|p| p.digest == *session);
                let pinned = pinned.ok_or_else(|| Error::not_found("session of this dream"))?;
                self.event(secret, pinned, *seq, &evidence).await
            }
            Source::Memory { path, revision, .. } => {
                let memory = Some(pb::get_memory_request::Memory::Path(path.to_string()));
                let request = pb::GetMemoryRequest { store: dream.store.to_string(), memory, revision: *revision };
                let found = answer(self.context().peers.memory(secret).memory().get_memory(request).await)?;
                check(&evidence, &found.memory.unwrap_or_default().content)?;
                Ok(Opened {
                    quote: evidence.quote,
                    events: Vec::new(),
                    quoted_seq: 0,
                    agent: String::new(),
                    task_key: String::new(),
                })
            }
        }
    }

    async fn event(&self, secret: &Secret, pinned: &Pinned, seq: u64, evidence: &Evidence) -> Result<Opened> {
        let client = self.context().peers.transcript(secret);
        let events =
            events(&client, &pinned.id.to_string(), seq.saturating_sub(NEIGHBOURS + 1), seq + NEIGHBOURS).await?;
        let quoted = events.iter().find(|e| e.seq == seq);
        check(evidence, quoted.map(|e| e.body.text()).unwrap_or_default())?;
        Ok(Opened {
            quote: evidence.quote.clone(),
            events,
            quoted_seq: seq,
            agent: pinned.agent.clone(),
            task_key: pinned.task_key.clone(),
        })
    }
}

fn check(evidence: &Evidence, text: &str) -> Result<()> {
    if evidence.resolves_in(text) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Precondition,
        "EVIDENCE_CHANGED",
        "what the evidence quotes is not there any more, or was redacted",
    ))
}
