"""OTLP over gRPC: unary calls in, the requests that the write endpoints know out, and what they answer as a status of gRPC.

Nothing else is decided here: who may send, how much, and when it is answered are the same as over HTTP. The sender's bytes are forwarded as they came.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import orjson
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import Request
from starlette.responses import Response

from tailrace.edge.answers import refuse
from tailrace.edge.body import inflate
from tailrace.edge.endpoint import Edge, Endpoint, respond
from tailrace.edge.otlp import drop_signal, take_traces
from tailrace.runtime.http2_stream import Answer, Handler, Headers, Receive

_SERVICES: Final = "/opentelemetry.proto.collector."
ENDPOINTS: Final = (
    Endpoint("otlp_grpc_traces", f"{_SERVICES}trace.v1.TraceService/Export", take_traces),
    Endpoint("otlp_grpc_metrics", f"{_SERVICES}metrics.v1.MetricsService/Export", drop_signal),
    Endpoint("otlp_grpc_logs", f"{_SERVICES}logs.v1.LogsService/Export", drop_signal),
)

OK: Final = 0
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
PERMISSION_DENIED: Final = 7
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12
UNAVAILABLE: Final = 14
UNAUTHENTICATED: Final = 16

_CODES: Final = {
    200: OK,
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    403: PERMISSION_DENIED,
    408: DEADLINE_EXCEEDED,
    # Some exporters send again whatever RESOURCE_EXHAUSTED they hear: it is left for what passes.
    413: INVALID_ARGUMENT,
    415: UNIMPLEMENTED,
    429: RESOURCE_EXHAUSTED,
}
"""Everything else is UNAVAILABLE, so that the sender keeps what it has."""

_PREFIX_BYTES: Final = 5
_MOST_TEXT_BYTES: Final = 1_000
"""Of a reason, which stands in headers up to three times its size, and clients take 8 KiB of these."""

_ENCODINGS: Final = ("gzip", "deflate")
_CONTENT_TYPES: Final = ("application/grpc", "application/grpc+proto")
_CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
_ACCEPTS: Final = (b"grpc-accept-encoding", b"identity,gzip,deflate")
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"


def grpc_handler(edge: Edge) -> Handler:
    """What answers the calls of a gRPC server."""
    endpoints = {endpoint.path: endpoint for endpoint in ENDPOINTS}
    most = edge.settings.edge.max_body_bytes

    async def handle(scope: dict[str, Any], receive: Receive) -> Answer:
        kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if scope["method"] != "POST" or not kind.startswith("application/grpc"):
            return Answer(415, [(b"content-type", b"text/plain")], b"this port takes OTLP over gRPC")
        if kind not in _CONTENT_TYPES:
            return _refusal(UNIMPLEMENTED, f"expected a message in protobuf, got {kind[:50]!r}")
        endpoint = endpoints.get(scope["path"])
        if endpoint is None:
            return _refusal(UNIMPLEMENTED, f"there is no {scope['path'][:200]}; the trace service of OTLP is here")
        return _answer(endpoint, await respond(endpoint, edge, _Call(scope, receive, most)))

    return handle


class _Call(Request):
    """A call as the HTTP request that it would have been: its body is the message, without frame and decompressed."""

    def __init__(self, scope: dict[str, Any], receive: Receive, most: int) -> None:
        headers = [(name, value) for name, value in scope["headers"] if not name.startswith(b"content-")]
        super().__init__({**scope, "headers": [*headers, (b"content-type", b"application/x-protobuf")]}, receive)
        self._encoding = self.headers.get("grpc-encoding", "").strip().lower()
        self._most = most

    async def stream(self) -> AsyncGenerator[bytes]:
        message = _Message(super().stream(), self._most)
        await message.open()
        pieces = message.pieces()
        if message.is_compressed:
            if self._encoding not in _ENCODINGS:
                raise refuse(415, f"expected gzip or deflate, got {self._encoding[:50]!r}", "invalid_request")
            pieces = inflate(pieces)
        async for piece in pieces:
            yield piece


class _Message:
    """The one message of a unary call: a flag, a length of four bytes, and so many bytes. `open` it first."""

    def __init__(self, stream: AsyncIterator[bytes], most: int) -> None:
        self._stream = stream
        self._most = most
        self._begun = b""
        self._size = 0
        self.is_compressed = False

    async def open(self) -> None:
        """Read what stands before the message. Raises Refusal."""
        async for piece in self._stream:
            self._begun += piece
            if len(self._begun) >= _PREFIX_BYTES:
                break
        else:
            raise refuse(400, "expected a message, got less than its length", "invalid_request")
        flag, self._size = self._begun[0], int.from_bytes(self._begun[1:_PREFIX_BYTES])
        self._begun = self._begun[_PREFIX_BYTES:]
        if flag > 1:
            raise refuse(400, f"expected a message that is compressed (1) or not (0), got {flag}", "invalid_request")
        if self._size > self._most:
            raise refuse(413, f"the message is larger than {self._most} bytes", "too_large")
        self.is_compressed = flag == 1

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The message. Raises Refusal when something else comes than exactly that."""
        left = self._size - len(self._begun)
        if self._begun:
            yield self._begun
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if left:
            what = "more" if left < 0 else f"{left} less"
            raise refuse(400, f"expected one message of {self._size} bytes, got {what}", "invalid_request")


def _answer(endpoint: Endpoint, response: Response) -> Answer:
    code = _CODES.get(response.status_code, UNAVAILABLE)
    said: dict[str, Any] = orjson.loads(bytes(response.body))
    if code != OK:
        text = str(said.get("message") or said.get("error"))
        return _refusal(code, text, int(response.headers.get("retry-after", "0")))
    message = _success(said) if endpoint.handle is take_traces else b""
    limits = [(name.encode(), value.encode()) for name, value in response.headers.items() if name.startswith("x-rate")]
    framed = b"\x00" + len(message).to_bytes(4) + message
    return Answer(200, [_CONTENT_TYPE, _ACCEPTS, *limits], framed, [(b"grpc-status", b"0")])


def _success(said: dict[str, Any]) -> bytes:
    """The response of the trace service, of what the same answer is in JSON."""
    response = ExportTraceServiceResponse()
    if partial := said.get("partialSuccess"):
        response.partial_success.rejected_spans = partial["rejectedSpans"]
        response.partial_success.error_message = partial["errorMessage"]
    return response.SerializeToString()


def _refusal(code: int, text: str, retry_seconds: int = 0) -> Answer:
    """`retry_seconds`: when to come again; 0: never, or whenever."""
    text = text.encode()[:_MOST_TEXT_BYTES].decode(errors="ignore")
    headers: list[tuple[bytes, bytes]] = [
        _CONTENT_TYPE,
        _ACCEPTS,
        (b"grpc-status", b"%d" % code),
        (b"grpc-message", quote(text, safe=_PRINTABLE).encode()),
    ]
    return Answer(200, [*headers, *_retry_headers(code, text, retry_seconds)] if retry_seconds else headers)


def _retry_headers(code: int, text: str, seconds: int) -> Headers:
    """When to come again, as OTLP has it: in the details of the status. The exporter for Python looks for it under a name of its own."""
    retry_info = _field(1, Duration(seconds=seconds).SerializeToString())
    detail = AnyMessage(type_url=_RETRY_INFO, value=retry_info).SerializeToString()
    status = b"\x08%c" % code + _field(2, text.encode()) + _field(3, detail)
    return [
        (b"grpc-status-details-bin", base64.b64encode(status).rstrip(b"=")),
        (b"google.rpc.retryinfo-bin", base64.b64encode(retry_info).rstrip(b"=")),
    ]


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    length = len(data)
    prefix = bytearray((number << 3 | 2,))
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*prefix, length)) + data
