//! The commands of a fast-import stream (git-fast-import(1)), one after the other.

use std::io::{self, BufRead as _, Read as _};

use domain::{Result, limits};

use crate::import::item::Place;
use crate::import::upload::{Input, broken, next_line};

pub enum Command {
    Blob { mark: Option<u64>, data: Data },
    Commit(CommitCommand),
    Reset { name: String, from: Option<String> },
    Tag,
}

pub struct CommitCommand {
    pub name: String,
    pub mark: Option<u64>,
    /// As it stands after the word.
    pub author: String,
    pub message: String,
    pub from: Option<String>,
    pub changes: Vec<(Place, FileCommand)>,
}

pub enum FileCommand {
    Modify { mode: String, reference: String, inline: Option<Data>, path: Vec<u8> },
    Delete { path: Vec<u8> },
    Rename { from: Vec<u8>, to: Vec<u8> },
    Copy { from: Vec<u8>, to: Vec<u8> },
    DeleteAll,
}

pub enum Data {
    Whole(Vec<u8>),
    /// Not held in memory: its bytes.
    TooLarge(u64),
}

pub struct Stream {
    input: Input,
    /// The next line, without its end, where it was looked at already.
    ahead: Option<Vec<u8>>,
    /// Of the next line.
    number: u64,
    /// The stream says that it ends with `done`.
    ends_with_done: bool,
}

impl Stream {
    pub fn new(input: Input) -> Stream {
        Stream { input, ahead: None, number: 1, ends_with_done: false }
    }

    /// The next command with its place. None at the end.
    pub fn next(&mut self) -> Result<Option<(Place, Command)>> {
        loop {
            let place = self.place();
            let Some(line) = self.line()? else {
                if self.ends_with_done {
                    return Err(place.refuse("the stream has no end: it was cut short"));
                }
                return Ok(None);
            };
            let text = String::from_utf8_lossy(&line).into_owned();
            let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let command = match word {
                "" if rest.is_empty() => continue,
                "feature" => {
                    self.ends_with_done |= rest == "done";
                    continue;
                }
                "option" | "progress" | "checkpoint" => continue,
                "done" => {
                    self.ends_with_done = false;
                    return match self.line()? {
                        None => Ok(None),
                        Some(_) => Err(self.place().refuse("something follows the end of the stream")),
                    };
                }
                "blob" => Command::Blob { mark: self.mark()?, data: self.data(limits::CONTENT_BYTES_MAX)? },
                "commit" => Command::Commit(self.commit(&place, rest)?),
                "reset" => Command::Reset { name: rest.to_owned(), from: self.word("from ")? },
                "tag" => {
                    self.mark()?;
                    for word in ["from ", "original-oid ", "tagger "] {
                        self.word(word)?;
                    }
                    self.data(limits::STORE_IMPORT_RECORD_BYTES_MAX)?;
                    Command::Tag
                }
                _ => return Err(place.refuse(format_args!("the command {word:?} is not known"))),
            };
            return Ok(Some((place, command)));
        }
    }

    fn commit(&mut self, place: &Place, name: &str) -> Result<CommitCommand> {
        let mark = self.mark()?;
        let author = self.word("author ")?;
        let committer = self.word("committer ")?;
        while self.starts_with("gpgsig ")? {
            self.line()?;
            self.data(limits::STORE_IMPORT_RECORD_BYTES_MAX)?;
        }
        self.word("encoding ")?;
        let author = author.or(committer).ok_or_else(|| place.refuse("the commit has no author"))?;
        let message = match self.data(limits::STORE_IMPORT_RECORD_BYTES_MAX)? {
            Data::Whole(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Data::TooLarge(size) => return Err(place.refuse(format_args!("the commit's message has {size} bytes"))),
        };
        let from = self.word("from ")?;
        while self.word("merge ")?.is_some() {}
        let mut changes = Vec::new();
        loop {
            let place = self.place();
            match self.change(&place)? {
                Some(change) => changes.push((place, change)),
                None => break,
            }
        }
        Ok(CommitCommand { name: name.to_owned(), mark, author, message, from, changes })
    }

    /// A change of a file; None where the next line is another command. Notes of git are passed over:
    /// they are on branches of their own.
    fn change(&mut self, place: &Place) -> Result<Option<FileCommand>> {
        loop {
            let Some(line) = self.peek()? else { return Ok(None) };
            let (word, rest) = match line.iter().position(|&b| b == b' ') {
                Some(at) => (&line[..at], line[at + 1..].to_vec()),
                None => (line, Vec::new()),
            };
            let bad = || place.refuse("the change of a file cannot be read");
            let change = match word {
                b"M" => {
                    let mut parts = rest.splitn(3, |&b| b == b' ');
                    let mut part = || parts.next().ok_or_else(bad);
                    let word = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
                    let (mode, reference, path) = (word(part()?), word(part()?), part()?.to_vec());
                    self.line()?;
                    let path = path_alone(&path).ok_or_else(bad)?;
                    let inline = if reference == "inline" { Some(self.data(limits::CONTENT_BYTES_MAX)?) } else { None };
                    return Ok(Some(FileCommand::Modify { mode, reference, inline, path }));
                }
                b"D" => FileCommand::Delete { path: path_alone(&rest).ok_or_else(bad)? },
                b"R" | b"C" => {
                    let (from, to) = two_paths(&rest).ok_or_else(bad)?;
                    if word == b"R" { FileCommand::Rename { from, to } } else { FileCommand::Copy { from, to } }
                }
                b"deleteall" => FileCommand::DeleteAll,
                b"N" => {
                    let inline = rest.starts_with(b"inline ");
                    self.line()?;
                    if inline {
                        self.data(limits::CONTENT_BYTES_MAX)?;
                    }
                    continue;
                }
                _ => return Ok(None),
            };
            self.line()?;
            return Ok(Some(change));
        }
    }

    fn mark(&mut self) -> Result<Option<u64>> {
        let place = self.place();
        let mark = self.word("mark :")?;
        self.word("original-oid ")?;
        mark.map(|mark| mark.parse().map_err(|_| place.refuse(format_args!(":{mark} is no mark")))).transpose()
    }

    /// What follows a word that may stand here.
    fn word(&mut self, word: &str) -> Result<Option<String>> {
        if !self.starts_with(word)? {
            return Ok(None);
        }
        let line = self.line()?.unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(&line[word.len()..]).into_owned()))
    }

    fn starts_with(&mut self, word: &str) -> Result<bool> {
        Ok(self.peek()?.is_some_and(|line| line.starts_with(word.as_bytes())))
    }

    fn data(&mut self, most: usize) -> Result<Data> {
        let place = self.place();
        let size = self.word("data ")?.ok_or_else(|| place.refuse("expected data"))?;
        let data = if let Some(delimiter) = size.strip_prefix("<<") {
            self.delimited(&place, delimiter, most)?
        } else {
            let size: u64 = size.parse().map_err(|_| place.refuse(format_args!("{size:?} is no number of bytes")))?;
            self.counted(&place, size, most)?
        };
        // The line may end here, or not.
        if self.input.fill_buf().map_err(|e| broken(&place, &e))?.first() == Some(&b'\n') {
            self.input.consume(1);
            self.number += 1;
        }
        Ok(data)
    }

    fn counted(&mut self, place: &Place, size: u64, most: usize) -> Result<Data> {
        let mut input = (&mut self.input).take(size);
        let (data, read) = if size > most as u64 {
            (Data::TooLarge(size), io::copy(&mut input, &mut io::sink()).map_err(|e| broken(place, &e))?)
        } else {
            let mut bytes = Vec::with_capacity(size as usize);
            let read = input.read_to_end(&mut bytes).map_err(|e| broken(place, &e))?;
            self.number += bytes.iter().filter(|&&b| b == b'\n').count() as u64;
            (Data::Whole(bytes), read as u64)
        };
        if read < size {
            return Err(
                place.refuse(format_args!("{size} bytes of data are announced, {read} are there: it was cut short"))
            );
        }
        Ok(data)
    }

    fn delimited(&mut self, place: &Place, delimiter: &str, most: usize) -> Result<Data> {
        let (mut bytes, mut line, mut size) = (Vec::new(), Vec::new(), 0);
        loop {
            if !next_line(&mut self.input, &mut line, place)? {
                return Err(place.refuse("the data has no end: it was cut short"));
            }
            self.number += 1;
            if line.strip_suffix(b"\n").unwrap_or(&line) == delimiter.as_bytes() {
                break;
            }
            size += line.len() as u64;
            if size <= most as u64 {
                bytes.extend_from_slice(&line);
            }
        }
        Ok(if size <= most as u64 { Data::Whole(bytes) } else { Data::TooLarge(size) })
    }

    fn peek(&mut self) -> Result<Option<&[u8]>> {
        if self.ahead.is_none() {
            let mut line = Vec::new();
            let place = self.place();
            if !next_line(&mut self.input, &mut line, &place)? {
                return Ok(None);
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            self.ahead = Some(line);
        }
        Ok(self.ahead.as_deref())
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        self.peek()?;
        let line = self.ahead.take();
        self.number += u64::from(line.is_some());
        Ok(line)
    }

    fn place(&self) -> Place {
        Place::line(self.number)
    }
}

/// A path that fills the rest of a line.
fn path_alone(text: &[u8]) -> Option<Vec<u8>> {
    if text.first() != Some(&b'"') {
        return Some(text.to_vec());
    }
    let (path, rest) = unquoted(text)?;
    rest.is_empty().then_some(path)
}

/// Two paths with a space between them: the first is quoted where it holds one.
fn two_paths(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (from, rest) = if text.first() == Some(&b'"') {
        unquoted(text)?
    } else {
        let at = text.iter().position(|&b| b == b' ')?;
        (text[..at].to_vec(), &text[at..])
    };
    Some((from, path_alone(rest.strip_prefix(b" ")?)?))
}

/// What is within quotation marks, in C's way, and what comes after.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut path, mut at) = (Vec::new(), 1);
    loop {
        match *text.get(at)? {
            b'"' => return Some((path, &text[at + 1..])),
            b'\\' => {
                at += 1;
                let escaped = *text.get(at)?;
                path.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    b'0'..=b'3' => {
                        let digits = std::str::from_utf8(text.get(at..at + 3)?).ok()?;
                        at += 2;
                        u8::from_str_radix(digits, 8).ok()?
                    }
                    other => other,
                });
            }
            byte => path.push(byte),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn commands(text: &'static str) -> Result<Vec<Command>> {
        let mut stream = Stream::new(BufReader::new(Box::new(text.as_bytes())));
        let mut commands = Vec::new();
        while let Some((_, command)) = stream.next()? {
            commands.push(command);
        }
        Ok(commands)
    }

    #[test]
    fn a_commit_reads_with_or_without_optional_lines() {
        let text = "feature done\nblob\nmark :1\ndata 3\nhi\n\nreset refs/heads/main\ncommit refs/heads/main\nmark :2\n\
                    author A <a@b> 7 +0000\ncommitter C <c@d> 8 +0000\ndata <<EOT\nSubject\nEOT\nfrom :9\nmerge :8\n\
                    M 100644 :1 \"a \\303\\251\\\"\"\nR \"x y\" z w\nD gone\ndeleteall\n\ntag v1\nfrom :2\ntagger T <t> 9 +0000\ndata 2\nv1\ndone\n";
        let commands = commands(text).unwrap();
        assert_eq!(commands.len(), 4);
        let Command::Commit(commit) = &commands[2] else { panic!("a commit") };
        assert_eq!((commit.author.as_str(), commit.message.as_str()), ("A <a@b> 7 +0000", "Subject\n"));
        assert_eq!((commit.mark, commit.from.as_deref()), (Some(2), Some(":9")));
        let changes: Vec<&FileCommand> = commit.changes.iter().map(|(_, change)| change).collect();
        let [
            FileCommand::Modify { path, .. },
            FileCommand::Rename { from, to },
            FileCommand::Delete { .. },
            FileCommand::DeleteAll,
        ] = changes.as_slice()
        else {
            panic!("four changes")
        };
        assert_eq!(path.as_slice(), "a \u{e9}\"".as_bytes());
        assert_eq!((from.as_slice(), to.as_slice()), (b"x y".as_slice(), b"z w".as_slice()));
    }

    #[test]
    fn a_stream_that_was_cut_short_is_refused_with_its_line() {
        let refusal = |text| commands(text).err().unwrap().message().to_owned();
        assert!(
            refusal("feature done\nblob\ndata 9\nhi\n").contains("line 3: 9 bytes of data are announced, 3 are there")
        );
        assert!(refusal("feature done\nreset refs/heads/main\n").contains("line 3: the stream has no end"));
        assert!(refusal("blob\ndata 2\nhi\nnonsense x\n").contains("line 4: the command \"nonsense\" is not known"));
    }
}
