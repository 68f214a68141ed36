//! Which spans are of one session, and which thread of it each is of.

use std::collections::{HashMap, HashSet};

use domain::transcript::Agent;

use super::span::{Attributes, Span};
use super::words::told;
use crate::formats::Draft;
use crate::formats::told::{self, Told};

/// What decides where a span belongs; ids as hashes of their text.
#[derive(Debug, Clone)]
pub(super) struct Head {
    trace: u128,
    span: u128,
    parent: u128,
    conversation: Option<Box<str>>,
    /// The agent's name where the span is an agent's run; empty where it has none.
    agent: Option<Box<str>>,
    is_told: bool,
    trace_id: Box<str>,
}

impl Head {
    pub fn of(span: &Span) -> Head {
        let operation = span.operation();
        let name = span.attributes.words(&["gen_ai.agent.name", "traceloop.entity.name", "gen_ai.agent.id"]);
        Head {
            trace: hash(&span.trace_id),
            span: hash(&span.span_id),
            parent: hash(&span.parent_span_id),
            conversation: Some(span.conversation()).filter(|id| !id.is_empty()).map(Box::from),
            agent: (operation == "invoke_agent").then(|| name.into()),
            is_told: !operation.is_empty(),
            trace_id: span.trace_id.as_str().into(),
        }
    }

    /// Whether it is of an agent's run at all.
    pub fn is_told(&self) -> bool {
        self.is_told
    }
}

/// Spans of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// The conversation's id, or the trace's.
    pub id: String,
    /// Places in the list of heads, and the thread of each.
    pub members: Vec<(usize, String)>,
}

/// The sessions in the order in which their first spans stand. Spans that name no conversation are of
/// their nearest ancestor's that does, else of the trace's first, else the trace is the session.
pub(super) fn groups(heads: &[Head]) -> Vec<Group> {
    let by_span: HashMap<(u128, u128), usize> =
        heads.iter().enumerate().map(|(i, head)| ((head.trace, head.span), i)).collect();
    let parents: Vec<Option<usize>> =
        heads.iter().map(|head| by_span.get(&(head.trace, head.parent)).copied()).collect();
    let nearest = |has: &dyn Fn(&Head) -> bool| nearest(heads, &parents, has);
    let of_conversation = nearest(&|head| head.conversation.is_some());
    let of_agent = nearest(&|head| head.agent.is_some());
    let mut of_trace: HashMap<u128, &str> = HashMap::new();
    for head in heads {
        if let Some(id) = &head.conversation {
            of_trace.entry(head.trace).or_insert(id);
        }
    }
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (i, head) in heads.iter().enumerate().filter(|(_, head)| head.is_told) {
        let named = of_conversation[i].and_then(|at| heads[at].conversation.as_deref());
        let id = named.or(of_trace.get(&head.trace).copied()).unwrap_or(&head.trace_id);
        let group = *by_id.entry(id).or_insert_with(|| {
            groups.push(Group { id: id.to_owned(), members: Vec::new() });
            groups.len() - 1
        });
        // An agent within another's run is a thread of its own.
        let agent = of_agent[i].filter(|at| parents[*at].is_some_and(|parent| of_agent[parent].is_some()));
        let thread = agent.and_then(|at| heads[at].agent.as_deref()).map(|name| match name {
            "" => "agent".to_owned(),
            name => format!("agent-{name}"),
        });
        groups[group].members.push((i, thread.unwrap_or_default()));
    }
    groups
}

/// For each head, itself or the nearest above it that has something. Parents may stand after their
/// children and may even form a ring.
fn nearest(heads: &[Head], parents: &[Option<usize>], has: &dyn Fn(&Head) -> bool) -> Vec<Option<usize>> {
    let mut known: Vec<Option<Option<usize>>> = vec![None; heads.len()];
    let mut on_path: Vec<usize> = Vec::new();
    for start in 0..heads.len() {
        let mut at = Some(start);
        let mut seen = HashSet::new();
        let found = loop {
            let Some(i) = at.filter(|i| seen.insert(*i)) else { break None };
            if let Some(known) = known[i] {
                break known;
            }
            if has(&heads[i]) {
                on_path.push(i);
                break Some(i);
            }
            on_path.push(i);
            at = parents[i];
        };
        on_path.drain(..).for_each(|i| known[i] = Some(found));
    }
    known.into_iter().map(Option::flatten).collect()
}

/// A session out of its spans, each with its thread.
pub(super) fn session(id: String, members: impl IntoIterator<Item = (Span, String)>) -> Draft {
    let mut draft = Draft { external_id: id, ..Draft::default() };
    let mut all: Vec<(Told, String)> = Vec::new();
    for (span, thread) in members {
        name(&mut draft, &span, &thread);
        all.push((told(&span), thread));
    }
    told::put_together(all, &mut draft);
    draft
}

/// The agent is the one that holds the others' runs, else the service.
fn name(draft: &mut Draft, span: &Span, thread: &str) {
    if !thread.is_empty() {
        return;
    }
    let attributes = &span.attributes;
    let agent = |attributes: &Attributes, name, version| Agent {
        name: attributes.words(&[name]).to_owned(),
        version: attributes.words(&[version]).to_owned(),
    };
    let own = agent(attributes, "gen_ai.agent.name", "gen_ai.agent.version");
    let service = agent(&span.resource, "service.name", "service.version");
    // SDKs name services that were given no name unknown_service.
    let service = Some(service).filter(|service| !service.name.starts_with("unknown_service")).unwrap_or_default();
    let is_service = draft.agent.name.is_empty() || draft.agent.name == service.name;
    if !own.name.is_empty() && (is_service || span.operation() == "invoke_agent") {
        draft.agent = own;
    } else if draft.agent.name.is_empty() {
        draft.agent = service;
    }
    if draft.task_key.is_empty() {
        draft.task_key = attributes.words(&["reverie.task_key"]).to_owned();
    }
}

fn hash(id: &str) -> u128 {
    if id.is_empty() {
        return 0;
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}
