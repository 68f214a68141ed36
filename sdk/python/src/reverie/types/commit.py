"""Commits and versions: what was done."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum

from reverie.memory.v1 import commit_pb2 as pb
from reverie.types import wire
from reverie.types.actor import Actor
from reverie.types.store import Snapshot


class ChangeKind(str, Enum):
    """What happened to a memory."""

    UNKNOWN = "unknown"
    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"


@dataclass(frozen=True)
class Origin:
    """Where a range of lines came from."""

    #: From 1, inclusive.
    start_line: int
    #: Inclusive.
    end_line: int
    #: A URI, for example reverie:dream/drm_.../change/c-1f2e.
    source: str


@dataclass(frozen=True)
class VersionRedaction:
    """Which redaction took a version's content."""

    #: redact_...
    id: str
    create_time: dt.datetime | None
    #: Who asked for it.
    actor: Actor


@dataclass(frozen=True)
class Version:
    """One memory as of one revision, without its content."""

    id: str
    memory_id: str
    path: str
    #: Where it was before, for RENAMED; else empty.
    previous_path: str
    revision: int
    kind: ChangeKind
    #: Empty for DELETED, and where the content was erased.
    content_sha256: str
    size_bytes: int
    actor: Actor
    create_time: dt.datetime | None
    #: The commit's message.
    message: str
    origins: tuple[Origin, ...]
    #: The content was erased by a redaction.
    redacted: bool
    #: The content was erased by the store's retention.
    expired: bool
    #: Of redacted versions, where `versions` or `version` tells of them.
    redaction: VersionRedaction | None
    proto: pb.Version = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Version) -> Version:
        """From the message."""
        return cls(
            id=proto.id,
            memory_id=proto.memory_id,
            path=proto.path,
            previous_path=proto.previous_path,
            revision=proto.revision,
            kind=wire.enum(ChangeKind, pb.ChangeKind, "CHANGE_KIND_", proto.kind),
            content_sha256=proto.content_sha256,
            size_bytes=proto.size_bytes,
            actor=Actor.from_proto(proto.actor),
            create_time=wire.time(proto, "create_time"),
            message=proto.message,
            origins=tuple(Origin(o.start_line, o.end_line, o.source) for o in proto.origins),
            redacted=proto.redacted,
            expired=proto.expired,
            redaction=_redaction(proto.redaction) if proto.HasField("redaction") else None,
            proto=proto,
        )


def _redaction(proto: pb.VersionRedaction) -> VersionRedaction:
    return VersionRedaction(proto.id, wire.time(proto, "create_time"), Actor.from_proto(proto.actor))


@dataclass(frozen=True)
class Committed:
    """What a commit came to."""

    #: The new head, or the current one for a no-op.
    revision: int
    #: What it made, in path order.
    versions: tuple[Version, ...]
    #: Nothing differed: no revision was made.
    no_op: bool

    @property
    def version(self) -> Version | None:
        """The one version that it made; None where it made none, or several."""
        return self.versions[0] if len(self.versions) == 1 else None


@dataclass(frozen=True)
class Commit:
    """One commit of a store's history."""

    revision: int
    create_time: dt.datetime | None
    actor: Actor
    message: str
    versions: tuple[Version, ...]
    #: The store's hash chain after this commit, lower-case hexadecimal.
    chain_hash: str
    #: The snapshot that a merge brought in.
    merged: Snapshot | None
    proto: pb.CommitRecord = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.CommitRecord) -> Commit:
        """From the message."""
        return cls(
            revision=proto.revision,
            create_time=wire.time(proto, "create_time"),
            actor=Actor.from_proto(proto.actor),
            message=proto.message,
            versions=tuple(Version.from_proto(v) for v in proto.versions),
            chain_hash=proto.chain_hash,
            merged=Snapshot(proto.merged_store, proto.merged_revision) if proto.merged_store else None,
            proto=proto,
        )
