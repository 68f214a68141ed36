//! What `history` promises, as tests.

use domain::commit::ChangeKind;
use domain::diff::{apply, diff_lines, unified};
use domain::id::StoreId;

use super::*;

fn fields<T: std::fmt::Debug>(result: Result<T>) -> Vec<String> {
    result.unwrap_err().details().violations.iter().map(|v| v.field.clone()).collect()
}

#[test]
fn every_wrong_field_is_named() {
    let negative = pb::ListCommitsRequest {
        store: "Team".into(),
        path: "a".into(),
        memory_id: "mem_1".into(),
        actor: Some(pb::ActorFilter { agent: "\n".into(), ..Default::default() }),
        start_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        page_size: -1,
        ..Default::default()
    };
    let named = ["store", "path", "memory_id", "actor.agent", "start_time", "page_size"];
    assert_eq!(fields(to_list_commits(negative)), named);
    assert_eq!(fields(to_get_commit(pb::GetCommitRequest::default())), ["store", "revision"]);
    assert_eq!(fields(to_list_versions(pb::ListVersionsRequest::default())), ["store"]);
    assert_eq!(fields(to_get_version(pb::GetVersionRequest::default())), ["store", "version_id"]);
    let diff = pb::DiffRequest {
        base: Some(pb::StoreSnapshot::default()),
        path_glob: "[".into(),
        context_lines: Some(1_000),
        ..Default::default()
    };
    assert_eq!(fields(to_diff(diff)), ["base.store", "target", "path_glob", "context_lines"]);
    assert_eq!(fields(to_blame(pb::BlameRequest::default())), ["store", "path"]);
    let merge = pb::MergeRequest { include_paths: vec!["/a".into(), "b".into()], ..Default::default() };
    assert_eq!(fields(to_merge(merge)), ["source", "target_store", "include_paths[1]"]);
}

#[test]
fn a_restore_names_paths_or_says_all() {
    let request = |all: bool, paths: &[&str]| pb::RestoreRequest {
        store: "team".into(),
        to_revision: 3,
        all,
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        ..Default::default()
    };
    assert_eq!(to_restore(request(true, &[])).unwrap().1.paths, [Prefix::ALL]);
    assert_eq!(to_restore(request(false, &["/a"])).unwrap().1.paths, ["/a".parse::<Prefix>().unwrap()]);
    assert_eq!(fields(to_restore(request(true, &["/a"]))), ["paths"]);
    assert_eq!(fields(to_restore(request(false, &[]))), ["paths"]);
    assert_eq!(fields(to_restore(request(false, &["/a", "/"]))), ["paths[1]"], "the whole store goes by all");
    assert_eq!(fields(to_restore(pb::RestoreRequest { to_revision: 0, ..request(true, &[]) })), ["to_revision"]);
}

#[test]
fn unset_is_not_zero() {
    let snapshot = || Some(pb::StoreSnapshot { store: "team".into(), revision: 0 });
    let diff =
        |context_lines| pb::DiffRequest { base: snapshot(), target: snapshot(), context_lines, ..Default::default() };
    assert_eq!(to_diff(diff(None)).unwrap().how.context_lines, 3);
    assert_eq!(to_diff(diff(Some(0))).unwrap().how.context_lines, 0);
    let merge = |expected_target_revision| pb::MergeRequest {
        source: snapshot(),
        target_store: StoreId::from_bytes([1; 16]).to_string(),
        expected_target_revision,
        ..Default::default()
    };
    assert_eq!(to_merge(merge(Some(0))).unwrap().merge.expected_revision, Some(0));
    assert_eq!(to_merge(merge(None)).unwrap().merge.expected_revision, None);
}

#[test]
fn a_diff_comes_back_as_it_went_and_still_applies() {
    for (base, target) in
        [("a\nb\n", "a\nc\n"), ("a\nb", "a\nc"), ("", "a"), ("a", ""), ("a", "a\n"), ("\\ x\n@@\n", "\\ y\n@@")]
    {
        let diff = diff_lines(base, target, 3);
        let change = FileChange {
            kind: ChangeKind::Renamed,
            path: "/b".parse().unwrap(),
            previous_path: Some("/a".parse().unwrap()),
            unified: unified("a/a", "b/b", &diff),
            erased: false,
            diff,
        };
        let back = to_file_change(change.clone().into()).unwrap();
        assert_eq!(back, change, "{base:?} {target:?}");
        assert_eq!(apply(base, &back.diff.hunks).unwrap(), target);
    }
}
