//! Sessions as Claude Code writes them: one JSON object a line, each naming its parent.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// One generated session.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub agent: String,
    lines: Vec<Value>,
    time: Timestamp,
}

impl Session {
    pub fn new(id: String, agent: &str, start: Timestamp) -> Session {
        Session { id, agent: agent.to_owned(), lines: Vec::new(), time: start }
    }

    /// The time of the next line.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    pub fn wait(&mut self, seconds: i64) {
        self.time += SignedDuration::from_secs(seconds);
    }

    pub fn user(&mut self, text: &str) {
        self.push("user", json!({"role": "user", "content": text}));
    }

    pub fn agent(&mut self, text: &str) {
        self.push("assistant", assistant(json!({"type": "text", "text": text})));
    }

    /// A call and its result, as two lines.
    pub fn call(&mut self, tool: &str, arguments: Value, result: &str, is_error: bool) {
        let id = format!("toolu_{}_{}", self.id, self.lines.len());
        self.push("assistant", assistant(json!({"type": "tool_use", "id": id, "name": tool, "input": arguments})));
        self.wait(2);
        let block = json!({"type": "tool_result", "tool_use_id": id, "content": result, "is_error": is_error});
        self.push("user", json!({"role": "user", "content": [block]}));
    }

    pub fn to_jsonl(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn push(&mut self, kind: &str, message: Value) {
        let uuid = |n: usize| format!("{}-{n:04}", self.id);
        let n = self.lines.len();
        self.lines.push(json!({
            "type": kind,
            "uuid": uuid(n),
            "parentUuid": n.checked_sub(1).map(uuid),
            "sessionId": self.id,
            "timestamp": self.time.to_string(),
            "cwd": "/oncall",
            "version": "2.0.14",
            "userType": "external",
            "isSidechain": false,
            "message": message,
        }));
        self.wait(3);
    }
}

fn assistant(block: Value) -> Value {
    json!({"role": "assistant", "type": "message", "model": "claude-sonnet-4-5", "content": [block]})
}
