"""Erases content for good, shows that nobody changed the past, carries stores in and out."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from reverie import _chunks
from reverie._async.rpc import AsyncRpc, request_id
from reverie.memory.v1 import governance_pb2 as pb
from reverie.types import wire
from reverie.types.actor import ActorFilter
from reverie.types.governance import AuditEvent, HistoryCheck, ImportedStore, Redaction

if TYPE_CHECKING:
    from reverie._chunks import Source

_GOVERNANCE = "reverie.memory.v1.GovernanceService"


class AsyncGovernance:
    """For those who answer for the data. Needs the roles that the contract names."""

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc

    async def redact(
        self,
        store: str,
        *,
        reason: str,
        version_ids: Iterable[str] | None = None,
        path: str | None = None,
        regex: str | None = None,
        session: str | None = None,
        actor: ActorFilter | None = None,
        derived_from_session: str | None = None,
        dry_run: bool = False,
    ) -> Redaction:
        """Erases content, and what tells of it, from every version, fork, index and kept answer. It cannot be undone.

        Args:
            store: its id or handle. Exactly one of the next six says what is redacted.
            reason: kept in the receipt, one line; must not repeat what is redacted.
            version_ids: these versions, and all that share a content with one of them; at most 1,000.
            path: a path and all below it: every version that was ever there, and the path itself.
            regex: every version whose content matches.
            session: every version that a session wrote.
            actor: every version that an actor wrote.
            derived_from_session: every version with an origin that names a session.
            dry_run: counts, and changes nothing.

        Returns:
            The receipt: RUNNING where it takes long; it goes on by itself, and `redaction` tells how far it is.

        Raises:
            PreconditionError: the store, or one of its family, is held (LEGAL_HOLD).
        """
        selector = pb.RedactionSelector(
            path=path, regex=regex, session=session, derived_from_session=derived_from_session
        )
        if version_ids is not None:
            selector.version_ids.CopyFrom(pb.RedactionSelector.VersionIds(ids=list(version_ids)))
        if actor is not None:
            selector.actor.CopyFrom(actor.to_proto())
        given = (version_ids, path, regex, session, actor, derived_from_session)
        if sum(one is not None for one in given) != 1:
            raise ValueError("give exactly one of version_ids, path, regex, session, actor and derived_from_session")
        request = pb.RedactRequest(
            store=store, selector=selector, reason=reason, dry_run=dry_run, request_id=request_id()
        )
        answer = await self._rpc.unary(f"{_GOVERNANCE}/Redact", request, pb.RedactResponse)
        return Redaction.from_proto(answer.redaction)

    async def redaction(self, redaction_id: str) -> Redaction:
        """A redaction's receipt (redact_...)."""
        request = pb.GetRedactionRequest(redaction=redaction_id)
        answer = await self._rpc.unary(f"{_GOVERNANCE}/GetRedaction", request, pb.GetRedactionResponse)
        return Redaction.from_proto(answer.redaction)

    async def redactions(self, store: str) -> AsyncIterator[Redaction]:
        """Those that were asked for of a store, newest first, without their versions."""
        request = pb.ListRedactionsRequest(store=store)
        async for page in self._rpc.pages(f"{_GOVERNANCE}/ListRedactions", request, pb.ListRedactionsResponse):
            for redaction in page.redactions:
                yield Redaction.from_proto(redaction)

    async def verify(self, store: str) -> HistoryCheck:
        """Recomputes a store's hash chain from the first commit to the head."""
        request = pb.VerifyHistoryRequest(store=store)
        answer = await self._rpc.unary(f"{_GOVERNANCE}/VerifyHistory", request, pb.VerifyHistoryResponse)
        return HistoryCheck.from_proto(answer)

    async def audit(
        self,
        *,
        store: str = "",
        principal: str = "",
        action: str = "",
        refused_only: bool = False,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
    ) -> AsyncIterator[AuditEvent]:
        """What was administered and redacted in the workspace, and who was refused what, newest first."""
        request = pb.ListAuditEventsRequest(
            store=store,
            principal=principal,
            action=action,
            refused_only=refused_only,
            start_time=wire.to_time(start_time),
            end_time=wire.to_time(end_time),
        )
        async for page in self._rpc.pages(f"{_GOVERNANCE}/ListAuditEvents", request, pb.ListAuditEventsResponse):
            for event in page.events:
                yield AuditEvent.from_proto(event)

    async def export(
        self,
        store: str,
        target: str | os.PathLike[str] | BinaryIO,
        *,
        format: str = "tar_zst",  # noqa: A002 - the contract's word
        with_history: bool = False,
        revision: int = 0,
    ) -> int:
        """Writes a store into a file. The same store at the same revision gives the same bytes.

        Args:
            store: its id or handle.
            target: a file's name, which it has once it is whole; or an open binary file.
            format: tar_zst, jsonl or git_fast_export.
            with_history: all commits up to the revision, not only what it holds.
            revision: 0 is the head.

        Returns:
            The revision that was exported.
        """
        request = pb.ExportStoreRequest(
            store=store, revision=revision, format=_format(format), with_history=with_history
        )
        if not isinstance(target, str | os.PathLike):
            return await self._export_into(request, target)
        path = Path(target)
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as file:
                read_revision = await self._export_into(request, file)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return read_revision

    async def _export_into(self, request: pb.ExportStoreRequest, file: BinaryIO) -> int:
        read_revision = 0
        method = f"{_GOVERNANCE}/ExportStore"
        async for message in self._rpc.stream(method, request, pb.ExportStoreResponse, deadline=False):
            read_revision = message.read_revision or read_revision
            file.write(message.chunk)
        return read_revision

    async def import_store(
        self,
        source: Source,
        handle: str = "",
        *,
        name: str = "",
        description: str = "",
        format: str = "",  # noqa: A002 - the contract's word
        git_branch: str = "",
    ) -> ImportedStore:
        """Makes a store of an exported file, of a directory as a tar, or of what `git fast-export` writes.

        Nothing is made where a record is refused, and the error names it. Who wrote it, as the file says, is kept as a
        claim beside who imported it.

        Args:
            source: a file's name, its bytes, or an open binary file.
            handle: made from the name where empty.
            name: what the file says where empty.
            description: what the file says where empty.
            format: tar_zst, jsonl or git_fast_export; told from the bytes where empty.
            git_branch: of a git repository; main, master or trunk where empty.
        """
        header = pb.ImportStoreHeader(
            handle=handle,
            name=name,
            description=description,
            format=_format(format),
            request_id=request_id(),
            git_branch=git_branch,
        )
        read = _chunks.chunks(source)

        def parts() -> Iterator[pb.ImportStoreRequest]:
            yield pb.ImportStoreRequest(header=header)
            for chunk in read():
                yield pb.ImportStoreRequest(chunk=chunk)

        answer = await self._rpc.upload(f"{_GOVERNANCE}/ImportStore", parts, pb.ImportStoreResponse)
        return ImportedStore.from_proto(answer)


def _format(name: str) -> str:
    names = [n.removeprefix("EXPORT_FORMAT_").lower() for n in pb.ExportFormat.keys()[1:]]
    if name and name not in names:
        raise ValueError(f"format: {name!r} is none of {', '.join(names)}")
    return f"EXPORT_FORMAT_{name.upper() or 'UNSPECIFIED'}"
