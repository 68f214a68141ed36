"""Edits: read, change, write back with a precondition, and again where somebody was faster."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from reverie.errors import ConflictError, NotFoundError
from reverie.merge import Overlap, merge3
from reverie.types.commit import Committed
from reverie.types.memory import Memory
from reverie.types.operation import ABSENT, Expected

if TYPE_CHECKING:
    from reverie._async.store import AsyncStore

#: Writes of one edit. Each one that is lost is another's that was made, so that somebody always gets on.
_TRIES = 200


class AsyncEdit:
    """The block of `Store.edit`."""

    def __init__(self, store: AsyncStore, path: str, *, create: bool, message: str, tool_call: str) -> None:
        self._store = store
        self._create = create
        self._message = message
        self._tool_call = tool_call
        self.path = path
        #: The text; what the block leaves here is written.
        self.text = ""
        #: What was read; None where there was no memory.
        self.memory: Memory | None = None
        #: What came of it; None before the end of the block, and where nothing was changed.
        self.committed: Committed | None = None

    async def __aenter__(self) -> AsyncEdit:
        self.memory = await self._store.get(self.path)
        if self.memory is not None:
            self.text = self.memory.text
        elif not self._create:
            raise NotFoundError(f"there is no memory {self.path} in {self._store.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        base = self.memory.text if self.memory else ""
        expect: Expected = self.memory or ABSENT
        text = self.text
        for tries_left in reversed(range(_TRIES)):
            if text == base:
                return
            try:
                self.committed = await self._store.write(
                    self.path, text, expect=expect, message=self._message, tool_call=self._tool_call
                )
                return
            except ConflictError as conflict:
                there = conflict.conflicts[0] if conflict.conflicts else None
                if there is None or not there.actual_revision or tries_left == 0:
                    # It was deleted, or renamed: that is not ours to undo.
                    raise
                theirs, found = there.actual_content, there.actual_version_id
                if theirs is None:
                    memory = await self._store.read(self.path)
                    theirs, found = memory.text, memory.version_id
                try:
                    text = merge3(base, text, theirs)
                except Overlap:
                    raise conflict from None
                base, expect = theirs, found


async def update(
    store: AsyncStore,
    path: str,
    change: Callable[[str | None], str | None],
    *,
    message: str,
    tool_call: str,
) -> Committed | None:
    """See `Store.update`."""
    memory = await store.get(path)
    text = memory.text if memory else None
    expect: Expected = memory or ABSENT
    for tries_left in reversed(range(_TRIES)):
        new = change(text)
        if new is None:
            return None
        try:
            return await store.write(path, new, expect=expect, message=message, tool_call=tool_call)
        except ConflictError as conflict:
            there = conflict.conflicts[0] if conflict.conflicts else None
            if there is None or tries_left == 0:
                raise
            text, expect = there.actual_content, there.actual_version_id
            if not there.actual_revision:
                text, expect = None, ABSENT
            elif text is None:
                memory = await store.read(path)
                text, expect = memory.text, memory
    raise AssertionError("the last try either writes or raises")
