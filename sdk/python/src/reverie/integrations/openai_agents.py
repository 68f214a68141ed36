"""Tools for the OpenAI Agents SDK over a store.

    from agents import Agent, Runner
    import reverie
    from reverie.integrations.openai_agents import memory_tools

    async with reverie.AsyncClient() as client:
        agent = Agent(name="triage", instructions="...", tools=memory_tools(client.store("team-sre")))
        print((await Runner.run(agent, "Who is on call?")).final_output)

The tools have the names and the ways of Reverie's MCP tools. What goes wrong, a conflict above all, comes back as a
result that the model can act on: what changed, by whom, and the current text.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from agents import Tool, function_tool
from agents.tool_context import ToolContext

from reverie._async.store import AsyncStore
from reverie.errors import ConflictError, Error
from reverie.types.memory import Memory
from reverie.types.operation import ABSENT

P = ParamSpec("P")
Context = ToolContext[Any]

__all__ = ["memory_tools"]

#: Entries and commits of one answer.
_ANSWER_MAX = 200


def memory_tools(store: AsyncStore, *, read_only: bool = False) -> list[Tool]:
    """Tools that list, read, search, grep, write, edit, move and delete memories, and tell their history.

    Every write names its tool call in the history.

    Args:
        store: the store, of a client of the loop that runs the agent.
        read_only: only those that list, read, search, grep and tell the history.
    """

    @told
    async def memory_list(context: Context, prefix: str = "") -> str:
        """List the memories at or below a path.

        Args:
            context: of the call.
            prefix: A path such as /runbooks; empty lists all.
        """
        found: list[str] = []
        async for memory in store.list(prefix):
            if len(found) == _ANSWER_MAX:
                found.append("... and more: name a prefix")
                break
            found.append(f"{memory.path} ({memory.size_bytes} bytes, revision {memory.revision})")
        return "\n".join(found) or "There are none."

    @told
    async def memory_read(context: Context, path: str) -> str:
        """Read a memory: its text, and the sha256 that memory_write wants.

        Args:
            context: of the call.
            path: A path such as /runbooks/db.md.
        """
        memory = await store.read(path)
        return _shown(memory)

    @told
    async def memory_grep(context: Context, regex: str, glob: str = "") -> str:
        """Find the lines that match a regular expression.

        Args:
            context: of the call.
            regex: Letters match whatever their case; no look-around.
            glob: Only in paths that match, such as /runbooks/**.
        """
        found = await store.grep(regex, glob=glob, ignore_case=True, max_matches=_ANSWER_MAX)
        lines = [f"{m.path}:{m.line_number}: {m.line}" for m in found]
        return "\n".join(lines + ["... and more"] * found.truncated) or "Nothing matches."

    @told
    async def memory_search(context: Context, query: str, prefix: str = "") -> str:
        """Find the memories that some words are about, best first.

        Args:
            context: of the call.
            query: Words; "two words" and +word must be there, -word must not.
            prefix: Only at or below this path; empty searches all.
        """
        found = await store.search(query, prefix=prefix)
        return "\n".join(f"{h.path}:{n.number}: {n.text}" for h in found for n in h.lines) or "Nothing matches."

    @told
    async def memory_history(context: Context, path: str = "") -> str:
        """Tell who changed the memories, when and why, newest first.

        Args:
            context: of the call.
            path: Only what touched this path or anything below it; empty is all.
        """
        lines = []
        async for commit in store.log(path):
            when = commit.create_time.isoformat(timespec="seconds") if commit.create_time else ""
            paths = ", ".join(f"{v.kind.value} {v.path}" for v in commit.versions[:5])
            lines.append(f"revision {commit.revision}, {when}, {commit.actor}: {commit.message or paths}")
            if len(lines) == 50:
                break
        return "\n".join(lines) or "Nothing was ever written."

    @told
    async def memory_write(context: Context, path: str, content: str, sha256: str = "", message: str = "") -> str:
        """Create a memory, or replace its whole text. To change a part of it use memory_edit.

        Args:
            context: of the call.
            path: A path such as /runbooks/db.md.
            content: The whole text.
            sha256: What memory_read told of the text that this replaces; empty where there is no memory yet.
            message: Why, in a few words, for the history.
        """
        done = await store.write(
            path, content, expect=sha256 or ABSENT, message=message, tool_call=context.tool_call_id
        )
        return f"Written as revision {done.revision}." if not done.no_op else "It said so already."

    @told
    async def memory_edit(context: Context, path: str, old_text: str, new_text: str, message: str = "") -> str:
        """Replace a text within a memory, which must be there exactly once.

        Args:
            context: of the call.
            path: A path such as /runbooks/db.md.
            old_text: The text to replace, with enough around it to be there only once.
            new_text: What to put in its place.
            message: Why, in a few words, for the history.
        """
        done = await store.replace(path, old_text, new_text, message=message, tool_call=context.tool_call_id)
        return f"Edited as revision {done.revision}." if not done.no_op else "It said so already."

    @told
    async def memory_move(context: Context, source: str, target: str, message: str = "") -> str:
        """Rename a memory, or all below a path. It keeps its history; nothing is overwritten.

        Args:
            context: of the call.
            source: Where it is.
            target: Where it should be.
            message: Why, in a few words, for the history.
        """
        done = await store.move(source, target, message=message, tool_call=context.tool_call_id)
        return f"Moved as revision {done.revision}."

    @told
    async def memory_delete(context: Context, path: str, sha256: str, message: str = "") -> str:
        """Delete a memory.

        Args:
            context: of the call.
            path: A path such as /runbooks/db.md.
            sha256: What memory_read told of the text that is deleted.
            message: Why, in a few words, for the history.
        """
        done = await store.delete(path, expect=sha256, message=message, tool_call=context.tool_call_id)
        return f"Deleted as revision {done.revision}."

    reading: list[Callable[..., Any]] = [memory_list, memory_read, memory_search, memory_grep, memory_history]
    writing = [] if read_only else [memory_write, memory_edit, memory_move, memory_delete]
    return [function_tool(tool) for tool in reading + writing]


def told(tool: Callable[Concatenate[Context, P], Awaitable[str]]) -> Callable[..., Any]:
    """What goes wrong is told to the model."""

    @wraps(tool)
    async def telling(context: Context, *args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return await tool(context, *args, **kwargs)
        except ConflictError as conflict:
            return _conflict(conflict)
        except (Error, ValueError) as error:
            return f"Refused: {error}"

    return telling


def _shown(memory: Memory) -> str:
    head = {"path": memory.path, "sha256": memory.content_sha256, "revision": memory.revision}
    return f"{json.dumps(head)}\n{memory.text}"


def _conflict(conflict: ConflictError) -> str:
    parts = ["Nothing was written: somebody else was first."]
    for there in conflict.conflicts:
        if not there.actual_revision:
            parts.append(f"There is no memory at {there.path} now.")
            continue
        parts.append(f"{there.path} was changed by {there.actual_actor} (sha256 {there.actual_sha256}).")
        if there.actual_content is not None:
            parts.append(f"It reads now:\n{there.actual_content}")
    parts.append("Bring your change into that text, and write again with its sha256.")
    return "\n".join(parts)
