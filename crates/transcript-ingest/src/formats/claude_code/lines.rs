//! One line of a session file: what ties it to the others. What it says is read later.

use std::borrow::Cow;

use crate::formats::json::{Fields, Json, field, list_field, text_field};
use crate::formats::split::Piece;

#[derive(Debug, Clone)]
pub struct Line<'a> {
    pub piece: Piece<'a>,
    pub kind: Cow<'a, str>,
    pub uuid: Cow<'a, str>,
    pub parent: Cow<'a, str>,
    pub session: Cow<'a, str>,
    /// The leaf that a summary is of.
    pub leaf: Cow<'a, str>,
    pub version: Cow<'a, str>,
    /// Names a sub-agent in newer versions.
    pub agent_id: Cow<'a, str>,
    pub is_sidechain: bool,
    pub message: Option<Json<'a>>,
    pub message_id: Cow<'a, str>,
    /// Whether it is a turn of the conversation, and not only a result or a note of the harness.
    pub is_turn: bool,
}

impl<'a> Line<'a> {
    pub fn read(piece: Piece<'a>) -> Result<Line<'a>, String> {
        let fields = Json::parse(piece.bytes)?.fields().ok_or("is not an object")?;
        let kind = text_field(&fields, "type");
        if kind.is_empty() {
            return Err("has no type".to_owned());
        }
        let flag = |name| field(&fields, name).and_then(Json::boolean).unwrap_or_default();
        let message = field(&fields, "message");
        let inner = message.and_then(Json::fields).unwrap_or_default();
        let is_turn = match kind.as_ref() {
            "assistant" => true,
            "user" => !flag("isMeta") && !holds_results_only(&inner),
            _ => false,
        };
        Ok(Line {
            uuid: text_field(&fields, "uuid"),
            parent: text_field(&fields, "parentUuid"),
            session: text_field(&fields, "sessionId"),
            leaf: text_field(&fields, "leafUuid"),
            version: text_field(&fields, "version"),
            agent_id: text_field(&fields, "agentId"),
            is_sidechain: flag("isSidechain"),
            message_id: text_field(&inner, "id"),
            kind,
            piece,
            message,
            is_turn,
        })
    }

    pub fn is_summary(&self) -> bool {
        self.kind == "summary"
    }

    pub fn fields(&self) -> Fields<'a> {
        Json::parse(self.piece.bytes).ok().and_then(Json::fields).unwrap_or_default()
    }
}

fn holds_results_only(message: &Fields<'_>) -> bool {
    let mut blocks = list_field(message, "content");
    let is_result = |b: Json<'_>| b.fields().is_some_and(|f| text_field(&f, "type") == "tool_result");
    !blocks.is_empty() && blocks.all(is_result)
}
