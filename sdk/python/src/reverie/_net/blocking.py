"""Threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import grpc

from reverie._net.channel import OPTIONS
from reverie._settings import Address

Channel: TypeAlias = grpc.Channel
Condition: TypeAlias = threading.Condition
Task: TypeAlias = threading.Thread


def open_channel(address: Address) -> Channel:
    """Connects when it is first used, and again by itself."""
    if address.secure:
        return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), options=OPTIONS)
    return grpc.insecure_channel(address.target, options=OPTIONS)


def close_channel(channel: Channel) -> None:
    """Calls that are open are cancelled."""
    channel.close()


def sleep(seconds: float) -> None:
    """Waits."""
    time.sleep(seconds)


def start(work: Callable[[], None], name: str) -> Task:
    """Runs beside the caller, and does not keep the process alive."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def join(task: Task) -> None:
    """Waits for its end."""
    task.join()


def upward(messages: Iterator[Any]) -> Iterator[Any]:
    """Messages of a client stream."""
    return messages


#: What a read of a call that was cancelled ends with, besides an RpcError.
Cancelled = grpc.FutureCancelledError
