"""Dreams: started, followed, reviewed, adopted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from reverie._async.rpc import AsyncRpc, request_id
from reverie._async.watch import AsyncDreamWatch
from reverie.dream.v1 import dream_pb2 as pb
from reverie.types import wire
from reverie.types.change import Change, Decision, Evidence, OpenedEvidence
from reverie.types.dream import Adopted, Budget, Dream, DreamSessions, DreamState, Engine

_DREAMS = "reverie.dream.v1.DreamService"


class AsyncDreams:
    """Durable jobs that read many sessions beside a store and propose a better store.

    A dream is named by its id, or by what `create` or `get` returned.
    """

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc

    async def create(
        self,
        store: str,
        sessions: Iterable[str] | DreamSessions | None = None,
        *,
        engine: Engine | str = Engine.UNKNOWN,
        model: str = "",
        instructions: str = "",
        budget: Budget | None = None,
    ) -> Dream:
        """Starts a dream beside a store's head.

        Args:
            store: its id or handle. It is never written: the dream's output is a fork.
            sessions: their ids, or what they must match; None takes those that were attached to the store.
            engine: CLASSIC needs no model; where it is not given, HYBRID where a model is configured.
            model: of the LLM and HYBRID engines.
            instructions: what to look for.
            budget: what it may use.
        """
        selector = pb.SessionSelector()
        if sessions is None or isinstance(sessions, DreamSessions):
            selector.filter.CopyFrom((sessions or DreamSessions(attached_only=True)).to_proto())
        else:
            selector.ids.CopyFrom(pb.SessionIds(ids=list(sessions)))
        request = pb.CreateDreamRequest(
            store=store,
            sessions=selector,
            engine=wire.name(Engine, "ENGINE_", engine),
            model=model,
            instructions=instructions,
            budget=budget.to_proto() if budget else None,
            request_id=request_id(),
        )
        return Dream.from_proto(
            (await self._rpc.unary(f"{_DREAMS}/CreateDream", request, pb.CreateDreamResponse)).dream
        )

    async def get(self, dream: str | Dream) -> Dream:
        """A dream as it is now."""
        request = pb.GetDreamRequest(dream=_id(dream))
        return Dream.from_proto((await self._rpc.unary(f"{_DREAMS}/GetDream", request, pb.GetDreamResponse)).dream)

    async def list(self, *, store: str = "", states: Iterable[DreamState | str] = ()) -> AsyncIterator[Dream]:
        """Dreams, newest first."""
        names = [wire.name(DreamState, "DREAM_STATE_", state) for state in states]
        request = pb.ListDreamsRequest(store=store, states=names)
        async for page in self._rpc.pages(f"{_DREAMS}/ListDreams", request, pb.ListDreamsResponse):
            for dream in page.dreams:
                yield Dream.from_proto(dream)

    def watch(self, dream: str | Dream) -> AsyncDreamWatch:
        """The dream whenever it changes, until it has ended. See `Watch`."""
        return AsyncDreamWatch(self._rpc, _id(dream))

    async def wait(self, dream: str | Dream, on_progress: Callable[[Dream], None] | None = None) -> Dream:
        """Waits until a dream has ended, for as long as that takes, and tells of each change on the way.

        Look at the state of what it returns: SUCCEEDED, NEEDS_REVIEW, FAILED or CANCELED.
        """
        async with self.watch(dream) as watch:
            async for now in watch:
                if on_progress is not None:
                    on_progress(now)
                if now.state.ended:
                    return now
        return await self.get(dream)

    async def cancel(self, dream: str | Dream) -> Dream:
        """Ends a dream that runs."""
        request = pb.CancelDreamRequest(dream=_id(dream))
        return Dream.from_proto(
            (await self._rpc.unary(f"{_DREAMS}/CancelDream", request, pb.CancelDreamResponse)).dream
        )

    async def changes(self, dream: str | Dream) -> AsyncIterator[Change]:
        """What it proposes, by path, each change with its evidence."""
        request = pb.ListChangesRequest(dream=_id(dream))
        async for page in self._rpc.pages(f"{_DREAMS}/ListChanges", request, pb.ListChangesResponse):
            for change in page.changes:
                yield Change.from_proto(change)

    async def evidence(self, dream: str | Dream, evidence: Evidence) -> OpenedEvidence:
        """The quoted events behind a piece of evidence, checked against its hash."""
        request = pb.GetEvidenceRequest(dream=_id(dream), evidence=evidence.proto)
        answer = await self._rpc.unary(f"{_DREAMS}/GetEvidence", request, pb.GetEvidenceResponse)
        return OpenedEvidence.from_proto(answer)

    async def review(
        self, dream: str | Dream, change: str | Change, decision: Decision | str, *, note: str = ""
    ) -> Change:
        """Accepts or rejects one change. A rejected one is never adopted."""
        request = pb.ReviewChangeRequest(
            dream=_id(dream),
            change=change.id if isinstance(change, Change) else change,
            decision=wire.name(Decision, "REVIEW_DECISION_", decision),
            note=note,
        )
        answer = await self._rpc.unary(f"{_DREAMS}/ReviewChange", request, pb.ReviewChangeResponse)
        return Change.from_proto(answer.change)

    async def adopt(
        self,
        dream: str | Dream,
        *,
        accepted_only: bool = False,
        expected_revision: int | None = None,
        dry_run: bool = False,
        message: str = "",
    ) -> Adopted:
        """Merges the changes that are not rejected into the input store, as one commit. Twice is once.

        Args:
            dream: the dream.
            accepted_only: only changes that were accepted, with what they depend on.
            expected_revision: what the store's head must be.
            dry_run: judge and answer, write nothing.
            message: why, for the history.

        Raises:
            ConflictError: the store was changed in the same lines meanwhile; nothing was applied.
            PreconditionError: the dream has nothing to adopt: it runs, failed, or was discarded.
        """
        request = pb.AdoptDreamRequest(
            dream=_id(dream),
            changes="ADOPT_SELECTION_ACCEPTED" if accepted_only else "ADOPT_SELECTION_ALL",
            expected_target_revision=expected_revision,
            dry_run=dry_run,
            request_id=request_id(),
            message=message,
        )
        answer = await self._rpc.unary(f"{_DREAMS}/AdoptDream", request, pb.AdoptDreamResponse)
        return Adopted(Dream.from_proto(answer.dream), answer.revision, tuple(answer.adopted_changes), answer.no_op)

    async def discard(self, dream: str | Dream) -> Dream:
        """Gives a proposal up; its output store is deleted."""
        request = pb.DiscardDreamRequest(dream=_id(dream))
        return Dream.from_proto(
            (await self._rpc.unary(f"{_DREAMS}/DiscardDream", request, pb.DiscardDreamResponse)).dream
        )


def _id(dream: str | Dream) -> str:
    return dream.id if isinstance(dream, Dream) else dream
