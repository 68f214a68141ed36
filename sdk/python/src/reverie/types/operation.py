"""What a commit consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from reverie.memory.v1 import commit_pb2, memory_pb2
from reverie.memory.v1 import memory_pb2 as pb
from reverie.types.commit import Origin, Version
from reverie.types.memory import Memory


class Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


#: Expect that there is no memory at the path.
ABSENT: Final = Absent()

#: What must hold of a path for a commit to be made: ABSENT; the revision of the commit that last touched the memory;
#: a content's SHA-256 in hexadecimal; a version's id (memver_...); or a Memory or Version that was read, which must
#: still be what stands there.
Expected: TypeAlias = Absent | int | str | Memory | Version


def precondition(expected: Expected) -> pb.Precondition:
    """The message.

    Raises:
        ValueError: it is none of the things that can be expected.
    """
    if isinstance(expected, Absent):
        return pb.Precondition(absent=True)
    if isinstance(expected, Memory):
        return pb.Precondition(version_id=expected.version_id)
    if isinstance(expected, Version):
        return pb.Precondition(version_id=expected.id)
    if isinstance(expected, int):
        return pb.Precondition(revision=expected)
    if expected.startswith("memver_"):
        return pb.Precondition(version_id=expected)
    if len(expected) == 64:
        return pb.Precondition(content_sha256=expected)
    raise ValueError(
        f"expect={expected!r}: give ABSENT, a revision, a SHA-256 in hexadecimal, a version's id, or a Memory"
    )


@dataclass(frozen=True)
class Write:
    """Creates or replaces a memory."""

    path: str
    content: str
    expect: Expected | None = None
    #: Where the lines came from.
    origins: Sequence[Origin] = ()


@dataclass(frozen=True)
class Create:
    """Creates a memory; ExistsError where there is one."""

    path: str
    content: str
    expect: Expected | None = None
    origins: Sequence[Origin] = ()


@dataclass(frozen=True)
class ReplaceText:
    """Replaces one occurrence of a text, which must be there exactly once."""

    path: str
    old_text: str
    new_text: str
    expect: Expected | None = None


@dataclass(frozen=True)
class InsertLines:
    """Inserts lines after a line; 0 inserts at the top."""

    path: str
    after_line: int
    text: str
    expect: Expected | None = None


@dataclass(frozen=True)
class Append:
    """Appends to a memory, or creates it."""

    path: str
    text: str
    expect: Expected | None = None


@dataclass(frozen=True)
class Move:
    """Renames a memory, or all below a prefix; never overwrites."""

    source: str
    target: str
    expect: Expected | None = None


@dataclass(frozen=True)
class Delete:
    """Deletes a memory, or with `recursive` all below the path."""

    path: str
    recursive: bool = False
    expect: Expected | None = None


Operation: TypeAlias = Write | Create | ReplaceText | InsertLines | Append | Move | Delete


def to_proto(operation: Operation) -> pb.Operation:
    """The message."""
    message = pb.Operation()
    if isinstance(operation, Write):
        origins = [_origin(o) for o in operation.origins]
        message.write.CopyFrom(pb.Write(path=operation.path, content=operation.content, origins=origins))
    elif isinstance(operation, Create):
        origins = [_origin(o) for o in operation.origins]
        message.create.CopyFrom(pb.Create(path=operation.path, content=operation.content, origins=origins))
    elif isinstance(operation, ReplaceText):
        replace = pb.ReplaceText(path=operation.path, old_text=operation.old_text, new_text=operation.new_text)
        message.replace_text.CopyFrom(replace)
    elif isinstance(operation, InsertLines):
        insert = pb.InsertLines(path=operation.path, after_line=operation.after_line, text=operation.text)
        message.insert_lines.CopyFrom(insert)
    elif isinstance(operation, Append):
        message.append.CopyFrom(pb.Append(path=operation.path, text=operation.text))
    elif isinstance(operation, Move):
        # `from` is a keyword of Python, so that the field cannot be written as one.
        message.move.CopyFrom(memory_pb2.Move(**{"from": operation.source, "to": operation.target}))
    else:
        message.delete.CopyFrom(pb.Delete(path=operation.path, recursive=operation.recursive))
    if operation.expect is not None:
        message.precondition.CopyFrom(precondition(operation.expect))
    return message


def _origin(origin: Origin) -> commit_pb2.Origin:
    return commit_pb2.Origin(start_line=origin.start_line, end_line=origin.end_line, source=origin.source)
