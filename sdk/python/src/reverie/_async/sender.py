"""Sends a session's events in order, beside the agent, so that recording does not hold it up."""

from __future__ import annotations

from collections import deque

from reverie._async.rpc import AsyncRpc
from reverie._backoff import WATCH_TRIES, Backoff
from reverie._net import aio
from reverie.errors import Error
from reverie.transcript.v1 import session_pb2, transcript_pb2

#: Events that wait to be sent; whoever records more waits too.
_WAITING_MAX = 2_000
#: Events and bytes of one append. The server takes 1,000 and 8 MiB.
_BATCH_EVENTS_MAX = 500
_BATCH_BYTES_MAX = 4 << 20


class AsyncSender:
    """Events go out as soon as there are any; those that come in meanwhile make up the next append.

    (session, seq) is the key: an append whose outcome is unknown is made again, and adds nothing twice.
    """

    def __init__(self, rpc: AsyncRpc, session: str, last_seq: int) -> None:
        self._rpc = rpc
        self._session = session
        self._given = last_seq
        self._durable = last_seq
        self._waiting: deque[session_pb2.Event] = deque()
        self._changed = aio.Condition()
        self._task: aio.Task | None = None
        self._error: Exception | None = None
        self._closing = False

    async def put(self, event: session_pb2.Event) -> int:
        """Takes an event, and says its number. Waits only where very many are on their way.

        Raises:
            Error: an earlier event could not be sent, and waiting does not help.
        """
        async with self._changed:
            while len(self._waiting) >= _WAITING_MAX and self._error is None:
                await self._changed.wait()
            self._refuse()
            self._given += 1
            self._waiting.append(event)
            if self._task is None:
                self._task = aio.start(self._run, f"reverie-{self._session}")
            self._changed.notify_all()
            return self._given

    async def flush(self) -> int:
        """Waits until all that was put is durable, and says the last number."""
        async with self._changed:
            while self._durable < self._given and self._error is None:
                await self._changed.wait()
            self._refuse()
            return self._durable

    async def aclose(self) -> None:
        """Ends the task. What is not durable yet is given up: flush first."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._task is not None:
            await aio.join(self._task)

    def _refuse(self) -> None:
        if self._error is not None:
            raise self._error

    async def _run(self) -> None:
        while True:
            async with self._changed:
                while not self._waiting and not self._closing:
                    await self._changed.wait()
                if self._closing:
                    return
                batch = self._batch()
            failed: Exception | None = None
            try:
                await self._append(batch)
            except Exception as error:
                failed = error
            async with self._changed:
                if failed is None:
                    for _ in batch:
                        self._waiting.popleft()
                    self._durable += len(batch)
                self._error = failed
                self._changed.notify_all()
            if failed is not None:
                return

    def _batch(self) -> list[session_pb2.Event]:
        batch: list[session_pb2.Event] = []
        size = 0
        for event in self._waiting:
            size += event.ByteSize()
            if batch and (size > _BATCH_BYTES_MAX or len(batch) == _BATCH_EVENTS_MAX):
                break
            batch.append(event)
        return batch

    async def _append(self, batch: list[session_pb2.Event]) -> None:
        request = transcript_pb2.AppendEventsRequest(session=self._session, first_seq=self._durable + 1, events=batch)
        backoff = Backoff(WATCH_TRIES)
        while not self._closing:
            try:
                method = "reverie.transcript.v1.TranscriptService/AppendEvents"
                await self._rpc.unary(method, request, transcript_pb2.AppendEventsResponse)
                return
            except Error as error:
                wait = backoff.after(error)
                if wait is None:
                    raise
            await aio.sleep(wait)
