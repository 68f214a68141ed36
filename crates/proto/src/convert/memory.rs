//! Memories: proto/reverie/memory/v1/memory.proto.

use domain::commit::{Erased, Operation, Outcome, Request, Step};
use domain::memory::{Directory, Entry, Grep, List, Listing, Match, Memory, MemoryRef};
use domain::path::{PathGlob, Prefix};
use domain::{Error, MemoryPath, Result};

use crate::convert::commit::to_precondition;
use crate::convert::time::from_time;
use crate::convert::version::to_origins;
use crate::convert::violations::Violations;
use crate::convert::{hex, page};
use crate::memory as pb;

impl From<Memory> for pb::Memory {
    fn from(m: Memory) -> pb::Memory {
        pb::Memory {
            id: m.id.to_string(),
            path: m.path.to_string(),
            content: m.content.unwrap_or_default(),
            content_sha256: m.sha256.map(|s| hex::encode(&s)).unwrap_or_default(),
            size_bytes: m.size_bytes,
            revision: m.revision,
            version_id: m.version.to_string(),
            actor: Some(m.actor.into()),
            create_time: Some(from_time(m.create_time)),
            update_time: Some(from_time(m.update_time)),
            redacted: m.erased == Some(Erased::Redacted),
            expired: m.erased == Some(Erased::Expired),
        }
    }
}

impl From<Listing> for pb::ListMemoriesResponse {
    fn from(l: Listing) -> pb::ListMemoriesResponse {
        pb::ListMemoriesResponse {
            entries: l.entries.into_iter().map(Into::into).collect(),
            next_page_token: l.next_page_token,
            read_revision: l.revision,
        }
    }
}

impl From<Entry> for pb::MemoryEntry {
    fn from(entry: Entry) -> pb::MemoryEntry {
        use pb::memory_entry::Entry as Wire;
        let entry = match entry {
            Entry::Memory(memory) => Wire::Memory(memory.into()),
            Entry::Directory(Directory { path, memory_count, content_bytes }) => {
                Wire::Directory(pb::Directory { path, memory_count, content_bytes })
            }
        };
        pb::MemoryEntry { entry: Some(entry) }
    }
}

impl From<Match> for pb::GrepMatch {
    fn from(m: Match) -> pb::GrepMatch {
        pb::GrepMatch {
            path: m.path.to_string(),
            line_number: m.line_number,
            line: m.line,
            before: m.before,
            after: m.after,
        }
    }
}

impl From<Outcome> for pb::CommitResponse {
    fn from(o: Outcome) -> pb::CommitResponse {
        pb::CommitResponse {
            revision: o.revision,
            versions: o.versions.into_iter().map(Into::into).collect(),
            no_op: o.no_op,
        }
    }
}

pub fn to_memory_ref(memory: Option<pb::get_memory_request::Memory>) -> Result<MemoryRef> {
    use pb::get_memory_request::Memory as Wire;
    match memory {
        Some(Wire::Path(path)) => Ok(MemoryRef::Path(to_path("path", &path)?)),
        Some(Wire::MemoryId(id)) => Ok(MemoryRef::Id(id.parse().map_err(|e: Error| e.within("memory_id"))?)),
        None => Err(Error::invalid("memory", "set one of path, memory_id")),
    }
}

pub fn to_paths(field: &str, paths: &[String]) -> Result<Vec<MemoryPath>> {
    paths.iter().enumerate().map(|(i, path)| to_path(&format!("{field}[{i}]"), path)).collect()
}

pub fn to_path(field: &str, path: &str) -> Result<MemoryPath> {
    path.parse().map_err(|e: Error| e.within(field))
}

pub fn to_prefix(field: &str, prefix: &str) -> Result<Prefix> {
    prefix.parse().map_err(|e: Error| e.within(field))
}

/// None where empty.
pub fn to_glob(field: &str, glob: &str) -> Result<Option<PathGlob>> {
    if glob.is_empty() { Ok(None) } else { glob.parse().map(Some).map_err(|e: Error| e.within(field)) }
}

/// The listing; the store is parsed by the caller.
pub fn to_list(r: pb::ListMemoriesRequest) -> Result<List> {
    let full = match pb::MemoryView::try_from(r.view) {
        Ok(pb::MemoryView::Full) => true,
        Ok(pb::MemoryView::Unspecified | pb::MemoryView::Basic) => false,
        Err(_) => return Err(Error::invalid("view", "must be BASIC or FULL")),
    };
    Ok(List {
        prefix: to_prefix("path_prefix", &r.path_prefix)?,
        glob: to_glob("glob", &r.glob)?,
        depth: r.depth,
        full,
        revision: r.revision,
        page: page::to_page(r.page_size, r.page_token)?,
    })
}

/// The search; the store is parsed by the caller.
pub fn to_grep(r: pb::GrepRequest) -> Result<Grep> {
    Ok(Grep {
        regex: r.regex,
        glob: to_glob("path_glob", &r.path_glob)?,
        ignore_case: r.ignore_case,
        context_lines: r.context_lines,
        matches_max: r.max_matches,
        revision: r.revision,
    })
}

/// The commit, with all of its wrong fields named at once; the store is parsed by the caller.
pub fn to_commit_request(r: pb::CommitRequest) -> Result<Request> {
    let mut violations = Violations::default();
    let steps: Vec<_> = r
        .operations
        .into_iter()
        .enumerate()
        .map(|(i, o)| violations.take(to_step(&format!("operations[{i}]"), o)))
        .collect();
    let preconditions: Vec<_> = r
        .preconditions
        .into_iter()
        .enumerate()
        .map(|(i, p)| violations.take(to_path_precondition(&format!("preconditions[{i}]"), p)))
        .collect();
    let request = (|| {
        Some(Request {
            steps: steps.into_iter().collect::<Option<_>>()?,
            preconditions: preconditions.into_iter().collect::<Option<_>>()?,
            store_revision: r.store_revision,
            message: r.message,
            request_id: r.request_id,
            dry_run: r.dry_run,
            tool_call: r.tool_call,
        })
    })();
    violations.finish(request)
}

fn to_path_precondition(field: &str, p: pb::PathPrecondition) -> Result<(MemoryPath, domain::commit::Precondition)> {
    let path = to_path(&format!("{field}.path"), &p.path)?;
    Ok((path, to_precondition(&format!("{field}.precondition"), p.precondition.unwrap_or_default())?))
}

fn to_step(field: &str, o: pb::Operation) -> Result<Step> {
    let operation = to_operation(field, o.operation)?;
    let precondition = o.precondition.map(|p| to_precondition(&format!("{field}.precondition"), p)).transpose()?;
    Ok(Step { operation, precondition })
}

fn to_operation(field: &str, operation: Option<pb::operation::Operation>) -> Result<Operation> {
    use pb::operation::Operation as Wire;
    let path = |name: &str, path: &str| to_path(&format!("{field}.{name}"), path);
    Ok(match operation {
        Some(Wire::Write(w)) => Operation::Write {
            path: path("write.path", &w.path)?,
            content: w.content,
            origins: to_origins(&format!("{field}.write.origins"), w.origins)?,
        },
        Some(Wire::Create(c)) => Operation::Create {
            path: path("create.path", &c.path)?,
            content: c.content,
            origins: to_origins(&format!("{field}.create.origins"), c.origins)?,
        },
        Some(Wire::ReplaceText(r)) => Operation::ReplaceText {
            path: path("replace_text.path", &r.path)?,
            old_text: r.old_text,
            new_text: r.new_text,
        },
        Some(Wire::InsertLines(i)) => {
            Operation::InsertLines { path: path("insert_lines.path", &i.path)?, after_line: i.after_line, text: i.text }
        }
        Some(Wire::Append(a)) => Operation::Append { path: path("append.path", &a.path)?, text: a.text },
        Some(Wire::Move(m)) => Operation::Move { from: path("move.from", &m.from)?, to: path("move.to", &m.to)? },
        Some(Wire::Delete(d)) => Operation::Delete { path: path("delete.path", &d.path)?, recursive: d.recursive },
        None => {
            return Err(Error::invalid(
                field,
                "set one of write, create, replace_text, insert_lines, append, move, delete",
            ));
        }
    })
}
