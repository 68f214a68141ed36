//! All sessions of a dream together, each once, in an order that does not depend on how they came.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::dream::{Evidence, Support, Tier};
use domain::limits::EVIDENCE_MAX;

use crate::analyse::Analysis;
use crate::cluster;
use crate::config::Config;

/// The distinct sessions, by digest, and the tasks they fall into.
#[derive(Debug)]
pub struct Pool<'a> {
    pub sessions: Vec<&'a Analysis>,
    pub tasks: Vec<Task>,
    /// The place in `tasks` of each session's task.
    pub task_of: Vec<usize>,
}

/// Sessions of one task: named so by the caller, or alike in all that their users said.
#[derive(Debug, PartialEq)]
pub struct Task {
    /// Empty where it was found by likeness.
    pub key: String,
    /// For people: the key, or the words that all its sessions share.
    pub label: String,
    /// Places in `sessions`, in order.
    pub members: Vec<usize>,
}

impl<'a> Pool<'a> {
    pub fn new(analyses: &'a [Analysis], config: &Config) -> Pool<'a> {
        let by_digest: BTreeMap<_, _> = analyses.iter().map(|a| (a.digest, a)).collect();
        let sessions: Vec<&Analysis> = by_digest.into_values().collect();
        let tasks = tasks(&sessions, config);
        let mut task_of = vec![0; sessions.len()];
        for (i, task) in tasks.iter().enumerate() {
            for member in &task.members {
                task_of[*member] = i;
            }
        }
        Pool { sessions, tasks, task_of }
    }

    /// Support by distinct sessions; a task counts where it has a key.
    pub fn support(&self, sessions: &BTreeSet<usize>, counter_examples: usize) -> Support {
        let of = || sessions.iter().map(|i| self.sessions[*i]);
        let tasks: BTreeSet<&str> = of().map(|s| s.task_key.as_str()).filter(|key| !key.is_empty()).collect();
        let agents: BTreeSet<&str> = of().map(|s| s.agent.as_str()).collect();
        Support {
            sessions: sessions.len() as u64,
            tasks: tasks.len() as u64,
            agents: agents.len() as u64,
            counter_examples: counter_examples as u64,
        }
    }

    /// When the first and the last of the sessions began.
    pub fn first_and_last(&self, sessions: &BTreeSet<usize>) -> (Option<Timestamp>, Option<Timestamp>) {
        let times = || sessions.iter().filter_map(|i| self.sessions[*i].start);
        (times().min(), times().max())
    }

    /// How many of the tasks that were found by key or likeness the sessions fall into.
    pub fn tasks_among(&self, sessions: &BTreeSet<usize>) -> usize {
        sessions.iter().map(|i| self.task_of[*i]).collect::<BTreeSet<_>>().len()
    }

    /// Whether all of them are runs of one task that the caller named: what recurs in them may belong to
    /// its script.
    pub fn is_one_task(&self, sessions: &BTreeSet<usize>) -> bool {
        let mut keys = sessions.iter().map(|i| self.sessions[*i].task_key.as_str());
        let first = keys.next().unwrap_or_default();
        !first.is_empty() && keys.all(|key| key == first)
    }
}

/// How sure the counts alone make it.
pub fn tier_of_counts(support: &Support) -> Tier {
    let recurs = support.sessions >= 3 && (support.tasks >= 2 || support.agents >= 2);
    if recurs { Tier::Recurrent } else { Tier::Seen }
}

/// At most EVIDENCE_MAX pieces: every session's first one before any session's second. `of_sessions` is in the
/// order of sessions.
pub fn evidence(of_sessions: Vec<Vec<Evidence>>) -> Vec<Evidence> {
    let mut chosen: Vec<(usize, usize, Evidence)> = Vec::new();
    for (session, pieces) in of_sessions.into_iter().enumerate() {
        let mut seen = BTreeSet::new();
        let distinct = pieces.into_iter().filter(|p| seen.insert(p.source.clone()));
        chosen.extend(distinct.enumerate().map(|(place, piece)| (place, session, piece)));
    }
    chosen.sort_by_key(|(place, session, _)| (*place, *session));
    chosen.truncate(EVIDENCE_MAX);
    chosen.sort_by_key(|(place, session, _)| (*session, *place));
    chosen.into_iter().map(|(_, _, piece)| piece).collect()
}

fn tasks(sessions: &[&Analysis], config: &Config) -> Vec<Task> {
    let mut keyed: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut unkeyed = Vec::new();
    for (i, session) in sessions.iter().enumerate() {
        match session.task_key.as_str() {
            "" => unkeyed.push(i),
            key => keyed.entry(key).or_default().push(i),
        }
    }
    let texts: Vec<&BTreeMap<String, u32>> = unkeyed.iter().map(|i| &sessions[*i].task_words).collect();
    let edges = cluster::cosine_edges(&texts, config.sibling_cosine_min);
    let groups = cluster::complete_linkage(unkeyed.len(), edges);
    let named = keyed.into_iter().map(|(key, members)| Task { key: key.to_owned(), label: key.to_owned(), members });
    let found = groups.into_iter().map(|group| {
        let members: Vec<usize> = group.into_iter().map(|i| unkeyed[i]).collect();
        Task { key: String::new(), label: shared_words(sessions, &members), members }
    });
    let mut tasks: Vec<Task> = named.chain(found).collect();
    let mut labels = BTreeSet::new();
    for task in &mut tasks {
        if task.key.is_empty() && (task.label.is_empty() || !labels.insert(task.label.clone())) {
            let first = task.members.first().map_or(String::new(), |i| sessions[*i].digest.short());
            task.label = format!("{} {first}", task.label).trim_start().to_owned();
        }
    }
    tasks
}

/// The four words of most use that all the sessions have: rare elsewhere, often said here.
fn shared_words(sessions: &[&Analysis], members: &[usize]) -> String {
    let Some(first) = members.first() else { return String::new() };
    let elsewhere = |word: &str| sessions.iter().filter(|s| s.task_words.contains_key(word)).count();
    let mut shared: Vec<(usize, &str)> = sessions[*first]
        .task_words
        .keys()
        .filter(|word| word.chars().any(char::is_alphabetic))
        .filter(|word| members.iter().all(|i| sessions[*i].task_words.contains_key(*word)))
        .map(|word| (elsewhere(word), word.as_str()))
        .collect();
    shared.sort_unstable();
    let mut words: Vec<&str> = shared.into_iter().take(4).map(|(_, word)| word).collect();
    words.sort_unstable();
    words.join(" ")
}
