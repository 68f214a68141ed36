//! Recounting: how many sessions bear a claim out, counted from the transcripts by code of its own. It
//! shares with the miners how a transcript is read (which result belongs to which call, what counts as
//! a failure, what a template is), and nothing of how they find, group and count.

use std::collections::{BTreeMap, BTreeSet};

use domain::dream::Support;
use domain::transcript::{Body, Digest, Event, EventActor, Transcript, digest};
use domain::{Timestamp, transcript};

use crate::analyse::{Analysis, analyse};
use crate::arguments::{changed, read as read_arguments};
use crate::calls::{self, CallWithResult};
use crate::candidate::{CallDifference, Probe};
use crate::config::Config;
use crate::failure;
use crate::miners::acts::{acts, differences};
use crate::miners::fact::stated;
use crate::normalise::{leading_time, matches, sentence};
use crate::pool::Pool;
use crate::prose::sentences;

/// What a session says of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Yes,
    /// The condition held, the claim did not.
    No,
    Nothing,
}

pub struct Recount<'a> {
    sessions: BTreeMap<Digest, Session<'a>>,
    analyses: Vec<Analysis>,
    config: &'a Config,
}

struct Session<'a> {
    transcript: &'a Transcript,
    calls: Vec<CallWithResult<'a>>,
    lines: Vec<TimedLine<'a>>,
}

/// A line that says when it was.
struct TimedLine<'a> {
    time: Timestamp,
    text: &'a str,
}

pub fn digest_of(transcript: &Transcript) -> Digest {
    let s = &transcript.session;
    s.content_digest.unwrap_or_else(|| digest(&s.agent, &s.task_key, s.outcome.as_ref(), &transcript.events))
}

impl<'a> Recount<'a> {
    pub fn new(transcripts: &'a [Transcript], config: &'a Config) -> Recount<'a> {
        let session =
            |t: &'a Transcript| Session { transcript: t, calls: calls::read(&t.events), lines: timed_lines(&t.events) };
        let sessions: BTreeMap<_, _> = transcripts.iter().map(|t| (digest_of(t), session(t))).collect();
        let analyses = sessions.values().map(|s| analyse(s.transcript, config)).collect();
        Recount { sessions, analyses, config }
    }

    /// Counted in distinct sessions.
    pub fn support(&self, probe: &Probe) -> Support {
        let says: Vec<(Digest, Says)> = match probe {
            Probe::Store => Vec::new(),
            Probe::SiblingDiff { tool, difference, argument, .. } => {
                let wanted = CallDifference { tool: tool.clone(), difference: *difference, argument: argument.clone() };
                self.siblings(|_| true, &BTreeSet::from([&wanted]), false)
            }
            Probe::SiblingEpisode { task, sessions, differences } => {
                let of_task =
                    |a: &Analysis| if task.is_empty() { sessions.contains(&a.digest) } else { a.task_key == *task };
                self.siblings(of_task, &differences.iter().collect(), true)
            }
            _ => self.sessions.iter().map(|(digest, session)| (*digest, session.says(probe))).collect(),
        };
        let with = |what: Says| {
            says.iter().filter(move |(_, s)| *s == what).map(|(digest, _)| *digest).collect::<BTreeSet<Digest>>()
        };
        let (yes, no) = (with(Says::Yes), with(Says::No));
        let of = |pick: fn(&transcript::Session) -> &str| {
            let values = yes.iter().map(|d| pick(&self.sessions[d].transcript.session));
            values.filter(|v| !v.is_empty()).collect::<BTreeSet<_>>().len() as u64
        };
        // A session without an agent's name is still some agent's.
        let nameless = yes.iter().any(|d| self.sessions[d].transcript.session.agent.name.is_empty());
        Support {
            sessions: yes.len() as u64,
            tasks: of(|s| &s.task_key),
            agents: of(|s| &s.agent.name) + u64::from(nameless),
            counter_examples: no.difference(&yes).count() as u64,
        }
    }

    /// What each session with an outcome shows against its nearest successful sibling.
    fn siblings(
        &self,
        of_task: impl Fn(&Analysis) -> bool,
        wanted: &BTreeSet<&CallDifference>,
        episode: bool,
    ) -> Vec<(Digest, Says)> {
        let pool = Pool::new(&self.analyses, self.config);
        let mut says = Vec::new();
        for task in &pool.tasks {
            let members: Vec<&Analysis> =
                task.members.iter().map(|i| pool.sessions[*i]).filter(|a| a.succeeded.is_some()).collect();
            if !members.iter().any(|a| of_task(a)) {
                continue;
            }
            for member in &members {
                let ours = acts(member);
                let others = members.iter().filter(|o| o.digest != member.digest && o.succeeded == Some(true));
                let nearest = others
                    .map(|o| (differences(&ours, &acts(o)), o.digest))
                    .min_by_key(|(found, digest)| (found.len(), *digest));
                let shows =
                    nearest.as_ref().is_some_and(|(found, _)| found.iter().any(|f| wanted.contains(&f.difference)));
                says.push((
                    member.digest,
                    match (member.succeeded == Some(true), shows) {
                        (false, true) => Says::Yes,
                        (true, false) if episode => Says::Yes,
                        (true, true) => Says::No,
                        _ => Says::Nothing,
                    },
                ));
            }
        }
        says
    }
}

impl Session<'_> {
    fn says(&self, probe: &Probe) -> Says {
        let yes = |holds: bool| if holds { Says::Yes } else { Says::Nothing };
        match probe {
            Probe::ErrorTemplate { tool, template } => {
                yes(self.failures(tool, template).next().is_some() || self.bare_error(tool, template))
            }
            Probe::ErrorRepair { tool, template, arguments, within_calls } => {
                self.repair(tool, template, arguments, *within_calls as usize)
            }
            Probe::RetriedUnchanged { tool, template } => yes(self.failures(tool, template).any(|i| {
                let next = self.calls[i + 1..].iter().find(|c| c.tool == *tool);
                next.is_some_and(|c| c.failed && c.arguments == self.calls[i].arguments)
            })),
            Probe::RepeatedCall { tool, times } => yes(self.longest_run(tool) >= *times as usize),
            Probe::TimeLag { first, then, lag_min_s, lag_max_s } => self.lag(first, then, *lag_min_s, *lag_max_s),
            Probe::Correction { sentences } => yes(self.user_says_after_act(sentences)),
            Probe::Noted { sentences } => yes(self.agent_notes(sentences)),
            Probe::FactAsserted { subject, attribute, value } => self.fact(subject, attribute, value),
            Probe::SiblingDiff { .. } | Probe::SiblingEpisode { .. } | Probe::Store => Says::Nothing,
        }
    }

    /// The places of failed calls of a tool (any, where empty) whose result has a line of the template.
    fn failures<'s>(&'s self, tool: &'s str, template: &'s str) -> impl Iterator<Item = usize> + 's {
        let fits = move |c: &CallWithResult<'_>| {
            let text = c.result.map(|r| r.body.text()).unwrap_or_default();
            c.failed && (tool.is_empty() || c.tool == tool) && has_line(text, template)
        };
        self.calls.iter().enumerate().filter(move |(_, c)| fits(c)).map(|(i, _)| i)
    }

    fn bare_error(&self, tool: &str, template: &str) -> bool {
        let errors = self.events().filter(|e| matches!(e.body, Body::Error { .. }));
        tool.is_empty() && errors.map(|e| e.body.text()).any(|text| has_line(text, template))
    }

    fn repair(&self, tool: &str, template: &str, arguments: &[String], within: usize) -> Says {
        let wanted: BTreeSet<&str> = arguments.iter().map(String::as_str).collect();
        let (mut worked, mut tried) = (false, false);
        for i in self.failures(tool, template) {
            let same_edit = |c: &CallWithResult<'_>| {
                let edit = changed(&self.calls[i].arguments, &c.arguments);
                edit.iter().map(String::as_str).collect::<BTreeSet<_>>() == wanted
            };
            let after = &self.calls[i + 1..(i + 1 + within).min(self.calls.len())];
            let of_tool = || after.iter().filter(|c| c.tool == tool && c.result.is_some());
            worked |= of_tool().find(|c| !c.failed).is_some_and(same_edit);
            tried |= of_tool().any(|c| c.failed && same_edit(c));
        }
        match (worked, tried) {
            (true, _) => Says::Yes,
            (false, true) => Says::No,
            (false, false) => Says::Nothing,
        }
    }

    fn longest_run(&self, tool: &str) -> usize {
        let (mut longest, mut run) = (0, 0);
        for (i, call) in self.calls.iter().enumerate() {
            let same = i > 0 && self.calls[i - 1].tool == call.tool && self.calls[i - 1].arguments == call.arguments;
            run = if same { run + 1 } else { 1 };
            if call.tool == tool {
                longest = longest.max(run);
            }
        }
        longest
    }

    fn lag(&self, first: &str, then: &str, min_s: f64, max_s: f64) -> Says {
        let of = |template: &str| {
            self.lines.iter().filter(|l| matches(template, l.text)).map(|l| l.time).collect::<Vec<_>>()
        };
        let (firsts, thens) = (of(first), of(then));
        let end = self.lines.iter().map(|l| l.time).max();
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs_f64();
        let mut missed = false;
        for at in firsts {
            let next = thens.iter().filter(|t| **t > at).min();
            // A microsecond of grace: the bounds are rounded where the claim is worded.
            if next.is_some_and(|t| (min_s - 1e-6..=max_s + 1e-6).contains(&seconds(at, *t))) {
                return Says::Yes;
            }
            missed |= end.is_some_and(|end| seconds(at, end) > max_s);
        }
        if missed { Says::No } else { Says::Nothing }
    }

    fn user_says_after_act(&self, wanted: &[String]) -> bool {
        let wanted: BTreeSet<String> = wanted.iter().map(|s| sentence(s)).collect();
        let mut acted = false;
        for event in self.events() {
            match (&event.actor, &event.body) {
                (EventActor::Agent, Body::Message { .. } | Body::ToolCall { .. }) => acted = true,
                (EventActor::User, Body::Message { text }) if acted && holds_one(text, &wanted) => return true,
                _ => {}
            }
        }
        false
    }

    fn agent_notes(&self, wanted: &[String]) -> bool {
        let wanted: BTreeSet<String> = wanted.iter().map(|s| sentence(s)).collect();
        self.events().filter(|e| e.actor == EventActor::Agent).any(|event| match &event.body {
            Body::Message { text } => holds_one(text, &wanted),
            Body::ToolCall { arguments, .. } => {
                read_arguments(arguments).values().any(|v| holds_one(&crate::arguments::plain(v), &wanted))
            }
            _ => false,
        })
    }

    fn fact(&self, subject: &str, attribute: &str, value: &str) -> Says {
        let spoken =
            self.events().filter(|e| matches!(e.actor, EventActor::User | EventActor::Agent | EventActor::Operator));
        let texts = spoken.filter_map(|e| if let Body::Message { text } = &e.body { Some(text) } else { None });
        let values = texts.flat_map(|text| stated(text)).filter(|s| s.subject == subject && s.attribute == attribute);
        let values: Vec<bool> = values.map(|s| s.value.to_lowercase() == value.to_lowercase()).collect();
        match (values.contains(&true), values.is_empty()) {
            (true, _) => Says::Yes,
            (false, false) => Says::No,
            (false, true) => Says::Nothing,
        }
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.transcript.events.iter().filter(|e| !e.copied)
    }
}

fn holds_one(text: &str, wanted: &BTreeSet<String>) -> bool {
    let said: Vec<String> = sentences(text).into_iter().map(|span| sentence(&text[span])).collect();
    // What was quoted may be several sentences that stand together.
    said.iter().any(|s| wanted.contains(s)) || wanted.iter().any(|w| sentence(text).contains(w.as_str()))
}

/// Whether some line of a text, or of a string inside it where it is JSON, has the template.
fn has_line(text: &str, template: &str) -> bool {
    let of = |text: &str| text.lines().any(|line| matches(template, line.trim()));
    if of(text) {
        return true;
    }
    let trimmed = text.trim_start();
    match trimmed.starts_with(['{', '[']).then(|| serde_json::from_str::<serde_json::Value>(trimmed)) {
        Some(Ok(value)) => strings(&value).iter().any(|s| of(s)),
        // Whole-text reasons are masked as they stand.
        _ => failure::reason(text).is_some_and(|(line, _)| matches(template, &line)),
    }
}

fn strings(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(items) => items.iter().flat_map(strings).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Lines with a time of their own in what tools and the environment say, else timed environment events.
fn timed_lines(events: &[Event]) -> Vec<TimedLine<'_>> {
    let mut lines = Vec::new();
    for event in events.iter().filter(|e| !e.copied) {
        let of_environment = event.actor == EventActor::Environment || matches!(event.body, Body::Error { .. });
        let speaks = matches!(event.body, Body::ToolResult { .. } | Body::Error { .. } | Body::Opaque { .. })
            || (of_environment && matches!(event.body, Body::Message { .. }));
        if !speaks {
            continue;
        }
        let text = event.body.text();
        let before = lines.len();
        for line in text.lines() {
            if let Some((time, at)) = leading_time(line) {
                lines.push(TimedLine { time, text: line[at..].trim() });
            }
        }
        if let (true, true, Some(time)) = (lines.len() == before, of_environment, event.time) {
            let first = text.lines().find(|l| !l.trim().is_empty());
            lines.extend(first.map(|text| TimedLine { time, text: text.trim() }));
        }
    }
    lines
}
