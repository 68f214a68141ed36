//! Analyse: read each session and note what it shows, several at once. What one session showed is
//! kept, so that a dream that goes on does not pay for it again.

use client::{Client, answer};
use domain::access::Secret;
use domain::limits;
use domain::transcript::{Event, Transcript};
use domain::{Error, Result};
use dreamer::Analysis;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::convert::session::{to_event, to_session};
use proto::transcript as pb;

use super::{Step, pure};
use crate::key;
use crate::record::{Dream, Pinned};

/// What was read, and what it shows, in the order of the sessions' digests.
pub struct Read {
    pub transcripts: Vec<Transcript>,
    pub analyses: Vec<Analysis>,
}

pub async fn run(step: &Step<'_>, dream: &Dream) -> Result<Read> {
    let client = step.context.peers.transcript(&Secret::new(dream.token.as_str()));
    let total = dream.sessions.len() as u64;
    let one = |pinned: &Pinned| analyse(step, dream, client.clone(), pinned.clone());
    let mut results = stream::iter(dream.sessions.iter().map(one)).buffered(limits::DREAM_READS_MAX);
    let mut read = Read { transcripts: Vec::new(), analyses: Vec::new() };
    // Progress is a durable write: a hundred of them are enough.
    let every = (total / 100).max(1);
    while let Some((transcript, analysis)) = results.try_next().await? {
        read.transcripts.push(transcript);
        read.analyses.push(analysis);
        let done = read.analyses.len() as u64;
        if done.is_multiple_of(every) {
            step.progress(dream, done, total).await?;
        }
    }
    Ok(read)
}

async fn analyse(step: &Step<'_>, dream: &Dream, client: Client, pinned: Pinned) -> Result<(Transcript, Analysis)> {
    let transcript = transcript(&client, &pinned).await?;
    if let Some(kept) = step.context.ledger.analysis(dream.workspace, dream.id, pinned.digest).await? {
        return Ok((transcript, kept));
    }
    let config = step.config.clone();
    let (transcript, analysis) = pure(move || {
        let analysis = dreamer::analyse(&transcript, &config);
        (transcript, analysis)
    })
    .await?;
    let row = (key::analysis(dream.workspace, dream.id, pinned.digest), &analysis);
    step.context.ledger.journal(step.lease, vec![row]).await?;
    Ok((transcript, analysis))
}

/// A session with all its events, if it still is what was pinned.
async fn transcript(client: &Client, pinned: &Pinned) -> Result<Transcript> {
    let id = pinned.id.to_string();
    let session =
        answer(client.transcripts().get_session(pb::GetSessionRequest { session: id.clone() }).await)?.session;
    let session = to_session(session.unwrap_or_default())?;
    if session.content_digest != Some(pinned.digest) {
        return Err(Error::new(
            domain::Kind::Precondition,
            "SESSION_CHANGED",
            format!("{id} was redacted while the dream ran: start it again"),
        ));
    }
    Ok(Transcript { session, events: events(client, &id, 0, u64::MAX).await? })
}

/// The events of a session after `after_seq`, up to `last_seq`.
pub async fn events(client: &Client, session: &str, after_seq: u64, last_seq: u64) -> Result<Vec<Event>> {
    let request = pb::ReadEventsRequest { session: session.to_owned(), after_seq };
    let mut stream = answer(client.transcripts().read_events(request).await)?;
    let mut events = Vec::new();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|status| proto::error::from_status(&status))?;
        for event in part.events {
            let event = to_event("events", event)?;
            if event.seq > last_seq {
                return Ok(events);
            }
            events.push(event);
        }
    }
    Ok(events)
}
