"""From protobuf's ways to Python's: times, durations, enumerations."""

from __future__ import annotations

import datetime as dt
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
    from google.protobuf.message import Message

E = TypeVar("E", bound=Enum)


def time(message: Message, field: str) -> dt.datetime | None:
    """A message's time in UTC; None where it is not set."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=dt.timezone.utc)


def duration(message: Message, field: str) -> dt.timedelta | None:
    """A message's duration; None where it is not set."""
    if not message.HasField(field):
        return None
    value: Duration = getattr(message, field)
    return value.ToTimedelta()


def to_time(value: dt.datetime | None) -> Timestamp | None:
    """A time without a zone is local, as everywhere in Python."""
    if value is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(value.astimezone(dt.timezone.utc))
    return stamp


def to_duration(value: dt.timedelta | float | None) -> Duration | None:
    """A number is of seconds."""
    if value is None:
        return None
    span = Duration()
    span.FromTimedelta(value if isinstance(value, dt.timedelta) else dt.timedelta(seconds=value))
    return span


def enum(kind: type[E], wrapper: EnumTypeWrapper, prefix: str, number: int) -> E:
    """The member for a number; UNKNOWN for what is unset, or newer than this SDK."""
    try:
        return kind(wrapper.Name(number).removeprefix(prefix).lower())
    except ValueError:
        return kind("unknown")


def name(kind: type[E], prefix: str, value: E | str) -> str:
    """The contract's name of a member, or of what it is written as: `writer` is ROLE_WRITER."""
    try:
        member = value if isinstance(value, kind) else kind(value)
    except ValueError:
        names = ", ".join(m.value for m in kind if m.value != "unknown")
        raise ValueError(f"{value!r} is none of {names}") from None
    word = "unspecified" if member.value == "unknown" else str(member.value)
    return prefix + word.upper()
