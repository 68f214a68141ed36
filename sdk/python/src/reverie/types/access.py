"""Tokens and attachments: who may do what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from reverie.memory.v1 import access_pb2 as pb
from reverie.types import wire


class Role(str, Enum):
    """What a token may do; each may do what those above it may."""

    UNKNOWN = "unknown"
    #: Reads stores, sessions and dreams.
    READER = "reader"
    #: Also writes memories, records sessions, starts dreams.
    WRITER = "writer"
    #: Also reviews and adopts dreams, redacts, deletes.
    CURATOR = "curator"
    #: Also administers stores and tokens.
    ADMIN = "admin"


class Access(str, Enum):
    """How a store is given."""

    UNKNOWN = "unknown"
    READ_ONLY = "read_only"
    READ_WRITE = "read_write"


@dataclass(frozen=True)
class Grant:
    """Access to one store, or to the part of it at or below `path_prefix`."""

    #: A store's id or handle; in answers always the id.
    store: str
    access: Access | str = Access.READ_WRITE
    #: Empty means the whole store.
    path_prefix: str = ""

    def to_proto(self) -> pb.Grant:
        """The message."""
        return pb.Grant(store=self.store, access=_access(self.access), path_prefix=self.path_prefix)


@dataclass(frozen=True)
class Scope:
    """What a token may do, and where: the stores of its grants, or all of the workspace."""

    role: Role | str
    grants: Sequence[Grant] = ()
    all_stores: bool = False

    def to_proto(self) -> pb.Scope:
        """The message."""
        role = wire.name(Role, "ROLE_", self.role)
        return pb.Scope(role=role, grants=[g.to_proto() for g in self.grants], all_stores=self.all_stores)

    @classmethod
    def from_proto(cls, proto: pb.Scope) -> Scope:
        """From the message."""
        grants = tuple(
            Grant(g.store, wire.enum(Access, pb.Access, "ACCESS_", g.access), g.path_prefix) for g in proto.grants
        )
        return cls(wire.enum(Role, pb.Role, "ROLE_", proto.role), grants, proto.all_stores)


@dataclass(frozen=True)
class Token:
    """What is known of a credential; never the credential itself."""

    id: str
    #: The name that commits made with it carry as principal.
    subject: str
    scope: Scope
    session: str
    agent: str
    dream: str
    create_time: dt.datetime | None
    expire_time: dt.datetime | None
    revoke_time: dt.datetime | None
    proto: pb.Token = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Token) -> Token:
        """From the message."""
        return cls(
            id=proto.id,
            subject=proto.subject,
            scope=Scope.from_proto(proto.scope),
            session=proto.session,
            agent=proto.agent,
            dream=proto.dream,
            create_time=wire.time(proto, "create_time"),
            expire_time=wire.time(proto, "expire_time"),
            revoke_time=wire.time(proto, "revoke_time"),
            proto=proto,
        )


@dataclass(frozen=True)
class IssuedToken:
    """A new token."""

    token: Token
    #: The credential itself: shown once, kept nowhere.
    secret: str = field(repr=False)


@dataclass(frozen=True)
class WhoAmI:
    """What a credential stands for."""

    workspace: str
    token: Token
    #: What is in force now: the token's grants, joined with its session's attachments.
    effective_scope: Scope


@dataclass(frozen=True)
class Attachment:
    """A session's access to one store."""

    #: A store's id or handle; in answers always the id.
    store: str
    access: Access | str = Access.READ_WRITE
    #: Empty means the whole store.
    path_prefix: str = ""
    #: What the agent is told about the store.
    instructions: str = ""
    #: Where a mount shows the store; the handle where empty.
    mount_path: str = ""
    #: Only in answers.
    store_handle: str = ""

    def to_proto(self) -> pb.Attachment:
        """The message."""
        return pb.Attachment(
            store=self.store,
            access=_access(self.access),
            path_prefix=self.path_prefix,
            instructions=self.instructions,
            mount_path=self.mount_path,
        )

    @classmethod
    def from_proto(cls, proto: pb.Attachment) -> Attachment:
        """From the message."""
        return cls(
            proto.store,
            wire.enum(Access, pb.Access, "ACCESS_", proto.access),
            proto.path_prefix,
            proto.instructions,
            proto.mount_path,
            proto.store_handle,
        )


@dataclass(frozen=True)
class Attached:
    """What a session was given."""

    attachments: tuple[Attachment, ...]
    #: What to tell the agent: which stores it has, where, and how to use them.
    prompt_note: str
    #: The session's credential; None where it had one and no new one was asked for.
    secret: str | None = field(default=None, repr=False)
    token: Token | None = None


def _access(access: Access | str) -> str:
    return wire.name(Access, "ACCESS_", access)
