"""Requests of spans as OTLP's exporters send them by default: calls over gRPC, by grpcio, with a channel to each edge that is kept."""

import asyncio
import gzip
from importlib import import_module
from typing import Any, Final, NamedTuple

from tests.chaos.requests import OTLP_PATH, Request

# None of these has types.
grpc: Any = import_module("grpc")
aio: Any = import_module("grpc.aio")
RetryInfo: Any = import_module("google.rpc.error_details_pb2").RetryInfo

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRIED: Final = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"})
"""What an exporter sends again; CANCELLED is what grpcio calls a stream that a dying edge has reset."""


class Reply(NamedTuple):
    """`code`: the status by its name. `retry_seconds`: when to come again, if it says so."""

    code: str
    text: str = ""
    retry_seconds: float | None = None


def can_be_called(request: Request) -> bool:
    """Whether the request is one that gRPC carries: spans in protobuf."""
    return request.path == OTLP_PATH and request.content_type == "application/x-protobuf"


class Caller:
    """Channels to edges, by address. `headers`: the metadata of each call."""

    def __init__(self, headers: dict[str, str], *, timeout_seconds: float) -> None:
        self._metadata = list(headers.items())
        self._timeout_seconds = timeout_seconds
        self._channels: dict[str, Any] = {}

    async def call(self, address: str, request: Request) -> Reply:
        """Send a request that `can_be_called`."""
        channel = self._channels.get(address)
        if channel is None:
            options = [("grpc.max_send_message_length", -1), ("grpc.max_reconnect_backoff_ms", 1000)]
            channel = self._channels[address] = aio.insecure_channel(address, options=options)
        packed = request.content_encoding == "gzip"
        message = gzip.decompress(request.body) if packed else request.body
        try:
            await channel.unary_unary(EXPORT)(
                message,
                metadata=self._metadata,
                compression=grpc.Compression.Gzip if packed else None,
                timeout=self._timeout_seconds,
            )
        except grpc.RpcError as error:
            return Reply(
                error.code().name, error.details() or "", _retry_seconds(dict(error.trailing_metadata() or ()))
            )
        return Reply("OK")

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))


def _retry_seconds(trailers: dict[str, Any]) -> float | None:
    told = trailers.get("google.rpc.retryinfo-bin")
    return None if told is None else RetryInfo.FromString(told).retry_delay.seconds
