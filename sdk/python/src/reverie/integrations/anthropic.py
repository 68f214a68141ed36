"""The Messages API's memory tool (memory_20250818), kept in a store.

    import anthropic, reverie
    from reverie.integrations.anthropic import MemoryTool

    memory = MemoryTool(reverie.Client().store("team-sre"))
    runner = anthropic.Anthropic().beta.messages.tool_runner(
        model="claude-sonnet-4-5", max_tokens=1024, tools=[memory],
        messages=[{"role": "user", "content": "Who is on call?"}],
    )
    print(runner.until_done().content)

What the model is told is what Anthropic's own file tool says. Besides, no update is lost: see `MemoryCommands`.
"""

from __future__ import annotations

from collections.abc import Mapping

from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
from anthropic.types.beta import (
    BetaCacheControlEphemeralParam,
    BetaMemoryTool20250818CreateCommand,
    BetaMemoryTool20250818DeleteCommand,
    BetaMemoryTool20250818InsertCommand,
    BetaMemoryTool20250818RenameCommand,
    BetaMemoryTool20250818StrReplaceCommand,
    BetaMemoryTool20250818ViewCommand,
)
from pydantic import BaseModel

from reverie._async.memory_commands import AsyncMemoryCommands
from reverie._async.store import AsyncStore
from reverie._sync.memory_commands import MemoryCommands
from reverie._sync.store import Store
from reverie.types.memory_tool import MemoryToolError

__all__ = ["AsyncMemoryTool", "MemoryTool"]


class MemoryTool(BetaAbstractMemoryTool):
    """For `client.beta.messages.tool_runner(tools=[...])` of the blocking client. One for each conversation.

    Args:
        stores: the store, or stores by the name of their directory below /memories.
        root: only what is below this path of the stores.
        cache_control: of the tool's definition.
    """

    def __init__(
        self,
        stores: Store | Mapping[str, Store],
        *,
        root: str = "/",
        cache_control: BetaCacheControlEphemeralParam | None = None,
    ) -> None:
        super().__init__(cache_control=cache_control)
        #: The commands, for whoever does without the runner.
        self.commands = MemoryCommands(stores, root=root)

    def _run(self, command: BaseModel) -> str:
        try:
            return self.commands.execute(command.model_dump(exclude_none=True))
        except MemoryToolError as error:
            raise ToolError(str(error)) from error

    def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """A file with line numbers, or what a directory holds."""
        return self._run(command)

    def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Makes a file, and never overwrites one."""
        return self._run(command)

    def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replaces a text that must be there exactly once."""
        return self._run(command)

    def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Inserts text after a line of what the model saw."""
        return self._run(command)

    def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Deletes a file, or a directory with all that it holds."""
        return self._run(command)

    def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Renames a file or directory, and never overwrites one."""
        return self._run(command)

    def clear_all_memory(self) -> str:
        """Deletes all that the model can reach; older revisions keep it."""
        return self.commands.clear()


class AsyncMemoryTool(BetaAsyncAbstractMemoryTool):
    """For the tool runner of the asyncio client. One for each conversation. See `MemoryTool`."""

    def __init__(
        self,
        stores: AsyncStore | Mapping[str, AsyncStore],
        *,
        root: str = "/",
        cache_control: BetaCacheControlEphemeralParam | None = None,
    ) -> None:
        super().__init__(cache_control=cache_control)
        #: The commands, for whoever does without the runner.
        self.commands = AsyncMemoryCommands(stores, root=root)

    async def _run(self, command: BaseModel) -> str:
        try:
            return await self.commands.execute(command.model_dump(exclude_none=True))
        except MemoryToolError as error:
            raise ToolError(str(error)) from error

    async def view(self, command: BetaMemoryTool20250818ViewCommand) -> str:
        """A file with line numbers, or what a directory holds."""
        return await self._run(command)

    async def create(self, command: BetaMemoryTool20250818CreateCommand) -> str:
        """Makes a file, and never overwrites one."""
        return await self._run(command)

    async def str_replace(self, command: BetaMemoryTool20250818StrReplaceCommand) -> str:
        """Replaces a text that must be there exactly once."""
        return await self._run(command)

    async def insert(self, command: BetaMemoryTool20250818InsertCommand) -> str:
        """Inserts text after a line of what the model saw."""
        return await self._run(command)

    async def delete(self, command: BetaMemoryTool20250818DeleteCommand) -> str:
        """Deletes a file, or a directory with all that it holds."""
        return await self._run(command)

    async def rename(self, command: BetaMemoryTool20250818RenameCommand) -> str:
        """Renames a file or directory, and never overwrites one."""
        return await self._run(command)

    async def clear_all_memory(self) -> str:
        """Deletes all that the model can reach; older revisions keep it."""
        return await self.commands.clear()
