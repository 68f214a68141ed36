"""What a search found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from reverie.memory.v1 import search_pb2 as pb
from reverie.types import wire


@dataclass(frozen=True)
class SearchLine:
    """A line of a memory that matches."""

    #: From 1.
    number: int
    #: A line of more than 240 bytes is cut around its first match.
    text: str
    #: What of the text matches, as ranges of its UTF-8 bytes.
    matches: tuple[range, ...]


@dataclass(frozen=True)
class SearchHit:
    """A memory that a query is about."""

    #: As the call names it.
    store: str
    path: str
    memory_id: str
    #: The commit that last touched the memory.
    revision: int
    update_time: dt.datetime | None
    #: Comparable within one answer.
    score: float
    #: At most 3, those that match best.
    lines: tuple[SearchLine, ...]
    proto: pb.SearchResult = field(repr=False, compare=False)

    @classmethod
    def from_proto(cls, proto: pb.SearchResult) -> SearchHit:
        """From the message."""
        lines = tuple(
            SearchLine(line.number, line.text, tuple(range(m.start, m.end) for m in line.matches))
            for line in proto.lines
        )
        return cls(
            store=proto.store,
            path=proto.path,
            memory_id=proto.memory_id,
            revision=proto.revision,
            update_time=wire.time(proto, "update_time"),
            score=proto.score,
            lines=lines,
            proto=proto,
        )


@dataclass(frozen=True)
class SearchResult:
    """What a search found, best first. Iterates over its hits."""

    hits: tuple[SearchHit, ...]
    #: The revision of each store that was searched, by the store as the call names it.
    revisions: dict[str, int]
    #: More memories match than are given.
    more: bool

    @classmethod
    def from_proto(cls, proto: pb.SearchResponse) -> SearchResult:
        """From the message."""
        hits = tuple(SearchHit.from_proto(r) for r in proto.results)
        return cls(hits, {s.store: s.revision for s in proto.searched}, proto.more)

    def __iter__(self) -> Iterator[SearchHit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)
