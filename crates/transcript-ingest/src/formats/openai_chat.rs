//! OpenAI chat transcripts: an array of messages, an object that holds one (`messages`, or
//! `conversation`), an array or JSONL of either, or JSONL of messages, which is one session.
//!
//! `id`, `session_id` or `conversation_id` names the session, `task_key` or `task_id` its task,
//! `agent` its agent, and a `reward` between 0 and 1 is the environment's outcome. Other fields beside
//! the messages are kept as one opaque event at the end.

use domain::transcript::{Agent, Body, EventActor, Outcome, OutcomeSource};

use super::chat_message::{self, CallNames};
use super::json::{Fields, Json, field, object, text_field};
use super::split::{Piece, Pieces, split};
use super::{Draft, Item};

const LISTS: [&str; 2] = ["messages", "conversation"];
const IDS: [&str; 4] = ["external_id", "session_id", "conversation_id", "id"];
const TASKS: [&str; 2] = ["task_key", "task_id"];
const READ: [&str; 2] = ["agent", "reward"];

pub fn read<'a>(file: &'a [u8], name: &'a str) -> impl Iterator<Item = Item> + 'a {
    let first = split(file).filter_map(Result::ok).find_map(|p| Json::parse(p.bytes).ok());
    if first.is_some_and(is_message) {
        return Box::new(one_session(split(file), name).into_iter()) as Box<dyn Iterator<Item = Item>>;
    }
    Box::new(split(file).map(move |piece| match piece {
        Ok(piece) => session(&piece, name).unwrap_or_else(|reason| Item::Problem(piece.problem(reason))),
        Err(problem) => Item::Problem(problem),
    }))
}

/// A file whose records are the messages of one session.
fn one_session(pieces: Pieces<'_>, name: &str) -> Vec<Item> {
    let mut names = CallNames::new();
    let mut draft: Option<Draft> = None;
    let mut items = Vec::new();
    for piece in pieces {
        let parsed = piece.and_then(|piece| match Json::parse(piece.bytes) {
            Ok(message) if is_message(message) => Ok((piece, message)),
            Ok(_) => Err(piece.problem("is not a message: it has no role")),
            Err(reason) => Err(piece.problem(reason)),
        });
        match parsed {
            Ok((piece, message)) => {
                let draft = draft.get_or_insert_with(|| Draft::beginning_at(&piece));
                chat_message::push(message, &piece.span(name), &mut names, draft);
            }
            Err(problem) => items.push(Item::Problem(problem)),
        }
    }
    items.extend(draft.map(Item::Session));
    items
}

fn session(piece: &Piece<'_>, name: &str) -> Result<Item, String> {
    let record = Json::parse(piece.bytes)?;
    let fields = record.fields().unwrap_or_default();
    let list = LISTS.iter().find_map(|list| field(&fields, list)).or(record.raw().starts_with('[').then_some(record));
    let messages = list.and_then(Json::elements).ok_or("holds no array of messages")?;
    // A stranger among messages is kept as an opaque event; a list of nothing else is no chat.
    if !messages.iter().any(|m| is_message(*m)) {
        return Err("holds no message with a role".to_owned());
    }
    let mut draft = Draft::beginning_at(piece);
    let span = piece.span(name);
    let mut names = CallNames::new();
    messages.iter().for_each(|message| chat_message::push(*message, &span, &mut names, &mut draft));

    let id = |names: &[&'static str]| {
        let found = names.iter().find_map(|n| Some((*n, field(&fields, n)?.id()?.into_owned())));
        found.unwrap_or_default()
    };
    let (task_field, task_key) = id(&TASKS);
    let (id_field, external_id) = id(&IDS);
    // A task's id names the run where nothing else does.
    draft.external_id = if external_id.is_empty() { task_key.clone() } else { external_id };
    draft.task_key = task_key;
    draft.agent = field(&fields, "agent").map(agent).unwrap_or_default();
    draft.outcome = field(&fields, "reward").and_then(Json::number).filter(|r| (0.0..=1.0).contains(r)).map(outcome);

    let is_read = |key: &str| LISTS.contains(&key) || READ.contains(&key) || key == task_field || key == id_field;
    let rest: Fields<'_> = fields.into_iter().filter(|(key, value)| !is_read(key) && !value.is_empty()).collect();
    if !rest.is_empty() {
        draft.push(EventActor::Environment, Body::Opaque { kind: "fields".into(), text: object(&rest) }, span);
    }
    Ok(Item::Session(draft))
}

fn is_message(json: Json<'_>) -> bool {
    json.fields()
        .is_some_and(|fields| field(&fields, "role").is_some() && !LISTS.iter().any(|l| field(&fields, l).is_some()))
}

/// A name, or an object with a name and a version.
fn agent(json: Json<'_>) -> Agent {
    let fields = json.fields().unwrap_or_default();
    let name = json.text().unwrap_or_else(|| text_field(&fields, "name"));
    Agent { name: name.into_owned(), version: text_field(&fields, "version").into_owned() }
}

fn outcome(value: f64) -> Outcome {
    Outcome { value, label: String::new(), source: OutcomeSource::Environment }
}
