"""LangGraph's long-term memory (`BaseStore`), kept in a store.

    import reverie
    from reverie.integrations.langgraph import ReverieStore

    graph = builder.compile(store=ReverieStore(reverie.Client().store("team-sre"), root="/langgraph"))

An item of the namespace ("users", "ana") with the key "food" is the memory /users/ana/food.json: people read it, dreams
tidy it, its history tells who wrote what. A key that ends in .md or .txt is the memory of that name itself, and its
value `{"content": text}`: so agents see what people and dreams write.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from reverie._sync.store import Store
from reverie.errors import NotFoundError
from reverie.types.memory import Memory
from reverie.types.operation import Delete, Operation, Write

__all__ = ["ReverieStore"]

_JSON = ".json"
_TEXT = (".md", ".txt")
#: Hits of one search.
_HITS_MAX = 100
#: Commits of one batch of deletions that others may win.
_TRIES = 20


class ReverieStore(BaseStore):
    """LangGraph's items as memories. The puts of one batch are one commit; the last writer of a key wins.

    Values are JSON of at most 102,400 bytes. There is no time to live, and `index` changes nothing: a query is answered
    by the store's full-text search, over the 100 items that match it best.

    Args:
        store: the store; its client may be shared by threads. The asyncio methods call it from a thread.
        root: only what is below this path of the store.
    """

    supports_ttl = False

    def __init__(self, store: Store, *, root: str = "/") -> None:
        self._store = store
        self._root = root.rstrip("/")

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carries operations out: first all reads, then all puts."""
        asked = list(ops)
        paths = {n: self._path(op.namespace, op.key) for n, op in enumerate(asked) if isinstance(op, GetOp)}
        found = self._store.read_many(paths.values()) if paths else {}
        results: list[Result] = []
        puts: dict[str, PutOp] = {}
        for n, op in enumerate(asked):
            if isinstance(op, GetOp):
                memory = found.get(paths[n])
                results.append(self._item(memory) if memory else None)
            elif isinstance(op, SearchOp):
                results.append(self._search(op))
            elif isinstance(op, ListNamespacesOp):
                results.append(self._namespaces(op))
            elif isinstance(op, PutOp):
                puts[self._path(op.namespace, op.key)] = op
                results.append(None)
            else:
                raise TypeError(f"{type(op).__name__} is no operation that this store knows")
        if puts:
            self._put(puts)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`, in a thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    # --- Where an item is -------------------------------------------------------------------------

    def _path(self, namespace: Sequence[str], key: str) -> str:
        if not key:
            raise ValueError("key: it is empty")
        name = key if key.endswith(_TEXT) else f"{key}{_JSON}"
        return "/".join([self._root, *map(_segment, namespace), _segment(name)])

    def _prefix(self, namespace: Sequence[str]) -> str:
        return "/".join([self._root, *map(_segment, namespace)])

    def _place(self, path: str) -> tuple[tuple[str, ...], str] | None:
        """The namespace and key that a path stands for; None where it is no item's."""
        *folders, name = path[len(self._root) + 1 :].split("/")
        if not name.endswith((_JSON, *_TEXT)):
            return None
        return tuple(map(unquote, folders)), unquote(name.removesuffix(_JSON))

    def _item(self, memory: Memory) -> Item | None:
        place = self._place(memory.path)
        if place is None or memory.content is None:
            return None
        value: Any = {"content": memory.content}
        if memory.path.endswith(_JSON):
            try:
                value = json.loads(memory.content)
            except ValueError:
                return None
        if not isinstance(value, dict) or memory.create_time is None or memory.update_time is None:
            return None
        return Item(
            value=value,
            key=place[1],
            namespace=place[0],
            created_at=memory.create_time,
            updated_at=memory.update_time,
        )

    # --- Operations -------------------------------------------------------------------------------

    def _put(self, puts: dict[str, PutOp]) -> None:
        writes: list[Operation] = [
            Write(path, _text(op.key, op.value)) for path, op in puts.items() if op.value is not None
        ]
        gone = [path for path, op in puts.items() if op.value is None]
        for tries_left in reversed(range(_TRIES)):
            # Deleting what is not there is no error in LangGraph.
            there = self._store.read_many(gone) if gone else {}
            operations = writes + [Delete(path) for path in there]
            if not operations:
                return
            try:
                self._store.commit(operations)
                return
            except NotFoundError:
                if tries_left == 0:
                    raise

    def _search(self, op: SearchOp) -> list[SearchItem]:
        found: list[tuple[float | None, Item]] = []
        for score, memory in self._candidates(op):
            item = self._item(memory)
            if item is not None and all(_matches(item.value.get(k), v) for k, v in (op.filter or {}).items()):
                found.append((score, item))
        return [
            SearchItem(
                namespace=item.namespace,
                key=item.key,
                value=item.value,
                created_at=item.created_at,
                updated_at=item.updated_at,
                score=score,
            )
            for score, item in found[op.offset : op.offset + op.limit]
        ]

    def _candidates(self, op: SearchOp) -> Iterable[tuple[float | None, Memory]]:
        prefix = self._prefix(op.namespace_prefix)
        words = " ".join(re.findall(r"\w+", op.query or ""))
        if not words:
            return ((None, memory) for memory in self._store.list(prefix, contents=True))
        hits = self._store.search(words, prefix=prefix, limit=_HITS_MAX)
        memories = self._store.read_many(hit.path for hit in hits)
        return [(hit.score, memories[hit.path]) for hit in hits if hit.path in memories]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for memory in self._store.list(self._root):
            place = self._place(memory.path)
            if place is None or not place[0]:
                continue
            if all(_is_match(condition, place[0]) for condition in op.match_conditions or ()):
                found.add(place[0][: op.max_depth] if op.max_depth else place[0])
        return sorted(found)[op.offset : op.offset + op.limit]


def _segment(name: str) -> str:
    """A part of a path that stands for a name: letters as they are, what a path may not hold as %XX."""
    if name in (".", ".."):
        return name.replace(".", "%2E")
    return quote(name, safe=" !#$&'()+,;=@[]{}^~") if name.isascii() else quote(name, safe=" ")


def _text(key: str, value: Mapping[str, Any]) -> str:
    if key.endswith(_TEXT):
        content = value.get("content")
        if not isinstance(content, str) or len(value) != 1:
            raise ValueError(f'{key}: the value of a key that ends in .md or .txt is {{"content": text}}')
        return content
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _matches(value: Any, wanted: Any) -> bool:
    """Whether a value is what a filter wants: equal, or as its operators say."""
    if isinstance(wanted, dict):
        if any(str(key).startswith("$") for key in wanted):
            return all(_compare(value, operator, operand) for operator, operand in wanted.items())
        return isinstance(value, dict) and all(_matches(value.get(key), part) for key, part in wanted.items())
    if isinstance(wanted, list | tuple):
        same = isinstance(value, list | tuple) and len(value) == len(wanted)
        return same and all(_matches(v, w) for v, w in zip(value, wanted, strict=True))
    return bool(value == wanted)


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    try:
        order = float(value) - float(operand)
    except (TypeError, ValueError):
        # What is not there, or is no number, is neither more nor less.
        return False
    if operator == "$gt":
        return order > 0
    if operator == "$gte":
        return order >= 0
    if operator == "$lt":
        return order < 0
    if operator == "$lte":
        return order <= 0
    raise ValueError(f"filter: {operator} is none of $eq, $ne, $gt, $gte, $lt, $lte")


def _is_match(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    wanted = condition.path
    if len(wanted) > len(namespace):
        return False
    if not wanted:
        return True
    part = namespace[: len(wanted)] if condition.match_type == "prefix" else namespace[-len(wanted) :]
    return all(w in ("*", n) for w, n in zip(wanted, part, strict=True))
