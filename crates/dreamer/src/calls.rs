//! A transcript's tool calls, each with its result.

use std::collections::{BTreeMap, VecDeque};

use domain::transcript::{Body, Event};

use crate::arguments::{self, Arguments};
use crate::failure;

/// A call and what came of it, by reference into the transcript.
#[derive(Debug, Clone)]
pub struct CallWithResult<'a> {
    pub event: &'a Event,
    pub tool: &'a str,
    pub arguments: Arguments,
    /// None where the session ends before it.
    pub result: Option<&'a Event>,
    pub failed: bool,
}

/// The calls in order, without copied ones. Results find their calls by id, and where a harness writes no ids by
/// the tool's name, the earliest open call first.
pub fn read(events: &[Event]) -> Vec<CallWithResult<'_>> {
    let mut calls: Vec<CallWithResult<'_>> = Vec::new();
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    let mut open: VecDeque<usize> = VecDeque::new();
    for event in events.iter().filter(|e| !e.copied) {
        match &event.body {
            Body::ToolCall { call_id, name, arguments } => {
                if call_id.is_empty() {
                    open.push_back(calls.len());
                } else {
                    by_id.insert(call_id, calls.len());
                }
                let arguments = arguments::read(arguments);
                calls.push(CallWithResult { event, tool: name, arguments, result: None, failed: false });
            }
            Body::ToolResult { call_id, name, status, text } => {
                let index = match by_id.remove(call_id.as_str()) {
                    Some(index) => Some(index),
                    None => {
                        let place = open.iter().position(|i| name.is_empty() || calls[*i].tool == name);
                        place.and_then(|place| open.remove(place))
                    }
                };
                if let Some(index) = index {
                    calls[index].result = Some(event);
                    calls[index].failed = failure::is_failure(*status, text);
                }
            }
            _ => {}
        }
    }
    calls
}
