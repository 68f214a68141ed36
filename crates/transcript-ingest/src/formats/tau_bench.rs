//! tau-bench results (https://github.com/sierra-research/tau-bench): an array or JSONL of
//! `{task_id, reward, trial, traj, info}`, with `agent` where several agents' runs were put together.
//!
//! What is not part of the run is kept out of the events, because it is the answer key: the gold
//! actions and outputs (`info.task.actions`, `info.task.outputs`), `info.reward_info`, and the
//! instruction (`info.task.instruction`), which is the user simulator's prompt and never reaches the
//! agent. `info.source` and `info.user_cost` speak of the simulator and are left out too. The reward
//! itself is the outcome.
//!
//! A task is named by the user that it is about and its number, `tau:mia_li_3668/0`: numbers alone
//! mean other tasks in another domain, and the file does not name its domain. A row whose run crashed
//! (`info.error`) names no user, so its task is unknown; its error is kept as an event.

use domain::transcript::{Agent, Body, EventActor, Outcome, OutcomeSource};

use super::chat_message::{self, CallNames};
use super::json::{Fields, Json, field, text_field};
use super::split::{Piece, split};
use super::{Draft, Item};

pub fn read<'a>(file: &'a [u8], name: &'a str) -> impl Iterator<Item = Item> + 'a {
    split(file).flat_map(move |piece| match piece {
        Ok(piece) => run(&piece, name).unwrap_or_else(|reason| vec![Item::Problem(piece.problem(reason))]),
        Err(problem) => vec![Item::Problem(problem)],
    })
}

fn run(piece: &Piece<'_>, name: &str) -> Result<Vec<Item>, String> {
    let fields = Json::parse(piece.bytes)?.fields().ok_or("is not an object")?;
    let info = field(&fields, "info").and_then(Json::fields).unwrap_or_default();
    let task = field(&info, "task").and_then(Json::fields).unwrap_or_default();
    let task_id = field(&fields, "task_id").and_then(Json::id).ok_or("has no task_id")?;
    let trajectory = field(&fields, "traj").and_then(Json::elements).ok_or("has no traj that is an array")?;
    let error = text_field(&info, "error");
    if trajectory.is_empty() && error.is_empty() {
        return Err("is a run without messages and without an error".to_owned());
    }

    let mut draft = Draft::beginning_at(piece);
    let span = piece.span(name);
    let mut names = CallNames::new();
    for message in trajectory {
        chat_message::push(message, &piece.span_of(name, message), &mut names, &mut draft);
    }
    if !error.is_empty() {
        let traceback = text_field(&info, "traceback");
        let text = if traceback.is_empty() { error.to_string() } else { format!("{error}\n\n{traceback}") };
        draft.push(EventActor::Environment, Body::Error { text }, span);
    }

    draft.agent = Agent { name: text_field(&fields, "agent").into_owned(), version: String::new() };
    draft.external_id = external_id(&draft.agent.name, &task_id, &fields);
    let user = text_field(&task, "user_id");
    draft.task_key = if user.is_empty() { String::new() } else { format!("tau:{user}/{task_id}") };
    let reward = field(&fields, "reward").and_then(Json::number);
    draft.outcome = reward.filter(|r| (0.0..=1.0).contains(r)).map(|value| Outcome {
        value,
        label: if error.is_empty() { String::new() } else { "crashed".to_owned() },
        source: OutcomeSource::Environment,
    });
    let unrated = draft.outcome.is_none().then(|| {
        Item::Problem(piece.problem("has no reward between 0 and 1: its session was read, without an outcome"))
    });
    Ok([Item::Session(draft)].into_iter().chain(unrated).collect())
}

/// For example tool_calling/task-0, or task-0/trial-3.
fn external_id(agent: &str, task_id: &str, fields: &Fields<'_>) -> String {
    let trial = field(fields, "trial").and_then(Json::id).map(|t| format!("trial-{t}"));
    let parts = [Some(agent.to_owned()).filter(|a| !a.is_empty()), Some(format!("task-{task_id}")), trial];
    parts.into_iter().flatten().collect::<Vec<_>>().join("/")
}
