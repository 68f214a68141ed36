"""What agents are built with, over a store: with a scripted model, and the examples as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anthropic
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner
from conftest import Cluster
from langgraph.store.base import GetOp, MatchCondition, PutOp
from langgraph.store.memory import InMemoryStore
from openai import AsyncOpenAI
from scripted_model import ScriptedModel, function_call, message, output_text, response, tool_use

import reverie
from reverie.integrations.anthropic import AsyncMemoryTool, MemoryTool
from reverie.integrations.langgraph import ReverieStore
from reverie.integrations.openai_agents import memory_tools

EXAMPLES = Path(__file__).parent.parent / "examples"
FILE = "/memories/on-call.md"


def run_example(cluster: Cluster, name: str, *arguments: str, **environment: str) -> str:
    env = {**os.environ, "REVERIE_URL": cluster.url, "REVERIE_TOKEN_FILE": str(cluster.token_file), **environment}
    env["PYTHONPATH"] = str(Path(reverie.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SCRIPT = [
    message(tool_use("toolu_1", command="view", path="/memories")),
    message(
        {"type": "text", "text": "Nothing yet."},
        tool_use("toolu_2", command="create", path=FILE, file_text="on call: ana\n"),
    ),
    message(tool_use("toolu_3", command="create", path=FILE, file_text="again\n")),
    message(tool_use("toolu_4", command="str_replace", path=FILE, old_str="ana", new_str="ana until Friday")),
    message({"type": "text", "text": "Ana is on call until Friday."}),
]


def test_the_anthropic_tool_runner_keeps_its_memory_in_a_store(store: reverie.Store) -> None:
    with ScriptedModel(SCRIPT).serve() as model:
        client = anthropic.Anthropic(base_url=model.url, api_key="none")
        runner = client.beta.messages.tool_runner(
            model="scripted",
            max_tokens=100,
            tools=[MemoryTool(store)],
            messages=[{"role": "user", "content": "Remember: ana is on call until Friday"}],
        )
        last = runner.until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["Ana is on call until Friday."]
    assert store.read("/on-call.md").text == "on call: ana until Friday\n"
    assert model.requests[0]["tools"] == [{"type": "memory_20250818", "name": "memory"}]
    results = [request["messages"][-1]["content"][0] for request in model.requests[1:]]
    assert [bool(r.get("is_error")) for r in results] == [False, False, True, False]
    assert results[1]["content"] == f"File created successfully at: {FILE}"
    assert results[2]["content"] == f"File {FILE} already exists"


async def test_so_does_the_asyncio_one(astore: reverie.AsyncStore) -> None:
    with ScriptedModel(SCRIPT).serve() as model:
        client = anthropic.AsyncAnthropic(base_url=model.url, api_key="none")
        runner = client.beta.messages.tool_runner(
            model="scripted",
            max_tokens=100,
            tools=[AsyncMemoryTool(astore)],
            messages=[{"role": "user", "content": "Remember: ana is on call until Friday"}],
        )
        await runner.until_done()
    assert (await astore.read("/on-call.md")).text == "on call: ana until Friday\n"


def test_the_anthropic_example_runs_and_is_recorded(cluster: Cluster, client: reverie.Client) -> None:
    team = client.stores.create("team-sre", exist_ok=True)
    for memory in list(team.list()):
        team.delete(memory.path)
    with ScriptedModel(SCRIPT).serve() as model:
        said = run_example(
            cluster, "anthropic_memory_tool.py", "Who?", ANTHROPIC_BASE_URL=model.url, ANTHROPIC_API_KEY="none"
        )
    assert said == "Nothing yet.\nAna is on call until Friday.\n"
    assert "team-sre" in model.requests[0]["system"]
    memory = team.read("/on-call.md")
    assert memory.actor.agent == "memory-tool-example"
    events = list(client.sessions.events(memory.actor.session))
    calls = [(e.kind.value, e.call_id, e.failed) for e in events if e.call_id]
    assert calls[:4] == [
        ("tool_call", "toolu_1", None),
        ("tool_result", "toolu_1", False),
        ("tool_call", "toolu_2", None),
        ("tool_result", "toolu_2", False),
    ]
    assert ("tool_result", "toolu_3", True) in calls


async def test_the_openai_agents_tools_tell_conflicts(astore: reverie.AsyncStore) -> None:
    await astore.write("/on-call.md", "on call: ben\n")
    stale = (await astore.read("/on-call.md")).content_sha256
    await astore.write("/on-call.md", "on call: eve\n")
    turns = [
        response(function_call("c1", "memory_list")),
        response(function_call("c2", "memory_write", path="/on-call.md", content="on call: ana\n", sha256=stale)),
        response(
            function_call("c3", "memory_edit", path="/on-call.md", old_text="eve", new_text="ana", message="Rota")
        ),
        response(function_call("c4", "memory_read", path="/on-call.md")),
        response(function_call("c5", "memory_write", path="/new.md", content="new\n")),
        response(function_call("c6", "memory_grep", regex="ON CALL")),
        response(function_call("c7", "memory_history", path="/on-call.md")),
        response(function_call("c8", "memory_move", source="/new.md", target="/old.md")),
        response(function_call("c9", "memory_delete", path="/on-call.md", sha256="x")),
        response(function_call("c10", "memory_read", path="/none.md")),
        response(function_call("c11", "memory_search", query="who is on call")),
        response(output_text("Ana is on call.")),
    ]
    with ScriptedModel(turns).serve() as model:
        scripted = OpenAIResponsesModel("scripted", AsyncOpenAI(base_url=f"{model.url}/v1", api_key="none"))
        agent = Agent(name="triage", model=scripted, tools=memory_tools(astore))
        result = await Runner.run(
            agent, "Who is on call?", run_config=RunConfig(tracing_disabled=True), max_turns=len(turns)
        )
    assert result.final_output == "Ana is on call."
    told = {i["call_id"]: i["output"] for i in model.requests[-1]["input"] if i.get("type") == "function_call_output"}
    assert told["c1"] == "/on-call.md (13 bytes, revision 2)"
    assert "somebody else was first" in told["c2"]
    assert "on call: eve" in told["c2"]
    assert "by admin" in told["c2"]
    assert told["c3"] == "Edited as revision 3."
    assert told["c4"].endswith("\non call: ana\n")
    assert told["c5"] == "Written as revision 4."
    assert told["c6"] == "/on-call.md:1: on call: ana"
    assert "revision 3" in told["c7"].split("\n")[0]
    assert "Rota" in told["c7"].split("\n")[0]
    assert told["c8"] == "Moved as revision 5."
    assert told["c9"].startswith("Refused: expect=")
    assert told["c10"].startswith("Refused: there is no")
    assert told["c11"] == "/on-call.md:1: on call: ana"
    assert (await astore.commit_at(3)).actor.tool_call == "c3"
    assert [t.name for t in memory_tools(astore, read_only=True)] == [
        "memory_list",
        "memory_read",
        "memory_search",
        "memory_grep",
        "memory_history",
    ]
    schema = next(t for t in model.requests[0]["tools"] if t["name"] == "memory_edit")
    assert sorted(schema["parameters"]["properties"]) == ["message", "new_text", "old_text", "path"]


def test_the_openai_agents_example_runs_and_is_recorded(cluster: Cluster, client: reverie.Client) -> None:
    team = client.stores.create("team-sre", exist_ok=True)
    turns = [
        response(function_call("c1", "memory_write", path="/rota.md", content="on call: ana\n")),
        response(output_text("I will remember.")),
    ]
    with ScriptedModel(turns).serve() as model:
        said = run_example(
            cluster,
            "openai_agents_memory.py",
            OPENAI_BASE_URL=f"{model.url}/v1",
            OPENAI_API_KEY="none",
            OPENAI_AGENTS_DISABLE_TRACING="1",
        )
    assert said == "I will remember.\n"
    memory = team.read("/rota.md")
    assert (memory.actor.agent, memory.actor.tool_call) == ("agents-example", "c1")
    kinds = [e.kind.value for e in client.sessions.events(memory.actor.session)]
    assert kinds == ["message", "tool_call", "tool_result", "message"]


def test_langgraph_items_are_memories(store: reverie.Store) -> None:
    items = ReverieStore(store, root="/graph")
    items.put(("users", "ana"), "food", {"likes": "pizza", "rating": 5})
    items.put(("users", "ana"), "a/b ü.", {"odd": True})
    items.put(("users", "ben"), "food", {"likes": "fish", "rating": 2})
    assert store.read("/graph/users/ana/food.json").text == '{\n  "likes": "pizza",\n  "rating": 5\n}\n'
    item = items.get(("users", "ana"), "food")
    assert item is not None
    assert (item.key, item.namespace, item.value) == ("food", ("users", "ana"), {"likes": "pizza", "rating": 5})
    odd = items.get(("users", "ana"), "a/b ü.")
    assert odd is not None
    assert (odd.key, odd.value) == ("a/b ü.", {"odd": True})
    assert items.get(("users", "eve"), "food") is None
    items.delete(("users", "ana"), "a/b ü.")
    items.delete(("users", "ana"), "never there")
    assert items.get(("users", "ana"), "a/b ü.") is None
    with pytest.raises(ValueError, match="empty"):
        items.put(("users",), "", {})
    with pytest.raises(NotImplementedError):
        items.put(("users",), "x", {}, ttl=1)


def test_langgraph_sees_what_people_wrote(store: reverie.Store) -> None:
    store.write("/runbooks/db.md", "primary: db-1\n")
    store.write("/runbooks/broken.json", "{")
    items = ReverieStore(store)
    item = items.get(("runbooks",), "db.md")
    assert item is not None
    assert item.value == {"content": "primary: db-1\n"}
    items.put(("runbooks",), "db.md", {"content": "primary: db-2\n"})
    assert store.read("/runbooks/db.md").text == "primary: db-2\n"
    assert [i.key for i in items.search(("runbooks",), query="which primary?")] == ["db.md"]
    with pytest.raises(ValueError, match="content"):
        items.put(("runbooks",), "db.md", {"primary": "db-3"})


def test_langgraph_batches_searches_and_lists_as_its_own_store_does(store: reverie.Store) -> None:
    ours, theirs = ReverieStore(store, root="/graph"), InMemoryStore()
    for items in (ours, theirs):
        items.batch(
            [
                PutOp(("docs", f"team-{n % 3}", "v1"), f"k{n:02}", {"n": n, "tags": ["x", n % 2], "deep": {"a": n % 2}})
                for n in range(12)
            ]
            + [PutOp(("other",), "k", {"n": 1}), PutOp(("other",), "gone", {"n": 2}), PutOp(("other",), "gone", None)]
        )
    assert store.refresh().head_revision == 1, "one batch is one commit"
    for condition in (
        {"n": 3},
        {"n": {"$gt": 3, "$lte": 7}},
        {"n": {"$ne": 3}},
        {"tags": ["x", 1]},
        {"deep": {"a": 0}},
        {"none": None},
        None,
    ):
        found = [
            sorted((i.namespace, i.key, str(i.value)) for i in items.search(("docs",), filter=condition, limit=100))
            for items in (ours, theirs)
        ]
        assert found[0] == found[1], condition
    assert len(ours.search((), limit=5, offset=10)) == len(theirs.search((), limit=5, offset=10)) == 3
    for arguments in (
        {},
        {"prefix": ("docs",)},
        {"suffix": ("v1",)},
        {"prefix": ("docs", "*"), "max_depth": 2},
        {"prefix": ("docs", "*", "*", "*")},
        {"limit": 1, "offset": 1},
    ):
        assert ours.list_namespaces(**arguments) == theirs.list_namespaces(**arguments), arguments
    assert MatchCondition("prefix", ("*",))
    both = [GetOp(("other",), "k"), PutOp(("other",), "k", {"n": 9}), GetOp(("other",), "gone")]
    for items in (ours, theirs):
        first, _, none = items.batch(both)
        assert first is not None
        assert first.value == {"n": 1}, "reads come before puts"
        assert none is None


async def test_langgraph_is_served_beside_a_loop(store: reverie.Store) -> None:
    items = ReverieStore(store)
    await items.aput(("users",), "ana", {"n": 1})
    item = await items.aget(("users",), "ana")
    assert item is not None
    assert item.value == {"n": 1}
    assert [i.key for i in await items.asearch(("users",))] == ["ana"]
    await items.adelete(("users",), "ana")
    assert await items.aget(("users",), "ana") is None


def test_the_langgraph_example_remembers_between_runs(cluster: Cluster) -> None:
    assert run_example(cluster, "langgraph_memory.py", "eve", "alerts by service") == "alerts by service\n"
    said = run_example(cluster, "langgraph_memory.py", "eve", "alerts by region")
    assert said == "alerts by region; alerts by service\n"
