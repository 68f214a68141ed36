//! Analyse: read each session and note what it shows, several at once. What one session showed is
//! kept, so that a dream that goes on does not pay for it again.

use client::{Client, answer};
use domain::access::Secret;
use domain::limits;
use domain::transcript::{Event, Transcript};
use domain::{Kind, Result};
use dreamer::Analysis;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::convert::session::to_event;
use proto::transcript as pb;

use super::snapshot::{find, no_input};
use super::{Step, pure};
use crate::record::{Dream, Pinned, Skipped, Why};
use crate::{key, of_transcript};

/// What was read, and what it shows, in the order of the sessions' digests.
#[derive(Default)]
pub struct Read {
    pub transcripts: Vec<Transcript>,
    pub analyses: Vec<Analysis>,
    /// Sessions that are gone, or are not what was pinned.
    pub skipped: Vec<Skipped>,
}

impl Read {
    fn sessions(&self) -> usize {
        self.transcripts.len() + self.skipped.len()
    }

    fn add(&mut self, session: std::result::Result<(Transcript, Analysis), Skipped>) {
        match session {
            Ok((transcript, analysis)) => {
                self.transcripts.push(transcript);
                self.analyses.push(analysis);
            }
            Err(skipped) => self.skipped.push(skipped),
        }
    }
}

pub async fn run(step: &Step<'_>, dream: &Dream) -> Result<Read> {
    let client = step.context.peers.transcript(&Secret::new(dream.token.as_str()));
    let total = dream.sessions.len() as u64;
    let one = |pinned: &Pinned| analyse(step, dream, client.clone(), pinned.clone());
    let mut results = stream::iter(dream.sessions.iter().map(one)).buffered(limits::DREAM_READS_MAX);
    let mut read = Read::default();
    // Progress is a durable write: a hundred of them are enough.
    let every = (total / 100).max(1);
    while let Some(session) = results.try_next().await? {
        read.add(session);
        let done = read.sessions() as u64;
        if done.is_multiple_of(every) {
            step.progress(dream, done, total).await?;
        }
    }
    if read.transcripts.is_empty() && total > 0 {
        return Err(no_input(&read.skipped));
    }
    Ok(read)
}

async fn analyse(
    step: &Step<'_>,
    dream: &Dream,
    client: Client,
    pinned: Pinned,
) -> Result<std::result::Result<(Transcript, Analysis), Skipped>> {
    let transcript = match transcript(&client, &pinned).await.map_err(of_transcript)? {
        Ok(transcript) => transcript,
        Err(why) => return Ok(Err(Skipped { id: pinned.id, why })),
    };
    if let Some(kept) = step.context.ledger.analysis(dream.workspace, dream.id, pinned.digest).await? {
        return Ok(Ok((transcript, kept)));
    }
    let config = step.config.clone();
    let (transcript, analysis) = pure(move || {
        let analysis = dreamer::analyse(&transcript, &config);
        (transcript, analysis)
    })
    .await?;
    let row = (key::analysis(dream.workspace, dream.id, pinned.digest), &analysis);
    step.context.ledger.journal(step.lease, vec![row]).await?;
    Ok(Ok((transcript, analysis)))
}

/// A session with all its events, if it still is what was pinned.
async fn transcript(client: &Client, pinned: &Pinned) -> Result<std::result::Result<Transcript, Why>> {
    let Some(session) = find(client, pinned.id).await? else { return Ok(Err(Why::Gone)) };
    if session.content_digest != Some(pinned.digest) {
        return Ok(Err(Why::Changed));
    }
    match events(client, &pinned.id.to_string(), 0, u64::MAX).await {
        Ok(events) => Ok(Ok(Transcript { session, events })),
        Err(error) if error.kind() == Kind::NotFound => Ok(Err(Why::Gone)),
        Err(error) => Err(error),
    }
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
