//! What stands beside the messages of a record: who ran, on which task, and how it ended. What is left is
//! kept as one opaque event at the session's end.
//!
//! `external_id`, `session_id`, `conversation_id`, `thread_id` or `id` names the session; `task_key`,
//! `task_id` or `instance_id` its task; `agent` its agent. A `reward` between 0 and 1, or whether it was
//! `resolved` or a `success`, is the environment's outcome.

use domain::transcript::{Agent, EventActor, Outcome, OutcomeSource, SourceSpan};

use super::Draft;
use super::json::{Fields, Json, field, object, text_field};

const IDS: [&str; 5] = ["external_id", "session_id", "conversation_id", "thread_id", "id"];
const TASKS: [&str; 3] = ["task_key", "task_id", "instance_id"];
const FLAGS: [&str; 2] = ["resolved", "success"];

/// Takes a record's fields into the session. `read` names those that its messages came from.
pub fn take(fields: &Fields<'_>, read: &[&str], span: SourceSpan, draft: &mut Draft) {
    let id = |names: &[&'static str]| {
        let found = names.iter().find_map(|n| Some((*n, field(fields, n)?.id()?.into_owned())));
        found.unwrap_or_default()
    };
    let (task_field, task_key) = id(&TASKS);
    let (id_field, external_id) = id(&IDS);
    // A task's id names the run where nothing else does.
    draft.external_id = if external_id.is_empty() { task_key.clone() } else { external_id };
    draft.task_key = task_key;
    draft.agent = field(fields, "agent").map(agent).unwrap_or_default();
    let (outcome_field, outcome) = outcome(fields).unwrap_or_default();
    draft.outcome = draft.outcome.take().or(outcome);

    let taken = [task_field, id_field, outcome_field, "agent"];
    let is_read = |key: &str| taken.contains(&key) || read.contains(&key);
    let rest: Fields<'_> = fields.iter().filter(|(key, value)| !is_read(key) && !value.is_empty()).cloned().collect();
    if !rest.is_empty() {
        draft.push_opaque(EventActor::Environment, "fields", &object(&rest), span);
    }
}

/// The field that says how the run ended, and what it says.
fn outcome(fields: &Fields<'_>) -> Option<(&'static str, Option<Outcome>)> {
    let reward = field(fields, "reward").and_then(Json::number).filter(|r| (0.0..=1.0).contains(r));
    let flag = || FLAGS.iter().find_map(|name| Some((*name, f64::from(field(fields, name)?.boolean()?))));
    let (name, value) = reward.map(|reward| ("reward", reward)).or_else(flag)?;
    Some((name, Some(environment(value, ""))))
}

/// What the environment's own check says.
pub fn environment(value: f64, label: &str) -> Outcome {
    Outcome { value, label: label.to_owned(), source: OutcomeSource::Environment }
}

/// A name, or an object with a name and a version.
fn agent(json: Json<'_>) -> Agent {
    let fields = json.fields().unwrap_or_default();
    let name = json.text().unwrap_or_else(|| text_field(&fields, "name"));
    Agent { name: name.into_owned(), version: text_field(&fields, "version").into_owned() }
}
