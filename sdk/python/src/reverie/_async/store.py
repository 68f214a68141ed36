"""One store: its memories, their history, and what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from reverie._async.edit import AsyncEdit, update
from reverie._async.history import AsyncStoreHistory
from reverie._async.rpc import AsyncRpc, request_id
from reverie._async.watch import AsyncStoreWatch
from reverie.errors import NotFoundError
from reverie.memory.v1 import memory_pb2, search_pb2, store_pb2
from reverie.types import operation as op
from reverie.types.commit import Committed, Origin, Version
from reverie.types.memory import Directory, GrepMatch, GrepResult, Memory, entry
from reverie.types.operation import Expected, Operation
from reverie.types.search import SearchResult
from reverie.types.store import StoreInfo

_STORES = "reverie.memory.v1.StoreService"
_MEMORY = "reverie.memory.v1.MemoryService"
#: Paths of one batch read.
_BATCH_MAX = 100


async def search(
    rpc: AsyncRpc, stores: Iterable[str], query: str, *, prefix: str, limit: int, min_revisions: Mapping[str, int]
) -> SearchResult:
    """See `Store.search` and `Client.search`."""
    request = search_pb2.SearchRequest(
        stores=list(stores), query=query, path_prefix=prefix, limit=limit, min_revisions=min_revisions
    )
    return SearchResult.from_proto(await rpc.unary(f"{_MEMORY}/Search", request, search_pb2.SearchResponse))


class AsyncStore(AsyncStoreHistory):
    """One store, by its id or handle. Making one asks nothing of the server.

    Every read takes a `revision` (0 is the head) and sees one snapshot. Every write is one atomic commit that is made
    once, whatever the network does.
    """

    def __init__(self, rpc: AsyncRpc, name: str, info: StoreInfo | None = None) -> None:
        super().__init__(rpc, name)
        self._info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def info(self) -> StoreInfo:
        """What the store said of itself when it was last asked (`refresh`).

        Raises:
            RuntimeError: it was not asked yet.
        """
        if self._info is None:
            raise RuntimeError(f"store {self.name} was not asked about itself yet: call refresh() first")
        return self._info

    async def refresh(self) -> StoreInfo:
        """Asks the store about itself: its head revision, its size, its names."""
        request = store_pb2.GetStoreRequest(store=self.name)
        answer = await self._rpc.unary(f"{_STORES}/GetStore", request, store_pb2.GetStoreResponse)
        self._info = StoreInfo.from_proto(answer.store)
        return self._info

    # --- Reading ---------------------------------------------------------------------------------

    async def read(self, path: str, *, revision: int = 0) -> Memory:
        """The memory at a path, or with an id (mem_...).

        Raises:
            NotFoundError: there is none.
            PreconditionError: its content was erased; the reason is REDACTED or EXPIRED.
        """
        request = memory_pb2.GetMemoryRequest(store=self.name, revision=revision)
        if path.startswith("mem_"):
            request.memory_id = path
        else:
            request.path = path
        answer = await self._rpc.unary(f"{_MEMORY}/GetMemory", request, memory_pb2.GetMemoryResponse)
        return Memory.from_proto(answer.memory, with_content=True)

    async def get(self, path: str, *, revision: int = 0) -> Memory | None:
        """As `read`, and None where there is no memory. A store that is absent is still an error."""
        return (await self.read_many([path], revision=revision)).get(path)

    async def read_many(self, paths: Iterable[str], *, revision: int = 0) -> dict[str, Memory]:
        """Those memories that exist, all of one snapshot, by path."""
        wanted = list(dict.fromkeys(paths))
        found: dict[str, Memory] = {}
        for start in range(0, len(wanted), _BATCH_MAX):
            request = memory_pb2.BatchGetMemoriesRequest(
                store=self.name, paths=wanted[start : start + _BATCH_MAX], revision=revision
            )
            answer = await self._rpc.unary(f"{_MEMORY}/BatchGetMemories", request, memory_pb2.BatchGetMemoriesResponse)
            # Later batches read what the first one read.
            revision = answer.read_revision
            found.update((m.path, Memory.from_proto(m, with_content=True)) for m in answer.memories)
        return found

    async def list(
        self, prefix: str = "", *, glob: str = "", contents: bool = False, revision: int = 0
    ) -> AsyncIterator[Memory]:
        """Memories in path order, all of one snapshot.

        Args:
            prefix: only at or below this path, for example /runbooks.
            glob: only paths that match, for example /runbooks/**/*.md.
            contents: with their contents.
            revision: 0 is the head.
        """
        async for item in self.entries(prefix, glob=glob, contents=contents, revision=revision):
            if isinstance(item, Memory):
                yield item

    async def entries(
        self, prefix: str = "", *, depth: int = 0, glob: str = "", contents: bool = False, revision: int = 0
    ) -> AsyncIterator[Memory | Directory]:
        """Memories down to `depth` levels below `prefix`; deeper ones are rolled up into directories. 0 lists all."""
        request = memory_pb2.ListMemoriesRequest(
            store=self.name,
            path_prefix=prefix,
            glob=glob,
            depth=depth,
            view="MEMORY_VIEW_FULL" if contents else "MEMORY_VIEW_BASIC",
            revision=revision,
            page_size=100 if contents else 1_000,
        )
        method = f"{_MEMORY}/ListMemories"
        async for page in self._rpc.pages(method, request, memory_pb2.ListMemoriesResponse):
            for item in page.entries:
                yield entry(item, with_content=contents)

    async def grep(
        self,
        regex: str,
        *,
        glob: str = "",
        ignore_case: bool = False,
        context: int = 0,
        max_matches: int = 0,
        revision: int = 0,
    ) -> GrepResult:
        """The lines that match a regular expression, in path order.

        Args:
            regex: the syntax of the Rust regex crate: linear time, no look-around.
            glob: only in paths that match.
            ignore_case: letters match whatever their case.
            context: lines before and after each match, at most 10.
            max_matches: 0 is 1,000; at most 10,000.
            revision: 0 is the head.
        """
        request = memory_pb2.GrepRequest(
            store=self.name,
            regex=regex,
            path_glob=glob,
            ignore_case=ignore_case,
            context_lines=context,
            max_matches=max_matches,
            revision=revision,
        )
        matches: list[GrepMatch] = []
        read_revision, truncated, erased = 0, False, 0
        async for part in self._rpc.stream(f"{_MEMORY}/Grep", request, memory_pb2.GrepResponse):
            read_revision = part.read_revision or read_revision
            truncated, erased = part.truncated, part.erased_memories
            for m in part.matches:
                matches.append(GrepMatch(m.path, m.line_number, m.line, tuple(m.before), tuple(m.after)))
        return GrepResult(tuple(matches), read_revision, truncated, erased)

    async def search(
        self, query: str, *, prefix: str = "", limit: int = 10, min_revision: int | None = None
    ) -> SearchResult:
        """The memories that a query is about, best first. Sees every commit that was acknowledged before.

        Args:
            query: words rank; "two words" and +word must be there, -word must not; path:/runbooks looks below a folder.
            prefix: only at or below this path.
            limit: at most 100.
            min_revision: wait until this revision was looked at.
        """
        revisions = {} if min_revision is None else {self.name: min_revision}
        return await search(self._rpc, [self.name], query, prefix=prefix, limit=limit, min_revisions=revisions)

    # --- Writing ---------------------------------------------------------------------------------

    async def commit(
        self,
        operations: Sequence[Operation],
        *,
        message: str = "",
        preconditions: Iterable[tuple[str, Expected]] = (),
        store_revision: int | None = None,
        dry_run: bool = False,
        tool_call: str = "",
    ) -> Committed:
        """Applies operations atomically: all of them, durably, or none.

        Args:
            operations: applied in order; each may `expect` something of its path.
            message: why, for the history.
            preconditions: what must hold of paths, also of such that are not written.
            store_revision: what the store's head must be.
            dry_run: judge and answer, write nothing.
            tool_call: the id of the agent's tool call that this is, kept in the actor.

        Raises:
            ConflictError: something expected does not hold; it carries what stands there now and who wrote it.
            ExistsError: a `Create` or `Move` found a memory at its path.
        """
        request = memory_pb2.CommitRequest(
            store=self.name,
            operations=[op.to_proto(o) for o in operations],
            preconditions=[
                memory_pb2.PathPrecondition(path=path, precondition=op.precondition(expected))
                for path, expected in preconditions
            ],
            store_revision=store_revision,
            message=message,
            request_id=request_id(),
            dry_run=dry_run,
            tool_call=tool_call,
        )
        answer = await self._rpc.unary(f"{_MEMORY}/Commit", request, memory_pb2.CommitResponse)
        return Committed(answer.revision, tuple(Version.from_proto(v) for v in answer.versions), answer.no_op)

    async def write(
        self,
        path: str,
        content: str,
        *,
        expect: Expected | None = None,
        message: str = "",
        origins: Sequence[Origin] = (),
        tool_call: str = "",
    ) -> Committed:
        """Creates or replaces a memory of at most 102,400 bytes.

        Args:
            path: where.
            content: the whole text.
            expect: what must stand there for it to be written: ABSENT, a Memory that was read, a revision, a
                content's SHA-256 in hexadecimal or a version's id. None writes over whatever is there.
            message: why, for the history.
            origins: where the lines came from.
            tool_call: the id of the agent's tool call that this is.

        Raises:
            ConflictError: what is expected does not hold.
        """
        return await self.commit([op.Write(path, content, expect, origins)], message=message, tool_call=tool_call)

    async def create(
        self, path: str, content: str, *, message: str = "", origins: Sequence[Origin] = (), tool_call: str = ""
    ) -> Committed:
        """Creates a memory, and never overwrites one.

        Raises:
            ExistsError: there is one.
        """
        return await self.commit([op.Create(path, content, None, origins)], message=message, tool_call=tool_call)

    async def append(self, path: str, text: str, *, message: str = "", tool_call: str = "") -> Committed:
        """Appends to a memory, or creates it. Never conflicts: all that append at once are in."""
        return await self.commit([op.Append(path, text)], message=message, tool_call=tool_call)

    async def replace(
        self,
        path: str,
        old_text: str,
        new_text: str,
        *,
        expect: Expected | None = None,
        message: str = "",
        tool_call: str = "",
    ) -> Committed:
        """Replaces one occurrence of a text, which must be there exactly once.

        Raises:
            PreconditionError: it is not there, or more than once.
        """
        operation = op.ReplaceText(path, old_text, new_text, expect)
        return await self.commit([operation], message=message, tool_call=tool_call)

    async def insert(
        self,
        path: str,
        after_line: int,
        text: str,
        *,
        expect: Expected | None = None,
        message: str = "",
        tool_call: str = "",
    ) -> Committed:
        """Inserts lines after a line; 0 inserts at the top. Say what you `expect`: line numbers move."""
        operation = op.InsertLines(path, after_line, text, expect)
        return await self.commit([operation], message=message, tool_call=tool_call)

    async def move(
        self,
        source: str,
        target: str,
        *,
        expect: Expected | None = None,
        message: str = "",
        tool_call: str = "",
    ) -> Committed:
        """Renames a memory, or all below a path. The memory keeps its id and its history.

        Raises:
            ExistsError: there is something at `target`; nothing is overwritten.
        """
        return await self.commit([op.Move(source, target, expect)], message=message, tool_call=tool_call)

    async def delete(
        self,
        path: str,
        *,
        recursive: bool = False,
        expect: Expected | None = None,
        message: str = "",
        tool_call: str = "",
    ) -> Committed:
        """Deletes a memory, or with `recursive` all below the path. What was stays readable at older revisions.

        Raises:
            NotFoundError: there is nothing at the path.
        """
        return await self.commit([op.Delete(path, recursive, expect)], message=message, tool_call=tool_call)

    def edit(self, path: str, *, create: bool = True, message: str = "", tool_call: str = "") -> AsyncEdit:
        """Reads a memory, lets the block change its text, and writes it, without losing anybody's update.

            async with store.edit("/on-call.md") as doc:
                doc.text = doc.text.replace("ana", "ben")

        What others wrote meanwhile is merged in, line by line, and the write made again. A block that raises writes
        nothing.

        Args:
            path: the memory.
            create: begin with an empty text where there is none; else that is a NotFoundError.
            message: why, for the history.
            tool_call: the id of the agent's tool call that this is.

        Raises:
            ConflictError: both changed the same lines. The block's text stays in `doc.text`, what stands there now is
                in the error.
        """
        return AsyncEdit(self, path, create=create, message=message, tool_call=tool_call)

    async def update(
        self,
        path: str,
        change: Callable[[str | None], str | None],
        *,
        message: str = "",
        tool_call: str = "",
    ) -> Committed | None:
        """Writes what `change` makes of a memory's text, and asks it again where somebody was faster.

        Args:
            path: the memory.
            change: gets the text, None where there is no memory; returns the new text, None to leave all as it is.
                It may be called several times.
            message: why, for the history.
            tool_call: the id of the agent's tool call that this is.

        Returns:
            The commit; None where `change` returned None.
        """
        return await update(self, path, change, message=message, tool_call=tool_call)

    # --- The whole store ----------------------------------------------------------------------------

    async def fork(self, handle: str = "", *, name: str = "", revision: int = 0) -> AsyncStore:
        """Makes a store that starts at a revision of this one, in constant time."""
        request = store_pb2.ForkStoreRequest(
            store=self.name, revision=revision, handle=handle, name=name, request_id=request_id()
        )
        answer = await self._rpc.unary(f"{_STORES}/ForkStore", request, store_pb2.ForkStoreResponse)
        info = StoreInfo.from_proto(answer.store)
        return AsyncStore(self._rpc, info.id, info)

    # --- Watching --------------------------------------------------------------------------------

    def watch(self, after_revision: int | None = None, *, glob: str = "") -> AsyncStoreWatch:
        """Every commit after a revision, once, in order, whole; None is from now on. See `Watch`.

            async for commit in store.watch():
                print(commit.revision, commit.actor, [v.path for v in commit.versions])

        Args:
            after_revision: the first commit delivered is the one after this.
            glob: only commits that touch a matching path, and of those only the matching versions.
        """
        return AsyncStoreWatch(self._rpc, self.name, after_revision, glob)

    async def exists(self) -> bool:
        """Whether there is such a store that the caller may see."""
        try:
            await self.refresh()
        except NotFoundError:
            return False
        return True
