"""Who did it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from reverie.memory.v1 import commit_pb2 as pb
from reverie.memory.v1 import history_pb2
from reverie.types import wire


@dataclass(frozen=True)
class Claim:
    """Who wrote something and when, as an imported file says. Nobody vouches for it."""

    principal: str
    session: str
    agent: str
    tool_call: str
    on_behalf_of: str
    dream: str
    time: dt.datetime | None

    @classmethod
    def from_proto(cls, proto: pb.Claim) -> Claim:
        """From the message."""
        return cls(
            proto.principal,
            proto.session,
            proto.agent,
            proto.tool_call,
            proto.on_behalf_of,
            proto.dream,
            wire.time(proto, "time"),
        )


@dataclass(frozen=True)
class Actor:
    """Who did it, as the server tells by the credential; `tool_call` is the caller's word. Empty where unknown."""

    principal: str
    session: str
    agent: str
    tool_call: str
    on_behalf_of: str
    dream: str
    claim: Claim | None
    proto: pb.Actor = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Actor) -> Actor:
        """From the message."""
        return cls(
            proto.principal,
            proto.session,
            proto.agent,
            proto.tool_call,
            proto.on_behalf_of,
            proto.dream,
            Claim.from_proto(proto.claim) if proto.HasField("claim") else None,
            proto,
        )

    def __str__(self) -> str:
        parts = [self.agent or self.principal or "somebody"]
        parts += [f"session {self.session}"] if self.session else []
        parts += [f"dream {self.dream}"] if self.dream else []
        return ", ".join(parts)


@dataclass(frozen=True)
class ActorFilter:
    """Matches actors that have all that is set."""

    principal: str = ""
    session: str = ""
    agent: str = ""
    dream: str = ""

    def to_proto(self) -> history_pb2.ActorFilter:
        """The message."""
        return history_pb2.ActorFilter(
            principal=self.principal, session=self.session, agent=self.agent, dream=self.dream
        )
