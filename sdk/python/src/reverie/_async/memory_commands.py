"""The six commands of the Messages API's memory tool, over stores."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from reverie._async.store import AsyncStore
from reverie.errors import ConflictError, Error, ExistsError, NotFoundError
from reverie.merge import Overlap, merge3
from reverie.types import memory_tool as words
from reverie.types.memory import Memory
from reverie.types.memory_tool import MemoryToolError
from reverie.types.operation import Delete

#: Writes of one command. Each one that is lost is another's that was made.
_TRIES = 50


class AsyncMemoryCommands:
    """view, create, str_replace, insert, delete and rename, as a model calls them: paths below /memories in, text out.

    One store is all of /memories; several are a directory each, named by the mapping. What a command rests on is what
    the model last saw: a line number is of the text that it viewed, and what others changed since is merged in, or told
    with the current text where that cannot be. Nobody's update is lost.

    Make one for each conversation.

    Args:
        stores: the store, or stores by the name of their directory.
        root: only what is below this path of the stores.
    """

    def __init__(self, stores: AsyncStore | Mapping[str, AsyncStore], *, root: str = "/") -> None:
        self._one = None if isinstance(stores, Mapping) else stores
        self._mounts: dict[str, AsyncStore] = dict(stores) if isinstance(stores, Mapping) else {}
        self._root = root.rstrip("/")
        #: Files as the model knows them, by path below /memories: what it viewed, with its own changes since.
        self._seen: dict[str, str] = {}

    async def execute(self, command: Mapping[str, Any], *, tool_call: str = "") -> str:
        """Carries out a command as the model gives it: `{"command": "view", "path": "/memories"}`.

        Args:
            command: the input of a tool_use block.
            tool_call: the block's id, kept in the history.

        Raises:
            MemoryToolError: it could not be carried out; its text is for the model.
        """
        given = dict(command)
        name = given.pop("command", None)
        try:
            if name == "view":
                return await self.view(given["path"], given.get("view_range"))
            if name == "create":
                return await self.create(given["path"], given["file_text"], tool_call=tool_call)
            if name == "str_replace":
                new = given.get("new_str") or ""
                return await self.str_replace(given["path"], given["old_str"], new, tool_call=tool_call)
            if name == "insert":
                text = given["insert_text"]
                return await self.insert(given["path"], given["insert_line"], text, tool_call=tool_call)
            if name == "delete":
                return await self.delete(given["path"], tool_call=tool_call)
            if name == "rename":
                return await self.rename(given["old_path"], given["new_path"], tool_call=tool_call)
        except KeyError as missing:
            raise MemoryToolError(f"{name}: the parameter {missing.args[0]} is missing") from None
        raise MemoryToolError(f"Unknown command: {name}")

    async def view(self, path: str, view_range: list[int] | None = None) -> str:
        """A file with line numbers, or what a directory holds, two levels deep."""
        below = words.relative(path)
        try:
            if not below and self._one is None:
                return await self._view_mounts(path)
            store, at = self._place(path, below)
            memory = None if self._is_top(below) else await store.get(at)
            if memory is not None:
                self._seen[below] = memory.text
                return words.content(path, memory.text, view_range)
            found = [words.entry_below(at, e) async for e in store.entries(at, depth=2)]
        except Error as error:
            raise MemoryToolError(str(error)) from error
        if not found and not self._is_top(below):
            raise words.absent(path)
        return words.listing(path, found)

    async def _view_mounts(self, path: str) -> str:
        found: list[tuple[str, int]] = []
        for name, store in self._mounts.items():
            found.append((f"{name}/", 0))
            async for entry in store.entries(self._root, depth=1):
                below, size = words.entry_below(self._root, entry)
                found.append((f"{name}/{below}", size))
        return words.listing(path, found)

    async def create(self, path: str, file_text: str, *, tool_call: str = "") -> str:
        """Makes a file, and never overwrites one."""
        below = words.relative(path)
        store, at = self._place(path, below)
        if self._is_top(below):
            raise MemoryToolError(f"File {path} already exists")
        try:
            await store.create(at, file_text, tool_call=tool_call)
            self._seen[below] = file_text
        except ExistsError as error:
            there = error.reason != "PATH_CONFLICT" or await self._is_directory(store, at)
            raise MemoryToolError(f"File {path} already exists" if there else str(error)) from error
        except Error as error:
            raise MemoryToolError(str(error)) from error
        return f"File created successfully at: {path}"

    async def str_replace(self, path: str, old_str: str, new_str: str, *, tool_call: str = "") -> str:
        """Replaces a text that must be there exactly once."""
        below = words.relative(path)
        store, at = self._place(path, below)
        for tries_left in reversed(range(_TRIES)):
            memory = await self._file(store, path, below, at)
            text, said = words.replaced(path, memory.text, old_str, new_str)
            try:
                await store.write(at, text, expect=memory, tool_call=tool_call)
                seen = self._seen.get(below, memory.text)
                self._seen[below] = seen.replace(old_str, new_str) if seen.count(old_str) == 1 else seen
                return said
            except ConflictError as error:
                if tries_left == 0:
                    raise MemoryToolError(str(error)) from error
            except Error as error:
                raise MemoryToolError(str(error)) from error
        raise AssertionError("the last try either writes or raises")

    async def insert(self, path: str, insert_line: int, insert_text: str, *, tool_call: str = "") -> str:
        """Inserts text after a line of what the model saw; 0 is the top."""
        below = words.relative(path)
        store, at = self._place(path, below)
        for tries_left in reversed(range(_TRIES)):
            memory = await self._file(store, path, below, at)
            seen = self._seen.get(below, memory.text)
            ours = words.inserted(seen, insert_line, insert_text)
            try:
                text = merge3(seen, ours, memory.text)
            except Overlap:
                self._seen[below] = memory.text
                raise words.moved_on(path, memory, "inserted") from None
            try:
                await store.write(at, text, expect=memory, tool_call=tool_call)
                self._seen[below] = ours
                return f"The file {path} has been edited."
            except ConflictError as error:
                if tries_left == 0:
                    raise MemoryToolError(str(error)) from error
            except Error as error:
                raise MemoryToolError(str(error)) from error
        raise AssertionError("the last try either writes or raises")

    async def delete(self, path: str, *, tool_call: str = "") -> str:
        """Deletes a file, or a directory with all that it holds."""
        below = words.relative(path)
        if not below:
            raise MemoryToolError(f"Cannot delete the {words.ROOT} directory itself")
        store, at = self._place(path, below)
        if self._is_top(below):
            raise MemoryToolError(f"Cannot delete the store {path} itself")
        try:
            memory = await store.get(at)
            if memory is None:
                await store.delete(at, recursive=True, tool_call=tool_call)
            else:
                known = sha256(self._seen.get(below, memory.text).encode()).hexdigest()
                await store.delete(at, expect=known, tool_call=tool_call)
        except NotFoundError as error:
            raise MemoryToolError(f"The path {path} does not exist") from error
        except ConflictError as error:
            now = await self._file(store, path, below, at)
            self._seen[below] = now.text
            raise words.moved_on(path, now, "deleted") from error
        except Error as error:
            raise MemoryToolError(str(error)) from error
        self._forget(below)
        return f"Successfully deleted {path}"

    async def rename(self, old_path: str, new_path: str, *, tool_call: str = "") -> str:
        """Renames a file or directory, and never overwrites one. A file keeps its history."""
        old, new = words.relative(old_path), words.relative(new_path)
        if not old:
            raise MemoryToolError(f"Cannot rename the {words.ROOT} directory itself")
        if self._is_top(new):
            raise MemoryToolError(f"The destination {new_path} already exists")
        store, source = self._place(old_path, old)
        other, target = self._place(new_path, new)
        if self._is_top(old) or store is not other:
            raise MemoryToolError("A file stays in its store: create it in the other one, then delete it here")
        try:
            if await other.get(target) is not None or await self._is_directory(other, target):
                raise MemoryToolError(f"The destination {new_path} already exists")
            await store.move(source, target, tool_call=tool_call)
        except NotFoundError as error:
            raise MemoryToolError(f"The path {old_path} does not exist") from error
        except ExistsError as error:
            there = error.reason != "PATH_CONFLICT"
            raise MemoryToolError(f"The destination {new_path} already exists" if there else str(error)) from error
        except Error as error:
            raise MemoryToolError(str(error)) from error
        seen = self._seen.get(old)
        self._forget(old)
        if seen is not None:
            self._seen[new] = seen
        return f"Successfully renamed {old_path} to {new_path}"

    async def clear(self) -> str:
        """Deletes all that the model can reach, store by store; older revisions keep it."""
        try:
            for store in self._mounts.values() if self._one is None else [self._one]:
                tops = [e.path async for e in store.entries(self._root, depth=1)]
                for start in range(0, len(tops), 1_000):
                    await store.commit(
                        [Delete(top, recursive=True) for top in tops[start : start + 1_000]], message="Cleared"
                    )
        except Error as error:
            raise MemoryToolError(str(error)) from error
        self._seen.clear()
        return "All memory cleared"

    def _place(self, path: str, below: str) -> tuple[AsyncStore, str]:
        """The store that a path is in, and where."""
        if self._one is not None:
            return self._one, f"{self._root}/{below}".rstrip("/")
        name, _, rest = below.partition("/")
        store = self._mounts.get(name)
        if store is None:
            names = ", ".join(f"{words.ROOT}/{mount}" for mount in self._mounts)
            raise MemoryToolError(f"The path {path} is in no store. There are: {names}")
        return store, f"{self._root}/{rest}".rstrip("/")

    def _is_top(self, below: str) -> bool:
        """Whether a path is that of a whole store, or above one."""
        return not below or (self._one is None and "/" not in below)

    async def _is_directory(self, store: AsyncStore, at: str) -> bool:
        async for entry in store.entries(at, depth=1):
            return entry.path != at
        return False

    async def _file(self, store: AsyncStore, path: str, below: str, at: str) -> Memory:
        try:
            if not self._is_top(below):
                memory = await store.get(at)
                if memory is not None:
                    return memory
            if self._is_top(below) or await self._is_directory(store, at):
                raise MemoryToolError(f"The path {path} is not a file.")
        except Error as error:
            raise MemoryToolError(str(error)) from error
        raise words.absent(path)

    def _forget(self, below: str) -> None:
        for path in [p for p in self._seen if p == below or p.startswith(f"{below}/")]:
            del self._seen[path]
