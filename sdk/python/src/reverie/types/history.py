"""What was, and who changed it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum

from reverie.memory.v1 import commit_pb2
from reverie.memory.v1 import history_pb2 as pb
from reverie.types import wire
from reverie.types.actor import Actor
from reverie.types.commit import ChangeKind, Committed, Version
from reverie.types.store import Snapshot


class LineKind(str, Enum):
    """What a line of a diff is."""

    UNKNOWN = "unknown"
    CONTEXT = "context"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True)
class DiffLine:
    """One line of a hunk, without its line end."""

    kind: LineKind
    text: str


@dataclass(frozen=True)
class Hunk:
    """Lines that changed, and some around them. Starts count from 1."""

    base_start: int
    base_lines: int
    target_start: int
    target_lines: int
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True)
class DiffStats:
    """How much changed."""

    files: int
    added_lines: int
    removed_lines: int

    @classmethod
    def from_proto(cls, proto: pb.DiffStats) -> DiffStats:
        """From the message."""
        return cls(proto.files, proto.added_lines, proto.removed_lines)


@dataclass(frozen=True)
class FileDiff:
    """What became of one memory."""

    kind: ChangeKind
    path: str
    #: Where it was before, for RENAMED; else empty.
    previous_path: str
    hunks: tuple[Hunk, ...]
    stats: DiffStats
    #: The whole file as a unified diff.
    unified: str
    #: The content of a side was erased: there are no hunks.
    redacted: bool
    proto: pb.FileDiff = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.FileDiff) -> FileDiff:
        """From the message."""
        return cls(
            kind=wire.enum(ChangeKind, commit_pb2.ChangeKind, "CHANGE_KIND_", proto.kind),
            path=proto.path,
            previous_path=proto.previous_path,
            hunks=tuple(_hunk(h) for h in proto.hunks),
            stats=DiffStats.from_proto(proto.stats),
            unified=proto.unified,
            redacted=proto.redacted,
            proto=proto,
        )


def _hunk(proto: pb.Hunk) -> Hunk:
    lines = tuple(DiffLine(wire.enum(LineKind, pb.DiffLine.Kind, "KIND_", x.kind), x.text) for x in proto.lines)
    return Hunk(proto.base_start, proto.base_lines, proto.target_start, proto.target_lines, lines)


@dataclass(frozen=True)
class Diff:
    """What changed between two snapshots."""

    files: tuple[FileDiff, ...]
    stats: DiffStats
    base_revision: int
    target_revision: int

    @classmethod
    def from_proto(cls, proto: pb.DiffResponse) -> Diff:
        """From the message."""
        return cls(
            tuple(FileDiff.from_proto(f) for f in proto.files),
            DiffStats.from_proto(proto.stats),
            proto.base_revision,
            proto.target_revision,
        )

    def __str__(self) -> str:
        return "".join(file.unified for file in self.files)


@dataclass(frozen=True)
class BlameRange:
    """Lines that came in with one commit."""

    #: From 1, inclusive.
    start_line: int
    #: Inclusive.
    end_line: int
    revision: int
    actor: Actor
    create_time: dt.datetime | None
    #: The commit's message.
    message: str
    #: Where these lines came from, as URIs, where that is known.
    sources: tuple[str, ...]
    #: The lines themselves, without line ends.
    lines: tuple[str, ...]
    #: Who wrote them cannot be told: the content of a version was erased.
    redacted: bool
    proto: pb.BlameRange = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.BlameRange) -> BlameRange:
        """From the message."""
        return cls(
            start_line=proto.start_line,
            end_line=proto.end_line,
            revision=proto.revision,
            actor=Actor.from_proto(proto.actor),
            create_time=wire.time(proto, "create_time"),
            message=proto.message,
            sources=tuple(proto.sources),
            lines=tuple(proto.lines),
            redacted=proto.redacted,
            proto=proto,
        )


@dataclass(frozen=True)
class VersionContent:
    """A version with its content."""

    version: Version
    #: None for a deletion, and where the content was erased.
    content: str | None


@dataclass(frozen=True)
class Merged(Committed):
    """What a merge came to."""

    #: The common ancestor that was used.
    base: Snapshot
