//! Tiny sessions for tests, written as they happen.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::id::SessionId;
use domain::transcript::{
    Agent, Body, Event, EventActor, Outcome, OutcomeSource, Session, SessionState, ToolStatus, Transcript,
};

use crate::analyse::{Analysis, analyse};
use crate::candidate::Candidate;
use crate::config::Config;
use crate::pool::Pool;
use crate::stats::Shuffler;

/// A session of `agent` under way; events without a time unless `at` sets it.
#[derive(Debug, Clone)]
pub struct Script {
    agent: String,
    task: String,
    succeeded: Option<bool>,
    time: Option<Timestamp>,
    copied: bool,
    events: Vec<Event>,
}

pub fn session(agent: &str) -> Script {
    Script {
        agent: agent.to_owned(),
        task: String::new(),
        succeeded: None,
        time: None,
        copied: false,
        events: Vec::new(),
    }
}

impl Script {
    pub fn task(mut self, key: &str) -> Script {
        self.task = key.to_owned();
        self
    }

    pub fn succeeded(mut self, succeeded: bool) -> Script {
        self.succeeded = Some(succeeded);
        self
    }

    /// What follows happens at this second.
    pub fn at(mut self, second: i64) -> Script {
        self.time = Timestamp::from_second(second).ok();
        self
    }

    /// What follows is context copied from elsewhere.
    pub fn copied(mut self, copied: bool) -> Script {
        self.copied = copied;
        self
    }

    pub fn user(self, text: &str) -> Script {
        self.push(EventActor::User, Body::Message { text: text.to_owned() })
    }

    pub fn says(self, text: &str) -> Script {
        self.push(EventActor::Agent, Body::Message { text: text.to_owned() })
    }

    pub fn environment(self, text: &str) -> Script {
        self.push(EventActor::Environment, Body::Message { text: text.to_owned() })
    }

    pub fn ok(self, tool: &str, arguments: &str, result: &str) -> Script {
        self.call(tool, arguments, ToolStatus::Ok, result)
    }

    pub fn fails(self, tool: &str, arguments: &str, result: &str) -> Script {
        self.call(tool, arguments, ToolStatus::Error, result)
    }

    fn call(self, name: &str, arguments: &str, status: ToolStatus, text: &str) -> Script {
        let (name, call_id) = (name.to_owned(), self.events.len().to_string());
        let call = Body::ToolCall { call_id: call_id.clone(), name: name.clone(), arguments: arguments.to_owned() };
        let result = Body::ToolResult { call_id, name, status, text: text.to_owned() };
        self.push(EventActor::Agent, call).push(EventActor::Tool, result)
    }

    fn push(mut self, actor: EventActor, body: Body) -> Script {
        self.events.push(Event {
            seq: self.events.len() as u64 + 1,
            time: self.time,
            actor,
            thread: String::new(),
            body,
            source: None,
            copied: self.copied,
        });
        self
    }

    pub fn transcript(&self) -> Transcript {
        let outcome = self.succeeded.map(|succeeded| Outcome {
            value: f64::from(u8::from(succeeded)),
            label: String::new(),
            source: OutcomeSource::Grader,
        });
        let session = Session {
            id: SessionId::from_bytes([0; 16]),
            agent: Agent { name: self.agent.clone(), version: String::new() },
            task_key: self.task.clone(),
            labels: BTreeMap::new(),
            state: SessionState::Ended,
            outcome,
            last_seq: self.events.len() as u64,
            content_bytes: 0,
            create_time: Timestamp::UNIX_EPOCH,
            end_time: None,
            start_time: None,
            external_id: String::new(),
            format: String::new(),
            content_digest: None,
            task_text: String::new(),
            masked_count: 0,
            attached_stores: Vec::new(),
        };
        Transcript { session, events: self.events.clone() }
    }
}

pub type Miner = fn(&Pool<'_>, &Config) -> Vec<Candidate>;

pub fn mined(mine: Miner, sessions: &[Script]) -> Vec<Candidate> {
    let config = Config::default();
    let analyses: Vec<Analysis> = sessions.iter().map(|s| analyse(&s.transcript(), &config)).collect();
    mine(&Pool::new(&analyses, &config), &config)
}

/// Shuffles the sessions and repeats some: the candidates must be the same, and every quote must resolve.
pub fn assert_order_is_nothing(mine: Miner, sessions: &[Script], seed: u64) {
    let expected = mined(mine, sessions);
    assert!(!expected.is_empty(), "nothing to compare");
    let mut shuffled: Vec<Script> = sessions.iter().chain(&sessions[..sessions.len() / 2]).cloned().collect();
    Shuffler::new(seed).shuffle(&mut shuffled);
    assert_eq!(mined(mine, &shuffled), expected);
    let transcripts: Vec<Transcript> = sessions.iter().map(Script::transcript).collect();
    for candidate in &expected {
        assert!(!candidate.evidence.is_empty(), "{}", candidate.title);
        for evidence in &candidate.evidence {
            let texts = transcripts.iter().flat_map(|t| &t.events).map(|e| e.body.text());
            assert!(texts.into_iter().any(|text| evidence.resolves_in(text)), "{evidence:?}");
        }
    }
}
