"""Tokens: issued, listed, revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

from reverie._async.rpc import AsyncRpc, request_id
from reverie.memory.v1 import access_pb2 as pb
from reverie.types import wire
from reverie.types.access import IssuedToken, Scope, Token

_ACCESS = "reverie.memory.v1.AccessService"


class AsyncTokens:
    """Credentials. A token may issue such as may do less, and they end with it."""

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc

    async def create(
        self,
        scope: Scope,
        *,
        subject: str = "",
        ttl: dt.timedelta | float | None = None,
        agent: str = "",
        dream: str = "",
    ) -> IssuedToken:
        """Issues a token that may do at most what the caller may do.

        Args:
            scope: what it may do, and where.
            subject: the name that its commits carry; the caller's own where empty, another needs ADMIN.
            ttl: how long it lives, in seconds where a number; 24 hours where None, at most 365 days.
            agent: the agent that its commits name.
            dream: the dream that its commits name.
        """
        request = pb.CreateTokenRequest(
            subject=subject,
            scope=scope.to_proto(),
            ttl=wire.to_duration(ttl),
            agent=agent,
            dream=dream,
            request_id=request_id(),
        )
        answer = await self._rpc.unary(f"{_ACCESS}/CreateToken", request, pb.CreateTokenResponse)
        return IssuedToken(Token.from_proto(answer.token), answer.secret)

    async def list(self, *, include_ended: bool = False) -> AsyncIterator[Token]:
        """The tokens that the caller may see."""
        request = pb.ListTokensRequest(include_ended=include_ended)
        async for page in self._rpc.pages(f"{_ACCESS}/ListTokens", request, pb.ListTokensResponse):
            for token in page.tokens:
                yield Token.from_proto(token)

    async def revoke(self, token_id: str) -> Token:
        """Ends a token at once, and every token that was made with it."""
        request = pb.RevokeTokenRequest(token=token_id)
        return Token.from_proto(
            (await self._rpc.unary(f"{_ACCESS}/RevokeToken", request, pb.RevokeTokenResponse)).token
        )
