"""Watches: streams that are resumed after a break, so that nothing is missed and nothing comes twice."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import grpc

from reverie._async.rpc import AsyncRpc
from reverie._backoff import WATCH_TRIES, Backoff
from reverie._net import aio
from reverie.dream.v1 import dream_pb2
from reverie.errors import Error, UnavailableError, from_rpc
from reverie.memory.v1 import memory_pb2, store_pb2
from reverie.transcript.v1 import transcript_pb2
from reverie.types.commit import Commit
from reverie.types.dream import Dream
from reverie.types.session import SessionEvent, SessionEventKind

T = TypeVar("T")


class AsyncWatch(Generic[T]):
    """Iterates over what happens. A server that starts anew in between is nothing to care about.

    Ends when `cancel` is called, and with an error that does not pass by waiting. May be used in a `with` block, which
    cancels it.
    """

    #: Whether the server may end the stream without an error.
    ends = False

    def __init__(self, rpc: AsyncRpc, position: int | None) -> None:
        self._rpc = rpc
        #: Everything up to here was delivered, or did not match: give it as the start of a later watch.
        self.position = position
        self._call: Any = None
        self._messages: Any = None
        self._cancelled = False

    async def _open(self) -> Any:
        """Opens the stream after `position`."""
        raise NotImplementedError

    def _read(self, message: Any) -> T | None:
        """Moves `position` past a message, and says what to deliver."""
        raise NotImplementedError

    def __aiter__(self) -> AsyncWatch[T]:
        return self

    async def __anext__(self) -> T:
        backoff = Backoff(WATCH_TRIES)
        while not self._cancelled:
            error: Error
            try:
                if self._messages is None:
                    self._call = await self._open()
                    self._messages = self._call.__aiter__()
                message = await self._messages.__anext__()
            except aio.Cancelled:
                if self._cancelled:
                    break
                raise
            except StopAsyncIteration:
                if self.ends:
                    break
                error = UnavailableError("the watch broke off")
            except grpc.RpcError as failure:
                error = from_rpc(failure)
            except Error as failure:
                error = failure
            else:
                backoff = Backoff(WATCH_TRIES)
                event = self._read(message)
                if event is not None:
                    return event
                continue
            self._messages = None
            if self._cancelled:
                break
            wait = backoff.after(error)
            if wait is None:
                raise error
            await aio.sleep(wait)
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Ends the watch, also from another thread or task than the one that iterates."""
        self._cancelled = True
        call = self._call
        if call is not None:
            call.cancel()

    async def __aenter__(self) -> AsyncWatch[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()


class AsyncStoreWatch(AsyncWatch[Commit]):
    """Every commit of a store, once, in order, whole."""

    def __init__(self, rpc: AsyncRpc, store: str, after_revision: int | None, glob: str) -> None:
        super().__init__(rpc, after_revision)
        self._store = store
        self._glob = glob

    async def _open(self) -> Any:
        if self.position is None:
            # From now on, by its number: a break before the first event then loses nothing.
            asked = store_pb2.GetStoreRequest(store=self._store)
            method = "reverie.memory.v1.StoreService/GetStore"
            self.position = (await self._rpc.unary(method, asked, store_pb2.GetStoreResponse)).store.head_revision
        request = memory_pb2.WatchStoreRequest(store=self._store, after_revision=self.position, path_glob=self._glob)
        return self._rpc.follow("reverie.memory.v1.MemoryService/WatchStore", request, memory_pb2.WatchStoreResponse)

    def _read(self, message: memory_pb2.WatchStoreResponse) -> Commit | None:
        if message.WhichOneof("event") == "commit":
            self.position = message.commit.revision
            return Commit.from_proto(message.commit)
        self.position = max(self.position or 0, message.progress.revision)
        return None


class AsyncSessionWatch(AsyncWatch[SessionEvent]):
    """What happens to sessions, once each, in order."""

    async def _open(self) -> Any:
        request = transcript_pb2.WatchSessionsRequest(after_cursor=self.position)
        method = "reverie.transcript.v1.TranscriptService/WatchSessions"
        return self._rpc.follow(method, request, transcript_pb2.WatchSessionsResponse)

    def _read(self, message: transcript_pb2.WatchSessionsResponse) -> SessionEvent | None:
        self.position = message.cursor
        event = SessionEvent.from_proto(message)
        progress = transcript_pb2.SESSION_EVENT_KIND_PROGRESS
        return None if message.kind == progress and event.kind is SessionEventKind.UNKNOWN else event


class AsyncDreamWatch(AsyncWatch[Dream]):
    """A dream whenever it changes, until it has ended. After a break its newest state comes again."""

    ends = True

    def __init__(self, rpc: AsyncRpc, dream: str) -> None:
        super().__init__(rpc, None)
        self._dream = dream

    async def _open(self) -> Any:
        request = dream_pb2.WatchDreamRequest(dream=self._dream)
        return self._rpc.follow("reverie.dream.v1.DreamService/WatchDream", request, dream_pb2.WatchDreamResponse)

    def _read(self, message: dream_pb2.WatchDreamResponse) -> Dream | None:
        return Dream.from_proto(message.dream)
