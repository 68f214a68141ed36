"""Dreams: durable jobs that read many sessions beside a store and propose a better store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from reverie.dream.v1 import dream_pb2 as pb
from reverie.types import wire
from reverie.types.store import Snapshot


class DreamState(str, Enum):
    """How far a dream is."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    RUNNING = "running"
    #: Verified, whole, by the engine that was asked for.
    SUCCEEDED = "succeeded"
    #: Verified, but over a cap, partial, or by a fallback: never adopted without a person.
    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        """Nothing more will happen by itself."""
        return self not in (DreamState.UNKNOWN, DreamState.PENDING, DreamState.RUNNING)


class Engine(str, Enum):
    """What dreams: no model, a model, or a model over what was counted without one."""

    UNKNOWN = "unknown"
    CLASSIC = "classic"
    LLM = "llm"
    HYBRID = "hybrid"


class AdoptionState(str, Enum):
    """What became of a proposal."""

    UNKNOWN = "unknown"
    PENDING_REVIEW = "pending_review"
    ADOPTED = "adopted"
    DISCARDED = "discarded"
    #: A newer dream of the same store was adopted.
    SUPERSEDED = "superseded"
    #: Adopted, and taken back.
    REVERTED = "reverted"


@dataclass(frozen=True)
class Progress:
    """How far a dream is."""

    #: 0 to 100.
    percent: float
    done: int
    total: int
    eta: dt.timedelta | None


@dataclass(frozen=True)
class Budget:
    """What a dream may use; 0 or None means that no limit is set here."""

    tokens: int = 0
    #: In millionths of a US dollar.
    cost_micros: int = 0
    wall_time: dt.timedelta | float | None = None
    calls: int = 0

    def to_proto(self) -> pb.Budget:
        """The message."""
        return pb.Budget(
            tokens=self.tokens,
            cost_micros=self.cost_micros,
            wall_time=wire.to_duration(self.wall_time),
            calls=self.calls,
        )


@dataclass(frozen=True)
class StageUsage:
    """What one stage used."""

    stage: str
    wall_time: dt.timedelta | None
    items: int
    model_calls: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class SkippedSession:
    """A session that could not be read."""

    session: str
    #: A stable code: gone, changed, open, recording.
    reason: str
    message: str


@dataclass(frozen=True)
class Report:
    """What a dream found."""

    sessions_read: int
    events_read: int
    proposed: int
    verified: int
    dropped: int
    dropped_by_reason: dict[str, int]
    #: Why it NEEDS_REVIEW.
    review_reasons: tuple[str, ...]
    #: BLAKE3 of the output store's files.
    output_digest: str
    #: For people.
    markdown: str
    engine_used: Engine
    memories_before: int
    memories_after: int
    skipped_sessions: tuple[SkippedSession, ...]
    proto: pb.Report = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Report) -> Report:
        """From the message."""
        return cls(
            sessions_read=proto.sessions_read,
            events_read=proto.events_read,
            proposed=proto.proposed,
            verified=proto.verified,
            dropped=proto.dropped,
            dropped_by_reason=dict(proto.dropped_by_reason),
            review_reasons=tuple(proto.review_reasons),
            output_digest=proto.output_digest,
            markdown=proto.markdown,
            engine_used=wire.enum(Engine, pb.Engine, "ENGINE_", proto.engine_used),
            memories_before=proto.memories_before,
            memories_after=proto.memories_after,
            skipped_sessions=tuple(SkippedSession(s.session, s.reason, s.message) for s in proto.skipped_sessions),
            proto=proto,
        )


@dataclass(frozen=True)
class DreamError:
    """Why a dream failed, or needs review."""

    reason: str
    message: str


@dataclass(frozen=True)
class Adoption:
    """What became of a proposal, and who saw to it."""

    state: AdoptionState
    #: The commit in the input store.
    revision: int
    principal: str
    time: dt.datetime | None
    proto: pb.Adoption = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Adoption) -> Adoption:
        """From the message."""
        state = wire.enum(AdoptionState, pb.AdoptionState, "ADOPTION_STATE_", proto.state)
        return cls(state, proto.revision, proto.principal, wire.time(proto, "time"), proto)


@dataclass(frozen=True)
class Dream:
    """One dream."""

    id: str
    state: DreamState
    #: The stage that runs, or ran last: snapshot, analyse, reduce, curate, verify, publish, report.
    stage: str
    progress: Progress
    input: Snapshot
    input_sessions: tuple[str, ...]
    #: Sessions with the same content as another: read once, counted once.
    duplicate_sessions: int
    #: The fork that holds the proposal; empty before there is one.
    output_store: str
    usage: tuple[StageUsage, ...]
    report: Report | None
    error: DreamError | None
    adoption: Adoption | None
    #: The dream's own recording.
    session_id: str
    engine: Engine
    instructions: str
    #: Who asked for it.
    principal: str
    create_time: dt.datetime | None
    start_time: dt.datetime | None
    end_time: dt.datetime | None
    etag: str
    proto: pb.Dream = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Dream) -> Dream:
        """From the message."""
        progress = proto.progress
        return cls(
            id=proto.id,
            state=wire.enum(DreamState, pb.DreamState, "DREAM_STATE_", proto.state),
            stage=proto.stage,
            progress=Progress(progress.percent, progress.done, progress.total, wire.duration(progress, "eta")),
            input=Snapshot(proto.input.store, proto.input.revision),
            input_sessions=tuple(proto.input.sessions),
            duplicate_sessions=proto.input.duplicate_sessions,
            output_store=proto.output_store,
            usage=tuple(_usage(u) for u in proto.usage),
            report=Report.from_proto(proto.report) if proto.HasField("report") else None,
            error=DreamError(proto.error.reason, proto.error.message) if proto.HasField("error") else None,
            adoption=Adoption.from_proto(proto.adoption) if proto.HasField("adoption") else None,
            session_id=proto.session_id,
            engine=wire.enum(Engine, pb.Engine, "ENGINE_", proto.engine),
            instructions=proto.instructions,
            principal=proto.principal,
            create_time=wire.time(proto, "create_time"),
            start_time=wire.time(proto, "start_time"),
            end_time=wire.time(proto, "end_time"),
            etag=proto.etag,
            proto=proto,
        )


def _usage(proto: pb.StageUsage) -> StageUsage:
    return StageUsage(
        stage=proto.stage,
        wall_time=wire.duration(proto, "wall_time"),
        items=proto.items,
        model_calls=proto.model_calls,
        input_tokens=proto.input_tokens,
        output_tokens=proto.output_tokens,
    )


@dataclass(frozen=True)
class DreamSessions:
    """Which ended sessions a dream reads: those that match all that is set."""

    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    agent: str = ""
    task_key: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Only sessions that ended since the last dream of this store succeeded.
    since_last_dream: bool = False
    #: Only sessions that were attached to the dream's store.
    attached_only: bool = False

    def to_proto(self) -> pb.DreamSessionFilter:
        """The message."""
        return pb.DreamSessionFilter(
            start_time=wire.to_time(self.start_time),
            end_time=wire.to_time(self.end_time),
            agent=self.agent,
            task_key=self.task_key,
            labels=self.labels,
            since_last_dream=self.since_last_dream,
            attached_only=self.attached_only,
        )


@dataclass(frozen=True)
class Adopted:
    """What adopting a dream came to."""

    dream: Dream
    #: The commit in the input store.
    revision: int
    #: Ids of the changes that went in.
    changes: tuple[str, ...]
    no_op: bool
