"""Errors, retries and deadlines, against a server that misbehaves."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from conftest import Cluster, free_port_base
from flaky_server import FlakyServer, away, refused, retry_after
from google.rpc import error_details_pb2

import reverie
from reverie._backoff import TRIES, Backoff
from reverie._net import blocking
from reverie._settings import Address
from reverie.memory.v1 import commit_pb2, history_pb2, memory_pb2


def client(server: FlakyServer, timeout: float = 60) -> reverie.Client:
    return reverie.Client(server.url, "rv1_mine", timeout=timeout)


def test_a_write_is_made_again_with_the_same_request_id() -> None:
    with FlakyServer(away(), away()).serve() as server, client(server) as reverie_client:
        assert reverie_client.store("s").write("/a.md", "a\n").revision == 7
    assert len(server.commits) == 3
    assert len({commit.request_id for commit in server.commits}) == 1
    assert server.commits[0].request_id.startswith("req_")
    assert set(server.credentials) == {"Bearer rv1_mine"}


async def test_so_it_is_beside_a_loop() -> None:
    with FlakyServer(away()).serve() as server:
        async with reverie.AsyncClient(server.url, "rv1_mine") as reverie_client:
            await reverie_client.store("s").write("/a.md", "a\n")
    assert len({commit.request_id for commit in server.commits}) == 1
    assert len(server.commits) == 2


def test_tries_are_bounded() -> None:
    failures = [away() for _ in range(9)]
    with FlakyServer(*failures).serve() as server, client(server) as reverie_client:
        with pytest.raises(reverie.UnavailableError, match="away"):
            reverie_client.store("s").refresh()
        assert server.calls == TRIES


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, reverie.InvalidError),
        (grpc.StatusCode.UNAUTHENTICATED, reverie.UnauthenticatedError),
        (grpc.StatusCode.PERMISSION_DENIED, reverie.DeniedError),
        (grpc.StatusCode.NOT_FOUND, reverie.NotFoundError),
        (grpc.StatusCode.ALREADY_EXISTS, reverie.ExistsError),
        (grpc.StatusCode.FAILED_PRECONDITION, reverie.PreconditionError),
        (grpc.StatusCode.ABORTED, reverie.ConflictError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, reverie.ExhaustedError),
        (grpc.StatusCode.DATA_LOSS, reverie.CorruptError),
        (grpc.StatusCode.INTERNAL, reverie.InternalError),
        (grpc.StatusCode.CANCELLED, reverie.CancelledError),
    ],
)
def test_each_kind_is_a_class_and_is_not_tried_again(code: grpc.StatusCode, kind: type[reverie.Error]) -> None:
    with FlakyServer(refused(code, "A_REASON", expected_seq="7")).serve() as server, client(server) as reverie_client:
        with pytest.raises(reverie.Error) as raised:
            reverie_client.store("s").refresh()
        assert type(raised.value) is kind
        assert (raised.value.reason, raised.value.metadata) == ("A_REASON", {"expected_seq": "7"})
        assert str(raised.value) == "as the server says"
        assert server.calls == 1


def test_the_servers_wish_is_a_least_wait_up_to_where_patience_ends() -> None:
    soon = refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after(0.001))
    late = refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after(3_600))
    with FlakyServer(soon, late).serve() as server, client(server) as reverie_client:
        with pytest.raises(reverie.ExhaustedError) as raised:
            reverie_client.store("s").refresh()
        assert raised.value.retry_after == dt.timedelta(hours=1)
        assert server.calls == 2
    error = reverie.ExhaustedError("full", retry_after=dt.timedelta(seconds=3))
    assert Backoff().after(error) == 3.0
    assert Backoff().after(reverie.ExhaustedError("full")) is None
    waits = Backoff()
    first, second = waits.after(reverie.UnavailableError("away")), waits.after(reverie.UnavailableError("away"))
    assert first is not None
    assert second is not None
    assert 0.01 <= first <= 0.02
    assert 0.03 <= second <= 0.06


def test_what_the_server_said_is_all_there() -> None:
    conflict = memory_pb2.CommitConflict(
        path="/a.md",
        actual_revision=4,
        actual_sha256="ab",
        actual_version_id="memver_1",
        actual_content="theirs\n",
        actual_actor=commit_pb2.Actor(principal="ana", agent="triage"),
    )
    merge = history_pb2.MergeConflict(path="/b.md", ours="o\n", theirs="t\n")
    bad = error_details_pb2.BadRequest(field_violations=[{"field": "path", "description": "begin with /"}])
    policy = error_details_pb2.PreconditionFailure(violations=[{"type": "SECRETS", "subject": "/a.md"}])
    failure = refused(grpc.StatusCode.ABORTED, "COMMIT_CONFLICT", conflict, merge, bad, policy)
    with (
        FlakyServer(failure).serve() as server,
        client(server) as reverie_client,
        pytest.raises(reverie.ConflictError) as raised,
    ):
        reverie_client.store("s").write("/a.md", "ours\n", expect=3)
    error = raised.value
    assert (error.actual_content, str(error.actual_actor)) == ("theirs\n", "triage")
    assert [(c.path, c.actual_revision, c.already_equal) for c in error.conflicts] == [("/a.md", 4, False)]
    assert error.merge_conflicts == (reverie.MergeConflict("/b.md", None, "o\n", "t\n"),)
    assert error.violations == (reverie.Violation("path", "begin with /"),)
    assert error.policy_violations == (reverie.PolicyViolation("SECRETS", "/a.md", ""),)


def test_nobody_there_is_unavailable_and_no_time_is_a_deadline() -> None:
    with reverie.Client("http://127.0.0.1:9", "rv1_mine", timeout=5) as nobody, pytest.raises(reverie.UnavailableError):
        nobody.store("s").refresh()
    with FlakyServer().serve() as server, client(server, timeout=0) as reverie_client:
        with pytest.raises(reverie.DeadlineError):
            reverie_client.store("s").refresh()
        assert reverie_client.with_options(timeout=60).store("s").refresh().id == "memstore_1"


def test_a_call_that_the_server_does_not_have_is_told_so() -> None:
    with FlakyServer().serve() as server, client(server) as reverie_client:
        with pytest.raises(reverie.InternalError, match="older") as raised:
            reverie_client.who_am_i()
        assert raised.value.reason == "UNIMPLEMENTED"


def test_a_watch_that_breaks_off_goes_on_after_the_last_commit_seen() -> None:
    with FlakyServer(away()).serve() as server, client(server) as reverie_client:
        revisions = []
        with pytest.raises(reverie.DeniedError):
            for commit in reverie_client.store("s").watch(after_revision=0):
                revisions.append(commit.revision)
        assert revisions == [1, 2, 3, 4, 5, 6], "each once, in order, over three streams"


async def test_so_it_does_beside_a_loop() -> None:
    with FlakyServer().serve() as server:
        async with reverie.AsyncClient(server.url, "rv1_mine") as reverie_client:
            revisions = []
            with pytest.raises(reverie.DeniedError):
                async for commit in reverie_client.store("s").watch():
                    revisions.append(commit.revision)
    assert revisions == [1, 2, 3, 4, 5, 6]


def test_a_server_that_starts_anew_is_nothing_to_care_about(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("anew")
    port = free_port_base()
    first = Cluster.start(data, port)
    with first.client() as reverie_client:
        store = reverie_client.stores.create("anew")
        watch = store.watch(after_revision=0)
        store.write("/a.md", "1\n")
        assert next(watch).revision == 1
        assert first.stop() == 0
        second = Cluster.start(data, port)
        store.write("/a.md", "2\n")
        assert next(watch).revision == 2
        watch.cancel()
        assert list(watch) == []
    assert second.stop() == 0


def test_threads_that_make_the_first_calls_share_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    real = blocking.open_channel

    def open_slowly(address: Address) -> grpc.Channel:
        opened.append(address)
        gate.wait()
        return real(address)

    monkeypatch.setattr(blocking, "open_channel", open_slowly)
    gate = threading.Event()
    with FlakyServer().serve() as server, client(server) as reverie_client, ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(reverie_client.store("s").refresh) for _ in range(4)]
        gate.set()
        assert [a.result().id for a in asked] == ["memstore_1"] * 4
    assert len(opened) == 1


def test_the_address_and_the_credential_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    for name in ("REVERIE_URL", "REVERIE_TOKEN", "REVERIE_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(reverie.InvalidError, match="REVERIE_TOKEN_FILE"):
        reverie.Client()
    monkeypatch.setenv("REVERIE_URL", cluster.url)
    monkeypatch.setenv("REVERIE_TOKEN_FILE", str(cluster.token_file))
    with reverie.Client() as reverie_client:
        assert reverie_client.who_am_i().token.subject == "admin"
    monkeypatch.setenv("REVERIE_TOKEN", cluster.token_file.read_text())
    monkeypatch.setenv("REVERIE_TOKEN_FILE", "/nowhere")
    with reverie.Client() as reverie_client:
        assert reverie_client.who_am_i().token.subject == "admin"
    with pytest.raises(reverie.InvalidError, match="token_file: cannot read"):
        reverie.Client(token_file="/nowhere")
    with pytest.raises(reverie.InvalidError, match="token"):
        reverie.Client(token="two\nlines")
    for url in ("127.0.0.1:7400", "ftp://x", "http://", "http://x/path"):
        with pytest.raises(reverie.InvalidError, match="url"):
            reverie.Client(url, "rv1_mine")
    assert reverie.Client("https://reverie.example", "rv1_mine").url == "https://reverie.example"
