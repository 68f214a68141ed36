"""Calls: by name, with the caller's token, a deadline, and retries by kind of error."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from reverie._backoff import Backoff
from reverie._net import aio
from reverie._settings import Address
from reverie.errors import from_rpc

A = TypeVar("A", bound=Message)
R = TypeVar("R", bound=Message)


def request_id() -> str:
    """A fresh one: a call that carries it may be made again and has one outcome."""
    return f"req_{uuid.uuid4().hex}"


class AsyncConnection:
    """A channel that opens when it is first used, shared by clients with different tokens."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._channel: aio.Channel | None = None
        self._calls: dict[str, Any] = {}
        # Threads that make the first calls of a client share one channel. Nothing is waited for under it.
        self._lock = threading.Lock()

    def call(self, kind: str, method: str, answer: type[Message]) -> Any:
        """What makes a call of one of gRPC's four kinds, for example unary_stream."""
        with self._lock:
            made = self._calls.get(method)
            if made is None:
                if self._channel is None:
                    self._channel = aio.open_channel(self._address)
                build = getattr(self._channel, kind)
                made = build(f"/{method}", request_serializer=_serialize, response_deserializer=answer.FromString)
                self._calls[method] = made
            return made

    async def aclose(self) -> None:
        """Cuts open calls off. A later call connects anew."""
        with self._lock:
            channel, self._channel = self._channel, None
            self._calls.clear()
        if channel is not None:
            await aio.close_channel(channel)


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


class AsyncRpc:
    """Makes calls with one token and one deadline."""

    def __init__(self, connection: AsyncConnection, token: str, timeout: float) -> None:
        self.connection = connection
        self.token = token
        #: Seconds that a call may take, its retries included.
        self.timeout = timeout
        self.metadata = (("authorization", f"Bearer {token}"),)

    async def unary(self, method: str, request: Message, answer: type[A]) -> A:
        """A call with one answer, made again where that may help.

        Every call of the contract may be: reads, writes with a request id, and what comes to the same twice.
        """
        backoff = Backoff()
        end = time.monotonic() + self.timeout
        call = self.connection.call("unary_unary", method, answer)
        while True:
            try:
                response = await call(request, timeout=max(end - time.monotonic(), 0), metadata=self.metadata)
                assert isinstance(response, answer)
                return response
            except grpc.RpcError as failure:
                error = from_rpc(failure)
            wait = backoff.after(error)
            if wait is None or time.monotonic() + wait >= end:
                raise error
            await aio.sleep(wait)

    async def pages(self, method: str, request: R, answer: type[A]) -> AsyncIterator[A]:
        """Page after page, each asked for when it is needed."""
        asked = type(request)()
        asked.CopyFrom(request)
        while True:
            page = await self.unary(method, asked, answer)
            yield page
            token: str = getattr(page, "next_page_token")  # noqa: B009 - every page has one, and Message does not say so
            if not token:
                return
            setattr(asked, "page_token", token)  # noqa: B010

    async def stream(
        self, method: str, request: Message, answer: type[A], *, deadline: bool = True
    ) -> AsyncIterator[A]:
        """The messages of a stream that ends by itself. It is not resumed."""
        call = self.connection.call("unary_stream", method, answer)(
            request, timeout=self.timeout if deadline else None, metadata=self.metadata
        )
        try:
            async for message in call:
                yield message
        except grpc.RpcError as failure:
            raise from_rpc(failure) from None
        finally:
            call.cancel()

    def follow(self, method: str, request: Message, answer: type[Message]) -> Any:
        """A stream without a deadline, for whoever watches."""
        return self.connection.call("unary_stream", method, answer)(request, metadata=self.metadata)

    async def upload(self, method: str, requests: Callable[[], Iterator[Any]], answer: type[A]) -> A:
        """A stream of messages with one answer, without a deadline, made again from the start where that may help."""
        backoff = Backoff()
        call = self.connection.call("stream_unary", method, answer)
        while True:
            try:
                response = await call(aio.upward(requests()), metadata=self.metadata)
                assert isinstance(response, answer)
                return response
            except grpc.RpcError as failure:
                error = from_rpc(failure)
            wait = backoff.after(error)
            if wait is None:
                raise error
            await aio.sleep(wait)
