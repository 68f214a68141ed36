"""Stores: made, found, archived, deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping

from google.protobuf.field_mask_pb2 import FieldMask

from reverie._async.rpc import AsyncRpc, request_id
from reverie._async.store import AsyncStore
from reverie.errors import ExistsError
from reverie.memory.v1 import store_pb2 as pb
from reverie.types import wire
from reverie.types.store import Retention, StoreInfo

_STORES = "reverie.memory.v1.StoreService"


class AsyncStores:
    """The stores of the credential's workspace."""

    def __init__(self, rpc: AsyncRpc) -> None:
        self._rpc = rpc

    def _store(self, proto: pb.Store) -> AsyncStore:
        info = StoreInfo.from_proto(proto)
        return AsyncStore(self._rpc, info.id, info)

    async def create(
        self,
        handle: str = "",
        *,
        name: str = "",
        description: str = "",
        metadata: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> AsyncStore:
        """Makes an empty store.

        Args:
            handle: a slug, unique in the workspace; made from the name where empty.
            name: for people, at most 256 bytes; the handle where empty.
            description: at most 8,192 bytes.
            metadata: at most 16 pairs.
            exist_ok: the store that has the handle will do.

        Raises:
            ExistsError: the handle is taken.
        """
        request = pb.CreateStoreRequest(
            handle=handle, name=name or handle, description=description, metadata=metadata, request_id=request_id()
        )
        try:
            answer = await self._rpc.unary(f"{_STORES}/CreateStore", request, pb.CreateStoreResponse)
        except ExistsError:
            if not (exist_ok and handle):
                raise
            return await self.get(handle)
        return self._store(answer.store)

    async def get(self, store: str) -> AsyncStore:
        """The store with an id or handle, asked about itself.

        Raises:
            NotFoundError: there is none that the caller may see.
        """
        answer = await self._rpc.unary(f"{_STORES}/GetStore", pb.GetStoreRequest(store=store), pb.GetStoreResponse)
        return self._store(answer.store)

    async def list(
        self,
        *,
        include_archived: bool = False,
        include_forks: bool = False,
        metadata: Mapping[str, str] | None = None,
        newest_first: bool = False,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
    ) -> AsyncIterator[AsyncStore]:
        """The stores that the caller may read, oldest first.

        Args:
            include_archived: also those that are archived.
            include_forks: also those that are forks.
            metadata: only those that have all of these pairs.
            newest_first: the other way round.
            start_time: only those made at or after this.
            end_time: only those made before this.
        """
        request = pb.ListStoresRequest(
            newest_first=newest_first,
            start_time=wire.to_time(start_time),
            end_time=wire.to_time(end_time),
            include_archived=include_archived,
            include_forks=include_forks,
            metadata=metadata,
        )
        async for page in self._rpc.pages(f"{_STORES}/ListStores", request, pb.ListStoresResponse):
            for store in page.stores:
                yield self._store(store)

    async def fork(self, store: str, handle: str = "", *, name: str = "", revision: int = 0) -> AsyncStore:
        """Makes a store that starts at another's snapshot, in constant time; 0 is its head."""
        return await AsyncStore(self._rpc, store).fork(handle, name=name, revision=revision)

    async def update(
        self,
        store: str,
        *,
        handle: str | None = None,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retention: Retention | None = None,
    ) -> AsyncStore:
        """Changes what is given, each as a whole, and leaves the rest."""
        given = {
            "handle": handle,
            "name": name,
            "description": description,
            "metadata": metadata,
            "retention": retention,
        }
        request = pb.UpdateStoreRequest(
            store=store,
            update_mask=FieldMask(paths=[field for field, value in given.items() if value is not None]),
            handle=handle,
            name=name,
            description=description,
            metadata=metadata,
            retention=retention.to_proto() if retention else None,
            request_id=request_id(),
        )
        answer = await self._rpc.unary(f"{_STORES}/UpdateStore", request, pb.UpdateStoreResponse)
        return self._store(answer.store)

    async def archive(self, store: str) -> AsyncStore:
        """Makes a store read-only and hides it from `list`."""
        request = pb.ArchiveStoreRequest(store=store, request_id=request_id())
        return self._store((await self._rpc.unary(f"{_STORES}/ArchiveStore", request, pb.ArchiveStoreResponse)).store)

    async def unarchive(self, store: str) -> AsyncStore:
        """Takes an archiving back."""
        request = pb.UnarchiveStoreRequest(store=store, request_id=request_id())
        answer = await self._rpc.unary(f"{_STORES}/UnarchiveStore", request, pb.UnarchiveStoreResponse)
        return self._store(answer.store)

    async def delete(self, store: str) -> StoreInfo:
        """Deletes a store: it is gone at once, and can be brought back by its id for 7 days."""
        request = pb.DeleteStoreRequest(store=store, request_id=request_id())
        answer = await self._rpc.unary(f"{_STORES}/DeleteStore", request, pb.DeleteStoreResponse)
        return StoreInfo.from_proto(answer.store)

    async def undelete(self, store_id: str) -> AsyncStore:
        """Brings a deleted store back. By its id: its handle may be taken by another."""
        request = pb.UndeleteStoreRequest(store=store_id, request_id=request_id())
        answer = await self._rpc.unary(f"{_STORES}/UndeleteStore", request, pb.UndeleteStoreResponse)
        return self._store(answer.store)
