"""The asyncio client: the same as the blocking one, which is made of it; here is what differs."""

from __future__ import annotations

import asyncio

import pytest
from conftest import Cluster

import reverie


async def test_a_memory_is_written_listed_and_edited(astore: reverie.AsyncStore) -> None:
    await astore.write("/a.md", "1\n2\n3\n", expect=reverie.ABSENT)
    assert [m.path async for m in astore.list()] == ["/a.md"]
    async with astore.edit("/a.md") as doc:
        await astore.replace("/a.md", "3", "three")
        doc.text = doc.text.replace("1", "one")
    assert (await astore.read("/a.md")).text == "one\n2\nthree\n"
    assert [c.revision async for c in astore.log()] == [3, 2, 1]
    with pytest.raises(reverie.ConflictError):
        await astore.write("/a.md", "x\n", expect=1)


async def test_tasks_that_count_lose_no_update(astore: reverie.AsyncStore) -> None:
    async def count() -> None:
        for _ in range(5):
            await astore.update("/n.txt", lambda text: str(int(text or "0") + 1))

    await asyncio.gather(*(count() for _ in range(12)))
    assert (await astore.read("/n.txt")).text == "60"


async def test_a_watch_gets_every_commit_once_in_order(astore: reverie.AsyncStore) -> None:
    await astore.write("/before.md", "x\n")
    for n in range(3):
        await astore.append("/log.md", f"{n}\n")
    assert [c.revision for c in await _first(astore.watch(after_revision=1), 3)] == [2, 3, 4]
    matching = await _first(astore.watch(after_revision=0, glob="/before*"), 1)
    assert [v.path for v in matching[0].versions] == ["/before.md"]


async def test_a_watch_from_now_on_ends_when_it_is_cancelled(astore: reverie.AsyncStore) -> None:
    await astore.write("/before.md", "x\n")
    watch = astore.watch()
    seen: list[int] = []

    async def write() -> None:
        while not seen:
            await astore.append("/log.md", "x\n")
        watch.cancel()

    writer = asyncio.create_task(write())
    async for commit in watch:
        seen.append(commit.revision)
    await writer
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert seen[0] > 1
    assert watch.position is not None
    assert watch.position >= seen[-1]


async def test_a_task_that_is_cancelled_ends_its_watch(astore: reverie.AsyncStore) -> None:
    async def follow() -> None:
        async with astore.watch() as watch:
            async for _ in watch:
                raise AssertionError("nothing is committed")

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_client_serves_one_loop_after_another(cluster: Cluster) -> None:
    client = reverie.AsyncClient(cluster.url, token_file=cluster.token_file)

    def other_loop() -> str:
        async def work() -> str:
            async with client:
                return (await client.who_am_i()).token.subject

        return asyncio.run(work())

    assert await asyncio.to_thread(other_loop) == "admin"
    assert await asyncio.to_thread(other_loop) == "admin"


async def _first(watch: reverie.AsyncWatch[reverie.Commit], count: int) -> list[reverie.Commit]:
    found: list[reverie.Commit] = []
    async with watch:
        async for commit in watch:
            found.append(commit)
            if len(found) == count:
                break
    return found
