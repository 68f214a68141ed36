//! OpenAI chat transcripts: an array of messages, an object that holds one (`messages`, or
//! `conversation`), an array or JSONL of either, or JSONL of messages, which is one session.
//!
//! What stands beside the messages is read as `envelope` says.

use super::chat_message::{self, CallNames};
use super::json::{Fields, Json, field};
use super::split::{Piece, Pieces, split};
use super::{Draft, Item, Problems, envelope};

const LISTS: [&str; 2] = ["messages", "conversation"];

pub fn read<'a>(file: &'a [u8], name: &'a str) -> impl Iterator<Item = Item> + 'a {
    let first = split(file).filter_map(Result::ok).find_map(|p| Json::parse(p.bytes).ok());
    if first.is_some_and(is_message) {
        return Box::new(one_session(split(file), name)) as Box<dyn Iterator<Item = Item>>;
    }
    Box::new(split(file).map(move |piece| match piece {
        Ok(piece) => match session(&piece, name) {
            Ok(draft) => Item::Session(draft),
            Err(reason) => Item::Problem(piece.problem(reason)),
        },
        Err(problem) => Item::Problem(problem),
    }))
}

/// A file whose records are the messages of one session.
fn one_session(pieces: Pieces<'_>, name: &str) -> impl Iterator<Item = Item> + use<> {
    let mut names = CallNames::new();
    let mut draft: Option<Draft> = None;
    let mut problems = Problems::default();
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
            Err(problem) => problems.add(problem),
        }
    }
    problems.into_items().chain(draft.map(Item::Session))
}

/// The session of one record.
pub fn session(piece: &Piece<'_>, name: &str) -> Result<Draft, String> {
    let record = Json::parse(piece.bytes)?;
    let fields: Fields<'_> = if record.is_array() { Fields::new() } else { record.object()? };
    let list = LISTS.iter().find_map(|list| field(&fields, list)).or(record.is_array().then_some(record));
    let messages = list.and_then(Json::elements).ok_or("holds no array of messages")?;
    // A stranger among messages is kept as an opaque event; a list of nothing else is no chat.
    if !messages.clone().any(is_message) {
        return Err("holds no message with a role".to_owned());
    }
    let mut draft = Draft::beginning_at(piece);
    let mut names = CallNames::new();
    messages.for_each(|message| chat_message::push(message, &piece.span_of(name, message), &mut names, &mut draft));
    envelope::take(&fields, &LISTS, piece.span(name), &mut draft);
    Ok(draft)
}

fn is_message(json: Json<'_>) -> bool {
    json.fields()
        .is_some_and(|fields| field(&fields, "role").is_some() && !LISTS.iter().any(|l| field(&fields, l).is_some()))
}
