"""Sessions: recorded agent runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from reverie.transcript.v1 import session_pb2 as pb
from reverie.transcript.v1 import transcript_pb2 as tpb
from reverie.types import wire


class SessionState(str, Enum):
    """Whether a session's log is closed."""

    UNKNOWN = "unknown"
    OPEN = "open"
    ENDED = "ended"


class OutcomeSource(str, Enum):
    """Who says how a run ended."""

    UNKNOWN = "unknown"
    #: The environment's own check, for example a test suite.
    ENVIRONMENT = "environment"
    GRADER = "grader"
    USER = "user"
    HEURISTIC = "heuristic"


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    #: 0 is failure, 1 is success; between them a score.
    value: float
    label: str = ""
    source: OutcomeSource | str = OutcomeSource.ENVIRONMENT

    def to_proto(self) -> pb.Outcome:
        """The message."""
        source = wire.name(OutcomeSource, "OUTCOME_SOURCE_", self.source)
        return pb.Outcome(value=self.value, label=self.label, source=source)

    @classmethod
    def from_proto(cls, proto: pb.Outcome) -> Outcome:
        """From the message."""
        source = wire.enum(OutcomeSource, pb.OutcomeSource, "OUTCOME_SOURCE_", proto.source)
        return cls(proto.value, proto.label, source)


@dataclass(frozen=True)
class Session:
    """One recorded agent run. Its events are a gapless log, numbered from 1."""

    id: str
    agent: str
    agent_version: str
    #: Names the task that was tried.
    task_key: str
    labels: dict[str, str]
    state: SessionState
    outcome: Outcome | None
    #: The number of the last durable event; 0 for none.
    last_seq: int
    content_bytes: int
    create_time: dt.datetime | None
    #: The first event's own time, where it has one.
    start_time: dt.datetime | None
    end_time: dt.datetime | None
    #: The harness's own id, where the session was imported.
    external_id: str
    #: The format that it was imported from, for example claude_code.
    format: str
    #: Equal for equal transcripts; empty while the session is open.
    content_digest: str
    #: What the agent was asked to do, in its user's first words.
    task_text: str
    #: Secrets and personal data masked before anything was stored.
    masked_count: int
    attached_stores: tuple[str, ...]
    proto: pb.Session = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Session) -> Session:
        """From the message."""
        return cls(
            id=proto.id,
            agent=proto.agent.name,
            agent_version=proto.agent.version,
            task_key=proto.task_key,
            labels=dict(proto.labels),
            state=wire.enum(SessionState, pb.SessionState, "SESSION_STATE_", proto.state),
            outcome=Outcome.from_proto(proto.outcome) if proto.HasField("outcome") else None,
            last_seq=proto.last_seq,
            content_bytes=proto.content_bytes,
            create_time=wire.time(proto, "create_time"),
            start_time=wire.time(proto, "start_time"),
            end_time=wire.time(proto, "end_time"),
            external_id=proto.external_id,
            format=proto.format,
            content_digest=proto.content_digest,
            task_text=proto.task_text,
            masked_count=proto.masked_count,
            attached_stores=tuple(proto.attached_stores),
            proto=proto,
        )


@dataclass(frozen=True)
class SessionFilter:
    """Sessions that match all that is set."""

    #: Sessions that ran at this time or later.
    start_time: dt.datetime | None = None
    #: Sessions that ran before this time.
    end_time: dt.datetime | None = None
    agent: str = ""
    task_key: str = ""
    #: success, failure, or a label of the caller's.
    outcome: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Sessions that were attached to this store.
    store: str = ""
    state: SessionState | str = SessionState.UNKNOWN

    def to_proto(self) -> tpb.SessionFilter:
        """The message."""
        return tpb.SessionFilter(
            start_time=wire.to_time(self.start_time),
            end_time=wire.to_time(self.end_time),
            agent=self.agent,
            task_key=self.task_key,
            outcome=self.outcome,
            labels=self.labels,
            store=self.store,
            state=wire.name(SessionState, "SESSION_STATE_", self.state),
        )


class Speaker(str, Enum):
    """Whose an event is."""

    UNKNOWN = "unknown"
    #: The system prompt's author.
    OPERATOR = "operator"
    USER = "user"
    AGENT = "agent"
    TOOL = "tool"
    ENVIRONMENT = "environment"


class EventKind(str, Enum):
    """What an event is."""

    UNKNOWN = "unknown"
    MESSAGE = "message"
    THOUGHT = "thought"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    ERROR = "error"
    VERDICT = "verdict"
    COMPACTION = "compaction"
    OPAQUE = "opaque"


@dataclass(frozen=True)
class Event:
    """One item of a session. `message` and its likes make one; which fields are set goes by `kind`."""

    kind: EventKind
    speaker: Speaker
    #: A tool call's arguments, where it is one.
    text: str
    #: From 1; 0 before it is recorded.
    seq: int = 0
    time: dt.datetime | None = None
    #: Empty for the main thread; a name for a sub-agent's.
    thread: str = ""
    #: Of a tool call and of its result.
    call_id: str = ""
    #: A tool's name, or an opaque event's kind.
    name: str = ""
    #: Of a tool result: whether the tool failed; None where that is unknown.
    failed: bool | None = None
    #: Of a verdict.
    value: float = 0.0
    label: str = ""
    #: Copied context (a resume, a compaction, a sub-agent's prompt): kept, never counted as support.
    copied: bool = False

    def to_proto(self) -> pb.Event:
        """The message."""
        event = pb.Event(
            time=wire.to_time(self.time),
            actor=wire.name(Speaker, "EVENT_ACTOR_", self.speaker),
            thread=self.thread,
            copied=self.copied,
        )
        kind, text = self.kind, self.text
        if kind is EventKind.MESSAGE:
            event.message.CopyFrom(pb.Message(text=text))
        elif kind is EventKind.THOUGHT:
            event.thought.CopyFrom(pb.Thought(text=text))
        elif kind is EventKind.TOOL_CALL:
            event.tool_call.CopyFrom(pb.ToolCall(call_id=self.call_id, name=self.name, arguments=text))
        elif kind is EventKind.TOOL_RESULT:
            status = {None: "TOOL_STATUS_UNSPECIFIED", False: "TOOL_STATUS_OK", True: "TOOL_STATUS_ERROR"}[self.failed]
            result = pb.ToolResult(call_id=self.call_id, status=status, text=text, name=self.name)
            event.tool_result.CopyFrom(result)
        elif kind is EventKind.ERROR:
            event.error.CopyFrom(pb.Error(text=text))
        elif kind is EventKind.VERDICT:
            event.verdict.CopyFrom(pb.Verdict(value=self.value, label=self.label, text=text))
        elif kind is EventKind.COMPACTION:
            event.compaction.CopyFrom(pb.Compaction(text=text))
        else:
            event.opaque.CopyFrom(pb.Opaque(kind=self.name, text=text))
        return event

    @classmethod
    def from_proto(cls, proto: pb.Event) -> Event:
        """From the message."""
        kind = EventKind(proto.WhichOneof("body") or "unknown")
        body = getattr(proto, kind.value, None)
        failed = None
        if kind is EventKind.TOOL_RESULT and proto.tool_result.status != 0:
            failed = proto.tool_result.status == pb.TOOL_STATUS_ERROR
        return cls(
            kind=kind,
            speaker=wire.enum(Speaker, pb.EventActor, "EVENT_ACTOR_", proto.actor),
            text=proto.tool_call.arguments if kind is EventKind.TOOL_CALL else getattr(body, "text", ""),
            seq=proto.seq,
            time=wire.time(proto, "time"),
            thread=proto.thread,
            call_id=getattr(body, "call_id", ""),
            name=proto.opaque.kind if kind is EventKind.OPAQUE else getattr(body, "name", ""),
            failed=failed,
            value=proto.verdict.value,
            label=proto.verdict.label,
            copied=proto.copied,
        )


@dataclass(frozen=True)
class ImportedSession:
    """One session of an imported file."""

    session: str
    external_id: str
    events: int
    #: It was there already: nothing was stored.
    deduplicated: bool


@dataclass(frozen=True)
class ImportProblem:
    """A part of an imported file that could not be read."""

    #: From 1: a line of JSONL, an element of an array; 0 for the whole file.
    record: int
    #: From 1.
    line: int
    reason: str


@dataclass(frozen=True)
class Imported:
    """What an import came to."""

    sessions: tuple[ImportedSession, ...]
    problems: tuple[ImportProblem, ...]
    #: Problems beyond those listed.
    more_problems: int
    #: What the file was read as, for example claude_code.
    format: str
    bytes_read: int
    #: Secrets and personal data masked before anything was stored.
    masked_count: int
    #: Items of unknown kinds: kept as opaque events.
    opaque_count: int

    @classmethod
    def from_proto(cls, proto: tpb.ImportTranscriptsResponse) -> Imported:
        """From the message."""
        name = tpb.TranscriptFormat.Name(proto.format)
        return cls(
            tuple(ImportedSession(s.session, s.external_id, s.events, s.deduplicated) for s in proto.sessions),
            tuple(ImportProblem(p.record, p.line, p.reason) for p in proto.problems),
            proto.more_problems,
            name.removeprefix("TRANSCRIPT_FORMAT_").lower(),
            proto.bytes_read,
            proto.masked_count,
            proto.opaque_count,
        )


class SessionEventKind(str, Enum):
    """What happened to a session."""

    UNKNOWN = "unknown"
    CREATED = "created"
    ENDED = "ended"
    REDACTED = "redacted"
    DELETED = "deleted"


@dataclass(frozen=True)
class SessionEvent:
    """Something that happened to a session."""

    #: Resume after it with `after_cursor`.
    cursor: int
    kind: SessionEventKind
    session: str
    time: dt.datetime | None

    @classmethod
    def from_proto(cls, proto: tpb.WatchSessionsResponse) -> SessionEvent:
        """From the message."""
        kind = wire.enum(SessionEventKind, tpb.SessionEventKind, "SESSION_EVENT_KIND_", proto.kind)
        return cls(proto.cursor, kind, proto.session, wire.time(proto, "time"))
