//! Candidates: what a miner found and would like to write down. Nothing is written before the
//! curator has filed it and the verifier has counted it again.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::dream::{Evidence, Support, Tier};
use domain::transcript::Digest;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub kind: NoteKind,
    /// The miner's stable code, for example error_repair; with `key` it names the finding.
    pub reason: String,
    /// What it is about, in a form that does not change as support grows: the same finding in a
    /// later dream has the same reason and key, and updates its note instead of adding one.
    pub key: String,
    /// A short line for INDEX.md and the note's file name.
    pub title: String,
    /// The note's text in sentences. A miner words it as an observation; a line of advice goes into
    /// `advice` and is shown only in the tiers that allow it. The counts of `support` are not in it: the
    /// note adds them, so that they can be corrected.
    pub claim: String,
    pub advice: Option<String>,
    pub applies_when: BTreeMap<String, String>,
    pub tier: Tier,
    pub support: Support,
    /// The test behind Tested or Shown; None in the tiers that need none.
    pub statistics: Option<Statistics>,
    pub evidence: Vec<Evidence>,
    /// How the verifier finds the pattern again in a transcript.
    pub probe: Probe,
    /// Set for what can contradict or replace an older value.
    pub fact: Option<Fact>,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    /// The miner's name and version.
    pub author: String,
}

/// What a finding's test gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// The false-discovery rate at which it is a discovery (Benjamini-Hochberg).
    pub q: f64,
    /// How many times as often as without the finding, or as chance gives: an odds ratio or a lift. At most EFFECT_MAX.
    pub effect: f64,
}

/// What stands for an effect without bound, so that it can be written down.
pub const EFFECT_MAX: f64 = 1e6;

impl Statistics {
    pub fn new(q: f64, effect: f64) -> Option<Statistics> {
        (q.is_finite() && !effect.is_nan()).then(|| Statistics { q, effect: effect.min(EFFECT_MAX) })
    }
}

/// The kinds of note; each is filed in a folder of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NoteKind {
    Fact,
    Preference,
    Procedure,
    Pitfall,
    Pattern,
}

/// A predicate over one transcript, precise enough for the verifier to count support by itself. For
/// each, a session supports the claim, is a counter-example (the condition held, the claim did not),
/// or says nothing about it. Copied events count for nothing.
///
/// A *template* is one line in which `<*>` stands for one or more characters of that line, and a space
/// for any white space. It matches a line as a whole, after trimming. It is made of the first
/// `LINE_BYTES_MAX` bytes of a line; a longer one's ends with `<*>`, for the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Probe {
    /// An error of `tool` (empty: any) in which some line, or some string inside it where it is JSON,
    /// has this template.
    ErrorTemplate { tool: String, template: String },
    /// That error, and among the next `within_calls` calls (of any tool) the first successful one of
    /// the same tool, whose arguments differ from the failed call's in exactly `arguments` (names of
    /// JSON members; none: it was repeated as it was). Counter-example: the same edit was tried
    /// within as many calls and failed, and nowhere in the session did it work.
    ErrorRepair { tool: String, template: String, arguments: Vec<String>, within_calls: u32 },
    /// That error, and the very next call of the same tool has the same arguments and fails again.
    RetriedUnchanged { tool: String, template: String },
    /// In a failed session, against the nearest successful sibling of the task: a state-changing call
    /// that is missing, extra, or has another value in the named argument. `tool` is the call's
    /// name; an empty `argument` means the whole call. Counter-example: a success that differs
    /// from its siblings in the same way. Siblings are sessions with an outcome of one task key, and of each of
    /// `groups`, which are without one and about the same thing; of more than SIBLINGS_MAX the first by digest.
    SiblingDiff { tool: String, difference: Difference, argument: String, groups: Vec<Vec<Digest>> },
    /// One task's story. `task` is its key, or empty where the sessions have none, and then `sessions`
    /// names them all. A failed session of the task supports it when it shows one of `differences`
    /// against its nearest successful sibling; a successful one when it shows none.
    /// Counter-example: a success that shows one.
    SiblingEpisode { task: String, sessions: Vec<Digest>, differences: Vec<CallDifference> },
    /// The same call with the same arguments, `times` or more in a row.
    RepeatedCall { tool: String, times: u32 },
    /// A line of template `then` follows one of `first` after `lag_min_s` to `lag_max_s`, the earliest
    /// one after it; both are timestamped lines or timed environment events. Templates apply to the
    /// line without its timestamp. Counter-example: `first` without `then` in the window, though the
    /// observed time goes on past it.
    TimeLag { first: String, then: String, lag_min_s: f64, lag_max_s: f64 },
    /// A user turn after an agent's act holds one of these sentences (without regard to case, white
    /// space and closing punctuation).
    Correction { sentences: Vec<String> },
    /// An agent's message, or a call with which it writes a note, holds one of these sentences, as
    /// above.
    Noted { sentences: Vec<String> },
    /// The fact is asserted. Counter-example: another value is asserted later.
    FactAsserted { subject: String, attribute: String, value: String },
    /// About the store alone (duplicates, index): no session supports it and none need.
    Store,
}

/// Sessions of one task that are compared with each other.
pub const SIBLINGS_MAX: usize = 200;

/// Bytes of a line that its template is made of.
pub const LINE_BYTES_MAX: usize = 300;

/// One way in which a session's state-changing calls differ from a sibling's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallDifference {
    pub tool: String,
    pub difference: Difference,
    /// Empty: the whole call.
    pub argument: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Difference {
    /// The success made the call, the failure did not.
    Missing,
    /// The failure made the call, the success did not.
    Extra,
    /// Both made it, with another value in one argument.
    WrongArgument,
}

/// (subject, attribute) has a value, as of a time, on somebody's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub subject: String,
    pub attribute: String,
    pub value: String,
    pub time: Option<Timestamp>,
    pub trust: Trust,
    /// The sessions that assert it.
    pub sessions: Vec<Digest>,
}

/// Whose word it is, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trust {
    /// Tool output: anybody may have written it.
    Tool,
    Agent,
    /// What the store says already.
    Store,
    User,
    Operator,
}
