"""What can go wrong: one class for each kind of error, by what the caller does next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from reverie.memory.v1 import history_pb2, memory_pb2
from reverie.types.actor import Actor

#: Where gRPC puts a google.rpc.Status.
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class Violation:
    """One field of a request that is wrong, and how to mend it."""

    #: As the contract names it, for example operations[2].write.path.
    field: str
    description: str


@dataclass(frozen=True)
class PolicyViolation:
    """One rule of a store's policy that a write breaks."""

    #: For example SECRETS or PROTECTED_PATHS.
    rule: str
    path: str
    #: What to do.
    description: str


@dataclass(frozen=True)
class PathConflict:
    """One precondition that does not hold, with what is needed to rebase at once."""

    #: Empty where the whole store's revision was expected to be another.
    path: str
    #: The commit that last touched the path; 0 where there is no memory; the head's number for a whole store.
    actual_revision: int
    #: Empty where there is no memory.
    actual_sha256: str
    actual_version_id: str
    #: Who wrote what stands there now.
    actual_actor: Actor
    #: What stands there now; None where there is no memory, and for contents of more than 100,000 bytes.
    actual_content: str | None
    #: What stands there is what the operation would have made.
    already_equal: bool
    proto: memory_pb2.CommitConflict

    @classmethod
    def from_proto(cls, proto: memory_pb2.CommitConflict) -> PathConflict:
        """From the message."""
        return cls(
            path=proto.path,
            actual_revision=proto.actual_revision,
            actual_sha256=proto.actual_sha256,
            actual_version_id=proto.actual_version_id,
            actual_actor=Actor.from_proto(proto.actual_actor),
            actual_content=proto.actual_content if proto.HasField("actual_content") else None,
            already_equal=proto.already_equal,
            proto=proto,
        )


@dataclass(frozen=True)
class MergeConflict:
    """A memory in which both sides changed the same lines. None where a side has no memory at the path."""

    path: str
    base: str | None
    ours: str | None
    theirs: str | None

    @classmethod
    def from_proto(cls, proto: history_pb2.MergeConflict) -> MergeConflict:
        """From the message."""
        base = proto.base if proto.HasField("base") else None
        ours = proto.ours if proto.HasField("ours") else None
        theirs = proto.theirs if proto.HasField("theirs") else None
        return cls(proto.path, base, ours, theirs)


class Error(Exception):
    """Anything that Reverie refused, or could not do. Its subclasses say what the caller does next."""

    #: The kind's name, as all of Reverie has it.
    kind: ClassVar[str] = "Internal"
    #: The reason where the server gives none.
    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        violations: Iterable[Violation] = (),
        policy_violations: Iterable[PolicyViolation] = (),
        metadata: dict[str, str] | None = None,
        retry_after: dt.timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        #: A stable code, for example COMMIT_CONFLICT.
        self.reason = reason or self.default_reason
        #: The fields of the request that are wrong.
        self.violations = tuple(violations)
        #: The rules of the store's policy that the write breaks.
        self.policy_violations = tuple(policy_violations)
        #: Facts for programs, for example expected_seq.
        self.metadata = metadata or {}
        #: How long the server wants to be left alone.
        self.retry_after = retry_after


class InvalidError(Error, ValueError):
    """The request is wrong in itself: mend the named fields (`violations`)."""

    kind = "Invalid"
    default_reason = "INVALID_FIELD"


class UnauthenticatedError(Error):
    """No credential, or one that is not valid: get another."""

    kind = "Unauthenticated"
    default_reason = "UNAUTHENTICATED"


class DeniedError(Error):
    """The credential does not allow it: ask for access."""

    kind = "Denied"
    default_reason = "ACCESS_DENIED"


class NotFoundError(Error):
    """It is absent, or invisible to the caller."""

    kind = "NotFound"
    default_reason = "NOT_FOUND"


class ExistsError(Error):
    """There is one already: choose another name, or use what is there."""

    kind = "Exists"
    default_reason = "ALREADY_EXISTS"


class PreconditionError(Error):
    """The thing's state does not allow it: change the state first."""

    kind = "Precondition"
    default_reason = "PRECONDITION"


class ConflictError(Error):
    """Somebody else was first: nothing was written. Read `conflicts`, rebase, try again."""

    kind = "Conflict"
    default_reason = "CONFLICT"

    #: What stands in the way of a commit, path by path.
    conflicts: tuple[PathConflict, ...] = ()
    #: What stands in the way of a merge, path by path.
    merge_conflicts: tuple[MergeConflict, ...] = ()

    @property
    def actual_content(self) -> str | None:
        """What stands at the path of the first conflict now."""
        return self.conflicts[0].actual_content if self.conflicts else None

    @property
    def actual_actor(self) -> Actor | None:
        """Who wrote what stands at the path of the first conflict now."""
        return self.conflicts[0].actual_actor if self.conflicts else None


class ExhaustedError(Error):
    """A limit is reached: wait (`retry_after`), or ask for less."""

    kind = "Exhausted"
    default_reason = "LIMIT_REACHED"


class DeadlineError(Error, TimeoutError):
    """It took too long. For writes the outcome is unknown: read before you write again."""

    kind = "Deadline"
    default_reason = "DEADLINE"


class CancelledError(Error):
    """The call was cancelled."""

    kind = "Cancelled"
    default_reason = "CANCELLED"


class UnavailableError(Error):
    """Not now, and not after some tries. For writes the outcome is unknown: read before you write again."""

    kind = "Unavailable"
    default_reason = "UNAVAILABLE"


class CorruptError(Error):
    """Stored data is damaged: an operator must look."""

    kind = "Corrupt"
    default_reason = "DATA_DAMAGED"


class InternalError(Error):
    """A defect: an operator must look."""


_KINDS: dict[grpc.StatusCode, type[Error]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: DeniedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ExistsError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.CANCELLED: CancelledError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: CorruptError,
}
#: Codes under which the transport reports a connection that broke.
_BROKEN = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED)
#: What this side's own gRPC says of calls that it ended itself.
_LOCAL = ("Locally cancelled", "Exception ", "Error ")


def from_rpc(error: grpc.RpcError) -> Error:
    """What a call's failure means, with all that the server said of it."""
    code, details, trailers = _status(error)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return InternalError("this server does not have the call: is it older than this SDK?", reason="UNIMPLEMENTED")
    packed = [value for key, value in trailers if key == _DETAILS and isinstance(value, bytes)]
    if not packed and code in _BROKEN and not details.startswith(_LOCAL):
        # No server said this: the connection broke, under whatever name the transport has for it.
        return UnavailableError(f"the connection broke: {details or code.name}")
    kind = _KINDS.get(code, InternalError)
    try:
        status = status_pb2.Status.FromString(packed[0]) if packed else status_pb2.Status()
    except DecodeError:
        status = status_pb2.Status()
    return _build(kind, details or code.name, status.details)


def _status(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, list[tuple[str, str | bytes]]]:
    """Code, message and trailers, which the two flavours of gRPC carry alike and type differently."""
    call: object = error
    code = getattr(call, "code", lambda: None)() or grpc.StatusCode.UNKNOWN
    details = getattr(call, "details", lambda: None)() or ""
    trailers = getattr(call, "trailing_metadata", lambda: None)() or ()
    return code, str(details), [(str(key), value) for key, value in trailers]


def _build(kind: type[Error], message: str, details: Iterable[Any]) -> Error:
    info = error_details_pb2.ErrorInfo()
    retry_after: dt.timedelta | None = None
    violations: list[Violation] = []
    policy: list[PolicyViolation] = []
    conflicts: list[PathConflict] = []
    merge_conflicts: list[MergeConflict] = []
    bad, refused = error_details_pb2.BadRequest(), error_details_pb2.PreconditionFailure()
    retry, conflict, merge = error_details_pb2.RetryInfo(), memory_pb2.CommitConflict(), history_pb2.MergeConflict()
    for detail in details:
        if detail.Unpack(info):
            continue
        if detail.Unpack(bad):
            violations += [Violation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(refused):
            policy += [PolicyViolation(v.type, v.subject, v.description) for v in refused.violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta()
        elif detail.Unpack(conflict):
            conflicts.append(PathConflict.from_proto(conflict))
            conflict = memory_pb2.CommitConflict()
        elif detail.Unpack(merge):
            merge_conflicts.append(MergeConflict.from_proto(merge))
    error = kind(
        message,
        reason=info.reason,
        violations=violations,
        policy_violations=policy,
        metadata=dict(info.metadata),
        retry_after=retry_after,
    )
    if isinstance(error, ConflictError):
        error.conflicts, error.merge_conflicts = tuple(conflicts), tuple(merge_conflicts)
    return error
