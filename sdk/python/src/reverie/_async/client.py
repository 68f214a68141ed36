"""The way in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from reverie import _settings
from reverie._async.dreams import AsyncDreams
from reverie._async.governance import AsyncGovernance
from reverie._async.rpc import AsyncConnection, AsyncRpc
from reverie._async.sessions import AsyncSessions
from reverie._async.store import AsyncStore, search
from reverie._async.stores import AsyncStores
from reverie._async.tokens import AsyncTokens
from reverie._settings import Address
from reverie.memory.v1 import access_pb2
from reverie.types.access import Scope, Token, WhoAmI
from reverie.types.search import SearchResult


class AsyncClient:
    """A connection to a cluster, with a credential. Connects when it is first used, and again by itself.

        async with AsyncClient() as client:
            store = client.store("team-sre")
            print((await store.read("/on-call.md")).text)

    Calls that fail in passing are made again: at most 5 times, with growing waits, for no longer than `timeout`. Writes
    carry a request id, so that they are made once. Make it after a fork of the process, not before.

    Args:
        url: the cluster's address; REVERIE_URL, else http://127.0.0.1:7400. https:// uses TLS.
        token: the credential; REVERIE_TOKEN where it is not given.
        token_file: a file that holds it; REVERIE_TOKEN_FILE where it is not given.
        timeout: seconds that a call may take, its retries included. Watches, imports and exports have no deadline.

    Raises:
        InvalidError: the address is none, or there is no credential.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        token_file: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        self.url = _settings.url(url)
        connection = AsyncConnection(Address.parse(self.url))
        self._wrap(AsyncRpc(connection, _settings.token(token, token_file), timeout))
        self._owner = True

    def _wrap(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc
        #: Stores: create, get, list, fork, update, archive, delete.
        self.stores = AsyncStores(rpc)
        #: Sessions: record, import, list, read, attach, watch.
        self.sessions = AsyncSessions(rpc, self)
        #: Dreams: create, watch, wait, review, adopt, discard.
        self.dreams = AsyncDreams(rpc)
        #: Tokens: create, list, revoke.
        self.tokens = AsyncTokens(rpc)
        #: Redactions, checks of the history, the audit log, exports and imports.
        self.governance = AsyncGovernance(rpc)

    def with_options(self, *, token: str | None = None, timeout: float | None = None) -> AsyncClient:
        """The same connection with another credential or deadline. Closing it does not close the connection."""
        other = AsyncClient.__new__(AsyncClient)
        other.url, other._owner = self.url, False
        given = self._rpc.token if token is None else _settings.token(token, None)
        other._wrap(AsyncRpc(self._rpc.connection, given, self._rpc.timeout if timeout is None else timeout))
        return other

    def store(self, name: str) -> AsyncStore:
        """The store with an id or handle. Asks nothing of the server."""
        return AsyncStore(self._rpc, name)

    async def search(
        self,
        stores: Iterable[str],
        query: str,
        *,
        prefix: str = "",
        limit: int = 10,
        min_revisions: Mapping[str, int] | None = None,
    ) -> SearchResult:
        """The memories of several stores that a query is about, best first, as if they were one store.

        Args:
            stores: 1 to 16 ids or handles.
            query: see `Store.search`.
            prefix: only at or below this path.
            limit: at most 100.
            min_revisions: by a store as `stores` names it: wait until this revision was looked at.
        """
        return await search(self._rpc, stores, query, prefix=prefix, limit=limit, min_revisions=min_revisions or {})

    async def who_am_i(self) -> WhoAmI:
        """What the credential stands for."""
        method = "reverie.memory.v1.AccessService/WhoAmI"
        answer = await self._rpc.unary(method, access_pb2.WhoAmIRequest(), access_pb2.WhoAmIResponse)
        return WhoAmI(answer.workspace, Token.from_proto(answer.token), Scope.from_proto(answer.effective_scope))

    async def aclose(self) -> None:
        """Closes the connection."""
        if self._owner:
            await self._rpc.connection.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"
