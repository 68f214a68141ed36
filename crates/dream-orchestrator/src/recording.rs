//! The dream's own recording: a session like any other, which people can open. It never stops a dream:
//! where it cannot be written, the log says so and the dream goes on.

use client::answer;
use domain::access::Secret;
use domain::dream::State;
use domain::{Error, Result};
use proto::convert::time::from_time;
use proto::transcript as pb;
use proto::transcript::event::Body;

use crate::Context;
use crate::lease::Lease;
use crate::record::{Dream, Stage};

/// The label by which dreams know recordings of dreams.
pub const KIND_LABEL: &str = "reverie.kind";
pub const KIND: &str = "dream";
const AGENT: &str = "reverie-dreamer";

/// Makes the recording, once.
pub async fn begin(context: &Context, lease: &Lease, dream: Dream) -> Result<Dream> {
    if dream.session.is_some() {
        return Ok(dream);
    }
    let request = pb::CreateSessionRequest {
        agent: Some(pb::Agent { name: AGENT.into(), version: env!("CARGO_PKG_VERSION").into() }),
        task_key: format!("dream of {}", dream.store),
        labels: [(KIND_LABEL.to_owned(), KIND.to_owned())].into(),
        request_id: format!("dream:{}:record", dream.id),
        ..Default::default()
    };
    let client = context.peers.transcript(&Secret::new(dream.token.as_str()));
    let session = match answer(client.transcripts().create_session(request).await) {
        Ok(made) => made.session.unwrap_or_default().id.parse().ok(),
        Err(error) => return Ok(unrecorded(dream, &error)),
    };
    context
        .ledger
        .update(dream.workspace, dream.id, Some(lease), |dream| {
            dream.session = session;
            Ok(())
        })
        .await
}

/// Notes that a stage is done. Stages are numbered: a stage that is done again changes nothing.
pub async fn note(context: &Context, dream: &Dream, stage: Stage, items: u64, wall_time_ms: u64) {
    let seq = Stage::ALL.iter().position(|s| *s == stage).map_or(1, |n| n as u64 + 1);
    let text = format!("{}: {items} items in {wall_time_ms} ms", stage.as_str());
    append(context, dream, seq, text).await;
}

/// Ends the recording with how the dream ended.
pub async fn end(context: &Context, dream: &Dream) {
    let Some(session) = dream.session else { return };
    let label = match dream.state {
        State::Succeeded => "succeeded",
        State::NeedsReview => "needs_review",
        State::Canceled => "canceled",
        State::Failed | State::Pending | State::Running => "failed",
    };
    let value = if matches!(dream.state, State::Succeeded | State::NeedsReview) { 1.0 } else { 0.0 };
    let outcome = pb::Outcome { value, label: label.into(), source: pb::OutcomeSource::Environment.into() };
    let client = context.peers.transcript(&Secret::new(dream.token.as_str()));
    let request = pb::EndSessionRequest { session: session.to_string(), outcome: Some(outcome), last_seq: None };
    if let Err(error) = answer(client.transcripts().end_session(request).await) {
        unrecorded(dream.clone(), &error);
    }
}

async fn append(context: &Context, dream: &Dream, seq: u64, text: String) {
    let Some(session) = dream.session else { return };
    let event = pb::Event {
        time: Some(from_time(context.clock.now())),
        actor: pb::EventActor::Agent.into(),
        body: Some(Body::Message(pb::Message { text })),
        ..Default::default()
    };
    let request = pb::AppendEventsRequest { session: session.to_string(), first_seq: seq, events: vec![event] };
    let client = context.peers.transcript(&Secret::new(dream.token.as_str()));
    if let Err(error) = answer(client.transcripts().append_events(request).await) {
        unrecorded(dream.clone(), &error);
    }
}

fn unrecorded(dream: Dream, error: &Error) -> Dream {
    tracing::warn!(dream = %dream.id, ?error, "the dream goes on without its recording");
    dream
}
