//! Excerpts: the lines of a memory that a query is about.

use std::ops::Range;

use domain::limits;
use domain::search::{Demand, Line};

use super::analyse::{Analyser, each_word, humps};
use super::rank::Plan;

/// A line while it is looked at.
struct Matching<'a> {
    number: u32,
    text: &'a str,
    matches: Vec<Range<usize>>,
    /// Clauses that begin in it, by their places in the plan, each once.
    clauses: Vec<usize>,
}

/// The lines with most of the query's words, in their order; the first that is not empty where none has
/// any.
pub fn excerpt(text: &str, plan: &Plan, analyser: &mut Analyser) -> Vec<Line> {
    let spans = spans(text, plan, analyser);
    let mut lines: Vec<Matching<'_>> = Vec::new();
    let mut start = 0;
    let mut rest = spans.as_slice();
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let end = start + line.len();
        let here = rest.partition_point(|(span, _)| span.start < end);
        if here > 0 {
            let line = line.trim_end_matches(['\n', '\r']);
            let mut matching = Matching { number, text: line, matches: Vec::new(), clauses: Vec::new() };
            for (span, clause) in &rest[..here] {
                matching.matches.push(span.start - start..(span.end - start).min(line.len()));
                if !matching.clauses.contains(clause) {
                    matching.clauses.push(*clause);
                }
            }
            lines.push(matching);
            rest = &rest[here..];
        }
        start = end;
    }
    if lines.is_empty() {
        let first = text.lines().zip(1..).find(|(line, _)| !line.trim().is_empty());
        let whole = |(text, number)| cut(Matching { number, text, matches: Vec::new(), clauses: Vec::new() });
        return first.map(whole).into_iter().collect();
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.clauses.len()), line.number));
    lines.truncate(limits::SEARCH_LINES_MAX);
    lines.sort_by_key(|line| line.number);
    lines.into_iter().map(cut).collect()
}

/// Where the clauses stand in a text, each word by itself, in order, each once.
fn spans(text: &str, plan: &Plan, analyser: &mut Analyser) -> Vec<(Range<usize>, usize)> {
    let looked_for: Vec<(usize, Vec<&str>)> = plan
        .clauses
        .iter()
        .enumerate()
        .filter(|(_, clause)| clause.demand != Demand::Excluded)
        .map(|(n, clause)| (n, plan.stems(clause).collect()))
        .collect();
    let is = |analyser: &mut Analyser, word: &str, stem: &str| {
        analyser.stem(word) == stem || humps(word).any(|part| analyser.stem(part) == stem)
    };
    let mut words: Vec<(usize, &str)> = Vec::new();
    each_word(text, |at, word| words.push((at, word)));
    let mut spans: Vec<(Range<usize>, usize)> = Vec::new();
    for first in 0..words.len() {
        for (clause, stems) in &looked_for {
            let Some(row) = words.get(first..first + stems.len()) else { continue };
            if row.iter().zip(stems).all(|((_, word), stem)| is(analyser, word, stem)) {
                spans.extend(row.iter().map(|(at, word)| (*at..at + word.len(), *clause)));
            }
        }
    }
    spans.sort_by_key(|(span, clause)| (span.start, *clause));
    spans.dedup();
    spans
}

/// A long line loses its ends.
fn cut(line: Matching<'_>) -> Line {
    const ELLIPSIS: &str = "\u{2026}";
    let most = limits::SEARCH_LINE_BYTES_MAX;
    let mut window = 0..line.text.len();
    if line.text.len() > most {
        // The first match, and a quarter of the room before it.
        let first = line.matches.first().map_or(0, |m| m.start);
        let start = first.saturating_sub(most / 4).min(line.text.len() - most);
        let start = line.text.ceil_char_boundary(start);
        window = start..line.text.floor_char_boundary(start + most).max(start);
    }
    let before = if window.start > 0 { ELLIPSIS } else { "" };
    let after = if window.end < line.text.len() { ELLIPSIS } else { "" };
    let text = format!("{before}{}{after}", &line.text[window.clone()]);
    let moved = |at: usize| at - window.start + before.len();
    let mut matches: Vec<Range<usize>> = Vec::new();
    for found in line.matches {
        let (start, end) = (found.start.max(window.start), found.end.min(window.end));
        let overlaps = matches.last().is_some_and(|last| start < end && moved(start) < last.end);
        if start < end && !overlaps {
            matches.push(moved(start)..moved(end));
        }
    }
    Line { number: line.number, text, matches }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(query: &str, text: &str) -> Vec<Line> {
        let mut analyser = Analyser::default();
        let plan = Plan::new(&query.parse().unwrap(), &mut analyser);
        excerpt(text, &plan, &mut analyser)
    }

    fn marked(line: &Line) -> Vec<&str> {
        line.matches.iter().map(|m| &line.text[m.clone()]).collect()
    }

    #[test]
    fn the_lines_with_most_of_the_query_are_shown_with_their_numbers() {
        let text = "disk\nnothing\nDisks fail\nthe disk failed and failed\nfailing\r\ndisk\n";
        let lines = shown("disk fail", text);
        assert_eq!(lines.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(marked(&lines[2]), ["disk", "failed", "failed"]);
        assert_eq!(shown("failing", "x\nfailing\r\n")[0].text, "failing");
    }

    #[test]
    fn a_phrase_is_marked_where_it_stands_also_over_the_end_of_a_line() {
        let lines = shown("\"connection refused\"", "refused\nno connection\nthe connection\nrefused it\n");
        assert_eq!(lines.iter().map(|l| l.number).collect::<Vec<_>>(), [3, 4]);
        assert_eq!((marked(&lines[0]), marked(&lines[1])), (vec!["connection"], vec!["refused"]));
        assert_eq!(marked(&shown("user", "call getUserById\n")[0]), ["getUserById"]);
    }

    #[test]
    fn where_only_the_path_matches_the_first_line_is_shown() {
        assert_eq!(
            shown("disk", "\n  \n# Title\ntext\n"),
            [Line { number: 3, text: "# Title".into(), matches: vec![] }]
        );
        assert!(shown("disk", "").is_empty());
        assert_eq!(shown("a -disk", "disk\na\n")[0].number, 2, "what must not be there is not marked");
    }

    proptest! {
        #[test]
        fn a_line_of_any_length_is_cut_between_characters_around_a_match(before in "[é a]{0,400}", after in "[é\u{1f600} a]{0,400}") {
            let lines = shown("needle", &format!("{before} needle {after}\n"));
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(marked(&lines[0]), ["needle"]);
            prop_assert!(lines[0].text.len() <= limits::SEARCH_LINE_BYTES_MAX + 6);
        }
    }
}
