"""A session as it runs: its events stream out, and it ends with an outcome."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from reverie._async.sender import AsyncSender
from reverie.errors import Error
from reverie.types.access import Attached, Attachment
from reverie.types.session import Event, EventKind, Outcome, OutcomeSource, Session, Speaker

if TYPE_CHECKING:
    from reverie._async.client import AsyncClient
    from reverie._async.sessions import AsyncSessions

_LOG = logging.getLogger("reverie")


class AsyncRecording:
    """The block of `Sessions.record`."""

    def __init__(
        self,
        sessions: AsyncSessions,
        client: AsyncClient,
        *,
        agent: str,
        agent_version: str,
        task_key: str,
        labels: Mapping[str, str] | None,
        attach: Iterable[str | Attachment],
    ) -> None:
        self._sessions = sessions
        self._agent, self._agent_version, self._task_key, self._labels = agent, agent_version, task_key, labels
        self._attach = [Attachment(a) if isinstance(a, str) else a for a in attach]
        self._sender: AsyncSender | None = None
        self._session: Session | None = None
        self._outcome: Outcome | None = None
        #: Acts as the session where stores are attached: what it writes names the session and its agent.
        self.client = client
        #: What the session was given; None where nothing was asked for.
        self.attached: Attached | None = None

    async def __aenter__(self) -> AsyncRecording:
        self._session = await self._sessions.create(
            self._agent,
            agent_version=self._agent_version,
            task_key=self._task_key,
            labels=self._labels,
            attachments=[a.store for a in self._attach],
        )
        if self._attach:
            self.attached = await self._sessions.attach(self.id, self._attach, agent=self._agent)
            self.client = self.client.with_options(token=self.attached.secret)
        self._sender = AsyncSender(self._sessions.rpc, self.id, self._session.last_seq)
        return self

    @property
    def session(self) -> Session:
        """The session, as it was when it was last asked."""
        if self._session is None:
            raise RuntimeError("a recording begins with its `with` block")
        return self._session

    @property
    def id(self) -> str:
        """The session's id (sesn_...)."""
        return self.session.id

    @property
    def prompt_note(self) -> str:
        """What to tell the agent of its stores; empty where none are attached."""
        return self.attached.prompt_note if self.attached else ""

    async def event(self, event: Event) -> int:
        """Records an event, and returns its number at once: it is durable after `flush`, or at the block's end.

        Raises:
            Error: an earlier event could not be sent, and waiting did not help.
        """
        if self._sender is None:
            raise RuntimeError("a recording begins with its `with` block")
        proto = event.to_proto()
        if event.time is None:
            proto.time.FromDatetime(dt.datetime.now(dt.timezone.utc))
        return await self._sender.put(proto)

    async def operator(self, text: str, *, thread: str = "") -> int:
        """What the system prompt says."""
        return await self.event(Event(EventKind.MESSAGE, Speaker.OPERATOR, text, thread=thread))

    async def user(self, text: str, *, thread: str = "") -> int:
        """What the user says."""
        return await self.event(Event(EventKind.MESSAGE, Speaker.USER, text, thread=thread))

    async def agent(self, text: str, *, thread: str = "") -> int:
        """What the agent says."""
        return await self.event(Event(EventKind.MESSAGE, Speaker.AGENT, text, thread=thread))

    async def thought(self, text: str, *, thread: str = "") -> int:
        """What the agent thinks."""
        return await self.event(Event(EventKind.THOUGHT, Speaker.AGENT, text, thread=thread))

    async def tool_call(self, name: str, arguments: Any = "", *, call_id: str = "", thread: str = "") -> str:
        """The agent calls a tool. Arguments that are no text become JSON.

        Returns:
            The call's id: the one given, or a fresh one.
        """
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False, default=str)
        call_id = call_id or f"call_{uuid.uuid4().hex}"
        event = Event(EventKind.TOOL_CALL, Speaker.AGENT, text, call_id=call_id, name=name, thread=thread)
        await self.event(event)
        return call_id

    async def tool_result(
        self, call_id: str, text: str, *, failed: bool | None = False, name: str = "", thread: str = ""
    ) -> int:
        """What the tool answered."""
        event = Event(
            EventKind.TOOL_RESULT, Speaker.TOOL, text, call_id=call_id, failed=failed, name=name, thread=thread
        )
        return await self.event(event)

    async def error(self, text: str, *, thread: str = "") -> int:
        """Something that went wrong outside of a tool."""
        return await self.event(Event(EventKind.ERROR, Speaker.ENVIRONMENT, text, thread=thread))

    async def verdict(self, value: float, label: str = "", text: str = "") -> int:
        """A judgement of the run, from outside it: 0 is failure, 1 is success."""
        event = Event(EventKind.VERDICT, Speaker.ENVIRONMENT, text, value=value, label=label)
        return await self.event(event)

    def outcome(self, value: float, label: str = "", source: OutcomeSource | str = OutcomeSource.ENVIRONMENT) -> None:
        """How the run will have ended: 0 is failure, 1 is success. The last word before the block's end counts."""
        self._outcome = Outcome(value, label, source)

    def succeed(self, label: str = "", source: OutcomeSource | str = OutcomeSource.ENVIRONMENT) -> None:
        """The run reached what it was for."""
        self.outcome(1.0, label, source)

    def fail(self, label: str = "", source: OutcomeSource | str = OutcomeSource.ENVIRONMENT) -> None:
        """The run did not reach what it was for."""
        self.outcome(0.0, label, source)

    async def flush(self) -> int:
        """Waits until all events are durable, and returns the last one's number."""
        if self._sender is None:
            raise RuntimeError("a recording begins with its `with` block")
        return await self._sender.flush()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sender is not None
        broke = kind is not None and not (isinstance(error, SystemExit) and not error.code)
        outcome = self._outcome
        try:
            if broke and kind is not None:
                # That it did not raise would be no proof of success; that it did is one of failure.
                outcome = Outcome(0.0, kind.__name__, OutcomeSource.HEURISTIC)
                await self.error(f"{kind.__name__}: {error}" if str(error) else kind.__name__)
            last_seq = await self.flush()
            self._session = await self._sessions.end(self.id, outcome, last_seq=last_seq)
        except Error as failure:
            if not broke:
                raise
            # The block's own exception is what the caller must see.
            _LOG.warning("session %s could not be ended: %s", self.id, failure)
        finally:
            await self._sender.aclose()
