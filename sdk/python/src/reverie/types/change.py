"""Changes: what a dream proposes, each with its evidence."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum

from reverie.dream.v1 import change_pb2 as pb
from reverie.dream.v1 import dream_pb2
from reverie.types import wire


class ChangeOperation(str, Enum):
    """What a change does to its memories."""

    UNKNOWN = "unknown"
    ADD = "add"
    MERGE = "merge"
    SUPERSEDE = "supersede"
    EDIT = "edit"
    MOVE = "move"
    ARCHIVE = "archive"
    FLAG = "flag"


class Tier(str, Enum):
    """How sure a change is."""

    UNKNOWN = "unknown"
    #: At least 2 sessions; a description.
    SEEN = "seen"
    #: At least 3 sessions, over 2 tasks or 2 agents.
    RECURRENT = "recurrent"
    #: Recurrent, and it passed a stratified test.
    TESTED = "tested"
    #: A successful session shows the fix.
    SHOWN = "shown"


class Decision(str, Enum):
    """What a reviewer said."""

    UNKNOWN = "unknown"
    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True)
class EventSpan:
    """Bytes of an event's text."""

    session: str
    seq: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True)
class MemorySpan:
    """Bytes of a memory of the input store."""

    path: str
    revision: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True)
class Evidence:
    """A pointer into a transcript, or into the input store."""

    source: EventSpan | MemorySpan | None
    #: The first 16 bytes of BLAKE3 of the quoted bytes, lower-case hexadecimal.
    quote_hash: str
    #: The quoted bytes, at most 400 of them.
    quote: str
    proto: pb.Evidence = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Evidence) -> Evidence:
        """From the message."""
        source: EventSpan | MemorySpan | None = None
        if proto.HasField("event"):
            e = proto.event
            source = EventSpan(e.session, e.seq, e.byte_start, e.byte_end)
        elif proto.HasField("memory"):
            m = proto.memory
            source = MemorySpan(m.path, m.revision, m.byte_start, m.byte_end)
        return cls(source, proto.quote_hash, proto.quote, proto)


@dataclass(frozen=True)
class Support:
    """How often something was seen: distinct sessions, not mentions."""

    sessions: int
    tasks: int
    agents: int
    counter_examples: int


@dataclass(frozen=True)
class Review:
    """What a reviewer said of a change."""

    decision: Decision
    note: str
    principal: str
    time: dt.datetime | None


@dataclass(frozen=True)
class Change:
    """One itemised edit that a dream proposes."""

    id: str
    operation: ChangeOperation
    paths: tuple[str, ...]
    #: Changes without which this one makes no sense.
    depends_on: tuple[str, ...]
    #: A stable code, for example error_repair.
    reason: str
    tier: Tier
    support: Support
    evidence: tuple[Evidence, ...]
    passed_checks: tuple[str, ...]
    failed_checks: tuple[str, ...]
    review: Review | None
    #: One line for people.
    summary: str
    #: The miner or model that proposed it, with its version.
    author: str
    #: A unified diff over its paths.
    diff: str
    proto: pb.Change = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Change) -> Change:
        """From the message."""
        support = proto.support
        return cls(
            id=proto.id,
            operation=wire.enum(ChangeOperation, pb.ChangeOperation, "CHANGE_OPERATION_", proto.operation),
            paths=tuple(proto.paths),
            depends_on=tuple(proto.depends_on),
            reason=proto.reason,
            tier=wire.enum(Tier, pb.Tier, "TIER_", proto.tier),
            support=Support(support.sessions, support.tasks, support.agents, support.counter_examples),
            evidence=tuple(Evidence.from_proto(e) for e in proto.evidence),
            passed_checks=tuple(proto.verdict.passed_checks),
            failed_checks=tuple(proto.verdict.failed_checks),
            review=_review(proto.review) if proto.HasField("review") else None,
            summary=proto.summary,
            author=proto.author,
            diff=proto.diff,
            proto=proto,
        )


def _review(proto: pb.Review) -> Review:
    decision = wire.enum(Decision, pb.ReviewDecision, "REVIEW_DECISION_", proto.decision)
    return Review(decision, proto.note, proto.principal, wire.time(proto, "time"))


@dataclass(frozen=True)
class QuotedEvent:
    """An event around a quote, rendered as text."""

    seq: int
    time: dt.datetime | None
    #: For example user, agent, tool.
    actor: str
    #: For example message, tool_call.
    kind: str
    text: str
    #: This is the event that the evidence names.
    quoted: bool


@dataclass(frozen=True)
class OpenedEvidence:
    """What is behind a piece of evidence."""

    #: The quoted bytes, checked against the reference's hash.
    quote: str
    #: The event that holds them, and its neighbours.
    events: tuple[QuotedEvent, ...]
    agent: str
    task_key: str

    @classmethod
    def from_proto(cls, proto: dream_pb2.GetEvidenceResponse) -> OpenedEvidence:
        """From the message."""
        events = tuple(
            QuotedEvent(e.seq, wire.time(e, "time"), e.actor, e.kind, e.text, e.quoted) for e in proto.events
        )
        return cls(proto.quote, events, proto.agent, proto.task_key)
