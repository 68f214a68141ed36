//! Grep: the lines of a snapshot that match a regular expression, in linear time.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::access::StorePermit;
use domain::commit::Revision;
use domain::error::Result;
use domain::memory::{Grep, Match};
use domain::path::PathGlob;
use domain::{Error, MemoryPath, limits};
use futures_util::future;
use futures_util::stream::{self, Stream};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::sinks::Lossy;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};

use crate::governance::family::is_erased;
use crate::index::Entry;
use crate::stores::View;
use crate::{MemoryStore, read};

#[cfg(test)]
mod tests;

/// One message of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Those of one memory; none in the closing message.
    pub matches: Vec<Match>,
    pub revision: Revision,
    /// In the closing message: the limit was reached, and more may match.
    pub truncated: bool,
    /// In the closing message: memories whose content is erased.
    pub erased: u64,
}

struct Search {
    store: MemoryStore,
    view: View,
    permit: StorePermit,
    glob: Option<PathGlob>,
    /// What has been read and not yet been looked at.
    ready: VecDeque<(MemoryPath, Result<Arc<str>>)>,
    /// Read up to here.
    after: Option<MemoryPath>,
    matcher: RegexMatcher,
    searcher: Searcher,
    context_lines: usize,
    left: usize,
    truncated: bool,
    erased: u64,
    closed: bool,
}

impl MemoryStore {
    /// Streams the lines that match, in path order, memory by memory, and then a closing message.
    ///
    /// # Errors
    /// Invalid for a bad regular expression, or too many context lines or matches.
    pub async fn grep(
        &self,
        permit: &StorePermit,
        grep: &Grep,
    ) -> Result<impl Stream<Item = Result<Found>> + Send + use<>> {
        let matcher = matcher(grep)?;
        let view = self.view(permit, grep.revision).await?;
        let left = match grep.matches_max as usize {
            0 => limits::GREP_MATCHES_DEFAULT,
            most => most,
        };
        let searcher = SearcherBuilder::new().line_number(true).binary_detection(BinaryDetection::none()).build();
        let search = Search {
            store: self.clone(),
            view,
            permit: permit.clone(),
            glob: grep.glob.clone(),
            ready: VecDeque::new(),
            after: None,
            matcher,
            searcher,
            context_lines: grep.context_lines as usize,
            left,
            truncated: false,
            erased: 0,
            closed: false,
        };
        let stopping = self.shutdown().clone();
        Ok(stream::try_unfold(search, move |mut search| {
            let stopping = stopping.clone();
            async move {
                if stopping.is_cancelled() {
                    return Err(Error::unavailable("the server is stopping: try again"));
                }
                Ok(search.next().await?.map(|found| (found, search)))
            }
        }))
    }
}

impl Search {
    async fn next(&mut self) -> Result<Option<Found>> {
        if self.closed {
            return Ok(None);
        }
        let revision = self.view.revision;
        while self.left > 0 {
            if self.ready.is_empty() {
                self.read_on().await;
            }
            let Some((path, text)) = self.ready.pop_front() else { break };
            let text = match text {
                Err(e) if is_erased(&e) => {
                    self.erased += 1;
                    continue;
                }
                text => text?,
            };
            // One more than may be given tells whether something is left out.
            let lines = matching_lines(&mut self.searcher, &self.matcher, &text, self.left + 1)?;
            let given = lines.len().min(self.left);
            self.left -= given;
            self.truncated = lines.len() > given || (self.left == 0 && self.has_more());
            if given > 0 {
                let matches = matches(&path, &text, &lines[..given], self.context_lines);
                return Ok(Some(Found { matches, revision, truncated: false, erased: 0 }));
            }
            // A long search without matches must not keep a thread to itself.
            tokio::task::consume_budget().await;
        }
        self.closed = true;
        Ok(Some(Found { matches: Vec::new(), revision, truncated: self.truncated, erased: self.erased }))
    }

    /// Reads the next memories, several at once.
    async fn read_on(&mut self) {
        let next: Vec<(MemoryPath, Arc<Entry>)> =
            read::readable(&self.view, &self.permit, self.glob.as_ref(), self.after.as_ref())
                .take(limits::GREP_READS_MAX)
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect();
        let texts = next.iter().map(|(_, entry)| self.store.text(&self.view, entry));
        let texts = future::join_all(texts).await;
        self.after = next.last().map(|(path, _)| path.clone()).or(self.after.take());
        self.ready.extend(next.into_iter().map(|(path, _)| path).zip(texts));
    }

    fn has_more(&self) -> bool {
        let mut unread = read::readable(&self.view, &self.permit, self.glob.as_ref(), self.after.as_ref());
        !self.ready.is_empty() || unread.next().is_some()
    }
}

fn matcher(grep: &Grep) -> Result<RegexMatcher> {
    if grep.regex.is_empty() || grep.regex.len() > limits::PATTERN_BYTES_MAX {
        let most = limits::PATTERN_BYTES_MAX;
        return Err(Error::invalid("regex", format!("must have 1 to {most} bytes")));
    }
    if grep.context_lines as usize > limits::GREP_CONTEXT_LINES_MAX {
        let most = limits::GREP_CONTEXT_LINES_MAX;
        return Err(Error::invalid("context_lines", format!("must be at most {most}")));
    }
    if grep.matches_max as usize > limits::GREP_MATCHES_MAX {
        return Err(Error::invalid("max_matches", format!("must be at most {}", limits::GREP_MATCHES_MAX)));
    }
    RegexMatcherBuilder::new()
        .case_insensitive(grep.ignore_case)
        .line_terminator(Some(b'\n'))
        .size_limit(limits::PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(limits::PATTERN_COMPILED_BYTES_MAX)
        .build(&grep.regex)
        .map_err(|e| Error::invalid("regex", e.to_string()))
}

/// The numbers of the first lines that match, from 1.
fn matching_lines(searcher: &mut Searcher, matcher: &RegexMatcher, text: &str, most: usize) -> Result<Vec<u32>> {
    let mut lines = Vec::new();
    let sink = Lossy(|number, _| {
        lines.push(u32::try_from(number).unwrap_or(u32::MAX));
        Ok(lines.len() < most)
    });
    searcher.search_slice(matcher, text.as_bytes(), sink).map_err(Error::internal)?;
    Ok(lines)
}

fn matches(path: &MemoryPath, text: &str, numbers: &[u32], context_lines: usize) -> Vec<Match> {
    let lines: Vec<&str> = if numbers.is_empty() { Vec::new() } else { text.lines().collect() };
    let owned = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect();
    let found = numbers.iter().map(|&line_number| {
        let at = line_number as usize - 1;
        Match {
            path: path.clone(),
            line_number,
            line: lines[at].to_owned(),
            before: owned(&lines[at.saturating_sub(context_lines)..at]),
            after: owned(&lines[at + 1..(at + 1 + context_lines).min(lines.len())]),
        }
    });
    found.collect()
}
