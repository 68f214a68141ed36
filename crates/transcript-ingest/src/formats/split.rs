//! Splits a file into its records: the lines of JSONL, the elements of an array, or JSON values one
//! after the other. Finds where records end without parsing them, so that a bad one costs only itself.

use domain::transcript::request::ImportProblem;
use serde::de::IgnoredAny;

/// One record's bytes, and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    pub bytes: &'a [u8],
    /// Of the first byte, from the file's beginning.
    pub start: u64,
    /// From 1.
    pub record: u64,
    /// From 1: the line that the record begins on.
    pub line: u64,
}

/// The records of a file.
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    file: &'a [u8],
    layout: Layout,
    at: usize,
    record: u64,
    /// The line of `counted`, which never goes back.
    line: u64,
    counted: usize,
    done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Array,
    Values,
}

pub fn split(file: &[u8]) -> Pieces<'_> {
    let begin = if file.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let begin = begin + blanks(&file[begin..]);
    let layout = layout(&file[begin..]);
    let at = if layout == Layout::Array { begin + 1 } else { begin };
    Pieces { file, layout, at, record: 0, line: 1, counted: 0, done: false }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, ImportProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        self.at += blanks(&self.file[self.at..]);
        let rest = &self.file[self.at..];
        if rest.is_empty() {
            self.done = true;
            let open = self.layout == Layout::Array;
            return open.then(|| Err(self.problem(self.at, 0, "the array is not closed: the file is cut off")));
        }
        match self.layout {
            Layout::Lines => {
                let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                Some(Ok(self.piece(end)))
            }
            Layout::Values => match value_end(rest) {
                Some(end) => Some(Ok(self.piece(end))),
                None => {
                    self.done = true;
                    Some(Err(self.cut_off()))
                }
            },
            Layout::Array => self.element(rest),
        }
    }
}

impl<'a> Pieces<'a> {
    fn element(&mut self, rest: &'a [u8]) -> Option<Result<Piece<'a>, ImportProblem>> {
        if rest[0] == b']' {
            self.done = true;
            let tail = self.at + 1 + blanks(&rest[1..]);
            let more = self.file.len() - tail;
            let problem = || self.problem(tail, 0, format!("{more} byte(s) after the end of the array were not read"));
            return (more > 0).then(problem).map(Err);
        }
        match element_end(rest) {
            Some(end) => {
                let piece = self.piece(end);
                self.at += usize::from(self.file.get(self.at) == Some(&b','));
                Some(Ok(piece))
            }
            None => {
                self.done = true;
                Some(Err(self.cut_off()))
            }
        }
    }

    /// The next `len` bytes, without the blanks at their end.
    fn piece(&mut self, len: usize) -> Piece<'a> {
        let bytes = self.file[self.at..self.at + len].trim_ascii_end();
        let start = self.at;
        self.at += len;
        self.record += 1;
        Piece { bytes, start: start as u64, record: self.record, line: self.line_of(start) }
    }

    fn cut_off(&mut self) -> ImportProblem {
        self.record += 1;
        self.problem(self.at, self.record, "ends in the middle of a JSON value: the file is cut off")
    }

    fn problem(&mut self, at: usize, record: u64, reason: impl Into<String>) -> ImportProblem {
        ImportProblem { record, line: self.line_of(at), reason: reason.into() }
    }

    fn line_of(&mut self, at: usize) -> u64 {
        self.line += self.file[self.counted..at].iter().filter(|b| **b == b'\n').count() as u64;
        self.counted = at;
        self.line
    }
}

/// A first line that is JSON in itself, with more after it, means lines. Else a file that is one
/// value is taken as one. Else, where the first value is damaged, lines of their own that are JSON
/// say that it was lines.
fn layout(file: &[u8]) -> Layout {
    let whole = match file.first() {
        Some(b'[') => Layout::Array,
        Some(b'{') => Layout::Values,
        _ => return Layout::Lines,
    };
    let mut lines = file.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty());
    let first = lines.next().unwrap_or_default();
    let is_json = |line: &[u8]| serde_json::from_slice::<IgnoredAny>(line).is_ok();
    if is_json(first) {
        return if lines.next().is_none() { whole } else { Layout::Lines };
    }
    let one_value = value_end(file).is_some_and(|end| blanks(&file[end..]) == file.len() - end);
    let opens_only = matches!(first.trim_ascii(), b"[" | b"{");
    let in_lines = |line: &[u8]| line.starts_with(b"{") && is_json(line) || line.starts_with(b"[") && is_json(line);
    if !one_value && !opens_only && lines.take(5).any(in_lines) { Layout::Lines } else { whole }
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.len() - bytes.trim_ascii_start().len()
}

/// Where the first value ends. None where the bytes end first.
fn value_end(bytes: &[u8]) -> Option<usize> {
    let mut scan = Scan::default();
    for (i, b) in bytes.iter().enumerate() {
        let opened = scan.depth > 0 || scan.in_string;
        scan.step(*b);
        let closed = scan.depth == 0 && !scan.in_string;
        if opened && closed {
            return Some(i + 1);
        }
        // A bare word or number ends at the first blank.
        if !opened && closed && b.is_ascii_whitespace() {
            return Some(i);
        }
    }
    (scan.depth == 0 && !scan.in_string).then_some(bytes.len())
}

/// Where an array's element ends: before its comma or the array's bracket.
pub(super) fn element_end(bytes: &[u8]) -> Option<usize> {
    let mut scan = Scan::default();
    for (i, b) in bytes.iter().enumerate() {
        if scan.depth == 0 && !scan.in_string && matches!(b, b',' | b']') {
            return Some(i);
        }
        scan.step(*b);
    }
    None
}

/// How deep in brackets, and whether in a string, a place is.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    fn step(&mut self, b: u8) {
        match (self.in_string, b) {
            (true, _) if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (_, b'"') => self.in_string = !self.in_string,
            (true, _) => {}
            (false, b'{' | b'[') => self.depth += 1,
            (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            (false, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(file: &str) -> Vec<(u64, u64, String)> {
        let seen = split(file.as_bytes()).map(|piece| match piece {
            Ok(p) => {
                let text = String::from_utf8_lossy(p.bytes).into_owned();
                assert_eq!(&file.as_bytes()[p.start as usize..][..p.bytes.len()], p.bytes);
                (p.record, p.line, text)
            }
            Err(e) => (e.record, e.line, e.reason),
        });
        seen.collect()
    }

    fn texts(file: &str) -> Vec<String> {
        records(file).into_iter().map(|(_, _, text)| text).collect()
    }

    #[test]
    fn lines_elements_and_values_are_told_apart() {
        assert_eq!(texts("{\"a\":1}\n\n{\"b\":2}\r\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(texts("[{\"a\":[1,2]}, {\"b\":\"],\"}]"), ["{\"a\":[1,2]}", "{\"b\":\"],\"}"]);
        assert_eq!(texts("[\n {\"a\":1},\n {\"b\":2}\n]\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(
            texts("{\n \"a\": {\n  \"b\": 1}\n}\n{\n \"c\": 2\n}"),
            ["{\n \"a\": {\n  \"b\": 1}\n}", "{\n \"c\": 2\n}"]
        );
        assert_eq!(texts("[1]\n[2]\n"), ["[1]", "[2]"]);
        assert_eq!(texts("[{\"a\":1},\n{\"b\":2},\n{\"c\":3}\n]"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        assert_eq!(texts("[]"), Vec::<String>::new());
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn a_record_knows_its_number_and_its_line() {
        let seen = records("\u{feff}\n{\"a\":1}\n\n\n{\"b\":2}\n{\"c\":3}");
        assert_eq!(seen.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(1, 2), (2, 5), (3, 6)]);
        let seen = records("[\n{\"a\":\n1},\n\n{\"b\":2}]");
        assert_eq!(seen.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(1, 2), (2, 5)]);
    }

    #[test]
    fn a_damaged_first_line_does_not_cost_the_others() {
        assert_eq!(texts("{\"a\": \n{\"b\":2}\n{\"c\":3}\n").len(), 3);
        assert_eq!(texts("nonsense\n{\"b\":2}\n").len(), 2);
    }

    #[test]
    fn a_file_that_is_cut_off_says_so() {
        assert_eq!(
            records("[{\"a\":1},\n{\"b\":").last().unwrap().2,
            "ends in the middle of a JSON value: the file is cut off"
        );
        assert_eq!(
            records("[{\"a\":1},\n").last().unwrap(),
            &(0, 2, "the array is not closed: the file is cut off".into())
        );
        assert_eq!(records("{\n\"a\": 1").last().unwrap().0, 1);
        assert_eq!(records("[1] x").last().unwrap().2, "1 byte(s) after the end of the array were not read");
    }
}
