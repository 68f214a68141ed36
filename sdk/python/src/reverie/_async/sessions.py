"""Sessions: recorded, imported, read, given stores."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from reverie import _chunks
from reverie._async.recording import AsyncRecording
from reverie._async.rpc import AsyncRpc, request_id
from reverie._async.watch import AsyncSessionWatch
from reverie._backoff import WATCH_TRIES, Backoff
from reverie._net import aio
from reverie.errors import Error
from reverie.memory.v1 import access_pb2
from reverie.transcript.v1 import session_pb2
from reverie.transcript.v1 import transcript_pb2 as pb
from reverie.types import wire
from reverie.types.access import Attached, Attachment, Token
from reverie.types.session import Event, Imported, Outcome, Session, SessionFilter

if TYPE_CHECKING:
    from reverie._async.client import AsyncClient
    from reverie._chunks import Source

_TRANSCRIPTS = "reverie.transcript.v1.TranscriptService"
_ACCESS = "reverie.memory.v1.AccessService"


class AsyncSessions:
    """Recorded agent runs, which dreams read. A session is named by its id (sesn_...)."""

    def __init__(self, rpc: AsyncRpc, client: AsyncClient) -> None:
        self.rpc = rpc
        self._client = client

    def record(
        self,
        agent: str,
        *,
        agent_version: str = "",
        task_key: str = "",
        labels: Mapping[str, str] | None = None,
        attach: Iterable[str | Attachment] = (),
    ) -> AsyncRecording:
        """Records a run, as it runs.

            async with client.sessions.record("triage", task_key="pager-4812", attach=["team-sre"]) as run:
                await run.user("checkout is slow")
                call = await run.tool_call("kubectl", {"args": "get pods"})
                await run.tool_result(call, "OOMKilled")
                run.succeed()

        Events go out beside the agent. The block's end makes them durable and ends the session: with the outcome that
        was set, with none where none was, and as a failure where the block raised.

        Args:
            agent: the agent's name.
            agent_version: its version.
            task_key: names the task that is tried; sessions with the same key are compared with each other.
            labels: at most 16 pairs.
            attach: stores that the agent is given, at most 8: `run.client` acts as the session, `run.prompt_note` is
                what to tell the agent.
        """
        return AsyncRecording(
            self,
            self._client,
            agent=agent,
            agent_version=agent_version,
            task_key=task_key,
            labels=labels,
            attach=attach,
        )

    async def create(
        self,
        agent: str,
        *,
        agent_version: str = "",
        task_key: str = "",
        labels: Mapping[str, str] | None = None,
        attachments: Iterable[str] = (),
        session: str = "",
    ) -> Session:
        """Begins a session by hand: `append` and `end` go on with it. `record` does all of that.

        Args:
            agent: the agent's name.
            agent_version: its version.
            task_key: names the task that is tried.
            labels: at most 16 pairs.
            attachments: stores that it was given, for the record; `attach` gives access.
            session: an id of the caller's own (sesn_ and 26 characters); a new one where empty.
        """
        request = pb.CreateSessionRequest(
            session=session,
            agent=session_pb2.Agent(name=agent, version=agent_version),
            task_key=task_key,
            labels=labels,
            attachments=list(attachments),
            request_id=request_id(),
        )
        answer = await self.rpc.unary(f"{_TRANSCRIPTS}/CreateSession", request, pb.CreateSessionResponse)
        return Session.from_proto(answer.session)

    async def append(self, session: str, first_seq: int, events: Iterable[Event]) -> int:
        """Appends events durably: at most 1,000 and 8 MiB. Those that are there already are acknowledged.

        Returns:
            The number up to which all is durable.

        Raises:
            PreconditionError: events are missing before these (SEQ_GAP; `metadata["expected_seq"]` says which), or the
                session has ended (SESSION_ENDED).
        """
        request = pb.AppendEventsRequest(session=session, first_seq=first_seq, events=[e.to_proto() for e in events])
        answer = await self.rpc.unary(f"{_TRANSCRIPTS}/AppendEvents", request, pb.AppendEventsResponse)
        return answer.durable_seq

    async def end(self, session: str, outcome: Outcome | None = None, *, last_seq: int | None = None) -> Session:
        """Closes the log. Again with the same outcome is the same.

        Args:
            session: its id.
            outcome: how the run ended; None where nobody knows.
            last_seq: refuse to end the log anywhere else.
        """
        request = pb.EndSessionRequest(
            session=session, outcome=outcome.to_proto() if outcome else None, last_seq=last_seq
        )
        answer = await self.rpc.unary(f"{_TRANSCRIPTS}/EndSession", request, pb.EndSessionResponse)
        return Session.from_proto(answer.session)

    async def get(self, session: str) -> Session:
        """What is known of a session."""
        request = pb.GetSessionRequest(session=session)
        answer = await self.rpc.unary(f"{_TRANSCRIPTS}/GetSession", request, pb.GetSessionResponse)
        return Session.from_proto(answer.session)

    async def list(self, matching: SessionFilter | None = None) -> AsyncIterator[Session]:
        """Sessions in the order in which they were recorded."""
        request = pb.ListSessionsRequest(filter=matching.to_proto() if matching else None)
        async for page in self.rpc.pages(f"{_TRANSCRIPTS}/ListSessions", request, pb.ListSessionsResponse):
            for session in page.sessions:
                yield Session.from_proto(session)

    async def events(self, session: str, *, after_seq: int = 0) -> AsyncIterator[Event]:
        """A session's events in order, those that are there. Goes on by itself after a break."""
        backoff = Backoff(WATCH_TRIES)
        while True:
            request = pb.ReadEventsRequest(session=session, after_seq=after_seq)
            try:
                async for part in self.rpc.stream(f"{_TRANSCRIPTS}/ReadEvents", request, pb.ReadEventsResponse):
                    for event in part.events:
                        after_seq = event.seq
                        yield Event.from_proto(event)
                return
            except Error as error:
                wait = backoff.after(error)
                if wait is None:
                    raise
            await aio.sleep(wait)

    async def import_file(
        self,
        source: Source,
        *,
        format: str = "",  # noqa: A002 - the contract's word
        source_name: str = "",
        agent: str = "",
        labels: Mapping[str, str] | None = None,
        attachments: Iterable[str] = (),
    ) -> Imported:
        """Imports a file of sessions, of at most 256 MiB.

        Secrets are masked before anything is stored; an import twice adds nothing; records that cannot be read are
        named in the answer.

        Args:
            source: a file's name, its bytes, or an open binary file.
            format: claude_code, openai_chat, tau_bench and what else the server knows; told from the bytes where empty.
            source_name: the file's name, for problems and evidence.
            agent: the agent's name, where the file does not say.
            labels: set on every session of the file.
            attachments: stores that the sessions were attached to.
        """
        header = pb.ImportHeader(
            format=f"TRANSCRIPT_FORMAT_{format.upper() or 'UNSPECIFIED'}",
            source_name=source_name or _chunks.name(source),
            labels=labels,
            agent=session_pb2.Agent(name=agent) if agent else None,
            attachments=builtins.list(attachments),
        )
        read = _chunks.chunks(source)

        def parts() -> Iterator[pb.ImportTranscriptsRequest]:
            yield pb.ImportTranscriptsRequest(header=header)
            for chunk in read():
                yield pb.ImportTranscriptsRequest(chunk=chunk)

        # Sessions are told apart by what they say, so that it may be made again.
        answer = await self.rpc.upload(f"{_TRANSCRIPTS}/ImportTranscripts", parts, pb.ImportTranscriptsResponse)
        return Imported.from_proto(answer)

    async def attach(
        self,
        session: str,
        attachments: Iterable[str | Attachment],
        *,
        agent: str = "",
        ttl: dt.timedelta | float | None = None,
        new_token: bool = False,
    ) -> Attached:
        """Gives a session access to at most 8 stores, in place of those that it had; works mid-session.

        Args:
            session: its id.
            attachments: stores by id or handle (read and write), or `Attachment`s. Empty takes all away.
            agent: the name of the agent, which commits carry.
            ttl: how long the credential lives, in seconds where a number; 24 hours where None.
            new_token: issue a further credential for a session that has one.
        """
        given = [Attachment(a) if isinstance(a, str) else a for a in attachments]
        request = access_pb2.AttachSessionRequest(
            session=session,
            agent=agent,
            attachments=[a.to_proto() for a in given],
            ttl=wire.to_duration(ttl),
            new_token=new_token,
            request_id=request_id(),
        )
        answer = await self.rpc.unary(f"{_ACCESS}/AttachSession", request, access_pb2.AttachSessionResponse)
        return Attached(
            tuple(Attachment.from_proto(a) for a in answer.attachments),
            answer.prompt_note,
            answer.secret or None,
            Token.from_proto(answer.token) if answer.HasField("token") else None,
        )

    async def attachments(self, session: str = "") -> Attached:
        """What a session has; the caller's own where empty."""
        request = access_pb2.GetAttachmentsRequest(session=session)
        answer = await self.rpc.unary(f"{_ACCESS}/GetAttachments", request, access_pb2.GetAttachmentsResponse)
        return Attached(tuple(Attachment.from_proto(a) for a in answer.attachments), answer.prompt_note)

    def watch(self, after_cursor: int | None = None) -> AsyncSessionWatch:
        """What happens to sessions, once each, in order. See `Watch`.

        Args:
            after_cursor: the cursor of the last event seen; None is from now on, 0 from the beginning.
        """
        return AsyncSessionWatch(self.rpc, after_cursor)
