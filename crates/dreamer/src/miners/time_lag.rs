//! Time lags: one kind of event follows another after about the same time, in session after session.
//!
//! For kinds a and b, the lag is from each a to the earliest b after it, up to W. Windows of 15 % and 30 %
//! around lags on a logarithmic grid are tried. Sessions with a lag in the window are counted, and compared with
//! the number expected where b comes at its own rate (a Poisson process; per session the higher of its rate there
//! and its rate overall): the tail of the Poisson distribution, times the number of windows tried (a scan
//! correction by Bonferroni), then Benjamini-Hochberg over all ordered pairs. The sum of independent trials has a
//! lighter tail than the Poisson of the same mean (Hoeffding 1956), so the test is on the safe side.
//!
//! Of three kinds whose lags add up, the pair with the widest spread is the one the others explain: in a chain
//! a -> b -> c the variance of the whole is the sum of its links', and in a fork b <- a -> c that between the prongs is
//! the sum of theirs.

use std::collections::{BTreeMap, BTreeSet};

use domain::Timestamp;
use domain::dream::{Evidence, Tier};
use domain::transcript::{Body, Digest, Event, EventActor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, NoteKind, Probe, Statistics};
use crate::config::Config;
use crate::normalise::{self, SLOT};
use crate::pool::{Pool, evidence, tier_of_counts};
use crate::stats::{benjamini_hochberg, deviation, ln_poisson_tail, median, median_deviation};
use crate::wording::{code, count, duration, short};

/// Lags below are one event in two lines.
const LAG_MIN_S: f64 = 1.0;
/// The grid of lags tried: each this much longer than the last.
const GRID: f64 = 1.1;
/// Half-widths of windows, as shares of the lag.
const WIDTHS: [f64; 2] = [0.15, 0.30];
/// How many times as many sessions as chance gives.
const LIFT_MIN: f64 = 2.0;
/// The share of sessions with a first event that also had the second, from which it may be advice.
const HELD_MIN: f64 = 0.8;
/// Events of one kind in one session, beyond which they are its heartbeat: what follows a heartbeat is no news.
const OF_KIND_MAX: usize = 100;
/// Kinds that are looked at: those in the most sessions.
const KINDS_MAX: usize = 200;

/// A timestamped line, or a timed event of the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub time: Timestamp,
    /// What kind of event it is: the masked line without its timestamp.
    pub kind: String,
    pub evidence: Evidence,
}

/// Each line with a timestamp of its own in what tools and the environment say; of environment events and errors
/// without such lines, the first line at the event's time. Acts of the agent and their results are no moments: that
/// a result follows its call is no news. A line that was read twice is one moment.
pub fn read(digest: Digest, events: &[Event]) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut seen = BTreeSet::new();
    for event in events.iter().filter(|e| !e.copied) {
        let text = match &event.body {
            Body::ToolResult { text, .. } | Body::Error { text } | Body::Opaque { text, .. } => text,
            Body::Message { text } if event.actor == EventActor::Environment => text,
            _ => continue,
        };
        let before = moments.len();
        let mut has_lines = false;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let line = line.trim_end();
            let Some((time, rest)) = normalise::leading_time(line) else { continue };
            has_lines = true;
            let kind = normalise::template(&line[rest..]);
            if !kind.is_empty() && kind != SLOT && seen.insert((time, line)) {
                let evidence = Evidence::of_event(digest, event.seq, text, start..start + line.len());
                moments.push(Moment { time, kind, evidence });
            }
        }
        let is_own = event.actor == EventActor::Environment || matches!(event.body, Body::Error { .. });
        if let (false, true, Some(time), true) = (has_lines, is_own, event.time, moments.len() == before) {
            let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { continue };
            let start = text.find(line).unwrap_or(0);
            let kind = normalise::template(line);
            if kind != SLOT {
                let evidence = Evidence::of_event(digest, event.seq, text, start..start + line.len());
                moments.push(Moment { time, kind, evidence });
            }
        }
    }
    let mut of_kind: BTreeMap<String, usize> = BTreeMap::new();
    moments.iter().for_each(|m| *of_kind.entry(m.kind.clone()).or_default() += 1);
    moments.retain(|m| of_kind[&m.kind] <= OF_KIND_MAX);
    moments.sort_by_key(|m| m.time);
    moments
}

/// One session's events of each kind, in seconds from its first moment.
struct Timeline {
    session: usize,
    length_s: f64,
    /// By kind: time, place in the session's moments, and whether an earlier session shows the same line.
    of_kind: BTreeMap<usize, Vec<Point>>,
}

#[derive(Clone, Copy)]
struct Point {
    at_s: f64,
    moment: usize,
    copied: bool,
}

/// From one event to the earliest second one.
#[derive(Clone, Copy)]
struct Lag {
    timeline: usize,
    lag_s: f64,
    first: usize,
    then: usize,
}

struct Found {
    first: usize,
    then: usize,
    /// After the scan correction.
    ln_p: f64,
    low_s: f64,
    high_s: f64,
    lags: Vec<Lag>,
    expected: f64,
    counter_examples: usize,
}

impl Found {
    fn sessions(&self, timelines: &[Timeline]) -> BTreeSet<usize> {
        self.lags.iter().map(|lag| timelines[lag.timeline].session).collect()
    }

    fn lags_s(&self) -> Vec<f64> {
        self.lags.iter().map(|lag| lag.lag_s).collect()
    }
}

pub fn mine(pool: &Pool<'_>, config: &Config) -> Vec<Candidate> {
    let kinds = kinds(pool, config);
    let timelines = timelines(pool, &kinds);
    let windows = windows(config.lag_window_s);
    let general: Vec<String> = kinds.iter().map(|kind| normalise::generalise(kind)).collect();
    let is_pair = |a: usize, b: usize| a != b && general[a] != kinds[b] && general[b] != kinds[a];
    let pairs: Vec<(usize, usize)> =
        (0..kinds.len()).flat_map(|a| (0..kinds.len()).map(move |b| (a, b))).filter(|(a, b)| is_pair(*a, *b)).collect();
    let found: Vec<Found> =
        pairs.par_iter().filter_map(|(first, then)| best_window(&timelines, *first, *then, &windows, config)).collect();
    let tests = pairs.len();
    let p: Vec<f64> = found.iter().map(|f| f.ln_p.exp().min(1.0)).collect();
    let q = benjamini_hochberg(&p, tests);
    let mut significant: Vec<(Found, f64)> = found.into_iter().zip(q).filter(|(_, q)| *q <= config.q_max).collect();
    drop_explained(&mut significant, &timelines);
    drop_restated(&mut significant, &kinds);
    significant.iter().map(|(found, q)| candidate(pool, &timelines, &kinds, found, *q)).collect()
}

/// Kinds in enough sessions, as they are and generalised, in order of their text.
fn kinds(pool: &Pool<'_>, config: &Config) -> Vec<String> {
    let mut sessions_of: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (i, session) in pool.sessions.iter().enumerate() {
        let own: BTreeSet<&str> = session.moments.iter().map(|m| m.kind.as_str()).collect();
        for kind in own {
            for kind in [kind.to_owned(), normalise::generalise(kind)] {
                sessions_of.entry(kind).or_default().insert(i);
            }
        }
    }
    let mut kinds: Vec<(usize, String)> = sessions_of
        .into_iter()
        .filter(|(_, sessions)| sessions.len() >= config.lag_sessions_min)
        .map(|(kind, sessions)| (sessions.len(), kind))
        .collect();
    kinds.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut kinds: Vec<String> = kinds.into_iter().take(KINDS_MAX).map(|(_, kind)| kind).collect();
    kinds.sort();
    kinds
}

fn timelines(pool: &Pool<'_>, kinds: &[String]) -> Vec<Timeline> {
    let place: BTreeMap<&str, usize> = kinds.iter().enumerate().map(|(i, kind)| (kind.as_str(), i)).collect();
    // What two sessions both read happened once.
    let mut shown: BTreeSet<(Timestamp, &str)> = BTreeSet::new();
    let mut timelines = Vec::new();
    for (session, analysis) in pool.sessions.iter().enumerate() {
        let (Some(start), Some(end)) = (analysis.moments.first(), analysis.moments.last()) else { continue };
        let seconds = |time: Timestamp| (time.as_millisecond() - start.time.as_millisecond()) as f64 / 1000.0;
        let mut of_kind: BTreeMap<usize, Vec<Point>> = BTreeMap::new();
        for (moment, m) in analysis.moments.iter().enumerate() {
            let copied = !shown.insert((m.time, m.evidence.quote.as_str()));
            let point = Point { at_s: seconds(m.time), moment, copied };
            let general = normalise::generalise(&m.kind);
            for kind in BTreeSet::from([m.kind.as_str(), general.as_str()]) {
                if let Some(kind) = place.get(kind) {
                    of_kind.entry(*kind).or_default().push(point);
                }
            }
        }
        timelines.push(Timeline { session, length_s: seconds(end.time), of_kind });
    }
    timelines
}

fn windows(longest_s: f64) -> Vec<(f64, f64)> {
    let mut windows = Vec::new();
    let mut centre = 2.0 * LAG_MIN_S;
    while centre <= longest_s {
        windows.extend(WIDTHS.map(|width| {
            let half = (centre * width).max(LAG_MIN_S / 2.0);
            (((centre - half).max(LAG_MIN_S) * 10.0).round() / 10.0, ((centre + half) * 10.0).round() / 10.0)
        }));
        centre *= GRID;
    }
    windows
}

fn best_window(
    timelines: &[Timeline],
    first: usize,
    then: usize,
    windows: &[(f64, f64)],
    config: &Config,
) -> Option<Found> {
    let mut lags: Vec<Lag> = Vec::new();
    let (mut events, mut observed_s) = (0, 0.0);
    for (t, timeline) in timelines.iter().enumerate() {
        let thens = timeline.of_kind.get(&then).map_or(&[] as &[Point], Vec::as_slice);
        events += thens.len();
        observed_s += timeline.length_s;
        for point in timeline.of_kind.get(&first).into_iter().flatten().filter(|p| !p.copied) {
            let next = thens.partition_point(|p| p.at_s <= point.at_s);
            if let Some(after) = thens.get(next) {
                lags.push(Lag { timeline: t, lag_s: after.at_s - point.at_s, first: point.moment, then: after.moment });
            }
        }
    }
    // By lag, so that a window is a slice; the sort is stable, and ties cannot matter.
    lags.sort_by(|a, b| a.lag_s.total_cmp(&b.lag_s));
    // The last window in which a session was counted, to count it once a window.
    let mut counted = vec![usize::MAX; timelines.len()];
    let mut with_lag = |window: usize, low: f64, high: f64| {
        let from = lags.partition_point(|l| l.lag_s < low);
        let within = &lags[from..from + lags[from..].partition_point(|l| l.lag_s <= high)];
        if within.len() < config.lag_sessions_min {
            return 0;
        }
        within.iter().filter(|l| std::mem::replace(&mut counted[l.timeline], window) != window).count()
    };
    let exposures = exposures(timelines, first, then, events as f64 / observed_s.max(1.0));
    let mut best: Option<(f64, f64, f64, f64)> = None;
    for (window, (low, high)) in windows.iter().enumerate() {
        let observed = with_lag(window, *low, *high);
        if observed < config.lag_sessions_min {
            continue;
        }
        let expected = expected(&exposures, *low, *high);
        if (observed as f64) < LIFT_MIN * expected {
            continue;
        }
        let ln_p = ln_poisson_tail(observed as u64, expected) + (windows.len() as f64).ln();
        // Of equal windows the narrower.
        if best.is_none_or(|(of_best, l, h, _)| (ln_p, high - low) < (of_best, h - l)) {
            best = Some((ln_p, *low, *high, expected));
        }
    }
    let (ln_p, low_s, high_s, expected) = best?;
    lags.retain(|l| (low_s..=high_s).contains(&l.lag_s));
    lags.sort_by_key(|l| (l.timeline, l.first));
    let holding: BTreeSet<usize> = lags.iter().map(|l| l.timeline).collect();
    let counter_examples = timelines
        .iter()
        .enumerate()
        .filter(|(t, timeline)| {
            let firsts = timeline.of_kind.get(&first).into_iter().flatten();
            !holding.contains(t) && firsts.into_iter().any(|p| p.at_s + high_s <= timeline.length_s)
        })
        .count();
    Some(Found { first, then, ln_p, low_s, high_s, lags, expected, counter_examples })
}

/// One session's part in what chance gives: the times of first events, and the rate of second ones.
struct Exposure {
    firsts_s: Vec<f64>,
    length_s: f64,
    rate: f64,
}

fn exposures(timelines: &[Timeline], first: usize, then: usize, rate: f64) -> Vec<Exposure> {
    let of_session = |timeline: &Timeline| {
        let points = timeline.of_kind.get(&first)?;
        let own = timeline.of_kind.get(&then).map_or(0, Vec::len) as f64 / timeline.length_s.max(1.0);
        let firsts_s = points.iter().filter(|p| !p.copied).map(|p| p.at_s).collect();
        Some(Exposure { firsts_s, length_s: timeline.length_s, rate: rate.max(own) })
    };
    timelines.iter().filter_map(of_session).collect()
}

/// In how many sessions chance alone puts the earliest second event into the window after some first one.
fn expected(exposures: &[Exposure], low: f64, high: f64) -> f64 {
    let of_session = |exposure: &Exposure| {
        let misses = |high: f64| match high <= low {
            true => 1.0,
            false => 1.0 - (-exposure.rate * low).exp() * (1.0 - (-exposure.rate * (high - low)).exp()),
        };
        // The times are in order: up to here the whole window was observed.
        let whole = exposure.firsts_s.partition_point(|at| at + high <= exposure.length_s);
        let cut = exposure.firsts_s[whole..].iter().map(|at| misses(exposure.length_s - at));
        1.0 - misses(high).powi(whole as i32) * cut.product::<f64>()
    };
    exposures.iter().map(of_session).sum()
}

/// Of a -> b, b -> c and a -> c with lags that add up in the same sessions, drops the one of the widest spread.
fn drop_explained(found: &mut Vec<(Found, f64)>, timelines: &[Timeline]) {
    let by_pair: BTreeMap<(usize, usize), usize> =
        found.iter().enumerate().map(|(i, (f, _))| ((f.first, f.then), i)).collect();
    let facts: Vec<(f64, f64, BTreeSet<usize>)> =
        found.iter().map(|(f, _)| (median(&f.lags_s()), deviation(&f.lags_s()), f.sessions(timelines))).collect();
    let mut explained = BTreeSet::new();
    for ((a, b), ab) in &by_pair {
        for ((_, c), bc) in by_pair.range((*b, 0)..(*b + 1, 0)) {
            let Some(ac) = by_pair.get(&(*a, *c)) else { continue };
            let (whole, sum) = (facts[*ac].0, facts[*ab].0 + facts[*bc].0);
            let shared = facts[*ab].2.intersection(&facts[*bc].2).filter(|s| facts[*ac].2.contains(s)).count();
            let least = facts[*ab].2.len().min(facts[*bc].2.len()).min(facts[*ac].2.len());
            if (whole - sum).abs() > 0.2 * whole || 2 * shared < least {
                continue;
            }
            let widest = [*ab, *bc, *ac].into_iter().max_by(|x, y| {
                (facts[*x].1, facts[*x].0).partial_cmp(&(facts[*y].1, facts[*y].0)).unwrap_or(std::cmp::Ordering::Equal)
            });
            explained.extend(widest);
        }
    }
    let mut place = 0;
    found.retain(|_| {
        place += 1;
        !explained.contains(&(place - 1))
    });
}

/// The same events told at two levels, or a then b where the window of another pair has the same second events:
/// only the strongest is kept.
fn drop_restated(found: &mut Vec<(Found, f64)>, kinds: &[String]) {
    found.sort_by(|(a, _), (b, _)| {
        let key = |f: &Found| (kinds[f.first].len() + kinds[f.then].len(), f.first, f.then);
        a.ln_p.total_cmp(&b.ln_p).then(key(b).cmp(&key(a)))
    });
    let mut told: BTreeSet<(usize, usize, usize)> = BTreeSet::new();
    found.retain(|(f, _)| {
        let own: Vec<_> = f.lags.iter().map(|l| (l.timeline, l.first, l.then)).collect();
        let known = own.iter().filter(|lag| told.contains(*lag)).count();
        let is_new = 2 * known < own.len();
        if is_new {
            told.extend(own);
        }
        is_new
    });
}

fn candidate(pool: &Pool<'_>, timelines: &[Timeline], kinds: &[String], found: &Found, q: f64) -> Candidate {
    let sessions = found.sessions(timelines);
    let support = pool.support(&sessions, found.counter_examples);
    let tier = match tier_of_counts(&support) {
        Tier::Recurrent => Tier::Tested,
        tier => tier,
    };
    let (first_seen, last_seen) = pool.first_and_last(&sessions);
    let (lag, spread) = (median(&found.lags_s()), median_deviation(&found.lags_s()));
    let (first, then) = (code(&name(&kinds[found.first])), code(&name(&kinds[found.then])));
    let quotes = |lag: &Lag| {
        let moments = &pool.sessions[timelines[lag.timeline].session].moments;
        [moments[lag.first].evidence.clone(), moments[lag.then].evidence.clone()]
    };
    let mut pieces: BTreeMap<usize, Vec<Evidence>> = BTreeMap::new();
    found.lags.iter().for_each(|l| pieces.entry(l.timeline).or_default().extend(quotes(l)));
    let without = match found.counter_examples {
        0 => "No session saw the first without the second".to_owned(),
        n => format!("{} saw the first without the second", count(n as u64, "session")),
    };
    let held = support.sessions as f64 / (support.sessions + support.counter_examples) as f64;
    let advice = (tier == Tier::Tested && held >= HELD_MIN)
        .then(|| format!("After {first}, expect {then} within about {}.", duration(found.high_s)));
    Candidate {
        kind: NoteKind::Pattern,
        reason: "time_lag".to_owned(),
        key: format!("{}|{}", kinds[found.first], kinds[found.then]),
        title: format!("{then} follows {first} after about {}", duration(lag)),
        claim: format!(
            "{then} follows {first} after about {} (median; half of them within {} of it). {without}. Chance would show \
             this in {:.1} sessions (q {}).",
            duration(lag),
            duration(spread),
            found.expected,
            if q < 0.001 { "< 0.001".to_owned() } else { format!("{q:.3}") },
        ),
        advice,
        applies_when: BTreeMap::from([("event".to_owned(), short(&name(&kinds[found.first]), 80))]),
        tier,
        support,
        statistics: Statistics::new(q, sessions.len() as f64 / found.expected).filter(|_| tier == Tier::Tested),
        evidence: evidence(pieces.into_values().collect()),
        probe: Probe::TimeLag {
            first: kinds[found.first].clone(),
            then: kinds[found.then].clone(),
            lag_min_s: found.low_s,
            lag_max_s: found.high_s,
        },
        fact: None,
        first_seen,
        last_seen,
        author: "time-lag/1".to_owned(),
    }
}

/// A kind as people would call it: without the parts that vary.
fn name(kind: &str) -> String {
    let constant: Vec<&str> = kind.split(' ').filter(|word| !word.contains(SLOT)).collect();
    if constant.is_empty() { kind.to_owned() } else { constant.join(" ") }
}

#[cfg(test)]
mod tests;
