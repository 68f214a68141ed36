//! History: proto/reverie/memory/v1/history.proto.

use domain::actor::ActorFilter;
use domain::commit::{Outcome, Revision};
use domain::diff::{Hunk, Line, LineKind, Stats};
use domain::history::{
    BlameRange, Commits, Compare, Comparison, FileChange, Merge, Merged, Restore, TimeRange, Versions,
};
use domain::id::VersionId;
use domain::limits::{PATTERN_BYTES_MAX, TEXT_BYTES_MAX};
use domain::memory::MemoryRef;
use domain::path::{PathGlob, Prefix};
use domain::store::StoreRef;
use domain::{Error, MemoryPath, Result, limits};

use crate::convert::store_ref::{to_snapshot_ref, to_store_ref};
use crate::convert::version::{to_change_kind, to_change_kinds};
use crate::convert::violations::Violations;
use crate::convert::{page, text, time};
use crate::memory as pb;

#[cfg(test)]
mod tests;

/// Context lines of a diff where the caller does not say.
const CONTEXT_LINES_DEFAULT: u32 = 3;

pub fn to_list_commits(request: pb::ListCommitsRequest) -> Result<(StoreRef, Commits)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let prefix = violations.take(to_prefix("path", &request.path));
    let memory = violations.take(optional("memory_id", &request.memory_id));
    let actor = violations.take(to_actor_filter("actor", request.actor));
    let time = violations.take(to_time_range(request.start_time, request.end_time));
    let page = violations.take(page::to_page(request.page_size, request.page_token));
    let revision = request.revision;
    let commits = (|| {
        let commits = Commits { prefix: prefix?, memory: memory?, actor: actor?, time: time?, revision, page: page? };
        Some((store?, commits))
    })();
    violations.finish(commits)
}

pub fn to_get_commit(request: pb::GetCommitRequest) -> Result<(StoreRef, Revision)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    if request.revision == 0 {
        violations.add("revision", "must be the number of a commit, from 1");
    }
    violations.finish(store.map(|store| (store, request.revision)))
}

pub fn to_list_versions(request: pb::ListVersionsRequest) -> Result<(StoreRef, Versions)> {
    use pb::list_versions_request::Memory;
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let memory = violations.take(match request.memory {
        Some(Memory::Path(path)) => to_path("path", &path).map(|path| Some(MemoryRef::Path(path))),
        Some(Memory::MemoryId(id)) => {
            id.parse().map(|id| Some(MemoryRef::Id(id))).map_err(|e: Error| e.within("memory_id"))
        }
        None => Ok(None),
    });
    let kinds = violations.take(to_change_kinds("kinds", &request.kinds));
    let actor = violations.take(to_actor_filter("actor", request.actor));
    let time = violations.take(to_time_range(request.start_time, request.end_time));
    let page = violations.take(page::to_page(request.page_size, request.page_token));
    let versions = (|| {
        let versions = Versions { memory: memory?, kinds: kinds?, actor: actor?, time: time?, page: page? };
        Some((store?, versions))
    })();
    violations.finish(versions)
}

pub fn to_get_version(request: pb::GetVersionRequest) -> Result<(StoreRef, VersionId)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let version = violations.take(request.version_id.parse().map_err(|e: Error| e.within("version_id")));
    violations.finish(store.zip(version))
}

/// A diff's two sides.
#[derive(Debug, Clone)]
pub struct Diff {
    pub base: (StoreRef, Revision),
    pub target: (StoreRef, Revision),
    pub how: Compare,
}

pub fn to_diff(request: pb::DiffRequest) -> Result<Diff> {
    let mut violations = Violations::default();
    let base = violations.take(to_snapshot_ref("base", request.base));
    let target = violations.take(to_snapshot_ref("target", request.target));
    let glob = violations.take(to_glob("path_glob", &request.path_glob));
    let context_lines = request.context_lines.unwrap_or(CONTEXT_LINES_DEFAULT);
    if context_lines as usize > limits::DIFF_CONTEXT_LINES_MAX {
        violations.add("context_lines", format!("must be at most {}", limits::DIFF_CONTEXT_LINES_MAX));
    }
    let diff = (|| Some(Diff { base: base?, target: target?, how: Compare { glob: glob?, context_lines } }))();
    violations.finish(diff)
}

pub fn to_blame(request: pb::BlameRequest) -> Result<(StoreRef, MemoryPath, Revision)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    let path = violations.take(to_path("path", &request.path));
    violations.finish(store.zip(path).map(|(store, path)| (store, path, request.revision)))
}

pub fn to_restore(request: pb::RestoreRequest) -> Result<(StoreRef, Restore)> {
    let mut violations = Violations::default();
    let store = violations.take(to_store_ref("store", &request.store));
    if request.to_revision == 0 {
        violations.add("to_revision", "must be the number of a commit, from 1");
    }
    let paths = match (request.all, request.paths.is_empty()) {
        (true, true) => Some(vec![Prefix::ALL]),
        (false, false) => {
            let paths = request.paths.iter().enumerate();
            let paths: Vec<_> = paths
                .map(|(i, path)| violations.take(to_path(&format!("paths[{i}]"), path)).map(Prefix::from))
                .collect();
            paths.into_iter().collect()
        }
        (true, false) => {
            violations.add("paths", "must be empty where all is true");
            None
        }
        (false, true) => {
            violations.add("paths", "name the paths to restore, or set all");
            None
        }
    };
    check_count(&mut violations, "paths", request.paths.len());
    let message = violations.take(text::to_text("message", request.message, TEXT_BYTES_MAX));
    let request_id = violations.take(text::to_request_id("request_id", request.request_id));
    let (to_revision, expected_revision) = (request.to_revision, request.expected_revision);
    let restore = (|| {
        let restore =
            Restore { to_revision, paths: paths?, expected_revision, message: message?, request_id: request_id? };
        Some((store?, restore))
    })();
    violations.finish(restore)
}

/// A merge's two sides.
#[derive(Debug, Clone)]
pub struct MergeSides {
    pub source: (StoreRef, Revision),
    pub target: StoreRef,
    pub merge: Merge,
}

pub fn to_merge(request: pb::MergeRequest) -> Result<MergeSides> {
    let mut violations = Violations::default();
    let source = violations.take(to_snapshot_ref("source", request.source));
    let target = violations.take(to_store_ref("target_store", &request.target_store));
    let mut prefixes = |field: &str, paths: &[String]| -> Vec<Prefix> {
        check_count(&mut violations, field, paths.len());
        let paths = paths.iter().enumerate();
        paths.filter_map(|(i, path)| violations.take(to_prefix(&format!("{field}[{i}]"), path))).collect()
    };
    let include = prefixes("include_paths", &request.include_paths);
    let exclude = prefixes("exclude_paths", &request.exclude_paths);
    let message = violations.take(text::to_text("message", request.message, TEXT_BYTES_MAX));
    let request_id = violations.take(text::to_request_id("request_id", request.request_id));
    let (expected_revision, dry_run) = (request.expected_target_revision, request.dry_run);
    let sides = (|| {
        let merge = Merge { include, exclude, expected_revision, dry_run, message: message?, request_id: request_id? };
        Some(MergeSides { source: source?, target: target?, merge })
    })();
    violations.finish(sides)
}

pub(crate) fn to_actor_filter(field: &str, filter: Option<pb::ActorFilter>) -> Result<ActorFilter> {
    let filter = filter.unwrap_or_default();
    let mut violations = Violations::default();
    let mut name = |part: &str, text: String| violations.take(text::to_name(&format!("{field}.{part}"), text));
    let principal = name("principal", filter.principal);
    let session = name("session", filter.session);
    let agent = name("agent", filter.agent);
    let dream = name("dream", filter.dream);
    let filter = (|| Some(ActorFilter { principal: principal?, session: session?, agent: agent?, dream: dream? }))();
    violations.finish(filter)
}

pub(crate) fn to_time_range(
    start: Option<prost_types::Timestamp>,
    end: Option<prost_types::Timestamp>,
) -> Result<TimeRange> {
    let mut violations = Violations::default();
    let start = violations.take(time::to_optional_time("start_time", start));
    let end = violations.take(time::to_optional_time("end_time", end));
    violations.finish(start.zip(end).map(|(start, end)| TimeRange { start, end }))
}

fn to_path(field: &str, path: &str) -> Result<MemoryPath> {
    path.parse().map_err(|e: Error| e.within(field))
}

fn to_prefix(field: &str, prefix: &str) -> Result<Prefix> {
    prefix.parse().map_err(|e: Error| e.within(field))
}

fn to_glob(field: &str, glob: &str) -> Result<Option<PathGlob>> {
    if glob.len() > PATTERN_BYTES_MAX {
        return Err(Error::invalid(field, format!("must have at most {PATTERN_BYTES_MAX} bytes")));
    }
    if glob.is_empty() { Ok(None) } else { glob.parse().map(Some).map_err(|e: Error| e.within(field)) }
}

/// None where empty.
fn optional<T: std::str::FromStr<Err = Error>>(field: &str, text: &str) -> Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|e: Error| e.within(field)) }
}

fn check_count(violations: &mut Violations, field: &str, count: usize) {
    if count > limits::COMMIT_VERSIONS_MAX {
        violations.add(field, format!("has {count} entries, at most {} are allowed", limits::COMMIT_VERSIONS_MAX));
    }
}

impl From<Comparison> for pb::DiffResponse {
    fn from(c: Comparison) -> pb::DiffResponse {
        pb::DiffResponse {
            stats: Some(stats(c.files.len(), c.stats)),
            files: c.files.into_iter().map(Into::into).collect(),
            base_revision: c.base_revision,
            target_revision: c.target_revision,
        }
    }
}

impl From<FileChange> for pb::FileDiff {
    fn from(f: FileChange) -> pb::FileDiff {
        pb::FileDiff {
            kind: pb::ChangeKind::from(f.kind) as i32,
            path: f.path.to_string(),
            previous_path: f.previous_path.map(|p| p.to_string()).unwrap_or_default(),
            stats: Some(stats(1, f.diff.stats)),
            hunks: f.diff.hunks.into_iter().map(Into::into).collect(),
            unified: f.unified,
            redacted: f.erased,
        }
    }
}

/// What a client reads from an answer. The lines' ends are not on the wire: each line but a last one
/// without an end, of which `unified` tells, is given one.
pub fn to_file_change(f: pb::FileDiff) -> Result<FileChange> {
    let kind = to_change_kind("kind", f.kind)?.ok_or_else(|| Error::invalid("kind", "must be set"))?;
    let unended = unended_lines(&f.unified);
    let mut hunks: Vec<Hunk> = Vec::with_capacity(f.hunks.len());
    let mut number = 0;
    for hunk in f.hunks {
        let mut lines = Vec::with_capacity(hunk.lines.len());
        for line in hunk.lines {
            let kind = to_line_kind(line.kind)?;
            let end = if unended.contains(&number) { "" } else { "\n" };
            lines.push(Line { kind, text: line.text + end });
            number += 1;
        }
        hunks.push(Hunk {
            base_start: hunk.base_start,
            base_lines: hunk.base_lines,
            target_start: hunk.target_start,
            target_lines: hunk.target_lines,
            lines,
        });
    }
    let counted = f.stats.unwrap_or_default();
    let stats = Stats { added_lines: counted.added_lines, removed_lines: counted.removed_lines };
    Ok(FileChange {
        kind,
        path: to_path("path", &f.path)?,
        previous_path: optional("previous_path", &f.previous_path)?,
        diff: domain::diff::FileDiff { hunks, stats },
        unified: f.unified,
        erased: f.redacted,
    })
}

/// The numbers, from 0, of the lines of hunks that end without a line end.
fn unended_lines(unified: &str) -> Vec<usize> {
    let (mut unended, mut number) = (Vec::new(), 0);
    for line in unified.split('\n').skip(2) {
        match line.as_bytes().first() {
            Some(b'\\') => unended.push(number - 1),
            Some(b'@') | None => {}
            Some(_) => number += 1,
        }
    }
    unended
}

fn stats(files: usize, stats: Stats) -> pb::DiffStats {
    pb::DiffStats { files: files as u64, added_lines: stats.added_lines, removed_lines: stats.removed_lines }
}

impl From<Hunk> for pb::Hunk {
    fn from(h: Hunk) -> pb::Hunk {
        pb::Hunk {
            base_start: h.base_start,
            base_lines: h.base_lines,
            target_start: h.target_start,
            target_lines: h.target_lines,
            lines: h.lines.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Line> for pb::DiffLine {
    fn from(line: Line) -> pb::DiffLine {
        use pb::diff_line::Kind;
        let kind = match line.kind {
            LineKind::Context => Kind::Context,
            LineKind::Added => Kind::Added,
            LineKind::Removed => Kind::Removed,
        };
        pb::DiffLine { kind: kind as i32, text: line.bare().to_owned() }
    }
}

fn to_line_kind(kind: i32) -> Result<LineKind> {
    use pb::diff_line::Kind;
    match Kind::try_from(kind) {
        Ok(Kind::Context) => Ok(LineKind::Context),
        Ok(Kind::Added) => Ok(LineKind::Added),
        Ok(Kind::Removed) => Ok(LineKind::Removed),
        Ok(Kind::Unspecified) | Err(_) => Err(Error::invalid("hunks.lines.kind", format!("{kind} is not a kind"))),
    }
}

impl From<BlameRange> for pb::BlameRange {
    fn from(r: BlameRange) -> pb::BlameRange {
        pb::BlameRange {
            start_line: r.start_line,
            end_line: r.end_line,
            revision: r.revision,
            actor: Some(r.actor.into()),
            create_time: Some(time::from_time(r.time)),
            message: r.message,
            sources: r.sources,
            lines: r.lines,
            redacted: r.erased,
        }
    }
}

impl From<Outcome> for pb::RestoreResponse {
    fn from(o: Outcome) -> pb::RestoreResponse {
        let versions = o.versions.into_iter().map(Into::into).collect();
        pb::RestoreResponse { revision: o.revision, versions, no_op: o.no_op }
    }
}

impl From<Merged> for pb::MergeResponse {
    fn from(m: Merged) -> pb::MergeResponse {
        pb::MergeResponse {
            revision: m.outcome.revision,
            versions: m.outcome.versions.into_iter().map(Into::into).collect(),
            no_op: m.outcome.no_op,
            base: Some(m.base.into()),
        }
    }
}
