//! What a redaction promises, as tests.

use std::collections::BTreeMap;

use domain::actor::ActorFilter;
use domain::blame::Ranges;
use domain::commit::{Erased, Origin};
use domain::history::{Compare, Merge, Restore, Versions};
use domain::id::SessionId;
use domain::memory::{Entry, Grep, List};
use domain::page::Page;
use domain::path::Prefix;
use domain::store::{Change, Retention};
use domain::{Kind, limits};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;

use super::*;

const SECRET: &str = "the launch code is 4711-alpha\n";

/// Paths of a snapshot, each with its content, or why there is none.
async fn listed(world: &World, store: StoreId, revision: Revision) -> BTreeMap<String, Result<String, Erased>> {
    let list = List { full: true, revision, ..List::default() };
    let listing = world.service.list_memories(&permit(store), &list).await.unwrap();
    let entries = listing.entries.into_iter().map(|entry| match entry {
        Entry::Memory(m) => (m.path.to_string(), m.erased.map_or(Ok(m.content.unwrap_or_default()), Err)),
        Entry::Directory(d) => panic!("{d:?}"),
    });
    entries.collect()
}

#[tokio::test]
async fn a_path_goes_out_of_heads_old_revisions_forks_and_every_row_and_no_copy_of_a_row_opens() {
    let world = World::new().await;
    world.commit(write("/keep.md", "kept\n")).await;
    world.commit_to(world.store, write("/secret/plan.md", SECRET), "wrote /secret/plan.md").await.unwrap();
    let old = world.commit(write("/copy.md", SECRET)).await;
    let fork = world.fork(0).await;
    world.commit_to(fork, write("/secret/plan.md", &format!("{SECRET}and 4712-alpha\n")), "").await.unwrap();
    let message = "as it says there: the launch code is 4711-alpha";
    world.commit_to(world.store, write("/secret/plan.md", "4713-alpha\n"), message).await.unwrap();
    let words = ["-alpha", "secret/plan"];
    let before = world.rows_with(&words).await;
    assert!(before.len() >= 6, "the control: the rows that tell of it are found");
    let sealed: Vec<_> = world.sealed().await.into_iter().filter(|(key, _)| before.contains(key)).collect();
    let session = world.service.list_versions(&world.permit(), &versions("/copy.md")).await.unwrap().items;

    let done = world.redact(path("/secret")).await;
    assert!(done.finish_time.is_some() && done.key_epoch > 1);
    // In each head first the path, then the copy, which shares a content with it.
    assert_eq!((done.counts.stores, done.counts.contents, done.commits.len()), (2, 3, 4));
    assert!(
        done.versions.iter().any(|v| v.version == session[0].version.id),
        "who shares the content is on the receipt"
    );

    let words_left = world.rows_with(&words).await;
    assert_eq!(words_left, Vec::<bytes::Bytes>::new(), "{words_left:?}");
    assert_eq!(world.opening(&sealed).await, 0, "somebody kept a copy of the database");
    let mut world = world;
    for round in 0..2 {
        for store in [world.store, fork] {
            let head = listed(&world, store, 0).await;
            assert_eq!(head.keys().collect::<Vec<_>>(), ["/keep.md"], "round {round}");
            assert_eq!(world.verified(store).await, 3);
        }
        let past = listed(&world, world.store, old).await;
        assert_eq!(past["/keep.md"], Ok("kept\n".into()));
        assert_eq!(past["/copy.md"], Err(Erased::Redacted));
        let hidden: Vec<_> = past.iter().filter(|(path, _)| path.starts_with("/.redacted/mem_")).collect();
        assert!(matches!(hidden[..], [(_, Err(Erased::Redacted))]), "{past:?}");
        assert_eq!(reason(world.read(world.store, "/copy.md", old).await), "REDACTED");
        assert_eq!(world.read(world.store, "/copy.md", 0).await.unwrap_err().kind(), Kind::NotFound);
        world = world.reopened().await;
    }
}

fn versions(path: &str) -> Versions {
    Versions { memory: Some(MemoryRef::Path(path.parse().unwrap())), ..Versions::default() }
}

#[tokio::test]
async fn a_regular_expression_rewrites_the_head_and_leaves_what_stands_around_the_match_to_its_authors() {
    let world = World::new().await;
    let first = world.commit(write("/a.md", "one\nkey: sk-1234 here\nthree\n")).await;
    let message = "adds sk-1234 and more";
    world.commit_to(world.store, write("/a.md", "one\nkey: sk-1234 here\nthree\nfour\n"), message).await.unwrap();
    let clean = world.commit(write("/b.md", "nothing\n")).await;
    let done = world.redact(Selector::Regex("sk-[0-9]+".into())).await;

    assert_eq!((done.counts.versions, done.counts.memories, done.counts.contents), (2, 1, 2));
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), "one\nkey: [redacted] here\nthree\nfour\n");
    assert_eq!(world.read(world.store, "/b.md", clean).await.unwrap(), "nothing\n");
    assert_eq!(reason(world.read(world.store, "/a.md", first).await), "REDACTED");
    assert_eq!(world.service.commit_at(&world.permit(), 2).await.unwrap().message, "adds [redacted] and more");
    let (ranges, _) = world.service.blame(&world.permit(), &"/a.md".parse().unwrap(), 0).await.unwrap();
    let lines: Vec<_> = ranges.iter().map(|r| (r.start_line, r.end_line, r.message.as_str(), r.erased)).collect();
    let own = format!("Redaction {}", done.id.unwrap());
    assert_eq!(
        lines,
        [(1, 1, "", false), (2, 2, own.as_str(), true), (3, 3, "", false), (4, 4, "adds [redacted] and more", false)]
    );
    assert!(world.rows_with(&["sk-1234"]).await.is_empty());
    assert_eq!(world.verified(world.store).await, 2);
}

#[tokio::test]
async fn what_is_asked_of_a_redacted_past_is_answered_with_its_mark() {
    let world = World::new().await;
    world.commit(write("/a.md", "first\n")).await;
    let old = world.commit(write("/a.md", SECRET)).await;
    world.commit(write("/a.md", "first\nlast\n")).await;
    let version = world.service.list_versions(&world.permit(), &versions("/a.md")).await.unwrap().items[1].clone();
    assert_eq!(version.redaction, None);
    let version = version.version;
    let done = world.redact(Selector::Versions(vec![version.id])).await;

    let (shown, content) = world.service.version(&world.permit(), version.id).await.unwrap();
    let redaction = shown.redaction.unwrap();
    assert_eq!(
        (Some(redaction.id), redaction.create_time, redaction.actor),
        (done.id, done.create_time, done.actor),
        "a redacted version says by whom and when"
    );
    let every = world.service.list_versions(&world.permit(), &Versions::default()).await.unwrap().items;
    let marks: Vec<bool> = every.iter().map(|r| r.redaction.is_some()).collect();
    assert_eq!(marks, [false, true, false]);
    let shown = shown.version;
    assert_eq!(
        (shown.erased, shown.sha256, shown.size_bytes, content.as_str()),
        (Some(Erased::Redacted), None, 30, "")
    );
    let how = Compare { glob: None, context_lines: 3 };
    let permit = world.permit();
    let compared = world.service.compare((&permit, old), (&permit, 0), &how).await.unwrap();
    assert!(compared.files[0].erased && compared.files[0].unified.is_empty());
    let grep = Grep { regex: "launch".into(), revision: old, ..Grep::default() };
    let found: Vec<_> = world.service.grep(&permit, &grep).await.unwrap().try_collect().await.unwrap();
    assert_eq!((found.len(), found[0].erased), (1, 1), "the closing message alone");
    let (ranges, _) = world.service.blame(&permit, &"/a.md".parse().unwrap(), 0).await.unwrap();
    let lines: Vec<_> = ranges.iter().map(|r| (r.revision, r.erased)).collect();
    assert_eq!(lines, [(1, false), (3, true)], "who wrote the second line cannot be told");
    assert_eq!(reason(world.service.blame(&permit, &"/a.md".parse().unwrap(), old).await), "REDACTED");

    let restore = Restore { to_revision: old, paths: vec![Prefix::ALL], ..Restore::default() };
    assert!(world.service.restore(&permit, &restore).await.unwrap().no_op, "what is erased cannot come back");
    let fork = world.fork(old).await;
    assert_eq!(listed(&world, fork, 0).await["/a.md"], Err(Erased::Redacted));
    world.commit_to(fork, write("/a.md", "written over\n"), "").await.unwrap();
    assert_eq!(world.read(fork, "/a.md", 0).await.unwrap(), "written over\n");
    let theirs = super::permit(fork);
    let merged = world.service.merge((&theirs, 0), &permit, &Merge::default()).await.unwrap_err();
    assert_eq!((merged.kind(), merged.details().merge_conflicts[0].base.as_deref()), (Kind::Conflict, None));
    assert_eq!(world.verified(fork).await, 1);
}

#[tokio::test]
async fn a_session_an_actor_and_a_source_select_what_came_from_them() {
    let by = |session: &str| {
        let mut principal = principal("bot", Role::Admin);
        principal.session = Some(session.parse().unwrap());
        principal
    };
    let (one, other) = (SessionId::from_bytes([1; 16]).to_string(), SessionId::from_bytes([2; 16]).to_string());
    let (one, other) = (one.as_str(), other.as_str());
    for selector in [
        Selector::Session(one.into()),
        Selector::Actor(ActorFilter { session: one.into(), principal: "bot".into(), ..ActorFilter::default() }),
        Selector::DerivedFromSession(one.into()),
    ] {
        let world = World::new().await;
        for (session, path, text) in [(one, "/one.md", "from one\n"), (other, "/other.md", "from the other\n")] {
            let origins =
                vec![Origin { start_line: 1, end_line: 1, source: format!("reverie:session/{session}/event/4") }];
            let path = path.parse().unwrap();
            let steps = vec![Step::from(Operation::Write { path, content: text.to_owned(), origins })];
            let permit = by(session).permit_store(Action::StoreWrite, world.store).unwrap();
            world.service.commit(&permit, Request { steps, ..Request::default() }).await.unwrap();
        }
        let done = world.redact(selector.clone()).await;
        assert_eq!(done.counts.versions, 1, "{selector:?}");
        assert_eq!(listed(&world, world.store, 0).await.keys().collect::<Vec<_>>(), ["/other.md"], "{selector:?}");
        assert!(world.rows_with(&["from one"]).await.is_empty());
        let past = listed(&world, world.store, 1).await;
        assert_eq!(past["/one.md"], Err(Erased::Redacted), "{selector:?}");
        let commit = world.service.commit_at(&world.permit(), 1).await.unwrap();
        assert_eq!((commit.versions[0].origins.len(), commit.actor.session.as_str()), (0, one), "the chain is over it");
    }
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing_and_a_request_id_has_one_receipt() {
    let world = World::new().await;
    world.commit(write("/a.md", SECRET)).await;
    let redact = Redact { selector: path("/a.md"), reason: "r".into(), dry_run: true, request_id: "x".into() };
    let planned = world.service.redact(&world.permit(), &redact).await.unwrap();
    assert_eq!((planned.id, planned.counts.versions, planned.counts.content_bytes), (None, 1, 30));
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), SECRET);

    let first = world.try_redact(path("/a.md"), "x").await.unwrap();
    assert_eq!((first.counts.versions, first.counts.content_bytes), (1, 30));
    world.commit(write("/a.md", SECRET)).await;
    let again = world.try_redact(path("/a.md"), "x").await.unwrap();
    assert_eq!(again, first);
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), SECRET, "what is written later is another matter");
    assert_eq!(reason(world.try_redact(path("/b.md"), "x").await), "REQUEST_ID_REUSED");
    let second = world.redact(path("/none")).await;
    assert_eq!((second.counts, second.finish_time.is_some()), (Default::default(), true));

    let page = Page { size: 1, token: String::new() };
    let newest = world.service.list_redactions(&world.permit(), &page).await.unwrap();
    assert_eq!(newest.items[0].id, second.id);
    let page = Page { size: 1, token: newest.next_page_token };
    let oldest = world.service.list_redactions(&world.permit(), &page).await.unwrap();
    assert_eq!((oldest.items[0].id, oldest.next_page_token.as_str()), (first.id, ""));
    assert_eq!(world.service.redaction(&world.permit(), first.id.unwrap()).await.unwrap(), first);
}

#[tokio::test]
async fn what_must_not_be_redacted_is_refused() {
    let world = World::new().await;
    world.commit(write("/a.md", SECRET)).await;
    let fork = world.fork(0).await;
    let hold = |legal_hold| Change::Update {
        handle: None,
        name: None,
        description: None,
        metadata: None,
        retention: Some(Retention { legal_hold, ..Retention::default() }),
    };
    world.service.change_store(&permit(fork), hold(true), "").await.unwrap();
    assert_eq!(reason(world.try_redact(path("/a.md"), "").await), "LEGAL_HOLD", "also a fork's");
    world.service.change_store(&permit(fork), hold(false), "").await.unwrap();
    assert_eq!(world.try_redact(Selector::Regex("a*".into()), "").await.unwrap_err().kind(), Kind::Invalid);
    let unknown = crate::index::version_id(world.store, domain::id::MemoryId::from_bytes([1; 16]), 1);
    assert_eq!(world.try_redact(Selector::Versions(vec![unknown]), "").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), SECRET);
    let reserved = world.commit_to(world.store, write("/.redacted/x", "x"), "").await;
    assert_eq!(reserved.unwrap_err().kind(), Kind::Precondition);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_the_same_text_go_on_meanwhile_and_none_of_them_loses_what_it_wrote() {
    let world = Arc::new(World::new().await);
    world.commit(write("/a.md", SECRET)).await;
    let fork = world.fork(0).await;
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let world = world.clone();
        writers.spawn(async move {
            let store = if n % 2 == 0 { world.store } else { fork };
            let (own, mut refused) = (format!("/w{n}.md"), 0);
            for round in 0..60 {
                // Text that is being redacted, text that is not, and a move of either.
                let other = format!("{n} {round}\n");
                for operation in [write(&own, SECRET), write(&own, &other), write(&own, SECRET)] {
                    while let Err(e) = world.commit_to(store, operation.clone(), "").await {
                        assert_eq!(e.kind(), Kind::Unavailable, "{e:?}");
                        refused += 1;
                        tokio::task::yield_now().await;
                    }
                }
                if round == 20 && n == 0 {
                    world.redact(Selector::Regex("4711".into())).await;
                }
            }
            refused
        });
    }
    let refused: usize = writers.join_all().await.into_iter().sum();
    println!("{refused} writes were refused while the text was being redacted");
    let world = Arc::into_inner(world).unwrap().reopened().await;
    for store in [world.store, fork] {
        assert!(world.verified(store).await > 0);
        for (path, content) in listed(&world, store, 0).await {
            let (content, redacted) = (content.unwrap(), SECRET.replace("4711", "[redacted]"));
            // A writer may have been done before the redaction began.
            assert!(content == redacted || path != "/a.md" && content == SECRET, "{path}: {content}");
        }
    }
    assert_eq!(world.read(world.store, "/a.md", 0).await.unwrap(), SECRET.replace("4711", "[redacted]"));
    assert_eq!(reason(world.read(world.store, "/a.md", 1).await), "REDACTED");
}

#[tokio::test]
async fn a_checkpoint_that_tells_of_it_goes_and_the_store_still_opens() {
    let world = World::new().await;
    world.commit(write("/secret.md", SECRET)).await;
    for n in 0..=limits::CHECKPOINT_COMMITS_MIN {
        world.commit(write("/n.md", &format!("{n}\n"))).await;
    }
    let pages = crate::key::of_store(crate::key::CHECKPOINT_PAGE, world.store);
    let checkpoints =
        async |world: &World| world.vault.scan(Range::prefix(&pages), 10, Direction::Ascending).await.unwrap().len();
    for _ in 0..10_000 {
        if checkpoints(&world).await > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(checkpoints(&world).await, 1, "the control");
    world.redact(path("/secret.md")).await;
    assert_eq!(checkpoints(&world).await, 0);
    assert!(world.rows_with(&["launch", "secret.md"]).await.is_empty());
    let world = world.reopened().await;
    assert_eq!(listed(&world, world.store, 0).await.len(), 1);
    world.verified(world.store).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any history over two stores, any path: what is not of it reads as before, at every revision.
    #[test]
    fn a_redaction_takes_what_it_is_about_and_nothing_else(
        commits in proptest::collection::vec((0..5usize, 0..4usize, any::<bool>(), 0..3u8), 4..24),
        fork_at in 1..4u64,
        target in 0..3usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let paths = ["/a/x.md", "/a/y.md", "/b.md", "/c.md", "/d/z.md"];
            let texts = ["alpha line\n", "beta line\n", "gamma line\n", "alpha line\nbeta line\n"];
            let prefixes = ["/a", "/b.md", "/d/z.md"];
            let world = World::new().await;
            world.commit(write("/c.md", "first\n")).await;
            let mut fork = None;
            for (at, text, in_fork, kind) in commits {
                let head = world.service.store(&world.permit()).await.unwrap().head_revision;
                if fork.is_none() && head >= fork_at {
                    fork = Some(world.fork(fork_at).await);
                }
                let store = fork.filter(|_| in_fork).unwrap_or(world.store);
                let operation = match kind {
                    0 => delete(paths[at]),
                    1 => Operation::Move { from: paths[at].parse().unwrap(), to: paths[(at + 1) % 5].parse().unwrap() },
                    _ => write(paths[at], texts[text]),
                };
                let _ = world.commit_to(store, operation, "a message").await;
            }
            let stores: Vec<StoreId> = [world.store].into_iter().chain(fork).collect();
            let mut before = Vec::new();
            for store in &stores {
                let head = world.service.store(&permit(*store)).await.unwrap().head_revision;
                for revision in 1..=head {
                    before.push((*store, revision, listed(&world, *store, revision).await));
                }
            }
            let prefix = prefixes[target];
            let done = world.redact(path(prefix)).await;
            let gone: Prefix = prefix.parse().unwrap();
            assert!(prefix == "/a" || world.rows_with(&[prefix]).await.is_empty(), "{prefix}");
            let erased: std::collections::HashSet<String> =
                before.iter().flat_map(|(.., all)| all).filter(|(p, _)| gone.contains(p)).filter_map(|(_, c)| c.clone().ok()).collect();
            let world = world.reopened().await;
            for (store, revision, was) in before {
                let now = listed(&world, store, revision).await;
                assert_eq!(now.len(), was.len(), "{done:?}");
                for (at, content) in was {
                    if gone.contains(&at) {
                        assert!(!now.contains_key(&at), "{at} at {revision}");
                    } else if content.as_ref().is_ok_and(|c| erased.contains(c)) {
                        assert_eq!(now[&at], Err(Erased::Redacted), "{at} at {revision} shares the content");
                    } else {
                        assert_eq!(now[&at], content, "{at} at {revision}");
                    }
                }
            }
            for store in stores {
                world.verified(store).await;
                assert!(listed(&world, store, 0).await.iter().all(|(p, c)| c.is_ok() && !gone.contains(p)));
            }
        });
    }
}

#[test]
fn what_is_carried_over_a_notice_keeps_its_author() {
    // The rule that the rewriting of heads rests on: equal lines keep what is said of them.
    let known = Ranges::of("a\nb\n", 1);
    let carried = known.carry_with("a\nb\n", "a\n[redacted]\n", &Ranges::of("a\n[redacted]\n", 2));
    assert_eq!(carried.iter().map(|(range, n)| (range.start, *n)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
}
