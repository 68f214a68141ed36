//! Claude Code's session files: JSONL, each line an event of the harness that names its parent.
//!
//! A file is read twice: once for where its lines stand and how they hang together, and once, session
//! by session, for what they say. One `sessionId` is one session. Lines that a resumed session hangs
//! on, and lines that a resume wrote again, are copied context there. Of the envelope, only the time
//! and the version are kept; `toolUseResult` says again what the result block says.

mod lines;
mod threads;
mod words;

use std::collections::{HashMap, HashSet};

use domain::transcript::Agent;

use super::split::split;
use super::{Draft, Item, Problems};
use lines::Line;

pub fn read<'a>(file: &'a [u8], name: &'a str) -> impl Iterator<Item = Item> + 'a {
    let mut lines = Vec::new();
    let mut problems = Problems::default();
    for piece in split(file) {
        match piece.and_then(|piece| Line::read(piece).map_err(|reason| piece.problem(reason))) {
            Ok(line) => lines.push(line),
            Err(problem) => problems.add(problem),
        }
    }
    let sessions = sessions(&lines, &mut problems);
    let drafts = sessions.into_iter().map(move |session| Item::Session(draft(&lines, session, name)));
    problems.into_items().chain(drafts)
}

/// One session's lines, as indices into the file's, in the order of the file.
struct Session {
    id: String,
    lines: Vec<Member>,
}

#[derive(Clone, Copy)]
struct Member {
    line: usize,
    copied: bool,
}

fn sessions(lines: &[Line<'_>], problems: &mut Problems) -> Vec<Session> {
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    let mut sessions: Vec<Session> = Vec::new();
    for line in lines.iter().filter(|l| !l.session.is_empty()) {
        by_id.entry(&line.session).or_insert_with(|| {
            sessions.push(Session { id: line.session.clone().into_owned(), lines: Vec::new() });
            sessions.len() - 1
        });
    }
    if sessions.is_empty() && lines.iter().any(|l| l.is_turn) {
        sessions.push(Session { id: String::new(), lines: Vec::new() });
    }

    // Where each uuid was seen last: the line, and its session.
    let mut seen: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut parents: Vec<Option<(usize, usize)>> = Vec::with_capacity(lines.len());
    let leaves: HashMap<&str, usize> = lines
        .iter()
        .filter_map(|l| Some((l.uuid.as_ref(), *by_id.get(l.session.as_ref())?)))
        .filter(|(u, _)| !u.is_empty())
        .collect();
    let mut current = None;
    for (i, line) in lines.iter().enumerate() {
        parents.push(seen.get(line.parent.as_ref()).copied());
        // Lines without a session belong to that of the leaf they name, else to the one they stand in.
        let named = by_id.get(line.session.as_ref()).or_else(|| leaves.get(line.leaf.as_ref())).copied();
        let Some(session) = named.or(current).or((!sessions.is_empty()).then_some(0)) else {
            problems.add(line.piece.problem(format!("a {} of a session that is not in this file", line.kind)));
            continue;
        };
        let earlier = seen.get(line.uuid.as_ref()).copied();
        let in_other_session = earlier.is_some_and(|(_, of)| of != session);
        let written_again = earlier.is_some_and(|(at, of)| of == session && lines[at].message == line.message);
        let copied = in_other_session || written_again || line.is_summary();
        sessions[session].lines.push(Member { line: i, copied });
        if !line.uuid.is_empty() && !written_again {
            seen.insert(&line.uuid, (i, session));
        }
        if !line.session.is_empty() {
            current = Some(session);
        }
    }
    for (index, session) in sessions.iter_mut().enumerate() {
        add_resumed(index, session, &parents);
    }
    sessions.retain(|s| !s.lines.is_empty());
    sessions
}

/// Adds the lines of other sessions that this one goes on from, as copied context.
fn add_resumed(index: usize, session: &mut Session, parents: &[Option<(usize, usize)>]) {
    let mut resumed = HashSet::new();
    for member in &session.lines {
        let mut parent = parents[member.line].filter(|(_, of)| *of != index);
        while let Some((line, _)) = parent {
            if !resumed.insert(line) {
                break;
            }
            parent = parents[line];
        }
    }
    session.lines.extend(resumed.into_iter().map(|line| Member { line, copied: true }));
    session.lines.sort_by_key(|m| m.line);
    session.lines.dedup_by_key(|m| m.line);
}

fn draft(lines: &[Line<'_>], session: Session, name: &str) -> Draft {
    let of_session: Vec<&Line<'_>> = session.lines.iter().map(|m| &lines[m.line]).collect();
    let threads = threads::threads(&of_session);
    let mut draft = of_session.first().map(|l| Draft::beginning_at(&l.piece)).unwrap_or_default();
    draft.external_id = session.id;
    let version = of_session.iter().rev().find(|l| !l.version.is_empty()).map(|l| l.version.clone().into_owned());
    draft.agent = Agent { name: String::new(), version: version.unwrap_or_default() };
    let mut words = words::Words::new(name, &mut draft);
    for ((line, member), thread) in of_session.into_iter().zip(&session.lines).zip(threads) {
        words.line(line, &thread.name, member.copied || thread.is_prompt);
    }
    draft
}
