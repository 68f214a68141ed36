"""Dreams: from sessions to an adopted change."""

from __future__ import annotations

import pytest

import reverie


@pytest.fixture(scope="module")
def dreamt(client: reverie.Client) -> tuple[reverie.Store, reverie.Dream, list[reverie.Dream]]:
    """Sessions of two agents that run into one error, with its fix shown; and a dream of them."""
    store = client.stores.create("dreams-of-python", exist_ok=True)
    store.write("/deploy.md", "# deploy\n\nUse kubectl.\n")
    for n in range(6):
        with client.sessions.record(f"agent-{n % 2}", task_key=f"task-{n % 3}", attach=[store.info.handle]) as run:
            run.user(f"restart service number {n}")
            call = run.tool_call("kubectl", {"command": f"kubectl rollout restart deploy/web-{n}"})
            run.tool_result(call, "Error: namespace is required: pass --namespace", failed=True, name="kubectl")
            call = run.tool_call("kubectl", {"command": f"kubectl rollout restart deploy/web-{n} --namespace shop"})
            run.tool_result(call, "restarted", name="kubectl")
            run.agent("done")
            run.succeed()
    seen: list[reverie.Dream] = []
    dream = client.dreams.wait(client.dreams.create(store.info.handle), seen.append)
    return store, dream, seen


def test_a_dream_is_waited_for_and_reported(
    client: reverie.Client, dreamt: tuple[reverie.Store, reverie.Dream, list[reverie.Dream]]
) -> None:
    store, dream, seen = dreamt
    assert dream.state in (reverie.DreamState.SUCCEEDED, reverie.DreamState.NEEDS_REVIEW), dream
    assert seen[-1].state.ended
    assert dream.input.store == store.info.id
    assert len(dream.input_sessions) == 6
    assert dream.report is not None
    assert dream.report.sessions_read == 6
    assert dream.report.engine_used is reverie.Engine.CLASSIC
    assert dream.id in [d.id for d in client.dreams.list(store=store.info.id)]
    assert client.dreams.get(dream.id).state is dream.state
    assert store.refresh().head_revision == 1, "a dream never writes its input"


def test_every_piece_of_evidence_opens(
    client: reverie.Client, dreamt: tuple[reverie.Store, reverie.Dream, list[reverie.Dream]]
) -> None:
    _, dream, _ = dreamt
    changes = list(client.dreams.changes(dream))
    assert changes
    assert any("namespace" in change.diff for change in changes)
    opened = 0
    for change in changes:
        for evidence in change.evidence:
            if isinstance(evidence.source, reverie.EventSpan):
                found = client.dreams.evidence(dream, evidence)
                assert found.quote.startswith(evidence.quote) or evidence.quote.startswith(found.quote)
                assert [e.seq for e in found.events if e.quoted] == [evidence.source.seq]
                opened += 1
    assert opened > 0


def test_what_is_not_rejected_is_adopted_as_one_commit(
    client: reverie.Client, dreamt: tuple[reverie.Store, reverie.Dream, list[reverie.Dream]]
) -> None:
    store, dream, _ = dreamt
    changes = list(client.dreams.changes(dream))
    reviewed = client.dreams.review(dream, changes[0], "accept", note="right")
    assert reviewed.review is not None
    assert (reviewed.review.decision, reviewed.review.note) == (reverie.Decision.ACCEPT, "right")
    dry = client.dreams.adopt(dream, dry_run=True)
    assert dry.changes
    with pytest.raises(reverie.ConflictError):
        client.dreams.adopt(dream, expected_revision=77)
    adopted = client.dreams.adopt(dream, message="Adopted by a test")
    assert adopted.revision == store.refresh().head_revision
    assert set(adopted.changes) == {change.id for change in changes}
    assert adopted.dream.adoption is not None
    assert adopted.dream.adoption.state is reverie.AdoptionState.ADOPTED
    assert client.dreams.adopt(dream).revision == adopted.revision, "twice is once"
    assert store.commit_at(adopted.revision).actor.dream == dream.id


def test_a_dream_is_discarded(client: reverie.Client, store: reverie.Store) -> None:
    with client.sessions.record("agent") as run:
        run.user("hello")
    dream = client.dreams.create(store.name, [run.id], engine="classic", budget=reverie.Budget(wall_time=60))
    dream = client.dreams.wait(dream)
    assert dream.input_sessions == (run.id,)
    discarded = client.dreams.discard(dream)
    assert discarded.adoption is not None
    assert discarded.adoption.state is reverie.AdoptionState.DISCARDED
    with pytest.raises(reverie.PreconditionError):
        client.dreams.adopt(dream)
    with pytest.raises(ValueError, match="classic, llm, hybrid"):
        client.dreams.create(store.name, engine="magic")


async def test_a_dream_is_followed_beside_a_loop(aclient: reverie.AsyncClient, astore: reverie.AsyncStore) -> None:
    async with aclient.sessions.record("agent") as run:
        await run.user("hello")
    dream = await aclient.dreams.create(astore.name, [run.id])
    states = [now.state async for now in aclient.dreams.watch(dream)]
    assert states[-1].ended
    with pytest.raises(reverie.PreconditionError, match="has ended"):
        await aclient.dreams.cancel(dream)
