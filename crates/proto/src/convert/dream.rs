//! Dreams: proto/reverie/dream/v1/dream.proto.

use domain::dream::{
    Decision, Engine, ListChanges, ListDreams, NewDream, NewFilter, Selection, SessionSelector, State,
};
use domain::id::DreamId;
use domain::limits;
use domain::{Error, Result};

use crate::convert::{session, time};
use crate::dream as pb;

pub fn to_dream_id(id: &str) -> Result<DreamId> {
    id.parse().map_err(|e: Error| e.within("dream"))
}

pub fn to_new_dream(r: pb::CreateDreamRequest) -> Result<NewDream> {
    if r.store.is_empty() {
        return Err(Error::invalid("store", "name the store to improve, by its id or handle"));
    }
    if r.instructions.len() > limits::TEXT_BYTES_MAX {
        return Err(Error::invalid(
            "instructions",
            format!("has {} bytes, at most {} are allowed", r.instructions.len(), limits::TEXT_BYTES_MAX),
        ));
    }
    if r.request_id.len() > limits::REQUEST_ID_BYTES_MAX {
        return Err(Error::invalid(
            "request_id",
            format!("at most {} bytes are allowed", limits::REQUEST_ID_BYTES_MAX),
        ));
    }
    if !r.model.is_empty() {
        return Err(Error::invalid("model", "no language model is configured in this release: leave it empty"));
    }
    let budget = r.budget.unwrap_or_default();
    Ok(NewDream {
        store: r.store,
        sessions: to_selector(r.sessions)?,
        engine: to_engine(r.engine)?,
        instructions: r.instructions,
        wall_time: budget.wall_time.map(|w| time::to_duration("budget.wall_time", w)).transpose()?,
        request_id: r.request_id,
    })
}

fn to_selector(s: Option<pb::SessionSelector>) -> Result<SessionSelector> {
    match s.and_then(|s| s.selector) {
        Some(pb::session_selector::Selector::Ids(list)) => {
            if list.ids.is_empty() || list.ids.len() > limits::DREAM_SESSIONS_MAX {
                return Err(Error::invalid(
                    "sessions.ids.ids",
                    format!("name 1 to {} sessions", limits::DREAM_SESSIONS_MAX),
                ));
            }
            let id = |(n, id): (usize, &String)| session::to_session_id(&format!("sessions.ids.ids[{n}]"), id);
            Ok(SessionSelector::Ids(list.ids.iter().enumerate().map(id).collect::<Result<_>>()?))
        }
        Some(pb::session_selector::Selector::Filter(f)) => Ok(SessionSelector::Filter(NewFilter {
            start_time: time::to_optional_time("sessions.filter.start_time", f.start_time)?,
            end_time: time::to_optional_time("sessions.filter.end_time", f.end_time)?,
            agent: f.agent,
            task_key: f.task_key,
            labels: f.labels.into_iter().collect(),
            since_last_dream: f.since_last_dream,
            attached_only: f.attached_only,
        })),
        None => Err(Error::invalid("sessions", "set ids or filter; an empty filter takes every ended session")),
    }
}

fn to_engine(engine: i32) -> Result<Option<Engine>> {
    match pb::Engine::try_from(engine) {
        Ok(pb::Engine::Unspecified) => Ok(None),
        Ok(pb::Engine::Classic) => Ok(Some(Engine::Classic)),
        Ok(pb::Engine::Llm) => Ok(Some(Engine::Llm)),
        Ok(pb::Engine::Hybrid) => Ok(Some(Engine::Hybrid)),
        Err(_) => Err(Error::invalid("engine", format!("{engine} is no engine"))),
    }
}

pub fn to_list_dreams(r: pb::ListDreamsRequest) -> Result<ListDreams> {
    let state = |(n, state): (usize, &i32)| match pb::DreamState::try_from(*state) {
        Ok(pb::DreamState::Pending) => Ok(State::Pending),
        Ok(pb::DreamState::Running) => Ok(State::Running),
        Ok(pb::DreamState::Succeeded) => Ok(State::Succeeded),
        Ok(pb::DreamState::NeedsReview) => Ok(State::NeedsReview),
        Ok(pb::DreamState::Failed) => Ok(State::Failed),
        Ok(pb::DreamState::Canceled) => Ok(State::Canceled),
        Ok(pb::DreamState::Unspecified) | Err(_) => {
            Err(Error::invalid(format!("states[{n}]"), format!("{state} is no state of a dream")))
        }
    };
    let before = if r.page_token.is_empty() { None } else { Some(r.page_token.parse().map_err(|_| bad_page_token())?) };
    Ok(ListDreams {
        states: r.states.iter().enumerate().map(state).collect::<Result<_>>()?,
        store: r.store,
        before,
        limit: page_size(r.page_size)?,
    })
}

pub fn to_list_changes(r: pb::ListChangesRequest) -> Result<ListChanges> {
    let skip = if r.page_token.is_empty() { 0 } else { r.page_token.parse().map_err(|_| bad_page_token())? };
    Ok(ListChanges { dream: to_dream_id(&r.dream)?, skip, limit: page_size(r.page_size)? })
}

fn page_size(size: i32) -> Result<usize> {
    match usize::try_from(size) {
        Ok(0) => Ok(limits::PAGE_SIZE_DEFAULT),
        Ok(n) if n <= limits::PAGE_SIZE_MAX => Ok(n),
        _ => Err(Error::invalid("page_size", format!("must be 0 to {}", limits::PAGE_SIZE_MAX))),
    }
}

fn bad_page_token() -> Error {
    Error::invalid("page_token", "is not one that a page gave: begin again without it")
}

pub fn to_review(r: pb::ReviewChangeRequest) -> Result<(DreamId, String, Decision, String)> {
    let decision = match pb::ReviewDecision::try_from(r.decision) {
        Ok(pb::ReviewDecision::Accept) => Decision::Accept,
        Ok(pb::ReviewDecision::Reject) => Decision::Reject,
        Ok(pb::ReviewDecision::Unspecified) | Err(_) => {
            return Err(Error::invalid("decision", "must be ACCEPT or REJECT"));
        }
    };
    if r.note.len() > limits::TEXT_BYTES_MAX {
        return Err(Error::invalid("note", format!("at most {} bytes are allowed", limits::TEXT_BYTES_MAX)));
    }
    Ok((to_dream_id(&r.dream)?, r.change, decision, r.note))
}

pub fn to_selection(selection: i32) -> Result<Selection> {
    match pb::AdoptSelection::try_from(selection) {
        Ok(pb::AdoptSelection::Unspecified | pb::AdoptSelection::All) => Ok(Selection::NotRejected),
        Ok(pb::AdoptSelection::Accepted) => Ok(Selection::Accepted),
        Err(_) => Err(Error::invalid("changes", format!("{selection} is no selection"))),
    }
}
