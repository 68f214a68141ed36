//! On-call triage: several agents of one SRE team, each of which sees a few incidents, and what only
//! all of them together show.

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::claude_code::Session;
use crate::timeline::{self, Entry};

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub sessions: usize,
    /// False makes the null twin: the same kinds of event, tool and incident, nothing to find.
    pub planted: bool,
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub sessions: Vec<Session>,
    /// The answer key: which patterns are in which sessions.
    pub planted: Value,
}

pub const AGENTS: [&str; 4] = ["pager-a", "pager-b", "capacity-bot", "deploy-guard"];

/// The lag from CPU spike to alert, and its spread, in seconds.
pub const LAG_S: i64 = 60;
const LAG_SPREAD_S: i64 = 4;
/// The first session's start, 2026-11-02T02:00:00Z; sessions follow about five hours apart.
const FIRST_START_S: i64 = 1_793_584_800;
/// Seconds of monitoring that one session looks at.
const WINDOW_S: i64 = 1_500;

/// What was planted, by session number.
const FIX_NOTED: [usize; 2] = [4, 9];
const HOST_MOVED: [usize; 3] = [6, 13, 18];
const CORRECTED: [usize; 3] = [3, 10, 15];

pub fn generate(plan: &Plan) -> Scenario {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut key = Key::default();
    let sessions = (0..plan.sessions).map(|number| session(&mut rng, plan, number, &mut key)).collect();
    Scenario { sessions, planted: if plan.planted { key.to_json() } else { json!({}) } }
}

#[derive(Default)]
struct Key {
    lag: Vec<String>,
    repair: Vec<String>,
    fix: Vec<String>,
    host: Vec<String>,
    correction: Vec<String>,
    polling: Vec<String>,
}

impl Key {
    fn to_json(&self) -> Value {
        json!({
            "time_lag": {"first": "cpu_spike", "then": "CheckoutLatencyHigh", "lag_s": LAG_S, "sessions": self.lag},
            "error_repair": {"tool": "kubectl_logs", "argument": "namespace", "sessions": self.repair},
            "in_flight_fix": {"pull_request": "payments-api#4812", "sessions": self.fix},
            "outdated_fact": {"subject": "checkout-db primary", "old": "db-1.prod", "new": "db-3.prod", "sessions": self.host},
            "correction": {"about": "page the platform team", "sessions": self.correction},
            "polling": {"tool": "get_alerts", "sessions": self.polling},
        })
    }
}

fn session(rng: &mut StdRng, plan: &Plan, number: usize, key: &mut Key) -> Session {
    let agent = AGENTS[number % AGENTS.len()];
    let start_s = FIRST_START_S + number as i64 * 18_000 + rng.random_range(0..3_600);
    let start = Timestamp::from_second(start_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut s = Session::new(format!("oncall-{}-{number:03}", plan.seed), agent, start);

    page(rng, &mut s);
    feed(rng, &mut s, plan.planted, &mut key.lag);
    logs(rng, &mut s, plan.planted, &mut key.repair);
    if plan.planted {
        if FIX_NOTED.contains(&number) {
            fix_noted(&mut s, number);
            key.fix.push(s.id.clone());
        }
        if HOST_MOVED.contains(&number) {
            host_moved(&mut s);
            key.host.push(s.id.clone());
        }
        if CORRECTED.contains(&number) {
            corrected(rng, &mut s);
            key.correction.push(s.id.clone());
        }
        if number % 5 == 2 {
            polling(&mut s);
            key.polling.push(s.id.clone());
        }
    }
    close(rng, &mut s);
    s
}

/// The page that starts an incident.
fn page(rng: &mut StdRng, s: &mut Session) {
    const SYMPTOMS: [&str; 6] = [
        "checkout p99 is over its objective",
        "error budget of checkout burns 8x too fast",
        "customers in the EU report slow carts",
        "payments-api returns 502 now and then",
        "search results are stale by minutes",
        "the orders consumer falls behind",
    ];
    let symptom = SYMPTOMS.choose(rng).copied().unwrap_or(SYMPTOMS[0]);
    let incident = rng.random_range(2_100..9_900);
    s.user(&format!("PAGE INC-{incident}: {symptom}. Please triage and say what you would do."));
    s.agent("I will look at what monitoring saw in the last minutes, then at the logs.");
}

/// The monitoring feed. Planted: the alert follows the CPU spike by about a minute; else it comes when it likes.
fn feed(rng: &mut StdRng, s: &mut Session, planted: bool, lag_key: &mut Vec<String>) {
    let start = timeline::after(s.time(), -WINDOW_S);
    let mut entries = timeline::decoys(rng, start, WINDOW_S);
    let host = rng.random_range(1..7);
    let spike = timeline::after(start, rng.random_range(60..WINDOW_S - 400));
    let cpu = rng.random_range(91..100);
    entries.push(Entry { time: spike, text: format!("cpu_spike host=web-{host} percent={cpu}") });
    let alert = if planted {
        // One spike in ten brings no alert: a pattern in the wild has exceptions.
        rng.random_bool(0.9).then(|| timeline::after(spike, LAG_S + rng.random_range(-LAG_SPREAD_S..=LAG_SPREAD_S)))
    } else {
        Some(timeline::after(start, rng.random_range(0..WINDOW_S)))
    };
    if let Some(time) = alert {
        let p99 = rng.random_range(1_200..4_000);
        entries.push(Entry { time, text: format!("ALERT name=CheckoutLatencyHigh state=firing p99_ms={p99}") });
        if planted {
            lag_key.push(s.id.clone());
        }
    }
    s.call("query_monitoring", json!({"window_s": WINDOW_S}), &timeline::render(entries), false);
}

/// The logs of a service. Planted: without a namespace the tool refuses, and the agent finds out each time anew.
fn logs(rng: &mut StdRng, s: &mut Session, planted: bool, repair_key: &mut Vec<String>) {
    const SERVICES: [(&str, &str); 4] =
        [("checkout-api", "shop"), ("payments-api", "payments"), ("search-api", "search"), ("catalog-api", "shop")];
    let (service, namespace) = SERVICES.choose(rng).copied().unwrap_or(SERVICES[0]);
    if planted && rng.random_bool(0.4) {
        let refusal = "Error: namespace is required: cluster policy forbids a default namespace";
        s.call("kubectl_logs", json!({"pod": service, "tail": 200}), refusal, true);
        repair_key.push(s.id.clone());
    }
    let requests = rng.random_range(900..2_600);
    let output = format!("{requests} requests, slowest: POST /v1/{service} {} ms", rng.random_range(700..3_900));
    s.call("kubectl_logs", json!({"pod": service, "tail": 200, "namespace": namespace}), &output, false);
}

/// Two agents learn of the same fix that is under way, each in its own words.
fn fix_noted(s: &mut Session, number: usize) {
    let status = "payments-api#4812 open: fixes the connection pool leak in payments-api; owner dana; merges this week";
    s.call("search_pull_requests", json!({"query": "payments-api pool"}), status, false);
    s.agent(if number == FIX_NOTED[0] {
        "Note for the team: the connection pool leak in payments-api is being fixed in payments-api#4812 (owner: dana). Do not restart payments-api by hand."
    } else {
        "Note for the team: payments-api#4812 (owner: dana) is fixing the connection pool leak in payments-api. Do not restart payments-api by hand."
    });
}

/// The runbook's database host is out of date; the person on call says so.
fn host_moved(s: &mut Session) {
    s.agent("The runbook says that the primary of checkout-db is db-1.prod. I will look at its locks.");
    s.call("db_locks", json!({"host": "db-1.prod"}), "Error: host db-1.prod is a replica and takes no writes", true);
    s.user("checkout-db primary: db-3.prod");
    s.call("db_locks", json!({"host": "db-3.prod"}), "0 blocked transactions", false);
}

fn corrected(rng: &mut StdRng, s: &mut Session) {
    s.call("page_team", json!({"team": "database", "severity": "high"}), "paged: database", false);
    s.user("No, don't page the database team for checkout latency. Always page the platform team first.");
    s.call("page_team", json!({"team": "platform", "severity": "high"}), "paged: platform", false);
    s.wait(rng.random_range(20..90));
}

/// Asking again and again for what does not change.
fn polling(s: &mut Session) {
    for _ in 0..4 {
        s.call("get_alerts", json!({"state": "firing"}), "1 firing: CheckoutLatencyHigh", false);
    }
}

fn close(rng: &mut StdRng, s: &mut Session) {
    const ENDS: [&str; 4] = [
        "The latency is back under its objective. I would scale web by two and watch.",
        "I see no customer impact any more. I would keep the incident open for an hour.",
        "The burst has passed. I would raise the worker count of checkout-api and close.",
        "The cause is load. I would add a rate limit at the gateway and follow up tomorrow.",
    ];
    s.wait(rng.random_range(30..300));
    s.agent(ENDS.choose(rng).copied().unwrap_or(ENDS[0]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(plan: &Plan) -> Vec<String> {
        generate(plan).sessions.iter().map(Session::to_jsonl).collect()
    }

    #[test]
    fn the_same_seed_writes_the_same_bytes_and_another_seed_others() {
        let plan = Plan { seed: 7, sessions: 24, planted: true };
        assert_eq!(bytes(&plan), bytes(&plan));
        assert_ne!(bytes(&plan), bytes(&Plan { seed: 8, ..plan }));
    }

    #[test]
    fn the_null_twin_holds_none_of_what_is_planted() {
        let text = bytes(&Plan { seed: 7, sessions: 24, planted: false }).concat();
        for planted in ["4812", "db-3.prod", "namespace is required", "platform team"] {
            assert!(!text.contains(planted), "{planted}");
        }
        assert!(text.contains("cpu_spike") && text.contains("CheckoutLatencyHigh"));
    }

    #[test]
    fn no_agent_alone_sees_enough_of_the_lag() {
        let scenario = generate(&Plan { seed: 7, sessions: 24, planted: true });
        let lags = scenario.planted["time_lag"]["sessions"].as_array().unwrap();
        assert!(lags.len() >= 18, "{} of 24", lags.len());
        assert!(scenario.planted["error_repair"]["sessions"].as_array().unwrap().len() >= 4);
    }
}
