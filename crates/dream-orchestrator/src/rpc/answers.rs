//! Answers: from records to the wire.

use std::collections::BTreeMap;

use domain::dream::{Decision, State};
use domain::id::SessionId;
use domain::transcript::{Digest, Event, EventActor};
use proto::convert::change::from_change;
use proto::convert::time::{from_duration, from_time};
use proto::dream as pb;

use crate::record::{ChangeRow, Dream, Report, Review, Skipped};

/// Which session each digest of a dream stands for.
pub fn sessions_of(dream: &Dream) -> BTreeMap<Digest, SessionId> {
    dream.sessions.iter().map(|p| (p.digest, p.id)).collect()
}

pub fn dream_answer(dream: Dream) -> pb::Dream {
    let adoption = match &dream.adoption {
        Some(a) => Some(pb::Adoption {
            state: if a.adopted { pb::AdoptionState::Adopted } else { pb::AdoptionState::Discarded }.into(),
            revision: a.revision,
            principal: a.principal.clone(),
            time: Some(from_time(a.time)),
        }),
        None if matches!(dream.state, State::Succeeded | State::NeedsReview) => {
            Some(pb::Adoption { state: pb::AdoptionState::PendingReview.into(), ..Default::default() })
        }
        None => None,
    };
    // The row changes with each of these, and with nothing else.
    let etag = format!("{:?}-{}-{}-{}", dream.state, dream.stage.as_str(), dream.done, dream.adoption.is_some())
        .to_lowercase();
    pb::Dream {
        id: dream.id.to_string(),
        state: state(dream.state).into(),
        stage: dream.stage.as_str().to_owned(),
        progress: Some(progress(&dream)),
        input: Some(pb::DreamInput {
            store: dream.store.to_string(),
            revision: dream.revision,
            sessions: dream.sessions.iter().map(|p| p.id.to_string()).collect(),
            duplicate_sessions: dream.duplicates,
        }),
        output_store: dream.output_store.map(|id| id.to_string()).unwrap_or_default(),
        usage: dream
            .usage
            .iter()
            .map(|u| pb::StageUsage {
                stage: u.stage.as_str().to_owned(),
                wall_time: Some(from_duration(std::time::Duration::from_millis(u.wall_time_ms))),
                items: u.items,
                ..Default::default()
            })
            .collect(),
        // It is written down before the proposal is published.
        report: dream.report.filter(|_| dream.state.is_final()).map(report),
        error: dream.failure.map(|f| pb::DreamError { reason: f.reason, message: f.message }),
        adoption,
        session_id: dream.session.map(|s| s.to_string()).unwrap_or_default(),
        create_time: Some(from_time(dream.create_time)),
        start_time: dream.start_time.map(from_time),
        end_time: dream.end_time.map(from_time),
        etag,
        engine: pb::Engine::Classic.into(),
        instructions: dream.instructions,
        principal: dream.principal,
        budget: Some(pb::Budget {
            wall_time: Some(from_duration(std::time::Duration::from_secs(dream.wall_time_s.unsigned_abs()))),
            ..Default::default()
        }),
    }
}

fn state(state: State) -> pb::DreamState {
    match state {
        State::Pending => pb::DreamState::Pending,
        State::Running => pb::DreamState::Running,
        State::Succeeded => pb::DreamState::Succeeded,
        State::NeedsReview => pb::DreamState::NeedsReview,
        State::Failed => pb::DreamState::Failed,
        State::Canceled => pb::DreamState::Canceled,
    }
}

/// Analysis is most of the work: it runs from 10 to 80 percent.
fn progress(dream: &Dream) -> pb::Progress {
    use crate::record::Stage;
    let share = if dream.total == 0 { 0.0 } else { dream.done as f64 / dream.total as f64 };
    let percent = match dream.stage {
        _ if matches!(dream.state, State::Succeeded | State::NeedsReview) => 100.0,
        Stage::Snapshot => 0.0,
        Stage::Analyse => 10.0 + 70.0 * share,
        Stage::Reduce => 80.0,
        Stage::Curate => 85.0,
        Stage::Verify => 90.0,
        Stage::Publish => 95.0,
        Stage::Report => 99.0,
    };
    pb::Progress { percent, done: dream.done, total: dream.total, eta: None }
}

fn report(r: Report) -> pb::Report {
    pb::Report {
        sessions_read: r.sessions_read,
        events_read: r.events_read,
        proposed: r.proposed,
        verified: r.verified,
        dropped: r.dropped,
        dropped_by_reason: r.dropped_by_reason.into_iter().collect(),
        review_reasons: r.review_reasons,
        output_digest: r.output_digest,
        markdown: r.markdown,
        engine_used: pb::Engine::Classic.into(),
        memories_before: r.memories_before,
        memories_after: r.memories_after,
        skipped_sessions: r.skipped.into_iter().map(skipped).collect(),
    }
}

fn skipped(skipped: Skipped) -> pb::SkippedSession {
    pb::SkippedSession {
        session: skipped.id.to_string(),
        reason: skipped.why.as_str().to_owned(),
        message: skipped.why.words().to_owned(),
    }
}

pub fn change_answer(row: ChangeRow, review: Option<Review>, sessions: &BTreeMap<Digest, SessionId>) -> pb::Change {
    let review = review.map(|r| pb::Review {
        decision: match r.decision {
            Decision::Accept => pb::ReviewDecision::Accept,
            Decision::Reject => pb::ReviewDecision::Reject,
        }
        .into(),
        note: r.note,
        principal: r.principal,
        time: Some(from_time(r.time)),
    });
    pb::Change { diff: row.diff, review, ..from_change(row.change, sessions) }
}

pub fn event_answer(event: &Event, quoted_seq: u64) -> pb::EvidenceEvent {
    let actor = match event.actor {
        EventActor::Operator => "operator",
        EventActor::User => "user",
        EventActor::Agent => "agent",
        EventActor::Tool => "tool",
        EventActor::Environment => "environment",
    };
    pb::EvidenceEvent {
        seq: event.seq,
        time: event.time.map(from_time),
        actor: actor.to_owned(),
        kind: event.body.kind().to_owned(),
        text: event.body.text().to_owned(),
        quoted: event.seq == quoted_seq,
    }
}
