"""asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeAlias

import grpc
import grpc.aio

from reverie._net.channel import OPTIONS
from reverie._settings import Address

Channel: TypeAlias = grpc.aio.Channel
Condition: TypeAlias = asyncio.Condition
Task: TypeAlias = "asyncio.Task[None]"


def open_channel(address: Address) -> Channel:
    """Connects when it is first used, and again by itself."""
    if address.secure:
        return grpc.aio.secure_channel(address.target, grpc.ssl_channel_credentials(), options=OPTIONS)
    return grpc.aio.insecure_channel(address.target, options=OPTIONS)


async def close_channel(channel: Channel) -> None:
    """Calls that are open are cancelled."""
    await channel.close()


async def sleep(seconds: float) -> None:
    """Waits."""
    await asyncio.sleep(seconds)


def start(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> Task:
    """Runs beside the caller."""
    return asyncio.create_task(work(), name=name)


async def join(task: Task) -> None:
    """Waits for its end."""
    await task


async def upward(messages: Iterator[Any]) -> AsyncIterator[Any]:
    """Messages of a client stream; what reads files is asked in a thread."""
    end = object()
    while (message := await asyncio.to_thread(next, messages, end)) is not end:
        yield message


#: What a read of a call that was cancelled ends with.
Cancelled = asyncio.CancelledError
