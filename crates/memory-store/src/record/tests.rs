//! What `record` promises, as tests.

use super::*;

fn time() -> Time {
    Time(1_764_000_000_123_456_789)
}

/// Bytes on disk outlive code: this fails when a type that is stored changes its encoding.
#[test]
fn records_are_the_golden_bytes() {
    let store = StoreId::from_bytes([0x11; 16]);
    let origin = Origin { start_line: 1, end_line: 300, source: "x:y".into() };
    let actor = Actor {
        principal: "p".into(),
        session: "s".into(),
        agent: "a".into(),
        tool_call: "t".into(),
        on_behalf_of: "o".into(),
        dream: "d".into(),
        claim: Some(Box::new(domain::actor::Claim { principal: "q".into(), ..Default::default() })),
    };
    let content = ContentRef { hash: [2; 32], sha256: [3; 32], size_bytes: 300 };
    let detail = Detail {
        message: "m".into(),
        message_salt: Some([1; 32]),
        versions: vec![VersionDetail {
            path: "/a".parse().unwrap(),
            previous_path: Some("/b".parse().unwrap()),
            salts: Salts::Whole([4; 32]),
            content: Some(content),
            origins: vec![origin],
            credits: vec![Credit {
                start: 0,
                end: 2,
                store,
                revision: 7,
                actor: actor.clone(),
                time: time(),
                message: "c".into(),
            }],
            create_time: time(),
        }],
    };
    let row = StoreRow {
        family: store.into(),
        forked_from: Some(Snapshot { store, revision: 41 }),
        depth: 1,
        profile: 2,
        head: 300,
        chain: [5; 32],
        memory_count: 3,
        content_bytes: 4,
        create_time: time(),
        update_time: time(),
        archive_time: None,
        delete_time: Some(time()),
    };
    let record = CommitRecord {
        revision: 300,
        time: time(),
        actor,
        message: Commitment([6; 32]),
        versions: vec![VersionRecord {
            id: VersionId::from_bytes([7; 16]),
            memory: MemoryId::from_bytes([8; 16]),
            kind: ChangeKind::Renamed,
            path: Commitment([9; 32]),
            previous_path: None,
            content: Some(Commitment([10; 32])),
            provenance: Commitment([11; 32]),
            size_bytes: 5,
        }],
        merged: Some(Snapshot { store, revision: 2 }),
        memory_count: 3,
        content_bytes: 4,
    };
    let outcome =
        OutcomeRow { digest: [1; 32], time: time(), result: OutcomeResult::Commit { revision: 5, no_op: false } };

    let digest = |bytes: Vec<u8>| blake3::hash(&bytes).to_hex()[..16].to_owned();
    let digests =
        [encode(&row), encode(&record), encode(&detail), encode(&outcome)].map(|bytes| digest(bytes.unwrap()));
    assert_eq!(digests, ["1a2b3e52e885b6be", "e1c26e565c9fceea", "08a804a27ed8b57e", "38ddc3d20a4d4af8"]);
    assert_eq!(decode::<Detail>(&encode(&detail).unwrap()).unwrap(), detail);
    assert_eq!(decode::<CommitRecord>(&encode(&record).unwrap()).unwrap(), record);
}

#[test]
fn an_unknown_format_is_damage_and_not_a_guess() {
    let mut bytes = encode(&VersionRow { index: 1 }).unwrap();
    bytes[0] = 99;
    assert_eq!(decode::<VersionRow>(&bytes).unwrap_err().kind(), domain::Kind::Corrupt);
}

#[test]
fn a_commitment_needs_its_salt_and_its_meaning() {
    let c = Commitment::to(&[1; 32], "path", b"/a");
    assert_ne!(c, Commitment::to(&[2; 32], "path", b"/a"));
    assert_ne!(c, Commitment::to(&[1; 32], "content", b"/a"));
}

#[test]
fn times_keep_their_nanoseconds() {
    assert_eq!(Time::from(Timestamp::from(time())), time());
}

#[test]
fn a_part_that_is_forgotten_opens_no_more_and_the_others_do() {
    let whole = Salts::Whole([7; 32]);
    let mut salts = whole.clone();
    salts.forget(Part::Content);
    assert_eq!(salts.commit(Part::Content, b"text"), None);
    assert_eq!(salts.commit(Part::Path, b"/a"), whole.commit(Part::Path, b"/a"));
    assert_ne!(whole.commit(Part::Path, b"/a"), whole.commit(Part::PreviousPath, b"/a"));
    salts.forget(Part::Path);
    assert_eq!((salts.salt(Part::Path), salts.salt(Part::Content)), (None, None));
    assert_eq!(salts.salt(Part::Provenance), whole.salt(Part::Provenance));
}

#[test]
fn an_erased_content_says_why_and_how_long_it_was_and_nothing_else() {
    for why in [Erased::Redacted, Erased::Expired] {
        let name = ContentRef::erased(why, 300);
        assert_eq!((name.erasure(), name.size_bytes, name.shown_sha256()), (Some(why), 300, None));
    }
    let there = ContentRef { hash: [2; 32], sha256: [3; 32], size_bytes: 300 };
    assert_eq!((there.erasure(), there.shown_sha256()), (None, Some([3; 32])));
}
