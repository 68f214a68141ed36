"""Stores and memories, through the blocking client."""

from __future__ import annotations

import threading

import pytest

import reverie


def test_a_memory_is_written_read_and_deleted(store: reverie.Store) -> None:
    done = store.write("/on-call.md", "on call: ana\n", message="From the rota")
    assert (done.revision, done.no_op) == (1, False)
    assert done.version is not None
    assert done.version.kind is reverie.ChangeKind.CREATED
    memory = store.read("/on-call.md")
    assert (memory.text, memory.revision, memory.size_bytes) == ("on call: ana\n", 1, 13)
    assert memory.create_time is not None
    assert memory.create_time.tzinfo is not None
    assert store.read(memory.id) == memory
    assert store.write("/on-call.md", "on call: ana\n").no_op
    store.delete("/on-call.md")
    assert store.get("/on-call.md") is None
    assert store.read("/on-call.md", revision=1).text == "on call: ana\n"
    with pytest.raises(reverie.NotFoundError, match="on-call"):
        store.read("/on-call.md")


def test_every_operation_does_what_it_says(store: reverie.Store) -> None:
    store.create("/a.md", "one\ntwo\n")
    with pytest.raises(reverie.ExistsError):
        store.create("/a.md", "other\n")
    store.replace("/a.md", "two", "2")
    store.insert("/a.md", 0, "zero\n")
    store.append("/a.md", "three\n")
    assert store.read("/a.md").text == "zero\none\n2\nthree\n"
    store.move("/a.md", "/b/a.md")
    assert [m.path for m in store.list()] == ["/b/a.md"]
    store.commit([reverie.Write("/b/c.md", "c\n"), reverie.Append("/b/d.md", "d\n")], message="Two at once")
    assert next(store.log()).message == "Two at once"
    store.delete("/b", recursive=True)
    assert list(store.list()) == []


def test_a_commit_is_atomic_over_its_operations(store: reverie.Store) -> None:
    store.write("/a.md", "a\n")
    with pytest.raises(reverie.ExistsError):
        store.commit([reverie.Write("/b.md", "b\n"), reverie.Create("/a.md", "again\n")])
    assert [m.path for m in store.list()] == ["/a.md"]
    dry = store.commit([reverie.Write("/b.md", "b\n")], dry_run=True)
    assert not dry.no_op
    assert store.refresh().head_revision == 1


def test_what_is_expected_must_hold(store: reverie.Store) -> None:
    store.write("/n.md", "1\n", expect=reverie.ABSENT)
    read = store.read("/n.md")
    store.write("/n.md", "2\n", expect=read)
    for stale in (read, read.revision, read.content_sha256, read.version_id, reverie.ABSENT):
        with pytest.raises(reverie.ConflictError) as refused:
            store.write("/n.md", "3\n", expect=stale)
        conflict = refused.value
        assert conflict.reason == "COMMIT_CONFLICT"
        assert conflict.actual_content == "2\n"
        assert conflict.actual_actor is not None
        assert conflict.actual_actor.principal == "admin"
        assert conflict.conflicts[0].path == "/n.md"
    with pytest.raises(reverie.ConflictError):
        store.commit([reverie.Write("/m.md", "m\n")], store_revision=1)
    with pytest.raises(reverie.ConflictError):
        store.commit([reverie.Write("/m.md", "m\n")], preconditions=[("/n.md", reverie.ABSENT)])
    with pytest.raises(ValueError, match="expect"):
        store.write("/n.md", "3\n", expect="what I remember")


def test_wrong_fields_are_named(store: reverie.Store) -> None:
    with pytest.raises(reverie.InvalidError) as refused:
        store.write("no-slash", "x")
    assert [v.field for v in refused.value.violations] == ["operations[0].write.path"]
    with pytest.raises(reverie.InvalidError):
        store.write("/big.md", "x" * 102_401)


def test_listings_read_one_snapshot_over_all_pages(store: reverie.Store) -> None:
    paths = [f"/{n % 7}/{n:04}.md" for n in range(1_050)]
    for start in range(0, len(paths), 525):
        store.commit([reverie.Write(path, f"{path}\n") for path in paths[start : start + 525]])
    listed = store.list(contents=True)
    first = next(listed)
    store.delete("/6", recursive=True)
    assert [first.path, *(m.path for m in listed)] == sorted(paths)
    assert first.text == f"{first.path}\n"
    assert sum(1 for _ in store.list()) == 900
    assert sum(1 for _ in store.list("/3")) == 150
    directories = [e for e in store.entries(depth=1) if isinstance(e, reverie.Directory)]
    assert [(d.path, d.memory_count) for d in directories] == [(f"/{n}", 150) for n in range(6)]
    found = store.read_many([*paths[:130], "/none.md"], revision=2)
    assert list(found) == [p for p in paths[:130] if p in found]
    assert len(found) == 130
    with pytest.raises(ValueError, match="not asked for"):
        _ = next(store.list()).text


def test_grep_finds_lines_with_their_context(store: reverie.Store) -> None:
    store.write("/runbooks/db.md", "# db\n\nprimary: db-1.prod\nreplicas: 2\n")
    store.write("/other.md", "PRIMARY\n")
    found = store.grep("primary", context=1)
    assert [(m.path, m.line_number, m.before, m.after) for m in found] == [
        ("/runbooks/db.md", 3, ("",), ("replicas: 2",))
    ]
    assert (found.read_revision, found.truncated) == (2, False)
    assert len(store.grep("primary", ignore_case=True)) == 2
    assert len(store.grep("primary", ignore_case=True, glob="/runbooks/**")) == 1
    assert store.grep(".", max_matches=1).truncated
    with pytest.raises(reverie.InvalidError):
        store.grep("(")


def test_a_search_ranks_memories(client: reverie.Client, store: reverie.Store, handle: str) -> None:
    store.write("/runbooks/db.md", "# Databases\n\nThe primary of checkout is db-1.prod\n")
    done = store.write("/runbooks/web.md", "# Web\n\nRestart checkout by rollout\n")
    other = client.stores.create(f"{handle}-2")
    other.write("/checkout.md", "checkout checkout checkout\n")
    found = store.search("primary checkout", min_revision=done.revision)
    assert [h.path for h in found] == ["/runbooks/db.md", "/runbooks/web.md"]
    assert found.hits[0].score > found.hits[1].score
    (line,) = found.hits[0].lines
    assert (line.number, line.text) == (3, "The primary of checkout is db-1.prod")
    assert [line.text.encode()[m.start : m.stop].decode() for m in line.matches] == ["primary", "checkout"]
    assert (found.revisions, found.more) == ({store.name: 2}, False)
    assert [h.path for h in store.search("checkout -primary", prefix="/runbooks")] == ["/runbooks/web.md"]
    both = client.search([store.name, other.name], "checkout", limit=1)
    assert ([(h.store, h.path) for h in both], both.more) == ([(other.name, "/checkout.md")], True)
    with pytest.raises(reverie.InvalidError):
        store.search("")


def test_the_history_says_who_did_what(store: reverie.Store) -> None:
    store.write("/a.md", "one\n", message="First", tool_call="call_1")
    store.write("/a.md", "one\ntwo\n", message="Second")
    store.move("/a.md", "/b.md", message="Third")
    assert [c.message for c in store.log()] == ["Third", "Second", "First"]
    assert next(store.log("/b.md")).revision == 3
    first = store.commit_at(1)
    assert (first.actor.tool_call, first.versions[0].path) == ("call_1", "/a.md")
    kinds = [v.kind.value for v in store.versions("/b.md")]
    assert kinds == ["renamed", "modified", "created"]
    assert [v.revision for v in store.versions("/b.md", kinds=["modified", "created"])] == [2, 1]
    assert [v.path for v in store.versions()] == ["/b.md", "/a.md", "/a.md"]
    version = store.version(store.commit_at(2).versions[0].id)
    assert version.content == "one\ntwo\n"
    diff = store.diff(1)
    assert (diff.stats.added_lines, diff.files[0].kind) == (1, reverie.ChangeKind.RENAMED)
    assert "+two" in str(diff)
    assert [(r.start_line, r.message) for r in store.blame("/b.md")] == [(1, "First"), (2, "Second")]
    store.restore(1, message="Back")
    assert store.read("/a.md").text == "one\n"
    assert store.get("/b.md") is None
    assert [c.message for c in store.log(actor=reverie.ActorFilter(principal="nobody"))] == []


def test_a_fork_goes_its_own_way_and_is_merged_back(client: reverie.Client, store: reverie.Store) -> None:
    store.write("/a.md", "1\n2\n3\n4\n5\n")
    fork = store.fork()
    assert fork.info.forked_from == reverie.Snapshot(store.info.id, 1)
    fork.replace("/a.md", "1", "one")
    store.replace("/a.md", "5", "five")
    merged = store.merge(fork.name, message="Both")
    assert store.read("/a.md").text == "one\n2\n3\n4\nfive\n"
    assert merged.base == reverie.Snapshot(store.info.id, 1)
    fork.replace("/a.md", "3", "three")
    store.replace("/a.md", "3", "III")
    with pytest.raises(reverie.ConflictError) as refused:
        store.merge(fork.name)
    (conflict,) = refused.value.merge_conflicts
    assert conflict.path == "/a.md"
    assert "three" in (conflict.theirs or "")
    assert "III" in (conflict.ours or "")
    assert fork.info.id in [s.name for s in client.stores.list(include_forks=True)]


def test_stores_are_administered(client: reverie.Client, handle: str) -> None:
    store = client.stores.create(handle, name="On call", description="d", metadata={"team": handle})
    with pytest.raises(reverie.ExistsError):
        client.stores.create(handle)
    assert client.stores.create(handle, exist_ok=True).info == store.info
    for newest_first in (False, True):
        listed = client.stores.list(metadata={"team": handle}, newest_first=newest_first)
        assert [s.name for s in listed] == [store.info.id]
    assert list(client.stores.list(metadata={"team": handle}, end_time=store.info.create_time)) == []
    updated = client.stores.update(handle, name="Off call", retention=reverie.Retention(versions_min=3))
    assert (updated.info.name, updated.info.description, updated.info.retention.versions_min) == ("Off call", "d", 3)
    client.stores.archive(handle)
    with pytest.raises(reverie.PreconditionError) as refused:
        store.write("/a.md", "a\n")
    assert refused.value.reason == "STORE_ARCHIVED"
    client.stores.unarchive(handle)
    deleted = client.stores.delete(handle)
    assert not client.store(handle).exists()
    assert client.stores.undelete(deleted.id).info.handle == handle
    with pytest.raises(RuntimeError, match="refresh"):
        _ = client.store(handle).info


def test_an_edit_writes_what_the_block_leaves(store: reverie.Store) -> None:
    with store.edit("/a.md", message="New") as doc:
        assert doc.memory is None
        doc.text = "one\n"
    assert doc.committed is not None
    assert doc.committed.revision == 1
    with store.edit("/a.md") as same:
        pass
    assert same.committed is None
    with pytest.raises(ZeroDivisionError), store.edit("/a.md") as doc:
        doc.text = "lost\n"
        _ = 1 / 0
    assert store.read("/a.md").text == "one\n"
    with pytest.raises(reverie.NotFoundError), store.edit("/none.md", create=False):
        pass


def test_an_edit_merges_what_others_wrote_meanwhile(store: reverie.Store) -> None:
    store.write("/a.md", "1\n2\n3\n4\n5\n")
    with store.edit("/a.md") as doc:
        store.replace("/a.md", "5", "five")
        doc.text = doc.text.replace("1", "one")
    assert store.read("/a.md").text == "one\n2\n3\n4\nfive\n"
    with pytest.raises(reverie.ConflictError) as refused, store.edit("/a.md") as doc:
        store.replace("/a.md", "3", "III")
        doc.text = doc.text.replace("3", "three")
    assert refused.value.actual_content == "one\n2\nIII\n4\nfive\n"
    assert "three" in doc.text
    with pytest.raises(reverie.ConflictError), store.edit("/a.md") as doc:
        store.delete("/a.md")
        doc.text += "6\n"
    assert store.get("/a.md") is None


def test_two_edits_that_make_the_same_memory_are_merged_or_refused(store: reverie.Store) -> None:
    with store.edit("/a.md") as doc:
        store.write("/a.md", "same\n")
        doc.text = "same\n"
    with pytest.raises(reverie.ConflictError), store.edit("/b.md") as doc:
        store.write("/b.md", "theirs\n")
        doc.text = "ours\n"


def test_large_contents_are_merged_too(store: reverie.Store) -> None:
    # More than a conflict carries: what stands there is read.
    lines = [f"{n:04} {'x' * 95}\n" for n in range(1_010)]
    store.write("/big.md", "".join(lines))
    with store.edit("/big.md") as doc:
        store.replace("/big.md", lines[-1], "last\n")
        doc.text = doc.text.replace(lines[0], "first\n")
    text = store.read("/big.md").text
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    assert store.update("/big.md", lambda t: None) is None


def test_threads_that_count_lose_no_update(store: reverie.Store) -> None:
    threads, each = 8, 10
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(each):
                store.update("/n.txt", lambda text: str(int(text or "0") + 1))
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=count) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert store.read("/n.txt").text == str(threads * each)
    assert store.refresh().head_revision == threads * each


def test_threads_that_edit_other_lines_are_all_merged(store: reverie.Store) -> None:
    rows = 8
    store.write("/table.md", "".join(f"{n}:\n\n" for n in range(rows)))
    failures: list[BaseException] = []

    def fill(n: int) -> None:
        try:
            for _ in range(5):
                with store.edit("/table.md") as doc:
                    doc.text = doc.text.replace(f"{n}:", f"{n}:x")
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=fill, args=(n,)) for n in range(rows)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert store.read("/table.md").text == "".join(f"{n}:xxxxx\n\n" for n in range(rows))
