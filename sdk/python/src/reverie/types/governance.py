"""Redactions, checks of the history, the audit log."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum

from reverie.memory.v1 import governance_pb2 as pb
from reverie.types import wire
from reverie.types.actor import Actor
from reverie.types.store import Snapshot, StoreInfo


class RedactionState(str, Enum):
    """How far a redaction is."""

    UNKNOWN = "unknown"
    #: Reads have stopped; keys are being destroyed. It goes on by itself.
    RUNNING = "running"
    #: Nothing that opens the text is left.
    SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class RedactedVersion:
    """A version that lost its content."""

    store: str
    version_id: str
    memory_id: str
    revision: int


@dataclass(frozen=True)
class RedactionCounts:
    """How much a redaction is about."""

    stores: int
    memories: int
    versions: int
    contents: int
    content_bytes: int


@dataclass(frozen=True)
class Redaction:
    """The receipt of a redaction."""

    #: Empty for a dry run.
    id: str
    state: RedactionState
    store: str
    reason: str
    actor: Actor
    create_time: dt.datetime | None
    finish_time: dt.datetime | None
    counts: RedactionCounts
    #: Every version that lost its content, also in forks; not in lists.
    versions: tuple[RedactedVersion, ...]
    #: The commits that took memories out of heads.
    commits: tuple[Snapshot, ...]
    proto: pb.Redaction = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Redaction) -> Redaction:
        """From the message."""
        counts = proto.counts
        return cls(
            id=proto.id,
            state=wire.enum(RedactionState, pb.Redaction.State, "STATE_", proto.state),
            store=proto.store,
            reason=proto.reason,
            actor=Actor.from_proto(proto.actor),
            create_time=wire.time(proto, "create_time"),
            finish_time=wire.time(proto, "finish_time"),
            counts=RedactionCounts(
                counts.stores, counts.memories, counts.versions, counts.contents, counts.content_bytes
            ),
            versions=tuple(RedactedVersion(v.store, v.version_id, v.memory_id, v.revision) for v in proto.versions),
            commits=tuple(Snapshot(c.store, c.revision) for c in proto.commits),
            proto=proto,
        )


@dataclass(frozen=True)
class HistoryProblem:
    """A commit that is not as the hash chain says."""

    store: str
    revision: int
    description: str


@dataclass(frozen=True)
class HistoryCheck:
    """What a check of a store's hash chain found."""

    #: Commits whose place in the chain was recomputed.
    commits: int
    head_revision: int
    chain_hash: str
    #: Versions and messages that were checked against what they commit to.
    opened: int
    #: Versions whose content was erased: their commitments stand.
    redacted: int
    #: Empty where all is well.
    problems: tuple[HistoryProblem, ...]

    @classmethod
    def from_proto(cls, proto: pb.VerifyHistoryResponse) -> HistoryCheck:
        """From the message."""
        problems = tuple(HistoryProblem(p.store, p.revision, p.description) for p in proto.problems)
        return cls(proto.commits, proto.head_revision, proto.chain_hash, proto.opened, proto.redacted, problems)


@dataclass(frozen=True)
class ImportStoreProblem:
    """Something that could not be carried over and was left out, for example a symbolic link."""

    #: As the file has it; empty for what is about no path.
    path: str
    reason: str


@dataclass(frozen=True)
class ImportedStore:
    """What an import of a store came to."""

    store: StoreInfo
    commits: int
    memories: int
    problems: tuple[ImportStoreProblem, ...]
    #: Problems beyond those listed.
    more_problems: int

    @classmethod
    def from_proto(cls, proto: pb.ImportStoreResponse) -> ImportedStore:
        """From the message."""
        problems = tuple(ImportStoreProblem(p.path, p.reason) for p in proto.problems)
        return cls(StoreInfo.from_proto(proto.store), proto.commits, proto.memories, problems, proto.more_problems)


@dataclass(frozen=True)
class AuditEvent:
    """What was administered or redacted, or who was refused what. Never content, nor a path."""

    id: str
    create_time: dt.datetime | None
    actor: Actor
    #: For example StoreAdminister.
    action: str
    #: A store's id, where it is about one.
    store: str
    allowed: bool
    description: str
    proto: pb.AuditEvent = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.AuditEvent) -> AuditEvent:
        """From the message."""
        return cls(
            proto.id,
            wire.time(proto, "create_time"),
            Actor.from_proto(proto.actor),
            proto.action,
            proto.store,
            proto.allowed,
            proto.description,
            proto,
        )
