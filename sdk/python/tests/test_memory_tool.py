"""The Messages API's memory tool over a store: the words are those of Anthropic's own file tool, asked beside ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.tools import ToolError
from anthropic.tools.memory import BetaLocalFilesystemMemoryTool

import reverie
from reverie.integrations.anthropic import AsyncMemoryTool, MemoryTool

FILE = "/memories/on-call.md"

#: Commands in the order of one conversation; each must be answered alike by both.
CONVERSATION: list[dict[str, Any]] = [
    {"command": "view", "path": "/memories"},
    {"command": "create", "path": FILE, "file_text": "primary: ana\nbackup: ben\nmanager: eve\n"},
    {"command": "create", "path": FILE, "file_text": "again\n"},
    {"command": "create", "path": "/memories/runbooks/db/primary.md", "file_text": "db-1"},
    {"command": "create", "path": "/memories/runbooks/web.md", "file_text": "x" * 1_536},
    {"command": "create", "path": "/memories/.hidden/x.md", "file_text": "x"},
    {"command": "create", "path": "/memories/runbooks", "file_text": "a directory is there"},
    {"command": "create", "path": "/memories/empty.md", "file_text": ""},
    {"command": "view", "path": "/memories"},
    {"command": "view", "path": "/memories/runbooks"},
    {"command": "view", "path": FILE},
    {"command": "view", "path": FILE, "view_range": [2, 3]},
    {"command": "view", "path": FILE, "view_range": [2, -1]},
    {"command": "view", "path": FILE, "view_range": [0, 1]},
    {"command": "view", "path": FILE, "view_range": [9, 12]},
    {"command": "view", "path": "/memories/empty.md"},
    {"command": "view", "path": "/memories/runbooks/db/primary.md"},
    {"command": "view", "path": "/memories/none.md"},
    {"command": "view", "path": "/etc/passwd"},
    {"command": "view", "path": "/memories/../../etc/passwd"},
    {"command": "view", "path": "/memories/runbooks/../on-call.md"},
    {"command": "str_replace", "path": FILE, "old_str": "ben", "new_str": "dan"},
    {"command": "str_replace", "path": FILE, "old_str": "nobody", "new_str": "x"},
    {"command": "str_replace", "path": FILE, "old_str": "an", "new_str": "x"},
    {"command": "str_replace", "path": FILE, "old_str": "dan\nmanager", "new_str": "dan\nand fay\nmanager"},
    {"command": "str_replace", "path": FILE, "old_str": "and fay\n", "new_str": ""},
    {"command": "str_replace", "path": "/memories/none.md", "old_str": "a", "new_str": "b"},
    {"command": "str_replace", "path": "/memories/runbooks", "old_str": "a", "new_str": "b"},
    {"command": "insert", "path": FILE, "insert_line": 0, "insert_text": "# On call\n"},
    {"command": "insert", "path": FILE, "insert_line": 4, "insert_text": "until Friday"},
    {"command": "insert", "path": FILE, "insert_line": 2, "insert_text": "two\nlines\n"},
    {"command": "insert", "path": FILE, "insert_line": 99, "insert_text": "x"},
    {"command": "insert", "path": FILE, "insert_line": -1, "insert_text": "x"},
    {"command": "insert", "path": "/memories/empty.md", "insert_line": 0, "insert_text": "first"},
    {"command": "insert", "path": "/memories/none.md", "insert_line": 0, "insert_text": "x"},
    {"command": "insert", "path": "/memories/runbooks", "insert_line": 0, "insert_text": "x"},
    {"command": "view", "path": FILE},
    {"command": "rename", "old_path": FILE, "new_path": "/memories/runbooks/web.md"},
    {"command": "rename", "old_path": FILE, "new_path": "/memories/team/on-call.md"},
    {"command": "rename", "old_path": "/memories/none.md", "new_path": "/memories/other.md"},
    {"command": "rename", "old_path": "/memories/runbooks", "new_path": "/memories/books"},
    {"command": "rename", "old_path": "/memories/team/on-call.md", "new_path": "/memories/books"},
    {"command": "rename", "old_path": "/memories", "new_path": "/memories/x"},
    {"command": "view", "path": "/memories"},
    {"command": "delete", "path": "/memories/none.md"},
    {"command": "delete", "path": "/memories"},
    {"command": "delete", "path": "/memories/team/on-call.md"},
    {"command": "delete", "path": "/memories/books"},
    {"command": "view", "path": "/memories"},
    {"command": "view", "path": "/memories/books"},
]


def answer(call: Callable[[Any], Any], command: dict[str, Any]) -> tuple[str, str]:
    try:
        return "ok", str(call(command))
    except ToolError as error:
        return "error", str(error)


def comparable(text: str) -> str:
    """What may differ: a directory's size is a disk block's there and the sum of its contents here, where directories
    are what their files make them, so that an empty one is not there.
    """
    sizes = re.sub(r"^\S+\t(/memories(?:/.*/)?|/memories/[a-z]+)$", r"SIZE\t\1", text, flags=re.MULTILINE)
    return "\n".join(line for line in sizes.split("\n") if not line.endswith("/team/"))


def test_every_command_is_answered_in_the_words_of_anthropics_own_tool(store: reverie.Store, tmp_path: Path) -> None:
    theirs, ours = BetaLocalFilesystemMemoryTool(str(tmp_path)), MemoryTool(store)
    for command in CONVERSATION:
        (kind, text), got = answer(theirs.call, command), answer(ours.call, command)
        assert (kind, comparable(text)) == (got[0], comparable(got[1])), command
    assert ours.to_dict() == theirs.to_dict()


async def test_the_asyncio_tool_says_the_same(astore: reverie.AsyncStore) -> None:
    tool = AsyncMemoryTool(astore, root="/agents/triage")
    assert await tool.call(CONVERSATION[1]) == f"File created successfully at: {FILE}"
    assert (await astore.read("/agents/triage/on-call.md")).text == CONVERSATION[1]["file_text"]
    with pytest.raises(ToolError, match="already exists"):
        await tool.call(CONVERSATION[2])
    assert await tool.call({"command": "view", "path": "/memories"}) == (
        "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items:\n"
        "38B\t/memories\n38B\t/memories/on-call.md"
    )
    assert await tool.clear_all_memory() == "All memory cleared"
    assert [m async for m in astore.list()] == []


def test_directories_say_how_much_they_hold(store: reverie.Store) -> None:
    commands = reverie.MemoryCommands(store)
    store.commit([reverie.Write("/a/b/c.md", "x" * 2_048), reverie.Write("/a/d.md", "x" * 512)])
    assert commands.view("/memories").split("\n")[1:] == [
        "2.5K\t/memories",
        "2.5K\t/memories/a/",
        "2K\t/memories/a/b/",
        "512B\t/memories/a/d.md",
    ]


def test_a_line_number_is_of_the_text_that_the_model_saw(store: reverie.Store) -> None:
    commands = reverie.MemoryCommands(store)
    store.write("/a.md", "1\n2\n3\n4\n")
    commands.view("/memories/a.md")
    store.write("/a.md", "0\n1\n2\n3\n4\n")
    commands.insert("/memories/a.md", 3, "after three")
    assert store.read("/a.md").text == "0\n1\n2\n3\nafter three\n4\n"
    # It knows of its own line, and not yet of the other's.
    commands.insert("/memories/a.md", 4, "and then")
    assert store.read("/a.md").text == "0\n1\n2\n3\nafter three\nand then\n4\n"


def test_what_others_changed_meanwhile_is_not_deleted_unseen(store: reverie.Store) -> None:
    commands = reverie.MemoryCommands(store)
    store.write("/a.md", "1\n2\n")
    commands.view("/memories/a.md")
    store.write("/a.md", "1\ntwo\n")
    with pytest.raises(reverie.MemoryToolError, match=r"(?s)changed since you viewed it, by admin.*2\ttwo"):
        commands.delete("/memories/a.md")
    # Now it was told.
    assert commands.delete("/memories/a.md") == "Successfully deleted /memories/a.md"
    store.write("/b.md", "1\n2\n3\n4\n5\n")
    commands.view("/memories/b.md")
    store.write("/b.md", "one\n2\n3\n4\n5\n")
    commands.str_replace("/memories/b.md", "5", "five")
    assert store.read("/b.md").text == "one\n2\n3\n4\nfive\n"
    with pytest.raises(reverie.MemoryToolError, match="changed since you viewed it"):
        commands.delete("/memories/b.md")


def test_an_insert_where_others_changed_the_lines_tells_the_current_text(store: reverie.Store) -> None:
    commands = reverie.MemoryCommands(store)
    store.write("/a.md", "1\n2\n")
    commands.view("/memories/a.md")
    store.write("/a.md", "one\ntwo\n")
    with pytest.raises(reverie.MemoryToolError, match="nothing was inserted"):
        commands.insert("/memories/a.md", 1, "between")
    commands.insert("/memories/a.md", 1, "between")
    assert store.read("/a.md").text == "one\nbetween\ntwo\n"


def test_several_stores_are_a_directory_each(client: reverie.Client, store: reverie.Store, handle: str) -> None:
    mine = client.stores.create(f"{handle}-2")
    store.write("/on-call.md", "ana\n")
    issued = client.tokens.create(
        reverie.Scope("writer", [reverie.Grant(store.name, "read_only"), reverie.Grant(mine.name)])
    )
    agent = client.with_options(token=issued.secret)
    commands = reverie.MemoryCommands({"team": agent.store(store.name), "me": agent.store(mine.name)})
    assert commands.view("/memories").split("\n")[1:] == [
        "4B\t/memories",
        "0B\t/memories/me/",
        "4B\t/memories/team/",
        "4B\t/memories/team/on-call.md",
    ]
    assert commands.view("/memories/me").split("\n")[1:] == ["0B\t/memories/me"]
    commands.execute({"command": "create", "path": "/memories/me/n.md", "file_text": "n\n"}, tool_call="toolu_1")
    assert mine.read("/n.md").actor.tool_call == "toolu_1"
    for command in (
        {"command": "create", "path": "/memories/n.md", "file_text": "n\n"},
        {"command": "create", "path": "/memories/team/n.md", "file_text": "n\n"},
        {"command": "rename", "old_path": "/memories/me/n.md", "new_path": "/memories/team/n.md"},
        {"command": "delete", "path": "/memories/me"},
        {"command": "delete", "path": "/memories/else/n.md"},
        {"command": "create", "path": "/memories/me/big.md", "file_text": "x" * 102_401},
        {"command": "create", "path": "/memories/me/n.md/below.md", "file_text": "x"},
        {"command": "create", "path": "/memories/me/x.md"},
        {"command": "sing"},
    ):
        with pytest.raises(reverie.MemoryToolError) as told:
            commands.execute(command)
        assert str(told.value)
    assert [m.path for m in mine.list()] == ["/n.md"]
