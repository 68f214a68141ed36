//! Ranking: which documents a query is about, best first.
//!
//! By Okapi BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond",
//! 2009. A phrase counts as one word that is as rare as its words together. A word of the path counts
//! as several of the content. What the caller may not read counts for nothing, so that a score tells
//! nothing of it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use domain::access::StorePermit;
use domain::path::Prefix;
use domain::search::{Demand, Query};

use super::analyse::{Analyser, each_word, is_ideographic};
use super::postings::{Number, Reader};
use super::words::{Document, Words};

#[cfg(test)]
mod tests;

/// How soon more of the same word stops mattering.
const SATURATION: f64 = 1.2;
/// How much a long document's words count for less.
const LENGTH_SHARE: f64 = 0.75;
/// What a word of the path counts for.
const PATH_WEIGHT: f64 = 3.0;

/// A query as it is looked for.
pub struct Plan {
    pub clauses: Vec<Planned>,
    /// The different stems.
    stems: Vec<String>,
}

/// Stems in a row, by their places in the plan.
pub struct Planned {
    pub demand: Demand,
    stems: Vec<usize>,
}

impl Plan {
    pub fn new(query: &Query, analyser: &mut Analyser) -> Plan {
        let mut plan = Plan { clauses: Vec::new(), stems: Vec::new() };
        for clause in &query.clauses {
            let mut words = Vec::new();
            each_word(&clause.text, |_, word| words.push(word));
            let stems: Vec<usize> = words.iter().map(|word| plan.add(analyser.stem(word))).collect();
            let runs: Vec<&[usize]> =
                if clause.demand == Demand::Wanted { runs(&words, &stems) } else { vec![stems.as_slice()] };
            let planned = runs.iter().map(|run| Planned { demand: clause.demand, stems: run.to_vec() });
            plan.clauses.extend(planned);
        }
        plan.clauses.retain(|clause| !clause.stems.is_empty());
        plan
    }

    pub fn stems<'a>(&'a self, clause: &'a Planned) -> impl ExactSizeIterator<Item = &'a str> {
        clause.stems.iter().map(|&stem| self.stems[stem].as_str())
    }

    fn add(&mut self, stem: &str) -> usize {
        self.stems.iter().position(|known| known == stem).unwrap_or_else(|| {
            self.stems.push(stem.to_owned());
            self.stems.len() - 1
        })
    }
}

/// What is looked for in a row. A sentence in a script without spaces is one word to its writer, and
/// nobody writes the same sentence twice: of such characters any two in a row are looked for.
fn runs<'a>(words: &[&str], stems: &'a [usize]) -> Vec<&'a [usize]> {
    let mut runs = Vec::new();
    let mut start = 0;
    for run in words.chunk_by(|a, b| is_ideographic(a) == is_ideographic(b)) {
        let stems = &stems[start..start + run.len()];
        start += run.len();
        if run.len() > 2 && is_ideographic(run[0]) { runs.extend(stems.windows(2)) } else { runs.push(stems) }
    }
    runs
}

/// What the caller may read, and of that what is asked for.
pub struct Scope<'a> {
    pub permit: &'a StorePermit,
    pub prefix: &'a Prefix,
    pub query: &'a Query,
}

impl Scope<'_> {
    fn holds(&self, document: &Document) -> bool {
        let path = document.path.as_str();
        self.prefix.contains(path) && self.query.is_about(path)
    }
}

/// What makes a word rare: counts over all documents that the caller may read, in all searched stores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    documents: u64,
    length: u64,
    /// With each stem of the plan.
    with: Vec<u64>,
}

impl Stats {
    pub fn add(&mut self, words: &Words, plan: &Plan, permit: &StorePermit) {
        self.with.resize(plan.stems.len(), 0);
        if permit.reads_all() {
            self.documents += words.len() as u64;
            self.length += words.length();
            for (with, stem) in self.with.iter_mut().zip(&plan.stems) {
                *with += words.postings(stem).map_or(0, |postings| u64::from(postings.live));
            }
            return;
        }
        let mut readable = vec![false; words.end()];
        for (number, document) in words.documents().filter(|(_, d)| permit.may_read(d.path.as_str())) {
            readable[number as usize] = true;
            self.documents += 1;
            self.length += u64::from(document.length);
        }
        for (with, stem) in self.with.iter_mut().zip(&plan.stems) {
            let Some(postings) = words.postings(stem) else { continue };
            let mut reader = postings.read();
            while let Some(number) = reader.next() {
                *with += u64::from(readable[number as usize]);
            }
        }
    }

    fn rarity(&self, clause: &Planned) -> f64 {
        let rarity = |&stem: &usize| {
            let (all, with) = (self.documents as f64, self.with.get(stem).copied().unwrap_or(0) as f64);
            (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
        };
        clause.stems.iter().map(rarity).sum()
    }

    fn mean_length(&self) -> f64 {
        if self.documents == 0 { 1.0 } else { (self.length as f64 / self.documents as f64).max(1.0) }
    }
}

/// The best documents of one store.
pub struct Ranked<'a> {
    /// Best first; of equals the one whose path comes first.
    pub best: Vec<(f64, &'a Document)>,
    /// There are more.
    pub more: bool,
}

/// At most `most` documents.
pub fn rank<'a>(words: &'a Words, plan: &Plan, stats: &Stats, scope: &Scope<'_>, most: usize) -> Ranked<'a> {
    let mut scores = vec![0.0; words.end()];
    let mut required = vec![0u8; words.end()];
    let mut demanded = 0;
    let mut excluded = vec![false; words.end()];
    for clause in &plan.clauses {
        if clause.demand == Demand::Excluded {
            each_match(words, plan, clause, |number, _| excluded[number as usize] = true);
            continue;
        }
        let is_required = clause.demand == Demand::Required;
        demanded += u8::from(is_required);
        let (rarity, mean_length) = (stats.rarity(clause), stats.mean_length());
        each_match(words, plan, clause, |number, count| {
            let Some(document) = words.document(number) else { return };
            let length = 1.0 - LENGTH_SHARE + LENGTH_SHARE * f64::from(document.length) / mean_length;
            scores[number as usize] += rarity * count * (SATURATION + 1.0) / (count + SATURATION * length);
            required[number as usize] += u8::from(is_required);
        });
    }
    let found = |(number, document): (Number, &'a Document)| {
        let (score, number) = (scores[number as usize], number as usize);
        let is_it = score > 0.0 && required[number] == demanded && !excluded[number];
        let is_it = is_it && scope.permit.may_read(document.path.as_str()) && scope.holds(document);
        is_it.then_some(Candidate(score, document))
    };
    let mut heap: BinaryHeap<Candidate<'a>> = words.documents().filter_map(found).collect::<Vec<_>>().into();
    let best =
        std::iter::from_fn(|| heap.pop()).take(most).map(|Candidate(score, document)| (score, document)).collect();
    Ranked { best, more: !heap.is_empty() }
}

struct Candidate<'a>(f64, &'a Document);

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then_with(|| other.1.path.cmp(&self.1.path))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate<'_> {}

/// Calls back with each document that has the clause's stems in a row, and with how often, weighted.
fn each_match(words: &Words, plan: &Plan, clause: &Planned, mut found: impl FnMut(Number, f64)) {
    let readers: Option<Vec<Reader<'_>>> = plan.stems(clause).map(|stem| Some(words.postings(stem)?.read())).collect();
    let Some(mut readers) = readers else { return };
    let mut at: Vec<Option<Number>> = readers.iter_mut().map(Reader::next).collect();
    let mut places = vec![Vec::new(); readers.len()];
    while let Some(number) = meet(&mut readers, &mut at) {
        if let Some(document) = words.document(number) {
            for (reader, places) in readers.iter_mut().zip(&mut places) {
                reader.places(places);
            }
            let in_a_row = |start: &&u32| {
                places.iter().zip(**start..).skip(1).all(|(places, place)| places.binary_search(&place).is_ok())
            };
            let starts = places[0].iter().filter(in_a_row);
            let weight = |&start: &u32| if start < document.path_length { PATH_WEIGHT } else { 1.0 };
            let count: f64 = starts.map(weight).sum();
            if count > 0.0 {
                found(number, count);
            }
        }
        at[0] = readers[0].next();
    }
}

/// Moves all on to the next document that they share.
fn meet(readers: &mut [Reader<'_>], at: &mut [Option<Number>]) -> Option<Number> {
    loop {
        let mut furthest = 0;
        for number in at.iter() {
            furthest = furthest.max((*number)?);
        }
        if at.iter().all(|number| *number == Some(furthest)) {
            return Some(furthest);
        }
        for (reader, number) in readers.iter_mut().zip(at.iter_mut()) {
            if number.is_some_and(|n| n < furthest) {
                *number = reader.seek(furthest);
            }
        }
    }
}
