"""OTLP over gRPC as clients speak it: calls by grpcio on a real port, with bytes in and out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, NamedTuple

from tailrace.edge.endpoint import Edge
from tailrace.edge.grpc import grpc_handler
from tailrace.local.ports import free_port
from tailrace.runtime import http2
from tests.edge.fakes import full_key

# None of these has types.
grpc: Any = import_module("grpc")
aio: Any = import_module("grpc.aio")
RetryInfo: Any = import_module("google.rpc.error_details_pb2").RetryInfo
Status: Any = import_module("google.rpc.status_pb2").Status

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
GZIP = grpc.Compression.Gzip
DEFLATE = grpc.Compression.Deflate


class Reply(NamedTuple):
    """What became of a call. `retry_seconds`: what its details say of when to come again."""

    code: str
    text: str = ""
    message: bytes = b""
    retry_seconds: int | None = None
    limits: tuple[str, ...] = ()


class GrpcClient:
    """One channel. Calls carry project-a's full key unless they say otherwise."""

    def __init__(self, port: int, key: str | None = None) -> None:
        options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._key = key or full_key()

    async def call(
        self,
        body: bytes,
        *,
        method: str = TRACES,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        compression: Any = None,
        timeout: float = 20,
    ) -> Reply:
        """`key`: "" for none."""
        given = {"authorization": self._key if key is None else key, **(headers or {})}
        metadata = [(name, value) for name, value in given.items() if value]
        call = self.channel.unary_unary(method)(body, metadata=metadata, compression=compression, timeout=timeout)
        try:
            message = await call
        except grpc.RpcError as error:
            retry_seconds = _retry_seconds(error.code(), dict(error.trailing_metadata()))
            return Reply(error.code().name, error.details(), retry_seconds=retry_seconds)
        limits = tuple(sorted(name for name, _ in await call.initial_metadata() if name.startswith("x-ratelimit")))
        return Reply("OK", message=message, limits=limits)


def _retry_seconds(code: Any, trailers: dict[str, Any]) -> int | None:
    """The delay of the details, which must be the same where the exporter for Python looks for it."""
    if "grpc-status-details-bin" not in trailers:
        assert "google.rpc.retryinfo-bin" not in trailers
        return None
    status, retry_info = Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo()
    (detail,) = status.details
    assert status.code == code.value[0]
    assert detail.Unpack(retry_info)
    assert retry_info == RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    return retry_info.retry_delay.seconds


@asynccontextmanager
async def calling(edge: Edge) -> AsyncGenerator[GrpcClient]:
    """A client of `edge`, which listens while the block runs."""
    port, stop = free_port(), asyncio.Event()
    serving = http2.listening(grpc_handler(edge), host="127.0.0.1", port=port, stop=stop, drain_seconds=2)
    async with serving:
        client = GrpcClient(port)
        try:
            yield client
        finally:
            await client.channel.close()
