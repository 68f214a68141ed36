"""Stores: named sets of memories with one revision counter each."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from reverie.memory.v1 import store_pb2 as pb
from reverie.types import wire


@dataclass(frozen=True)
class Snapshot:
    """One store at one revision. A revision of 0 means the head."""

    store: str
    revision: int = 0

    def to_proto(self) -> pb.StoreSnapshot:
        """The message."""
        return pb.StoreSnapshot(store=self.store, revision=self.revision)


@dataclass(frozen=True)
class Retention:
    """How long contents of the past are kept. What the head, a fork or a tag needs is kept whatever this says."""

    #: The newest versions of each memory that are kept whatever their age.
    versions_min: int = 0
    #: Contents are erased once they have not been the newest for so many days; 0 keeps them for ever.
    max_age_days: int = 0
    #: Nothing of the store is erased, by nobody.
    legal_hold: bool = False

    def to_proto(self) -> pb.Retention:
        """The message."""
        return pb.Retention(versions_min=self.versions_min, max_age_days=self.max_age_days, legal_hold=self.legal_hold)


@dataclass(frozen=True)
class StoreInfo:
    """What a store says of itself."""

    id: str
    #: A slug, unique in the workspace.
    handle: str
    name: str
    description: str
    metadata: dict[str, str]
    #: The number of the newest commit; 0 for a store without commits.
    head_revision: int
    memory_count: int
    #: The summed size of the memories at head, in bytes.
    content_bytes: int
    forked_from: Snapshot | None
    retention: Retention
    create_time: dt.datetime | None
    update_time: dt.datetime | None
    archive_time: dt.datetime | None
    delete_time: dt.datetime | None
    #: Changes whenever the store's row changes.
    etag: str
    proto: pb.Store = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.Store) -> StoreInfo:
        """From the message."""
        forked = proto.forked_from
        kept = proto.retention
        return cls(
            id=proto.id,
            handle=proto.handle,
            name=proto.name,
            description=proto.description,
            metadata=dict(proto.metadata),
            head_revision=proto.head_revision,
            memory_count=proto.memory_count,
            content_bytes=proto.content_bytes,
            forked_from=Snapshot(forked.store, forked.revision) if proto.HasField("forked_from") else None,
            retention=Retention(kept.versions_min, kept.max_age_days, kept.legal_hold),
            create_time=wire.time(proto, "create_time"),
            update_time=wire.time(proto, "update_time"),
            archive_time=wire.time(proto, "archive_time"),
            delete_time=wire.time(proto, "delete_time"),
            etag=proto.etag,
            proto=proto,
        )
