"""A gRPC server that misbehaves as real ones do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from reverie.memory.v1 import memory_pb2, store_pb2

Failure = tuple[grpc.StatusCode, str, list[Message]]


class FlakyServer:
    """Fails its first calls as told, then answers; keeps what it was asked."""

    def __init__(self, *failures: Failure) -> None:
        self._failures = list(failures)
        self._lock = threading.Lock()
        self.commits: list[memory_pb2.CommitRequest] = []
        self.calls = 0
        self.credentials: list[str] = []
        self.url = ""

    def _called(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self.calls += 1
            metadata = dict(context.invocation_metadata())
            self.credentials.append(str(metadata.get("authorization")))
            failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            code, message, details = failure
            packed = []
            for detail in details:
                any_ = Packed()
                any_.Pack(detail)
                packed.append(any_)
            status = status_pb2.Status(code=code.value[0], message=message, details=packed)
            if details:
                context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
            context.abort(code, message)

    def commit(self, request: memory_pb2.CommitRequest, context: grpc.ServicerContext) -> memory_pb2.CommitResponse:
        with self._lock:
            self.commits.append(request)
        self._called(context)
        return memory_pb2.CommitResponse(revision=7)

    def store(self, request: store_pb2.GetStoreRequest, context: grpc.ServicerContext) -> store_pb2.GetStoreResponse:
        self._called(context)
        return store_pb2.GetStoreResponse(store=store_pb2.Store(id="memstore_1", head_revision=0))

    def watch(
        self, request: memory_pb2.WatchStoreRequest, context: grpc.ServicerContext
    ) -> Iterator[memory_pb2.WatchStoreResponse]:
        """Two commits at a time, then it breaks off; after revision 6 the caller may see no more."""
        self._called(context)
        for revision in (request.after_revision + 1, request.after_revision + 2):
            yield memory_pb2.WatchStoreResponse(commit={"revision": revision})
        if request.after_revision < 4:
            context.abort(grpc.StatusCode.UNAVAILABLE, "stopping")
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no more")

    @contextmanager
    def serve(self) -> Iterator[FlakyServer]:
        server = grpc.server(ThreadPoolExecutor(4))
        memory, stores = "reverie.memory.v1.MemoryService", "reverie.memory.v1.StoreService"
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    memory,
                    {
                        "Commit": _unary(self.commit, memory_pb2.CommitRequest),
                        "WatchStore": grpc.unary_stream_rpc_method_handler(
                            self.watch, memory_pb2.WatchStoreRequest.FromString, _bytes
                        ),
                    },
                ),
                grpc.method_handlers_generic_handler(
                    stores, {"GetStore": _unary(self.store, store_pb2.GetStoreRequest)}
                ),
            ]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        self.url = f"http://127.0.0.1:{port}"
        server.start()
        try:
            yield self
        finally:
            server.stop(None).wait()


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


def _unary(method: Callable[..., Any], request: type[Message]) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(method, request.FromString, _bytes)


def away() -> Failure:
    return grpc.StatusCode.UNAVAILABLE, "away", []


def refused(code: grpc.StatusCode, reason: str, *details: Message, **metadata: str) -> Failure:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="reverie", metadata=metadata)
    return code, "as the server says", [info, *details]


def retry_after(seconds: float) -> error_details_pb2.RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(int(seconds * 1_000))
    return error_details_pb2.RetryInfo(retry_delay=delay)
