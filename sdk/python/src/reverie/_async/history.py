"""What was in a store, who changed it, and back to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterable

from reverie._async.rpc import AsyncRpc, request_id
from reverie.memory.v1 import commit_pb2, history_pb2, store_pb2
from reverie.types import wire
from reverie.types.actor import ActorFilter
from reverie.types.commit import ChangeKind, Commit, Committed, Version
from reverie.types.history import BlameRange, Diff, Merged, VersionContent
from reverie.types.store import Snapshot

_HISTORY = "reverie.memory.v1.HistoryService"


class AsyncStoreHistory:
    """The part of `Store` that is about its past."""

    def __init__(self, rpc: AsyncRpc, name: str) -> None:
        self._rpc = rpc
        #: The id or handle that it was asked for by.
        self.name = name

    async def log(
        self,
        path: str = "",
        *,
        actor: ActorFilter | None = None,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
        revision: int = 0,
    ) -> AsyncIterator[Commit]:
        """Commits, newest first; with a path those that touch it or anything below it."""
        request = history_pb2.ListCommitsRequest(
            store=self.name,
            path=path,
            actor=actor.to_proto() if actor else None,
            start_time=wire.to_time(start_time),
            end_time=wire.to_time(end_time),
            revision=revision,
        )
        async for page in self._rpc.pages(f"{_HISTORY}/ListCommits", request, history_pb2.ListCommitsResponse):
            for commit in page.commits:
                yield Commit.from_proto(commit)

    async def commit_at(self, revision: int) -> Commit:
        """One commit."""
        request = history_pb2.GetCommitRequest(store=self.name, revision=revision)
        answer = await self._rpc.unary(f"{_HISTORY}/GetCommit", request, history_pb2.GetCommitResponse)
        return Commit.from_proto(answer.commit)

    async def versions(
        self,
        path: str = "",
        *,
        kinds: Iterable[ChangeKind | str] = (),
        actor: ActorFilter | None = None,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
    ) -> AsyncIterator[Version]:
        """The versions of the memory at a path, or with an id (mem_...), or of all, newest first; of these kinds."""
        request = history_pb2.ListVersionsRequest(
            store=self.name,
            kinds=[wire.name(ChangeKind, "CHANGE_KIND_", kind) for kind in kinds],
            actor=actor.to_proto() if actor else None,
            start_time=wire.to_time(start_time),
            end_time=wire.to_time(end_time),
        )
        if path.startswith("mem_"):
            request.memory_id = path
        elif path:
            request.path = path
        method = f"{_HISTORY}/ListVersions"
        async for page in self._rpc.pages(method, request, history_pb2.ListVersionsResponse):
            for version in page.versions:
                yield Version.from_proto(version)

    async def version(self, version_id: str) -> VersionContent:
        """One version with its content."""
        request = history_pb2.GetVersionRequest(store=self.name, version_id=version_id)
        answer = await self._rpc.unary(f"{_HISTORY}/GetVersion", request, history_pb2.GetVersionResponse)
        version = Version.from_proto(answer.version)
        gone = version.redacted or version.expired or answer.version.kind == commit_pb2.CHANGE_KIND_DELETED
        return VersionContent(version, None if gone else answer.content)

    async def diff(self, base: int | Snapshot, target: int | Snapshot = 0, *, glob: str = "", context: int = 3) -> Diff:
        """What changed between two revisions of this store, or between snapshots of its family of forks.

        `str()` of the answer is a unified diff.
        """
        request = history_pb2.DiffRequest(
            base=self._snapshot(base), target=self._snapshot(target), path_glob=glob, context_lines=context
        )
        return Diff.from_proto(await self._rpc.unary(f"{_HISTORY}/Diff", request, history_pb2.DiffResponse))

    def _snapshot(self, at: int | Snapshot) -> store_pb2.StoreSnapshot:
        return (Snapshot(self.name, at) if isinstance(at, int) else at).to_proto()

    async def blame(self, path: str, *, revision: int = 0) -> list[BlameRange]:
        """For each range of lines, the commit that brought it in and where it came from."""
        request = history_pb2.BlameRequest(store=self.name, path=path, revision=revision)
        answer = await self._rpc.unary(f"{_HISTORY}/Blame", request, history_pb2.BlameResponse)
        return [BlameRange.from_proto(r) for r in answer.ranges]

    async def restore(
        self,
        to_revision: int,
        paths: Iterable[str] | None = None,
        *,
        expected_revision: int | None = None,
        message: str = "",
    ) -> Committed:
        """Makes paths, or with None the whole store, as they were at a revision, by one new commit."""
        request = history_pb2.RestoreRequest(
            store=self.name,
            to_revision=to_revision,
            paths=list(paths or ()),
            all=paths is None,
            message=message,
            request_id=request_id(),
            expected_revision=expected_revision,
        )
        answer = await self._rpc.unary(f"{_HISTORY}/Restore", request, history_pb2.RestoreResponse)
        return Committed(answer.revision, tuple(Version.from_proto(v) for v in answer.versions), answer.no_op)

    async def merge(
        self,
        source: str | Snapshot,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        expected_revision: int | None = None,
        dry_run: bool = False,
        message: str = "",
    ) -> Merged:
        """Brings what changed in a fork into this store, as one commit.

        Args:
            source: the fork, at its head or at a revision.
            include: only these paths and all below them; empty is all.
            exclude: not these paths and what is below them.
            expected_revision: what this store's head must be.
            dry_run: judge and answer, write nothing.
            message: why, for the history.

        Raises:
            ConflictError: both sides changed the same lines; `merge_conflicts` has the three texts of each path.
        """
        snapshot = Snapshot(source) if isinstance(source, str) else source
        request = history_pb2.MergeRequest(
            source=snapshot.to_proto(),
            target_store=self.name,
            include_paths=list(include),
            exclude_paths=list(exclude),
            expected_target_revision=expected_revision,
            dry_run=dry_run,
            message=message,
            request_id=request_id(),
        )
        answer = await self._rpc.unary(f"{_HISTORY}/Merge", request, history_pb2.MergeResponse)
        return Merged(
            answer.revision,
            tuple(Version.from_proto(v) for v in answer.versions),
            answer.no_op,
            Snapshot(answer.base.store, answer.base.revision),
        )
