//! The readers together: on fixtures, on real files where they are at hand, and on damage.
//!
//! Figures of real files were counted by a short script that shares nothing with the readers: a
//! message with words counts one, each call one, each result one, a crash one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use domain::transcript::ToolStatus;
use domain::transcript::request::ImportProblem;
use proptest::prelude::*;

use super::split::split;
use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

pub(super) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures").join(path)).unwrap()
}

/// A real file, or None, said aloud, where it is not at hand.
fn real(path: &str) -> Option<Vec<u8>> {
    let bytes = root().ancestors().find_map(|folder| std::fs::read(folder.join("../shared/data").join(path)).ok());
    if bytes.is_none() {
        println!("skipped: shared/data/{path} is not here");
    }
    bytes
}

fn read_all(file: &[u8]) -> (Option<Format>, Vec<Draft>, Vec<ImportProblem>) {
    let format = sniff(file);
    let (mut drafts, mut problems) = (Vec::new(), Vec::new());
    for item in format.into_iter().flat_map(|f| read(f, file, "file")) {
        match item {
            Item::Session(draft) => drafts.push(draft),
            Item::Problem(problem) => problems.push(problem),
            Item::MoreProblems(count) => panic!("{count} more problems"),
        }
    }
    (format, drafts, problems)
}

fn kinds(drafts: &[Draft]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    drafts.iter().flat_map(|d| &d.events).for_each(|e| *counts.entry(e.body.kind()).or_default() += 1);
    counts
}

fn errors(drafts: &[Draft]) -> usize {
    let is_error = |e: &&Event| matches!(e.body, Body::ToolResult { status: ToolStatus::Error, .. });
    drafts.iter().flat_map(|d| &d.events).filter(is_error).count()
}

fn successes(drafts: &[Draft]) -> usize {
    drafts.iter().filter(|d| d.outcome.as_ref().is_some_and(Outcome::is_success)).count()
}

fn tasks(drafts: &[Draft]) -> usize {
    drafts.iter().map(|d| &d.task_key).filter(|k| !k.is_empty()).collect::<BTreeSet<_>>().len()
}

#[test]
fn the_airline_file_is_read_whole() {
    let Some(file) = real("tau_bench_airline/gpt-4o-airline.jsonl") else { return };
    let (format, drafts, problems) = read_all(&file);
    assert_eq!((format, drafts.len(), problems), (Some(Format::TauBench), 200, vec![]));
    assert_eq!(kinds(&drafts), BTreeMap::from([("message", 2870), ("tool_call", 1164), ("tool_result", 1164)]));
    assert_eq!((errors(&drafts), successes(&drafts), tasks(&drafts)), (73, 84, 50));
}

#[test]
fn the_retail_files_are_read_whole_with_their_crashes() {
    let Some(file) = real("tau_bench_retail/tool_calling.jsonl") else { return };
    let (_, drafts, problems) = read_all(&file);
    assert_eq!((drafts.len(), problems), (100, vec![]));
    assert_eq!(kinds(&drafts), BTreeMap::from([("message", 1374), ("tool_call", 793), ("tool_result", 793)]));
    assert_eq!((errors(&drafts), successes(&drafts), tasks(&drafts)), (34, 73, 100));
    assert!(drafts.iter().all(|d| d.agent.name == "tool_calling"));

    let Some(file) = real("tau_bench_retail/assertions_agent.jsonl") else { return };
    let (_, drafts, problems) = read_all(&file);
    assert_eq!((drafts.len(), problems), (100, vec![]));
    let crashes = ("error", 34);
    assert_eq!(kinds(&drafts), BTreeMap::from([crashes, ("message", 854), ("tool_call", 472), ("tool_result", 472)]));
    assert_eq!((errors(&drafts), successes(&drafts), tasks(&drafts)), (0, 35, 66));
    let crashed = drafts.iter().find(|d| d.external_id == "assertions_agent/task-1").unwrap();
    assert_eq!((crashed.task_key.as_str(), crashed.outcome.as_ref().unwrap().label.as_str()), ("", "crashed"));
    assert!(crashed.events[0].body.text().starts_with("1 validation error for EnvResponse"));
}

#[test]
fn the_state_bench_files_are_read_whole() {
    for (path, messages, calls, failed) in
        [("state_bench/travel.jsonl", 880, 1454, 20), ("state_bench/customer_support.jsonl", 760, 716, 4)]
    {
        let Some(file) = real(path) else { return };
        let (format, drafts, problems) = read_all(&file);
        assert_eq!((format, drafts.len(), problems), (Some(Format::OpenaiChat), 100, vec![]), "{path}");
        let counts = BTreeMap::from([("message", messages), ("tool_call", calls), ("tool_result", calls)]);
        assert_eq!((kinds(&drafts), errors(&drafts)), (counts, failed), "{path}");
        assert!(drafts.iter().all(|d| !d.task_key.is_empty() && d.outcome.is_none()), "{path}");
    }
}

#[test]
fn the_sample_files_are_read_whole() {
    for (path, format, sessions, events, opaque, problems) in [
        ("claude_code_edge_cases.jsonl", Format::ClaudeCode, 2, 16, 3, 4),
        ("claude_code_representative.jsonl", Format::ClaudeCode, 1, 12, 0, 0),
        ("claude_code_session_b.jsonl", Format::ClaudeCode, 1, 3, 0, 0),
        ("claude_code_simonw.jsonl", Format::ClaudeCode, 1, 9, 0, 0),
        ("claude_code_todowrite.jsonl", Format::ClaudeCode, 1, 12, 0, 0),
        ("mini_swe_agent_github_issue.traj.json", Format::OpenaiChat, 1, 22, 0, 0),
        ("mini_swe_agent_local.traj.json", Format::OpenaiChat, 1, 6, 0, 0),
    ] {
        let Some(file) = real(&format!("formats/{path}")) else { return };
        let (read_as, drafts, found) = read_all(&file);
        let total: usize = drafts.iter().map(|d| d.events.len()).sum();
        let unknown: u64 = drafts.iter().map(|d| d.opaque_count).sum();
        assert_eq!(
            (read_as, drafts.len(), total, unknown, found.len()),
            (Some(format), sessions, events, opaque, problems),
            "{path}"
        );
    }
    let Some(file) = real("formats/swe_agent_BabyEncryption.traj.json") else { return };
    assert_eq!(sniff(&file), None, "a format without a reader is not taken for another");
}

#[test]
fn every_damaged_line_is_named_and_costs_only_itself() {
    let (_, drafts, problems) = read_all(&fixture("claude_code/edge_cases.jsonl"));
    let named: Vec<_> = problems.iter().map(|p| (p.record, p.line, p.reason.as_str())).collect();
    assert_eq!(
        named,
        [
            (13, 13, "is not an object"),
            (14, 14, "has no type"),
            (15, 15, "is not an object"),
            (16, 16, "is not an object")
        ]
    );
    assert_eq!(
        drafts.iter().map(|d| (d.external_id.as_str(), d.events.len())).collect::<Vec<_>>(),
        [("edge_cases", 15), ("todowrite_session", 1)]
    );
    let failed = &drafts[0].events[4].body;
    assert!(
        matches!(failed, Body::ToolResult { name, status: ToolStatus::Error, .. } if name == "FailingTool"),
        "{failed:?}"
    );
}

#[test]
fn the_answer_key_of_tau_bench_stays_out() {
    let file = fixture("tau_bench/gpt-4o-airline.json");
    let (format, drafts, problems) = read_all(&file);
    assert_eq!((format, drafts.len(), problems), (Some(Format::TauBench), 28, vec![]));
    assert_eq!(drafts.iter().map(|d| d.events.len()).sum::<usize>(), 619);
    assert_eq!((successes(&drafts), tasks(&drafts)), (10, 7));
    assert_eq!(drafts[0].external_id, "task-11/trial-0");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
    for (row, draft) in rows.iter().zip(&drafts) {
        assert_eq!(
            draft.task_key,
            format!("tau:{}/{}", row["info"]["task"]["user_id"].as_str().unwrap(), row["task_id"])
        );
        let instruction = row["info"]["task"]["instruction"].as_str().unwrap();
        let leaked = draft.events.iter().find(|e| {
            let text = e.body.text();
            text.contains(instruction) || text.contains("reward_info") || text.contains("\"kwargs\"")
        });
        assert_eq!(leaked, None);
    }
}

#[test]
fn a_span_holds_the_record_that_the_event_came_from() {
    for path in ["tau_bench/gpt-4o-airline.json", "claude_code/representative.jsonl"] {
        let file = fixture(path);
        let (_, drafts, _) = read_all(&file);
        for event in drafts.iter().flat_map(|d| &d.events) {
            let source = event.source.as_ref().unwrap();
            let record = &file[source.byte_start as usize..source.byte_end as usize];
            let record: serde_json::Value = serde_json::from_slice(record).unwrap();
            let words: String =
                event.body.text().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == ' ').collect();
            assert!(record.is_object() && record.to_string().contains(&words), "{path} event {}", event.seq);
        }
    }
}

/// Lines of one Claude Code session: the fields beside `sessionId`.
fn session(id: &str, lines: &[&str]) -> String {
    lines.iter().map(|l| format!("{{\"sessionId\":{id:?},{l}}}\n")).collect()
}

fn words(draft: &Draft) -> Vec<(&str, &'static str, &str, bool)> {
    draft.events.iter().map(|e| (e.thread.as_str(), e.body.kind(), e.body.text(), e.copied)).collect()
}

#[test]
fn lines_of_one_api_message_are_one_message() {
    let file = session(
        "s",
        &[
            r#""type":"user","uuid":"1","message":{"role":"user","content":"do"}"#,
            r#""type":"assistant","uuid":"2","parentUuid":"1","message":{"id":"m","content":[{"type":"thinking","thinking":"hm","signature":"x"}]}"#,
            r#""type":"assistant","uuid":"3","parentUuid":"2","message":{"id":"m","content":[{"type":"text","text":"I"}]}"#,
            r#""type":"assistant","uuid":"4","parentUuid":"3","message":{"id":"m","content":[{"type":"text","text":"I look"}]}"#,
            r#""type":"assistant","uuid":"5","parentUuid":"4","message":{"id":"m","content":[{"type":"text","text":"and act."}]}"#,
            r#""type":"assistant","uuid":"6","parentUuid":"5","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"z":1, "a":2}}]}"#,
            r#""type":"assistant","uuid":"6","parentUuid":"5","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash","input":{"z":1, "a":2}}]}"#,
            r#""type":"user","uuid":"7","parentUuid":"6","toolUseResult":"dup","message":{"content":[{"type":"tool_result","tool_use_id":"t","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{}}]}]}"#,
        ],
    );
    let (_, drafts, problems) = read_all(file.as_bytes());
    assert_eq!(problems, []);
    assert_eq!(
        words(&drafts[0]),
        [
            ("", "message", "do", false),
            ("", "thought", "hm", false),
            ("", "message", "I look\nand act.", false),
            ("", "tool_call", r#"{"z":1, "a":2}"#, false),
            ("", "tool_result", "no", false),
            ("", "opaque", r#"{"type":"image","source":{}}"#, false),
        ]
    );
}

#[test]
fn sub_agents_rewinds_and_compactions_never_pass_for_the_main_thread() {
    let file = session(
        "s",
        &[
            r#""type":"summary","summary":"before","leafUuid":"0""#,
            r#""type":"user","uuid":"1","parentUuid":null,"message":{"content":"first try"}"#,
            r#""type":"assistant","uuid":"2","parentUuid":"1","message":{"id":"a","content":[{"type":"text","text":"given up"}]}"#,
            r#""type":"user","uuid":"3","parentUuid":"2","message":{"content":"wrong turn"}"#,
            r#""type":"user","uuid":"4","parentUuid":"2","message":{"content":"right turn"}"#,
            r#""type":"user","uuid":"c1","parentUuid":null,"isSidechain":true,"message":{"content":"sub prompt"}"#,
            r#""type":"assistant","uuid":"c2","parentUuid":"c1","isSidechain":true,"message":{"id":"b","content":[{"type":"text","text":"sub answer"}]}"#,
            r#""type":"system","subtype":"compact_boundary","uuid":"5","parentUuid":null,"content":"Conversation compacted""#,
            r#""type":"user","isCompactSummary":true,"uuid":"6","parentUuid":"5","message":{"content":"so far"}"#,
            r#""type":"queue-operation","operation":"enqueue""#,
            r#""type":"assistant","uuid":"7","parentUuid":"6","message":{"id":"d","content":[{"type":"text","text":"done"}]}"#,
        ],
    );
    let (_, drafts, _) = read_all(file.as_bytes());
    assert_eq!(
        words(&drafts[0])[..8],
        [
            ("", "compaction", "before", true),
            ("", "message", "first try", false),
            ("", "message", "given up", false),
            ("branch-1", "message", "wrong turn", false),
            ("", "message", "right turn", false),
            ("agent-1", "message", "sub prompt", true),
            ("agent-1", "message", "sub answer", false),
            ("", "compaction", "Conversation compacted", false),
        ]
    );
    assert_eq!(words(&drafts[0])[8], ("", "compaction", "so far", true));
    assert_eq!((drafts[0].events[9].body.kind(), drafts[0].opaque_count, drafts[0].events.len()), ("opaque", 1, 11));
    assert_eq!(drafts[0].events[5].actor, EventActor::Agent, "a sub-agent's user is the agent");
}

#[test]
fn what_a_resumed_session_goes_on_from_is_copied_context() {
    let first = session(
        "a",
        &[
            r#""type":"user","uuid":"1","parentUuid":null,"message":{"content":"old"}"#,
            r#""type":"assistant","uuid":"2","parentUuid":"1","message":{"id":"m","content":[{"type":"text","text":"answer"}]}"#,
        ],
    );
    let second = session("b", &[r#""type":"user","uuid":"3","parentUuid":"2","message":{"content":"go on"}"#]);
    let (_, drafts, _) = read_all((first.clone() + &second).as_bytes());
    assert_eq!(
        words(&drafts[1]),
        [("", "message", "old", true), ("", "message", "answer", true), ("", "message", "go on", false)]
    );
    assert_eq!(drafts[0].events.len(), 2);

    let again = first.replace("\"a\"", "\"c\"");
    let (_, drafts, _) = read_all((first + &again).as_bytes());
    assert_eq!(words(&drafts[1]), [("", "message", "old", true), ("", "message", "answer", true)]);
}

#[test]
fn chats_are_read_from_every_container() {
    let chat = r#"[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]"#;
    let object = format!(r#"{{"id":7,"messages":{chat},"agent":{{"name":"n","version":"2"}},"reward":1,"model":"m"}}"#);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&object).unwrap()).unwrap();
    let messages = "{\"role\":\"user\",\"content\":\"hi\"}\n{\"role\":\"assistant\",\"content\":\"hello\"}\n";
    for (file, sessions, events) in [
        (chat.to_owned(), 1, 2),
        (format!("{chat}\n{chat}\n"), 2, 2),
        (format!("[{chat},{chat}]"), 2, 2),
        (messages.to_owned(), 1, 2),
        (object.clone(), 1, 3),
        (pretty, 1, 3),
        (format!("{object}\n{object}\n"), 2, 3),
        (format!("[{object},\n{object}]"), 2, 3),
    ] {
        let (format, drafts, problems) = read_all(file.as_bytes());
        assert_eq!((format, problems), (Some(Format::OpenaiChat), vec![]), "{file}");
        assert_eq!(drafts.len(), sessions, "{file}");
        assert!(drafts.iter().all(|d| d.events.len() == events), "{file}: {drafts:?}");
    }
    let (_, drafts, _) = read_all(object.as_bytes());
    assert_eq!((drafts[0].external_id.as_str(), drafts[0].agent.version.as_str(), successes(&drafts)), ("7", "2", 1));
    assert_eq!(drafts[0].events[2].body.text(), r#"{"model": "m"}"#);
}

#[test]
fn a_bad_record_among_chats_is_named() {
    let file = "[{\"role\":\"user\",\"content\":\"hi\"}]\n{\"messages\":[]}\n{\"a\":\n[{\"role\":\"user\",\"content\":\"\\ud83d\"}]\n";
    let (_, drafts, problems) = read_all(file.as_bytes());
    assert_eq!(drafts.len(), 2);
    let named: Vec<_> = problems.iter().map(|p| (p.record, p.reason.as_str())).collect();
    assert_eq!(named, [(2, "holds no message with a role"), (3, "ends in the middle of a JSON value")]);
}

/// Every refusal names where and why; every event is numbered and lies within the file.
fn check(file: &[u8]) -> Result<(), TestCaseError> {
    for format in Format::ALL {
        for item in read(format, file, "f") {
            match item {
                Item::Problem(p) => {
                    prop_assert!(p.line >= 1 && !p.reason.is_empty(), "{p:?}");
                    prop_assert!(p.line <= 1 + file.iter().filter(|b| **b == b'\n').count() as u64, "{p:?}");
                }
                Item::MoreProblems(count) => prop_assert!(count > 0),
                Item::Session(draft) => {
                    prop_assert!(draft.record >= 1 && draft.line >= 1 && !draft.events.is_empty());
                    for (i, event) in draft.events.iter().enumerate() {
                        let span = event.source.as_ref().unwrap();
                        prop_assert_eq!(event.seq, i as u64 + 1);
                        prop_assert!(span.byte_start < span.byte_end && span.byte_end <= file.len() as u64);
                    }
                }
            }
        }
    }
    sniff(file);
    Ok(())
}

fn samples() -> Vec<Vec<u8>> {
    let tau = fixture("tau_bench/gpt-4o-airline.json");
    let end = tau.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(3).unwrap().0;
    let tau_lines = String::from_utf8(tau[2..end].to_vec()).unwrap().replace(",\n", "\n").into_bytes();
    let chat = br#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}]}"#;
    vec![
        tau[..end].to_vec(),
        tau_lines,
        fixture("claude_code/edge_cases.jsonl"),
        fixture("claude_code/representative.jsonl"),
        chat.to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }

    #[test]
    fn random_json_like_text_never_panics(text in "([\\[\\]{},:\"\\\\ \n]|\"role\"|\"type\"|\"user\"|\"traj\"|\"uuid\"|\"sessionId\"|1|\\\\u[dD]8){0,60}") {
        check(text.as_bytes())?;
    }

    #[test]
    fn files_that_are_cut_or_damaged_never_panic(
        which in 0usize..5, cut in 0.0f64..1.0, flips in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..4),
    ) {
        let mut file = samples().swap_remove(which);
        file.truncate((file.len() as f64 * cut) as usize);
        for (at, byte) in flips {
            let at = (file.len() as f64 * at) as usize;
            if let Some(b) = file.get_mut(at) { *b = byte; }
        }
        check(&file)?;
    }
}

#[test]
fn a_cut_file_keeps_its_whole_records_and_says_that_it_is_cut() {
    let whole = fixture("tau_bench/gpt-4o-airline.json");
    let (_, drafts, _) = read_all(&whole);
    let ends: Vec<u64> = split(&whole).map(|p| p.unwrap()).map(|p| p.start + p.bytes.len() as u64 + 1).collect();
    for cut in (3..whole.len() - 2).step_by(9_973) {
        let (_, kept, problems) = read_all(&whole[..cut]);
        let expected = ends.iter().filter(|end| **end <= cut as u64).count();
        assert_eq!(drafts[..expected], kept, "cut at byte {cut}");
        assert!(problems.len() == 1 || expected == 0, "cut at byte {cut}: {problems:?}");
    }
}
