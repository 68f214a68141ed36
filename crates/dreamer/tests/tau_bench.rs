//! The miners on real sessions of tau-bench, where gold actions tell why a session failed. The engine sees only
//! messages and rewards.

#![allow(clippy::print_stdout, reason = "the figures are what this test is for")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use domain::dream::Snapshot;
use domain::id::SessionId;
use domain::transcript::{
    Agent, Body, Digest, Event, EventActor, Outcome, OutcomeSource, Session, SessionState, ToolStatus, Transcript,
};
use reverie_dreamer::candidate::CallDifference;
use reverie_dreamer::miners::{acts, sibling_diff};
use reverie_dreamer::pool::Pool;
use reverie_dreamer::{Analysis, Config, analyse, digest, dream, reduce};
use serde_json::Value;

#[test]
fn every_airline_session_is_read_and_the_order_of_sessions_is_nothing() {
    let Some(runs) = runs(&["tau_bench_airline/gpt-4o-airline.jsonl"], true) else { return };
    let config = Config::default();
    let mut analyses: Vec<Analysis> = runs.iter().map(|run| analyse(&run.transcript, &config)).collect();
    let candidates = reduce(&analyses, &config);
    assert_eq!(runs.len(), 200);
    assert!(candidates.len() >= 20, "{}", candidates.len());
    for candidate in &candidates {
        assert!(!candidate.evidence.is_empty(), "{}", candidate.title);
        for evidence in &candidate.evidence {
            let domain::dream::Source::Event { session, seq, .. } = &evidence.source else { panic!("{evidence:?}") };
            let at = analyses.iter().position(|a| a.digest == *session).expect("a session of the pool");
            let event = &runs[at].transcript.events[*seq as usize - 1];
            assert!(evidence.resolves_in(event.body.text()), "{} {evidence:?}", candidate.title);
        }
    }
    analyses.reverse();
    analyses.extend(analyses[..50].to_vec());
    assert_eq!(reduce(&analyses, &config), candidates);
    // An analysis may be kept and read again.
    let kept = serde_json::to_vec(&analyses).expect("serialisable");
    let read: Vec<Analysis> = serde_json::from_slice(&kept).expect("deserialisable");
    assert_eq!(reduce(&read, &config), candidates);
}

#[test]
fn a_dream_of_real_sessions_passes_its_verifier_and_a_second_one_has_nothing_to_add() {
    let Some(runs) = runs(&["tau_bench_airline/gpt-4o-airline.jsonl"], true) else { return };
    let config = Config::default();
    let transcripts: Vec<Transcript> = runs.into_iter().map(|run| run.transcript).collect();
    let snapshot = Snapshot { revision: 1, memories: BTreeMap::new() };
    let verified = dream(&snapshot, &transcripts, &config).expect("verified");
    println!("{} changes, {} dropped", verified.changes().len(), verified.dropped().len());
    for dropped in verified.dropped() {
        println!("dropped: {}: {:?}", dropped.change.summary, dropped.reasons);
    }
    assert!(verified.changes().len() >= 20);
    assert!(verified.dropped().is_empty(), "miners and verifier count differently");
    assert!(!verified.review_reasons().iter().any(|r| r.contains("dreaming again")), "{:?}", verified.review_reasons());

    let next = Snapshot { revision: 2, memories: verified.memories().clone() };
    let again = dream(&next, &transcripts, &config).expect("verified");
    let more: Vec<_> = again.changes().iter().map(|c| &c.summary).collect();
    assert!(more.is_empty(), "{more:?}");
    let reversed: Vec<Transcript> = transcripts.into_iter().rev().collect();
    let same = dream(&snapshot, &reversed, &config).expect("verified");
    assert_eq!(digest(same.memories()), digest(verified.memories()));
}

#[test]
fn siblings_of_a_named_task_tell_why_a_session_failed() {
    let Some(airline) = runs(&["tau_bench_airline/gpt-4o-airline.jsonl"], true) else { return };
    let score = scored(&airline);
    println!("airline, task ids given: {score:?}");
    assert!(score.sessions >= 60 && score.precision() >= 0.95 && score.recall() >= 0.95, "{score:?}");
    let Some(retail) = runs(&["tau_bench_retail/tool_calling.jsonl", "tau_bench_retail/assertions_agent.jsonl"], true)
    else {
        return;
    };
    let score = scored(&retail);
    println!("retail, task ids given: {score:?}");
    assert!(score.precision() >= 0.8 && score.recall() >= 0.75, "{score:?}");
}

#[test]
fn without_task_names_likeness_finds_fewer_siblings_that_still_tell() {
    let Some(airline) = runs(&["tau_bench_airline/gpt-4o-airline.jsonl"], false) else { return };
    let score = scored(&airline);
    println!("airline, task ids hidden: {score:?}");
    assert!(score.sessions >= 20 && score.precision() >= 0.8 && score.recall() >= 0.8, "{score:?}");
}

#[test]
fn shuffled_rewards_give_no_advice() {
    let Some(runs) = runs(&["tau_bench_airline/gpt-4o-airline.jsonl"], true) else { return };
    let config = Config::default();
    let mut analyses: Vec<Analysis> = runs.iter().map(|run| analyse(&run.transcript, &config)).collect();
    let mut rewards: Vec<Option<bool>> = analyses.iter().map(|a| a.succeeded).collect();
    let mut advised = 0;
    for seed in 0..10 {
        reverie_dreamer::stats::Shuffler::new(seed).shuffle(&mut rewards);
        analyses.iter_mut().zip(&rewards).for_each(|(analysis, reward)| analysis.succeeded = *reward);
        let found = sibling_diff::mine(&Pool::new(&analyses, &config), &config);
        advised += found.iter().filter(|c| c.advice.is_some()).count();
    }
    println!("advice from shuffled rewards: {advised} over 10 seeds");
    assert!(advised <= 1, "{advised}");
}

#[derive(Debug, Default)]
struct Score {
    /// Failed sessions with a sibling.
    sessions: usize,
    failed: usize,
    right: usize,
    told: usize,
    gold: usize,
}

impl Score {
    fn precision(&self) -> f64 {
        self.right as f64 / self.told.max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.right as f64 / self.gold.max(1) as f64
    }
}

/// Causes told, against the difference from the gold actions, over the failed sessions that have a sibling.
fn scored(runs: &[Run]) -> Score {
    let config = Config::default();
    let analyses: Vec<Analysis> = runs.iter().map(|run| analyse(&run.transcript, &config)).collect();
    let causes: BTreeMap<Digest, BTreeSet<CallDifference>> = sibling_diff::causes(&Pool::new(&analyses, &config));
    let mut score =
        Score { failed: analyses.iter().filter(|a| a.succeeded == Some(false)).count(), ..Score::default() };
    for (run, analysis) in runs.iter().zip(&analyses) {
        let Some(told) = causes.get(&analysis.digest) else { continue };
        let ideal = analyse(&run.gold, &config);
        let findings = acts::differences(&acts::acts(analysis), &acts::acts(&ideal));
        let gold: BTreeSet<CallDifference> = acts::distinct(&findings).into_keys().collect();
        if *told != gold {
            println!("task {}: told {told:?}, gold {gold:?}", analysis.task_key);
        }
        score.sessions += 1;
        score.right += told.intersection(&gold).count();
        score.told += told.len();
        score.gold += gold.len();
    }
    let Score { sessions, failed, .. } = score;
    println!("precision {:.2}, recall {:.2} on {sessions} of {failed} failed", score.precision(), score.recall());
    score
}

struct Run {
    transcript: Transcript,
    /// The gold actions, as a session that did just these.
    gold: Transcript,
}

/// The runs of the files, or None (with a word) where the data is not there. Runs that crashed are left out.
fn runs(files: &[&str], with_task: bool) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    for file in files {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(file);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: no {file}");
            return None;
        };
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            let Some(task) = value["info"].get("task") else { continue };
            let key = if with_task { value["task_id"].to_string() } else { String::new() };
            let agent = value["agent"].as_str().unwrap_or("gpt-4o");
            let session = session(runs.len(), agent, &key, value["reward"].as_f64());
            let gold_events = task["actions"].as_array().into_iter().flatten().map(|action| {
                let call = body_of_call("", &action["name"], action["kwargs"].to_string());
                [(EventActor::Agent, call), (EventActor::Tool, result("", &action["name"], "done"))]
            });
            let gold = Transcript { session: session.clone(), events: numbered(gold_events.flatten().collect()) };
            let messages = value["traj"].as_array().into_iter().flatten();
            let transcript = Transcript { session, events: numbered(messages.flat_map(bodies).collect()) };
            runs.push(Run { transcript, gold });
        }
    }
    Some(runs)
}

fn bodies(message: &Value) -> Vec<(EventActor, Body)> {
    let text = message["content"].as_str().unwrap_or_default().to_owned();
    match message["role"].as_str() {
        Some("user") => vec![(EventActor::User, Body::Message { text })],
        Some("tool") => {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            vec![(EventActor::Tool, result(id, &message["name"], &text))]
        }
        _ => {
            let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
                let function = &call["function"];
                let arguments = function["arguments"].as_str().unwrap_or_default().to_owned();
                (EventActor::Agent, body_of_call(call["id"].as_str().unwrap_or_default(), &function["name"], arguments))
            });
            let said = (!text.is_empty()).then_some((EventActor::Agent, Body::Message { text }));
            said.into_iter().chain(calls).collect()
        }
    }
}

fn body_of_call(id: &str, name: &Value, arguments: String) -> Body {
    Body::ToolCall { call_id: id.to_owned(), name: name.as_str().unwrap_or_default().to_owned(), arguments }
}

fn result(id: &str, name: &Value, text: &str) -> Body {
    let name = name.as_str().unwrap_or_default().to_owned();
    Body::ToolResult { call_id: id.to_owned(), name, status: ToolStatus::Unknown, text: text.to_owned() }
}

fn numbered(bodies: Vec<(EventActor, Body)>) -> Vec<Event> {
    let numbered = bodies.into_iter().zip(1..);
    let event = |((actor, body), seq)| Event {
        seq,
        time: None,
        actor,
        thread: String::new(),
        body,
        source: None,
        copied: false,
    };
    numbered.map(event).collect()
}

fn session(number: usize, agent: &str, task_key: &str, reward: Option<f64>) -> Session {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Session {
        id: SessionId::from_bytes(id),
        agent: Agent { name: agent.to_owned(), version: String::new() },
        task_key: task_key.to_owned(),
        labels: BTreeMap::new(),
        state: SessionState::Ended,
        outcome: reward.map(|value| Outcome { value, label: String::new(), source: OutcomeSource::Environment }),
        last_seq: 0,
        content_bytes: 0,
        create_time: domain::Timestamp::UNIX_EPOCH,
        end_time: None,
        start_time: None,
        external_id: String::new(),
        format: "tau-bench".to_owned(),
        content_digest: None,
        task_text: String::new(),
        masked_count: 0,
        attached_stores: Vec::new(),
    }
}
