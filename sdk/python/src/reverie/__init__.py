"""Shared, versioned memory for AI agents.

    import reverie

    with reverie.Client() as client:
        store = client.stores.create("team-sre", exist_ok=True)
        store.write("/on-call.md", "on call: ana", message="From the rota")
        with store.edit("/on-call.md") as doc:
            doc.text = doc.text.replace("ana", "ben")

`Client` blocks, `AsyncClient` is the same for asyncio: every class has a twin whose name begins with Async. Times are
in UTC, sizes in bytes, spans of time in seconds. Whatever goes wrong is an `Error`, and its class says what to do next.
"""

from reverie._async.client import AsyncClient
from reverie._async.edit import AsyncEdit
from reverie._async.memory_commands import AsyncMemoryCommands
from reverie._async.recording import AsyncRecording
from reverie._async.store import AsyncStore
from reverie._async.watch import AsyncWatch
from reverie._sync.client import Client
from reverie._sync.edit import Edit
from reverie._sync.memory_commands import MemoryCommands
from reverie._sync.recording import Recording
from reverie._sync.store import Store
from reverie._sync.watch import Watch
from reverie.errors import (
    CancelledError,
    ConflictError,
    CorruptError,
    DeadlineError,
    DeniedError,
    Error,
    ExhaustedError,
    ExistsError,
    InternalError,
    InvalidError,
    MergeConflict,
    NotFoundError,
    PathConflict,
    PolicyViolation,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
    Violation,
)
from reverie.types.access import Access, Attached, Attachment, Grant, IssuedToken, Role, Scope, Token, WhoAmI
from reverie.types.actor import Actor, ActorFilter, Claim
from reverie.types.change import (
    Change,
    ChangeOperation,
    Decision,
    EventSpan,
    Evidence,
    MemorySpan,
    OpenedEvidence,
    QuotedEvent,
    Review,
    Support,
    Tier,
)
from reverie.types.commit import ChangeKind, Commit, Committed, Origin, Version, VersionRedaction
from reverie.types.dream import (
    Adopted,
    Adoption,
    AdoptionState,
    Budget,
    Dream,
    DreamError,
    DreamSessions,
    DreamState,
    Engine,
    Progress,
    Report,
    SkippedSession,
    StageUsage,
)
from reverie.types.governance import (
    AuditEvent,
    HistoryCheck,
    HistoryProblem,
    ImportedStore,
    ImportStoreProblem,
    RedactedVersion,
    Redaction,
    RedactionCounts,
    RedactionState,
)
from reverie.types.history import (
    BlameRange,
    Diff,
    DiffLine,
    DiffStats,
    FileDiff,
    Hunk,
    LineKind,
    Merged,
    VersionContent,
)
from reverie.types.memory import Directory, GrepMatch, GrepResult, Memory
from reverie.types.memory_tool import MemoryToolError
from reverie.types.operation import (
    ABSENT,
    Absent,
    Append,
    Create,
    Delete,
    Expected,
    InsertLines,
    Move,
    Operation,
    ReplaceText,
    Write,
)
from reverie.types.search import SearchHit, SearchLine, SearchResult
from reverie.types.session import (
    Event,
    EventKind,
    Imported,
    ImportedSession,
    ImportProblem,
    Outcome,
    OutcomeSource,
    Session,
    SessionEvent,
    SessionEventKind,
    SessionFilter,
    SessionState,
    Speaker,
)
from reverie.types.store import Retention, Snapshot, StoreInfo

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncEdit",
    "AsyncMemoryCommands",
    "AsyncRecording",
    "AsyncStore",
    "AsyncWatch",
    "Client",
    "Edit",
    "MemoryCommands",
    "Recording",
    "Store",
    "Watch",
    "CancelledError",
    "ConflictError",
    "CorruptError",
    "DeadlineError",
    "DeniedError",
    "Error",
    "ExhaustedError",
    "ExistsError",
    "InternalError",
    "InvalidError",
    "MergeConflict",
    "NotFoundError",
    "PathConflict",
    "PolicyViolation",
    "PreconditionError",
    "UnauthenticatedError",
    "UnavailableError",
    "Violation",
    "Access",
    "Attached",
    "Attachment",
    "Grant",
    "IssuedToken",
    "Role",
    "Scope",
    "Token",
    "WhoAmI",
    "Actor",
    "ActorFilter",
    "Claim",
    "Change",
    "ChangeOperation",
    "Decision",
    "EventSpan",
    "Evidence",
    "MemorySpan",
    "OpenedEvidence",
    "QuotedEvent",
    "Review",
    "Support",
    "Tier",
    "ChangeKind",
    "Commit",
    "Committed",
    "Origin",
    "Version",
    "VersionRedaction",
    "Adopted",
    "Adoption",
    "AdoptionState",
    "Budget",
    "Dream",
    "DreamError",
    "DreamSessions",
    "DreamState",
    "Engine",
    "Progress",
    "Report",
    "SkippedSession",
    "StageUsage",
    "AuditEvent",
    "HistoryCheck",
    "HistoryProblem",
    "ImportedStore",
    "ImportStoreProblem",
    "RedactedVersion",
    "Redaction",
    "RedactionCounts",
    "RedactionState",
    "BlameRange",
    "Diff",
    "DiffLine",
    "DiffStats",
    "FileDiff",
    "Hunk",
    "LineKind",
    "Merged",
    "VersionContent",
    "Directory",
    "GrepMatch",
    "GrepResult",
    "Memory",
    "MemoryToolError",
    "ABSENT",
    "Absent",
    "Append",
    "Create",
    "Delete",
    "Expected",
    "InsertLines",
    "Move",
    "Operation",
    "ReplaceText",
    "Write",
    "SearchHit",
    "SearchLine",
    "SearchResult",
    "Event",
    "EventKind",
    "Imported",
    "ImportedSession",
    "ImportProblem",
    "Outcome",
    "OutcomeSource",
    "Session",
    "SessionEvent",
    "SessionEventKind",
    "SessionFilter",
    "SessionState",
    "Speaker",
    "Retention",
    "Snapshot",
    "StoreInfo",
]
