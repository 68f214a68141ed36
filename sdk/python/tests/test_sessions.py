"""Sessions: recorded, imported, given stores, watched."""

from __future__ import annotations

import json

import pytest
from conftest import Cluster

import reverie
from reverie import EventKind, Speaker


def test_a_run_is_recorded_with_its_outcome(client: reverie.Client, store: reverie.Store) -> None:
    with client.sessions.record(
        "triage", agent_version="2", task_key="pager-4812", labels={"env": "test"}, attach=[store.info.handle]
    ) as run:
        run.operator("You are on call.")
        run.user("checkout is slow")
        run.thought("look at the pods")
        call = run.tool_call("kubectl", {"args": "get pods"})
        run.tool_result(call, "checkout-1 OOMKilled", name="kubectl")
        run.agent("it ran out of memory")
        run.verdict(1.0, "resolved")
        assert run.flush() == 7
        assert store.info.handle in run.prompt_note
        run.client.store(store.name).write("/checkout.md", "checkout-1 runs out of memory\n")
        run.succeed("resolved")
    session = client.sessions.get(run.id)
    assert session == run.session
    assert (session.agent, session.agent_version, session.task_key) == ("triage", "2", "pager-4812")
    assert session.state is reverie.SessionState.ENDED
    assert session.outcome == reverie.Outcome(1.0, "resolved", reverie.OutcomeSource.ENVIRONMENT)
    assert (session.last_seq, session.labels) == (7, {"env": "test"})
    events = list(client.sessions.events(run.id))
    assert [e.seq for e in events] == [1, 2, 3, 4, 5, 6, 7]
    assert [e.kind for e in events[:4]] == [
        EventKind.MESSAGE,
        EventKind.MESSAGE,
        EventKind.THOUGHT,
        EventKind.TOOL_CALL,
    ]
    assert [e.speaker for e in events[:3]] == [Speaker.OPERATOR, Speaker.USER, Speaker.AGENT]
    assert json.loads(events[3].text) == {"args": "get pods"}
    assert (events[4].call_id, events[4].failed, events[4].name) == (call, False, "kubectl")
    assert (events[6].value, events[6].label) == (1.0, "resolved")
    assert all(e.time is not None for e in events)
    actor = store.read("/checkout.md").actor
    assert (actor.session, actor.agent) == (run.id, "triage")
    filtered = client.sessions.list(reverie.SessionFilter(store=store.info.handle, outcome="success"))
    assert [s.id for s in filtered] == [run.id]


def test_a_run_that_raises_ends_as_a_failure(client: reverie.Client) -> None:
    with pytest.raises(ZeroDivisionError), client.sessions.record("triage") as run:
        run.succeed("so far")
        _ = 1 / 0
    session = client.sessions.get(run.id)
    assert session.outcome == reverie.Outcome(0.0, "ZeroDivisionError", reverie.OutcomeSource.HEURISTIC)
    (last,) = client.sessions.events(run.id)
    assert (last.kind, last.text) == (EventKind.ERROR, "ZeroDivisionError: division by zero")


def test_a_run_without_a_word_on_its_outcome_ends_with_none(client: reverie.Client) -> None:
    with client.sessions.record("triage") as run:
        run.user("hello")
    assert client.sessions.get(run.id).outcome is None
    with pytest.raises(RuntimeError, match="with"):
        _ = client.sessions.record("triage").id


def test_many_events_arrive_in_order(client: reverie.Client) -> None:
    with client.sessions.record("triage") as run:
        for n in range(3_000):
            run.agent(f"{n} {'x' * 1_000}")
    texts = [e.text.split()[0] for e in client.sessions.events(run.id)]
    assert texts == [str(n) for n in range(3_000)]
    assert len(list(client.sessions.events(run.id, after_seq=2_990))) == 10


def test_an_event_that_is_refused_is_told_at_the_next_one(client: reverie.Client) -> None:
    with pytest.raises(reverie.PreconditionError) as refused, client.sessions.record("triage") as run:
        run.user("hello")
        run.flush()
        client.sessions.end(run.id, reverie.Outcome(1.0))
        run.user("too late")
        run.flush()
    assert refused.value.reason == "SESSION_ENDED"


async def test_a_run_is_recorded_beside_a_loop(aclient: reverie.AsyncClient) -> None:
    async with aclient.sessions.record("triage") as run:
        await run.user("hello")
        call = await run.tool_call("ls", "-l", call_id="call_7")
        await run.tool_result(call, "no such file", failed=True)
        run.fail("not found")
    events = [e async for e in aclient.sessions.events(run.id)]
    assert [(e.kind.value, e.call_id) for e in events[1:]] == [("tool_call", "call_7"), ("tool_result", "call_7")]
    assert events[2].failed is True
    assert (await aclient.sessions.get(run.id)).outcome == reverie.Outcome(0.0, "not found")
    with pytest.raises(ValueError, match="boom"):
        async with aclient.sessions.record("triage") as run:
            raise ValueError("boom")
    outcome = (await aclient.sessions.get(run.id)).outcome
    assert outcome is not None
    assert outcome.label == "ValueError"


def test_by_hand_the_number_is_the_key(client: reverie.Client) -> None:
    session = client.sessions.create("by-hand")
    hello = reverie.Event(EventKind.MESSAGE, Speaker.USER, "hello")
    assert client.sessions.append(session.id, 1, [hello]) == 1
    assert client.sessions.append(session.id, 1, [hello]) == 1
    with pytest.raises(reverie.PreconditionError) as gap:
        client.sessions.append(session.id, 5, [hello])
    assert (gap.value.reason, gap.value.metadata["expected_seq"]) == ("SEQ_GAP", "2")
    ended = client.sessions.end(session.id, reverie.Outcome(0.5, "half", "grader"), last_seq=1)
    assert client.sessions.end(session.id, reverie.Outcome(0.5, "half", "grader")) == ended


def test_every_kind_of_event_comes_back_as_it_went(client: reverie.Client) -> None:
    events = [
        reverie.Event(EventKind.COMPACTION, Speaker.AGENT, "so far", thread="sub", copied=True),
        reverie.Event(EventKind.OPAQUE, Speaker.ENVIRONMENT, "{}", name="snapshot"),
        reverie.Event(EventKind.ERROR, Speaker.ENVIRONMENT, "broke"),
        reverie.Event(EventKind.TOOL_RESULT, Speaker.TOOL, "?", call_id="c", failed=None),
    ]
    session = client.sessions.create("kinds")
    client.sessions.append(session.id, 1, events)
    found = list(client.sessions.events(session.id))
    assert [(e.kind, e.speaker, e.text, e.name, e.thread, e.copied, e.failed) for e in found] == [
        (e.kind, e.speaker, e.text, e.name, e.thread, e.copied, e.failed) for e in events
    ]


def test_a_file_is_imported_once(client: reverie.Client, store: reverie.Store) -> None:
    chat = [{"role": "user", "content": f"what is {store.name}?"}, {"role": "assistant", "content": "a store"}]
    content = json.dumps(chat).encode()
    done = client.sessions.import_file(
        content, source_name="chat.json", agent="helper", labels={"from": "test"}, attachments=[store.name]
    )
    assert (len(done.sessions), done.problems, done.format) == (1, (), "openai_chat")
    assert done.sessions[0].events == 2
    again = client.sessions.import_file(content, source_name="chat.json", agent="helper", attachments=[store.name])
    assert [s.deduplicated for s in again.sessions] == [True]
    session = client.sessions.get(done.sessions[0].session)
    assert (session.agent, session.labels, session.task_text) == ("helper", {"from": "test"}, f"what is {store.name}?")


def test_attachments_are_what_a_session_may_reach(client: reverie.Client, store: reverie.Store, handle: str) -> None:
    other = client.stores.create(f"{handle}-2")
    session = client.sessions.create("triage")
    attached = client.sessions.attach(
        session.id,
        [reverie.Attachment(store.name, "read_only", instructions="Read first."), f"{handle}-2"],
        agent="triage",
    )
    assert attached.secret is not None
    assert "Read first." in attached.prompt_note
    agent = client.with_options(token=attached.secret)
    with pytest.raises(reverie.DeniedError):
        agent.store(store.name).write("/a.md", "a\n")
    agent.store(other.name).write("/a.md", "a\n")
    assert [a.access for a in agent.sessions.attachments().attachments] == [
        reverie.Access.READ_ONLY,
        reverie.Access.READ_WRITE,
    ]
    again = client.sessions.attach(session.id, [store.name])
    assert again.secret is None
    with pytest.raises(reverie.NotFoundError):
        agent.store(other.name).read("/a.md")
    agent.store(store.name).write("/a.md", "a\n")


def test_tokens_do_no_more_than_they_were_given(client: reverie.Client, store: reverie.Store) -> None:
    issued = client.tokens.create(reverie.Scope("reader", [reverie.Grant(store.name, "read_only")]), ttl=60)
    assert issued.secret not in repr(issued)
    reader = client.with_options(token=issued.secret, timeout=5)
    who = reader.who_am_i()
    assert (who.token.id, who.effective_scope.role) == (issued.token.id, reverie.Role.READER)
    with pytest.raises(reverie.DeniedError):
        reader.store(store.name).write("/a.md", "a\n")
    assert issued.token.id in [t.id for t in client.tokens.list()]
    assert client.tokens.revoke(issued.token.id).revoke_time is not None
    with pytest.raises(reverie.UnauthenticatedError):
        reader.who_am_i()
    with pytest.raises(ValueError, match="reader, writer, curator, admin"):
        client.tokens.create(reverie.Scope("king"))


def test_what_happens_to_sessions_is_watched(cluster: Cluster, client: reverie.Client) -> None:
    with client.sessions.record("watched") as run:
        pass
    kinds = []
    with client.sessions.watch(after_cursor=0) as watch:
        for event in watch:
            if event.session == run.id:
                kinds.append(event.kind.value)
                if event.kind is reverie.SessionEventKind.ENDED:
                    break
    assert kinds == ["created", "ended"]
