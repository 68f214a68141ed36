//! The export as git's own stream: what `git fast-import` makes a repository of.
//!
//! One git commit for each commit of the store, or one in all. The author is who wrote it as far as
//! anybody says; the committer is whom the server vouches for. What git has no place for stands in
//! trailer lines.

use std::collections::BTreeSet;
use std::ops::Bound;

use domain::actor::Claim;
use domain::commit::ChangeKind;
use domain::{Actor, MemoryPath, Result, Timestamp, limits};

use crate::export::{Out, Source};
use crate::log::Row;
use crate::record::{ContentRef, VersionDetail, VersionRecord};

/// Begins the keys of our trailer lines.
pub const TRAILER: &str = "Reverie-";
/// Addresses that reach nobody (RFC 2606).
const DOMAIN: &str = "reverie.invalid";
/// What the stream makes.
const BRANCH: &str = "refs/heads/main";

pub async fn write(source: &Source, out: &Out) -> Result<()> {
    let mut stream = Stream { source, out, buffer: b"feature done\n".to_vec() };
    if source.with_history {
        let mut walk = source.walk();
        while let Some(row) = walk.next().await? {
            stream.commit(&row).await?;
        }
    } else {
        stream.snapshot().await?;
    }
    stream.buffer.extend_from_slice(b"done\n");
    out.send(stream.buffer).await
}

struct Stream<'a> {
    source: &'a Source,
    out: &'a Out,
    buffer: Vec<u8>,
}

impl Stream<'_> {
    async fn commit(&mut self, row: &Row) -> Result<()> {
        let (record, detail) = (&row.record, &row.detail);
        self.header(&record.actor, record.time.into(), &detail.message, record.revision);
        let versions: Vec<_> = record.versions.iter().zip(&detail.versions).collect();
        let moves = moves(&versions);
        // What leaves a path goes first: another of the commit's versions may take it.
        for (version, at) in &versions {
            match (version.kind, &at.previous_path) {
                (ChangeKind::Deleted, _) => self.line(&format!("D {}", quoted(&at.path))),
                (ChangeKind::Renamed, Some(from)) if !moves.contains(from) => {
                    self.line(&format!("D {}", quoted(from)));
                }
                _ => {}
            }
        }
        for (_, at) in &versions {
            if let Some(from) = at.previous_path.as_ref().filter(|from| moves.contains(*from)) {
                self.line(&format!("R {} {}", quoted(from), quoted(&at.path)));
            }
        }
        for (_, at) in &versions {
            // A move writes its content too: git keeps equal ones once.
            if let Some(content) = &at.content {
                self.modify(&at.path, content).await?;
            }
        }
        self.line("");
        Ok(())
    }

    /// All that the revision holds, as one commit by whoever wrote last.
    async fn snapshot(&mut self) -> Result<()> {
        let revision = self.source.view.revision;
        if revision == 0 {
            return Ok(());
        }
        let store = &self.source.view.store;
        let row = self.source.context.log.row(store.lineage.owner(revision), revision).await?;
        let message = format!("{} at revision {revision}", self.source.profile.handle);
        self.header(&row.record.actor, row.record.time.into(), &message, revision);
        for (path, entry) in &self.source.view.map {
            self.modify(path, &entry.content).await?;
        }
        self.line("");
        Ok(())
    }

    fn header(&mut self, actor: &Actor, time: Timestamp, message: &str, revision: u64) {
        let said = actor.said(time);
        let vouched = Actor { claim: None, ..actor.clone() }.said(time);
        let message = with_trailers(message, revision, &said, actor.claim.as_ref().map(|_| &vouched));
        self.line(&format!("commit {BRANCH}"));
        self.line(&format!("author {}", ident(&said)));
        self.line(&format!("committer {}", ident(&vouched)));
        self.data(message.as_bytes());
    }

    async fn modify(&mut self, path: &MemoryPath, content: &ContentRef) -> Result<()> {
        let text = self.source.text(content).await?;
        self.line(&format!("M 100644 inline {}", quoted(path)));
        self.data(text.as_bytes());
        if self.buffer.len() >= limits::EXPORT_CHUNK_BYTES {
            self.out.send(std::mem::take(&mut self.buffer)).await?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        self.buffer.extend_from_slice(line.as_bytes());
        self.buffer.push(b'\n');
    }

    fn data(&mut self, data: &[u8]) {
        self.line(&format!("data {}", data.len()));
        self.buffer.extend_from_slice(data);
        self.buffer.push(b'\n');
    }
}

/// The paths from which memories move such that the moves can be made one after the other. Where a
/// commit's paths change hands, they are removed and written instead.
fn moves(versions: &[(&VersionRecord, &VersionDetail)]) -> BTreeSet<MemoryPath> {
    let moved: Vec<(&MemoryPath, &MemoryPath)> =
        versions.iter().filter_map(|(_, at)| Some((at.previous_path.as_ref()?, &at.path))).collect();
    let from: BTreeSet<&str> = moved.iter().map(|(from, _)| from.as_str()).collect();
    let meets = |to: &MemoryPath| {
        let (start, end) = (format!("{to}/"), format!("{to}0"));
        let below = (Bound::Included(start.as_str()), Bound::Excluded(end.as_str()));
        from.contains(to.as_str())
            || to.ancestors().any(|a| from.contains(a))
            || from.range::<str, _>(below).next().is_some()
    };
    if moved.iter().any(|(_, to)| meets(to)) {
        return BTreeSet::new();
    }
    moved.into_iter().map(|(from, _)| from.clone()).collect()
}

/// A name, an address and a time, as git has them.
fn ident(who: &Claim) -> String {
    // An author that came from git goes back as it came.
    let (name, address) = match who.principal.strip_suffix('>').and_then(|p| p.rsplit_once('<')) {
        Some((name, address)) => (name.trim_end().to_owned(), address.to_owned()),
        None => {
            let name = match (who.principal.as_str(), who.agent.as_str()) {
                ("", "") => "unknown".to_owned(),
                (principal, "") => principal.to_owned(),
                ("", agent) => agent.to_owned(),
                (principal, agent) if principal == agent => principal.to_owned(),
                (principal, agent) => format!("{principal}/{agent}"),
            };
            let local = if who.session.is_empty() { &who.principal } else { &who.session };
            (name, format!("{}@{DOMAIN}", local.replace(char::is_whitespace, "-")))
        }
    };
    let bare = |text: &str| text.replace(|c: char| matches!(c, '<' | '>') || c.is_control(), "");
    format!("{} <{}> {} +0000", bare(&name), bare(&address), who.time.as_second().max(0))
}

fn with_trailers(message: &str, revision: u64, said: &Claim, vouched: Option<&Claim>) -> String {
    let message = message.trim_end();
    let mut text = if message.is_empty() { format!("Revision {revision}") } else { message.to_owned() };
    text += &format!("\n\n{TRAILER}Revision: {revision}");
    let (revised, imported) = (said.time.to_string(), vouched.map(|v| v.time.to_string()));
    let by = vouched.map_or("", |v| v.principal.as_str());
    let trailers = [
        ("Time", revised.as_str()),
        ("Actor", &said.principal),
        ("Agent", &said.agent),
        ("Session", &said.session),
        ("Tool-Call", &said.tool_call),
        ("On-Behalf-Of", &said.on_behalf_of),
        ("Dream", &said.dream),
        ("Imported-By", by),
        ("Imported-Time", imported.as_deref().unwrap_or_default()),
    ];
    for (key, value) in trailers.into_iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("\n{TRAILER}{key}: {}", value.replace(char::is_control, " "));
    }
    text + "\n"
}

/// A path as the stream has it: without its slash, and quoted where git would read it otherwise.
fn quoted(path: &MemoryPath) -> String {
    let path = path.as_str().trim_start_matches('/');
    if !path.contains([' ', '"', '\\']) {
        return path.to_owned();
    }
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_an_address_that_git_takes() {
        let who = |principal: &str, agent: &str, session: &str| {
            ident(&Claim {
                principal: principal.into(),
                agent: agent.into(),
                session: session.into(),
                time: Timestamp::from_second(7).unwrap(),
                ..Claim::default()
            })
        };
        assert_eq!(who("ana", "", ""), "ana <ana@reverie.invalid> 7 +0000");
        assert_eq!(who("ana", "pager", "sesn_1"), "ana/pager <sesn_1@reverie.invalid> 7 +0000");
        assert_eq!(who("", "", ""), "unknown <@reverie.invalid> 7 +0000");
        assert_eq!(who("Ana Ng <ana@x.org>", "", ""), "Ana Ng <ana@x.org> 7 +0000");
        assert_eq!(who("a<b\nc", "", ""), "abc <ab-c@reverie.invalid> 7 +0000");
    }

    #[test]
    fn a_path_that_git_would_read_otherwise_is_quoted() {
        for (path, expected) in
            [("/a/b.md", "a/b.md"), ("/a b", "\"a b\""), ("/\"q\"", "\"\\\"q\\\"\""), ("/日本", "日本")]
        {
            assert_eq!(quoted(&path.parse().unwrap()), expected);
        }
    }
}
