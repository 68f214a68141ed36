//! What imports promise, as tests; and, as most of it needs an export, what exports do.

use std::collections::BTreeMap;

use domain::access::{Action, StorePermit};
use domain::actor::ActorFilter;
use domain::commit::{Operation, Revision, Step};
use domain::history::{Commits, Merge, Restore};
use domain::portability::Export;
use domain::store::{Filter, NewFork};
use domain::{MemoryPath, Timestamp};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use storage::engine::{Direction, Range};

use super::*;
use crate::tests::{Texts, World, operations, principal, texts};

const FORMATS: [Format; 3] = [Format::Tar, Format::Jsonl, Format::Git];

async fn export(service: &MemoryStore, store: StoreId, format: Format, with_history: bool) -> Vec<u8> {
    let permit = principal().permit_store(Action::StoreRead, store).unwrap();
    let export = Export { revision: 0, format, with_history };
    let (_, chunks) = service.export(&permit, &export).await.unwrap();
    chunks.try_collect::<Vec<Bytes>>().await.unwrap().concat()
}

async fn import_with(service: &MemoryStore, header: ImportHeader, file: &[u8]) -> Result<ImportReport> {
    let permit = principal().permit(Action::StoreCreate).unwrap();
    let chunks = file.chunks(1_000).map(|c| Ok(ImportPart::Chunk(Bytes::copy_from_slice(c))));
    let parts: Vec<_> = [Ok(ImportPart::Header(header))].into_iter().chain(chunks).collect();
    service.import_parts(&permit, futures_util::stream::iter(parts)).await
}

async fn import(service: &MemoryStore, file: &[u8]) -> Result<ImportReport> {
    import_with(service, ImportHeader::default(), file).await
}

fn reader(store: StoreId) -> StorePermit {
    principal().permit_store(Action::StoreWrite, store).unwrap()
}

fn step(operation: Operation) -> Step {
    Step::from(operation)
}

/// Every row that is there.
async fn rows(world: &World) -> Vec<Bytes> {
    let all = Range { start: std::ops::Bound::Unbounded, end: std::ops::Bound::Unbounded };
    let rows = world.vault.scan(all, usize::MAX, Direction::Ascending).await.unwrap();
    rows.into_iter().map(|(key, _)| key).collect()
}

/// A history with everything that one can have: moves, restores, a fork with its own commits and a merge.
async fn eventful() -> (World, StoreId) {
    let world = World::new().await;
    world.write(&texts(&[("/a.md", "one\ntwo\nthree\n"), ("/dir/b c.md", "b\n"), ("/dir/\"q\".md", "q\n")])).await;
    let origins = vec![domain::commit::Origin { start_line: 1, end_line: 1, source: "x:y".into() }];
    let write = Operation::Write { path: "/a.md".parse().unwrap(), content: "ONE\ntwo\nthree\n".into(), origins };
    world.commit(vec![step(write)]).await.unwrap();
    let moved = |from: &str, to: &str| step(Operation::Move { from: from.parse().unwrap(), to: to.parse().unwrap() });
    world.commit(vec![moved("/dir", "/other/dir")]).await.unwrap();
    world
        .commit(vec![moved("/a.md", "/tmp.md"), moved("/other/dir/b c.md", "/a.md"), moved("/tmp.md", "/a2.md")])
        .await
        .unwrap();
    let all = Restore { to_revision: 1, paths: vec![domain::path::Prefix::ALL], ..Restore::default() };
    world.service.restore(&world.permit, &all).await.unwrap();
    let permit = principal().permit_store(Action::StoreFork, world.permit.store()).unwrap();
    let fork = world.service.fork_store(&permit, NewFork { revision: 4, ..NewFork::default() }, "").await.unwrap();
    let on_fork = World { permit: reader(fork.id), service: world.service.clone(), vault: world.vault.clone() };
    on_fork.write(&texts(&[("/.reverie/mine", "not the export's\n"), ("/new.md", "a\nb\n")])).await;
    world.write(&texts(&[("/own.md", "own\n")])).await;
    world.service.merge((&on_fork.permit, 0), &world.permit, &Merge::default()).await.unwrap();
    on_fork.commit(vec![step(Operation::Delete { path: "/a.md".parse().unwrap(), recursive: false })]).await.unwrap();
    let store = fork.id;
    (world, store)
}

/// The round trip of one store: byte for byte with history, else the same texts.
async fn check_round_trip(world: &World, store: StoreId) {
    let expected = world.all(&reader(store), 0).await;
    for format in FORMATS {
        for with_history in [true, false] {
            let file = export(&world.service, store, format, with_history).await;
            assert_eq!(
                file,
                export(&world.service, store, format, with_history).await,
                "{format:?}: the same bytes again"
            );
            let report = import(&world.service, &file).await.unwrap();
            assert!(report.problems.is_empty(), "{format:?}: {:?}", report.problems);
            assert_eq!(world.all(&reader(report.store.id), 0).await, expected, "{format:?} {with_history}");
            assert_eq!(report.memories, expected.len() as u64);
            let again = export(&world.service, report.store.id, format, with_history).await;
            if with_history && format != Format::Git {
                assert!(again == file, "{format:?}: byte for byte");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_comes_back_byte_for_byte(batches in proptest::collection::vec(proptest::collection::vec(operations(), 1..4), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            world.write(&texts(&[("/first", "first\n")])).await;
            for batch in batches {
                // Some are refused: what is left is a history all the same.
                let _ = world.commit(batch.into_iter().map(Step::from).collect()).await;
            }
            check_round_trip(&world, world.permit.store()).await;
        });
    }
}

#[tokio::test]
async fn moves_restores_forks_and_merges_come_back_byte_for_byte() {
    let (world, fork) = eventful().await;
    check_round_trip(&world, world.permit.store()).await;
    check_round_trip(&world, fork).await;
}

#[tokio::test]
async fn an_export_of_a_fork_has_the_history_that_it_inherits_and_every_past_reads_the_same() {
    let (world, fork) = eventful().await;
    let file = export(&world.service, fork, Format::Jsonl, true).await;
    let imported = import(&world.service, &file).await.unwrap();
    assert_eq!((imported.commits, imported.store.head_revision, imported.store.forked_from), (6, 6, None));
    for revision in 1..=6 {
        let now = world.all(&reader(imported.store.id), revision).await;
        assert_eq!(now, world.all(&reader(fork), revision).await, "revision {revision}");
    }
    let past = Export { revision: 3, format: Format::Jsonl, with_history: true };
    let (revision, chunks) = world.service.export(&reader(fork), &past).await.unwrap();
    let at_three = chunks.try_collect::<Vec<Bytes>>().await.unwrap().concat();
    assert_eq!(revision, 3);
    let imported = import(&world.service, &at_three).await.unwrap();
    assert_eq!(world.all(&reader(imported.store.id), 0).await, world.all(&reader(fork), 3).await);
}

#[tokio::test]
async fn an_imported_store_is_written_to_and_reopened_as_any_other() {
    let (world, _) = eventful().await;
    let file = export(&world.service, world.permit.store(), Format::Tar, true).await;
    let imported = import(&world.service, &file).await.unwrap().store;
    let mut own = World { permit: reader(imported.id), service: world.service.clone(), vault: world.vault.clone() };
    own.write(&texts(&[("/more.md", "more\n")])).await;
    let expected = own.all(&own.permit, 0).await;
    own = own.reopened().await;
    assert_eq!(own.all(&own.permit, 0).await, expected);
    let file = export(&own.service, imported.id, Format::Jsonl, true).await;
    let again = import(&own.service, &file).await.unwrap().store;
    assert!(export(&own.service, again.id, Format::Jsonl, true).await == file, "own and imported commits alike");
}

#[tokio::test]
async fn what_an_import_says_of_others_is_a_claim_and_the_importer_is_the_actor() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "one\n")])).await;
    let forged = String::from_utf8(export(&world.service, world.permit.store(), Format::Jsonl, true).await).unwrap();
    let forged = sealed(&forged.replace("\"principal\":\"ana\"", "\"principal\":\"the-auditor\",\"agent\":\"x\""));
    let store = import(&world.service, forged.as_bytes()).await.unwrap().store.id;
    let commit = world.service.commit_at(&reader(store), 1).await.unwrap();
    let claim = commit.actor.claim.clone().unwrap();
    assert_eq!((commit.actor.principal.as_str(), commit.actor.agent.as_str()), ("ana", ""));
    assert_eq!((claim.principal.as_str(), claim.agent.as_str()), ("the-auditor", "x"));
    assert!(claim.time < commit.time, "the import's own time is the store's word");
    let (blamed, _) = world.service.blame(&reader(store), &"/a".parse().unwrap(), 0).await.unwrap();
    assert_eq!(blamed[0].actor.claim, commit.actor.claim, "blame tells it too");
    for (who, found) in [("ana", 1), ("the-auditor", 1), ("ben", 0)] {
        let actor = ActorFilter { principal: who.into(), ..ActorFilter::default() };
        let listed =
            world.service.list_commits(&reader(store), &Commits { actor, ..Commits::default() }).await.unwrap();
        assert_eq!(listed.items.len(), found, "{who}");
    }
}

/// The lines with an end line that is right for them.
fn sealed(lines: &str) -> String {
    use sha2::Digest as _;
    let body: String = lines.lines().filter(|l| !l.starts_with("{\"end\"")).map(|l| format!("{l}\n")).collect();
    let sha256 = proto::convert::hex::encode(sha2::Sha256::digest(body.as_bytes()).as_slice());
    format!("{body}{{\"end\":{{\"lines\":{},\"sha256\":\"{sha256}\"}}}}\n", body.lines().count())
}

#[tokio::test]
async fn a_file_that_is_cut_short_or_changed_anywhere_is_refused_and_leaves_nothing() {
    let (world, fork) = eventful().await;
    for format in [Format::Tar, Format::Jsonl] {
        let file = export(&world.service, fork, format, true).await;
        let before = rows(&world).await;
        let step = if format == Format::Tar { 7 } else { 64 };
        for at in (0..file.len()).step_by(step) {
            let mut changed = file.clone();
            changed[at] ^= 0x20;
            // Zstandard can say the same in several ways: a change that changes nothing is none.
            let plain = |file: &[u8]| zstd::decode_all(file).ok();
            let is_same = format == Format::Tar && plain(&changed) == plain(&file);
            let changed = if is_same { &file[..at] } else { &changed[..] };
            for (what, broken) in [("cut", &file[..at]), ("changed", changed)] {
                let refusal = match import(&world.service, broken).await {
                    Err(refusal) => refusal,
                    Ok(_) => panic!("{format:?} {what} at {at} of {} was taken", file.len()),
                };
                assert_eq!(refusal.kind(), Kind::Invalid, "{format:?} at {at}: {refusal}");
                assert_eq!(refusal.reason(), "IMPORT_REFUSED", "{format:?} at {at}: {refusal}");
            }
        }
        assert_eq!(rows(&world).await, before, "{format:?}: not a row more");
    }
    let file = export(&world.service, fork, Format::Git, true).await;
    let before = rows(&world).await;
    for at in (0..file.len() - 1).step_by(64) {
        import(&world.service, &file[..at]).await.unwrap_err();
    }
    assert_eq!(rows(&world).await, before, "git: not a row more");
}

#[tokio::test]
async fn a_history_that_does_not_follow_is_refused_with_its_line() {
    let world = World::new().await;
    world.write(&texts(&[("/a", "one\n"), ("/b", "two\n")])).await;
    world.write(&texts(&[("/a", "three\n")])).await;
    let file = String::from_utf8(export(&world.service, world.permit.store(), Format::Jsonl, true).await).unwrap();
    let refusals = [
        ("\"revision\":2,\"time\"", "\"revision\":3,\"time\"", "line 8: revision 3 comes where 2 is due"),
        ("\"kind\":\"modified\"", "\"kind\":\"created\"", "line 9: there is a memory at /a already"),
        ("\"kind\":\"modified\"", "\"kind\":\"deleted\"", "line 9: a version has a content, unless it is a deletion"),
        ("\"path\":\"/b\"", "\"path\":\"/a/b\"", "line 5: /a/b is in the way of /a"),
        ("\"path\":\"/b\"", "\"path\":\"/../b\"", "line 6: "),
        ("\"versions\":1", "\"versions\":2", "the file: revision 2 should have 2 versions, 1 are there"),
        ("\"memories\":2", "\"memories\":3", "the file: it should hold 3 memories, and holds 2"),
        (
            "\"format\":\"reverie-store\",\"version\":1",
            "\"format\":\"reverie-store\",\"version\":2",
            "line 1: version 2",
        ),
        ("\"text\":\"one\\n\"", "\"text\":\"0ne\\n\"", "line 2: the text is not the one"),
    ];
    let before = rows(&world).await;
    for (from, to, expected) in refusals {
        let refusal = import(&world.service, sealed(&file.replacen(from, to, 1)).as_bytes()).await.unwrap_err();
        assert!(refusal.message().starts_with(expected), "{from} -> {to}: {refusal}");
    }
    let unsealed = file.replacen("one", "two", 1);
    assert_eq!(import(&world.service, unsealed.as_bytes()).await.unwrap_err().kind(), Kind::Invalid);
    assert_eq!(rows(&world).await, before);
}

#[tokio::test]
async fn a_request_id_makes_one_store_and_a_taken_handle_none() {
    let (world, fork) = eventful().await;
    let file = export(&world.service, fork, Format::Tar, false).await;
    let header =
        ImportHeader { handle: Some("copy".parse().unwrap()), request_id: "r-1".into(), ..ImportHeader::default() };
    let first = import_with(&world.service, header.clone(), &file).await.unwrap();
    let before = rows(&world).await;
    let again = import_with(&world.service, header.clone(), &file).await.unwrap();
    assert_eq!(first.store.id, again.store.id);
    let other = ImportHeader { request_id: "r-2".into(), ..header };
    assert_eq!(import_with(&world.service, other, &file).await.unwrap_err().kind(), Kind::Exists);
    assert_eq!(rows(&world).await, before);
    let permit = principal().permit(Action::StoreRead).unwrap();
    let filter = Filter { include_forks: true, ..Filter::default() };
    let listed = world.service.list_stores(&permit, |_| true, &filter, &Default::default()).await.unwrap();
    assert_eq!(listed.items.len(), 3, "the team, its fork, the copy");
}

#[tokio::test]
async fn what_a_crash_has_left_is_taken_away_once_nobody_is_at_it() {
    let world = World::new().await;
    let before = rows(&world).await;
    let store = StoreId::from_bytes([7; 16]);
    let mut staging = Staging::begin(&world.vault, store).await.unwrap();
    for revision in 1..=3 {
        staging.put(crate::key::commit(store, revision), b"a commit").await.unwrap();
        staging.put(crate::key::content(store.into(), &[revision as u8; 32]), b"a content").await.unwrap();
    }
    staging.flush().await.unwrap();
    assert_eq!(rows(&world).await.len(), before.len() + 7);
    assert_eq!(staging::sweep(&world.vault).await.unwrap(), 0, "somebody is at it");
    // As it looks later: the lease has run out.
    let key = crate::key::import(store);
    let row = world.vault.get(&key).await.unwrap().unwrap();
    let mut batch = world.vault.batch();
    let expired = crate::record::ImportRow { expire_time: Timestamp::UNIX_EPOCH.into() };
    batch.replace(key, &row, &crate::record::encode(&expired).unwrap()).unwrap();
    world.vault.commit(batch).await.unwrap();
    assert_eq!(staging::sweep(&world.vault).await.unwrap(), 1);
    assert_eq!(rows(&world).await, before);
    staging.put(crate::key::commit(store, 4), b"too late").await.unwrap();
    assert_eq!(staging.flush().await.unwrap_err().kind(), Kind::Unavailable, "it has lost what it built");
    assert_eq!(rows(&world).await, before);
}

/// A tar of names, each with its kind and data.
fn tar(entries: &[(&str, ::tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, kind, data) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        if kind.is_symlink() || kind.is_hard_link() {
            builder.append_link(&mut header, name, "target").unwrap();
        } else {
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

#[tokio::test]
async fn a_directory_becomes_a_store_and_names_what_it_leaves_out() {
    use ::tar::EntryType::{Directory, Link, Regular, Symlink};
    let world = World::new().await;
    let large = vec![b'x'; limits::CONTENT_BYTES_MAX + 1];
    let file = tar(&[
        ("./", Directory, b""),
        ("./a.md", Regular, b"one\n"),
        ("dir/b.md", Regular, "zwei \u{e4}\n".as_bytes()),
        ("link", Symlink, b""),
        ("hard", Link, b""),
        ("../up", Regular, b"x"),
        ("binary", Regular, &[0xff, 0xfe]),
        ("large", Regular, &large),
        ("a.md/below", Regular, b"x"),
        (".reverie/store", Regular, b"x"),
        ("a.md", Regular, b"later\n"),
    ]);
    let gzip = {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&file).unwrap();
        gzip.finish().unwrap()
    };
    for file in [file.clone(), zstd::encode_all(file.as_slice(), 0).unwrap(), gzip] {
        let report = import(&world.service, &file).await.unwrap();
        let found = world.all(&reader(report.store.id), 0).await;
        assert_eq!(found, texts(&[("/a.md", "later\n"), ("/dir/b.md", "zwei \u{e4}\n")]));
        let left_out: Vec<&str> = report.problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(left_out, ["link", "hard", "../up", "binary", "large", "/a.md/below", ".reverie/store"]);
        assert!(report.problems[1].reason.contains("hard link"), "{:?}", report.problems);
    }
    let refusal = import(&world.service, &file[..1_500]).await.unwrap_err();
    assert!(refusal.message().contains("cut short"), "{refusal}");
}

#[tokio::test]
async fn more_than_one_commit_holds_is_divided() {
    let world = World::new().await;
    let names: Vec<String> = (0..2_500).map(|n| format!("d/{n:04}")).collect();
    let entries: Vec<_> = names.iter().map(|n| (n.as_str(), ::tar::EntryType::Regular, n.as_bytes())).collect();
    let report = import(&world.service, &tar(&entries)).await.unwrap();
    assert_eq!((report.commits, report.memories), (3, 2_500));
    let store = report.store.id;
    let last = world.service.commit_at(&reader(store), 3).await.unwrap();
    assert_eq!(last.message, "Imported from an archive (part 3)");
    check_round_trip(&world, store).await;
}

#[tokio::test]
async fn an_export_that_was_unpacked_and_packed_again_is_checked_against_its_history() {
    let (world, fork) = eventful().await;
    let file = export(&world.service, fork, Format::Tar, true).await;
    let unpacked = |edit: &dyn Fn(&str, &mut Vec<u8>) -> bool| {
        let plain = zstd::decode_all(file.as_slice()).unwrap();
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut archive = ::tar::Archive::new(plain.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut data = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut data).unwrap();
            if edit(&name, &mut data) {
                let mut header = ::tar::Header::new_ustar();
                header.set_size(data.len() as u64);
                builder.append_data(&mut header, name, data.as_slice()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    };
    let same = import(&world.service, &unpacked(&|_, _| true)).await.unwrap().store.id;
    assert!(export(&world.service, same, Format::Tar, true).await == file);
    let edited = unpacked(&|name, data| {
        if name == "new.md" {
            data.push(b'!');
        }
        true
    });
    let refusal = import(&world.service, &edited).await.unwrap_err();
    assert!(refusal.message().starts_with("new.md: it is not as the history says"), "{refusal}");
    let refusal = import(&world.service, &unpacked(&|name, _| name != "new.md")).await.unwrap_err();
    assert!(refusal.message().contains("/new.md is in the history, and its file is missing"), "{refusal}");
    let without = import(&world.service, &unpacked(&|name, _| !name.starts_with(".reverie/"))).await.unwrap();
    assert_eq!((without.commits, without.memories), (1, world.all(&reader(fork), 0).await.len() as u64 - 1));
}

#[tokio::test]
async fn a_git_repository_becomes_commits_of_its_main_line() {
    let stream = "feature done
blob
mark :1
data 4
one

blob
mark :2
data 3
b\0\u{7f}

commit refs/heads/main
mark :3
author Ana Ng <ana@x.org> 1700000000 +0200
committer Ben <ben@x.org> 1700000001 +0000
data 6
first

M 100644 :1 a.md
M 120000 :1 link
M 160000 1111111111111111111111111111111111111111 module
M 100755 :1 \"sp ace.sh\"

commit refs/heads/side
mark :4
author Cem <cem@x.org> 1700000100 +0000
committer Cem <cem@x.org> 1700000100 +0000
data 4
side
from :3
M 100644 inline side.md
data 5
side

commit refs/heads/main
mark :5
author Ana Ng <ana@x.org> 1700000200 +0000
committer Ana Ng <ana@x.org> 1700000200 +0000
data 5
merge
from :3
merge :4
M 100644 inline side.md
data 5
side
R a.md dir/b.md

commit refs/heads/main
mark :6
author Ana Ng <ana@x.org> 1700000300 +0000
committer Ana Ng <ana@x.org> 1700000300 +0000
data 5
empty
from :5
D link

done
";
    let world = World::new().await;
    let report = import(&world.service, stream.as_bytes()).await.unwrap();
    let store = report.store.id;
    assert_eq!((report.commits, report.memories), (2, 3));
    let expected = texts(&[("/dir/b.md", "one\n"), ("/side.md", "side\n"), ("/sp ace.sh", "one\n")]);
    assert_eq!(world.all(&reader(store), 0).await, expected);
    let reasons: BTreeMap<&str, &str> = report.problems.iter().map(|p| (p.path.as_str(), p.reason.as_str())).collect();
    assert!(reasons["link"].contains("symbolic link") && reasons["module"].contains("submodule"), "{reasons:?}");
    let about_all: Vec<&str> =
        report.problems.iter().filter(|p| p.path.is_empty()).map(|p| p.reason.as_str()).collect();
    assert!(about_all[0].starts_with("1 commits of other or merged branches"), "{about_all:?}");
    assert!(about_all[1].starts_with("1 commits are left out"), "{about_all:?}");

    let merge = world.service.commit_at(&reader(store), 2).await.unwrap();
    let claim = merge.actor.claim.unwrap();
    assert_eq!((claim.principal.as_str(), claim.time.as_second()), ("Ana Ng <ana@x.org>", 1_700_000_200));
    assert_eq!((merge.message.as_str(), merge.versions.len()), ("merge", 2));
    assert!(merge.versions.iter().any(|v| v.previous_path == Some("/a.md".parse::<MemoryPath>().unwrap())));

    let side = ImportHeader { git_branch: "side".into(), ..ImportHeader::default() };
    let report = import_with(&world.service, side, stream.as_bytes()).await.unwrap();
    assert_eq!((report.commits, report.memories), (2, 3));
    let absent = ImportHeader { git_branch: "trunk".into(), ..ImportHeader::default() };
    let refusal = import_with(&world.service, absent, stream.as_bytes()).await.unwrap_err();
    assert!(refusal.message().contains("one of main, side"), "{refusal}");
}

#[tokio::test]
async fn a_text_of_a_branch_that_is_left_out_is_not_kept() {
    let commit = |branch: &str, text: &str| {
        let size = text.len();
        format!(
            "commit refs/heads/{branch}\nauthor A <a@b> 7 +0000\ncommitter A <a@b> 7 +0000\ndata 1\nx\nM 100644 inline f\ndata {size}\n{text}\n"
        )
    };
    let world = World::new().await;
    let before = rows(&world).await.len();
    import(&world.service, commit("main", "kept").as_bytes()).await.unwrap();
    let one = rows(&world).await.len() - before;
    let both = commit("main", "kept too") + &commit("side", "not kept");
    import(&world.service, both.as_bytes()).await.unwrap();
    assert_eq!(rows(&world).await.len() - before, 2 * one);
}

#[tokio::test]
async fn an_export_needs_the_whole_store_and_an_import_a_curator() {
    use domain::access::{Access, Grant, Grants, Principal, Role, Scope};
    let (world, _) = eventful().await;
    let grant = Grant { store: world.permit.store(), access: Access::ReadOnly, prefix: "/dir".parse().unwrap() };
    let narrow = Principal { scope: Scope { role: Role::Writer, grants: Grants::Only(vec![grant]) }, ..principal() };
    let permit = narrow.permit_store(Action::StoreRead, world.permit.store()).unwrap();
    let all = Export { revision: 0, format: Format::Tar, with_history: true };
    assert_eq!(world.service.export(&permit, &all).await.err().unwrap().kind(), Kind::Denied);
    assert_eq!(narrow.permit(Action::StoreCreate).unwrap_err().kind(), Kind::Denied);
    let future: Revision = 99;
    let past_the_end = Export { revision: future, ..all };
    assert_eq!(world.service.export(&world.permit, &past_the_end).await.err().unwrap().kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_store_without_a_commit_is_a_store_all_the_same() {
    let world = World::new().await;
    for format in [Format::Tar, Format::Jsonl] {
        for with_history in [true, false] {
            let file = export(&world.service, world.permit.store(), format, with_history).await;
            let report = import(&world.service, &file).await.unwrap();
            assert_eq!((report.commits, report.memories), (0, 0));
            assert_eq!(world.all(&reader(report.store.id), 0).await, Texts::new());
        }
    }
}
