"""Memories: UTF-8 text files at paths in a store, and what is found in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from reverie.memory.v1 import memory_pb2 as pb
from reverie.types import wire
from reverie.types.actor import Actor


@dataclass(frozen=True)
class Memory:
    """One text file as of one revision."""

    #: Stable across renames (mem_...).
    id: str
    path: str
    #: None where it was not asked for, or is erased.
    content: str | None
    #: Lower-case hexadecimal.
    content_sha256: str
    size_bytes: int
    #: The commit that last touched the memory.
    revision: int
    version_id: str
    #: Who made that commit.
    actor: Actor
    create_time: dt.datetime | None
    update_time: dt.datetime | None
    #: The content was erased by a redaction.
    redacted: bool
    #: The content was erased by the store's retention.
    expired: bool
    proto: pb.Memory = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Memory, *, with_content: bool) -> Memory:
        """From the message."""
        erased = proto.redacted or proto.expired
        return cls(
            id=proto.id,
            path=proto.path,
            content=proto.content if with_content and not erased else None,
            content_sha256=proto.content_sha256,
            size_bytes=proto.size_bytes,
            revision=proto.revision,
            version_id=proto.version_id,
            actor=Actor.from_proto(proto.actor),
            create_time=wire.time(proto, "create_time"),
            update_time=wire.time(proto, "update_time"),
            redacted=proto.redacted,
            expired=proto.expired,
            proto=proto,
        )

    @property
    def text(self) -> str:
        """The content.

        Raises:
            ValueError: it was not asked for, or is erased.
        """
        if self.content is None:
            why = "is erased" if self.redacted or self.expired else "was not asked for: read the memory"
            raise ValueError(f"{self.path}: its content {why}")
        return self.content


@dataclass(frozen=True)
class Directory:
    """Stands for the memories below it."""

    path: str
    memory_count: int
    content_bytes: int


@dataclass(frozen=True)
class GrepMatch:
    """One line that matches."""

    path: str
    #: From 1.
    line_number: int
    line: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class GrepResult:
    """What a grep found, in path order. Iterates over its matches."""

    matches: tuple[GrepMatch, ...]
    #: The revision that was searched.
    read_revision: int
    #: The most that was asked for was reached, and more may match.
    truncated: bool
    #: Memories that were passed over because their content is erased.
    erased_memories: int

    def __iter__(self) -> Iterator[GrepMatch]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)


def entry(proto: pb.MemoryEntry, *, with_content: bool) -> Memory | Directory:
    """A memory, or a directory that stands for those below it."""
    if proto.WhichOneof("entry") == "directory":
        directory = proto.directory
        return Directory(directory.path, directory.memory_count, directory.content_bytes)
    return Memory.from_proto(proto.memory, with_content=with_content)
