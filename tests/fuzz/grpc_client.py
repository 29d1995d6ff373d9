"""gRPC as a careless or hostile client speaks it: a call in exact frames in, what the server said of it out.

Frames and heads are made by hyperframe and hpack, which check nothing: they may be illegal, stand in the wrong place, or stop in the middle.
"""

import socket
from contextlib import suppress
from typing import Literal, NamedTuple

from hpack import Decoder, Encoder
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

TRACE_SERVICE = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SECONDS = 60.0
"""For an answer to what is legal."""

_ILLEGAL_SECONDS = 5.0
"""Who breaks the protocol may be left waiting: for so long it is seen whether he gets an answer."""

Ending = Literal["whole", "half closed", "given up", "broken off"]
"""How a call ends: with its body; without its last bytes, but with an end; reset; or by closing the connection."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WINDOW_BYTES = 65_535
_PIECE_BYTES = 16_384
_BROKEN_OFF_BYTES = 10

Headers = tuple[tuple[bytes, bytes], ...]


class Call(NamedTuple):
    """`body`: with the frame of its message. `authorization`: None is the key of the project under attack, b"" is none.

    `headers`: what stands besides or, of the same name, instead of what is usual. `before`, `amid`: bytes that are sent before its head, and between that
    and its body. `is_legal`: whether HTTP/2 allows what is sent, so that it must be answered.
    """

    body: bytes
    headers: Headers = ()
    authorization: bytes | None = None
    before: bytes = b""
    amid: bytes = b""
    piece_bytes: int = _PIECE_BYTES
    ending: Ending = "whole"
    is_legal: bool = True

    @property
    def must_be_answered(self) -> bool:
        return self.is_legal and self.ending in ("whole", "half closed")


class Answer(NamedTuple):
    """`status`: of gRPC, as a number; or what became of the call otherwise: `http 415`, `reset 7`, `goaway 1`, `closed`, `silent`."""

    status: str
    headers: dict[str, str]
    body: bytes = b""


def frame_message(message: bytes, *, flag: int = 0, size: int | None = None) -> bytes:
    """A message as gRPC frames it. `size`: another than its own."""
    return bytes((flag,)) + (len(message) if size is None else size).to_bytes(4) + message


def exchange_call(port: int, call: Call, *, authorization: bytes) -> Answer:
    """What became of one call on a connection of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS if call.is_legal else _ILLEGAL_SECONDS) as line:
        talk = _Talk(line)
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            talk.send(call, authorization)
        return talk.answer()


class _Talk:
    """A connection with one call on stream 1. Windows are kept, so that a legal call is one."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._received = b""
        self._decoder = Decoder()
        self._windows = [_WINDOW_BYTES, _WINDOW_BYTES]
        self._stream_window_at_start = _WINDOW_BYTES
        self._headers: dict[str, str] = {}
        self._body = b""
        self._end: str | None = None

    def send(self, call: Call, authorization: bytes) -> None:
        self._line.sendall(
            _PREFACE + SettingsFrame(0).serialize() + call.before + _head(call, authorization) + call.amid
        )
        body = call.body if call.ending == "whole" else call.body[:-_BROKEN_OFF_BYTES]
        for at in range(0, len(body), call.piece_bytes):
            piece = body[at : at + call.piece_bytes]
            while self._end is None and min(self._windows) < len(piece):
                self._read()
            if self._end is not None:
                return
            self._windows = [window - len(piece) for window in self._windows]
            self._line.sendall(DataFrame(1, data=piece).serialize())
        if call.ending == "given up":
            self._line.sendall(RstStreamFrame(1, error_code=8).serialize())
            self._end = "given up"
        elif call.ending == "broken off":
            self._end = "broken off"
        else:
            self._line.sendall(DataFrame(1, data=b"", flags=["END_STREAM"]).serialize())

    def answer(self) -> Answer:
        """What is said until the call, or the connection, is over."""
        try:
            while self._end is None:
                self._read()
        except TimeoutError:
            self._end = "silent"
        except (ConnectionResetError, BrokenPipeError):
            self._end = "closed"
        return Answer(self._end, self._headers, self._body)

    def _read(self) -> None:
        data = self._line.recv(65_536)
        if not data:
            self._end = self._end or "closed"
            return
        self._received += data
        while self._end is None and len(self._received) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._received[:9]))
            if len(self._received) < 9 + length:
                return
            with suppress(HyperframeError):
                frame.parse_body(memoryview(self._received[9 : 9 + length]))
            self._received = self._received[9 + length :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        match frame:
            case SettingsFrame() if "ACK" not in frame.flags:
                size = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, self._stream_window_at_start)
                self._windows[1] += size - self._stream_window_at_start
                self._stream_window_at_start = size
                self._line.sendall(SettingsFrame(0, flags=["ACK"]).serialize())
            case WindowUpdateFrame():
                self._windows[min(frame.stream_id, 1)] += frame.window_increment
            case HeadersFrame():
                decoded = self._decoder.decode(frame.data, raw=True)
                self._headers |= {name.decode("latin-1"): value.decode("latin-1") for name, value in decoded}  # pyright: ignore[reportAttributeAccessIssue]
            case DataFrame():
                self._body += frame.data
            case RstStreamFrame():
                self._end = f"reset {frame.error_code}"
            case GoAwayFrame() if frame.error_code:
                self._end = f"goaway {frame.error_code}"
            case _:
                pass
        if self._end is None and "END_STREAM" in frame.flags and frame.stream_id == 1:
            self._end = self._headers.get("grpc-status") or f"http {self._headers.get(':status')}"


def _head(call: Call, authorization: bytes) -> bytes:
    sent = authorization if call.authorization is None else call.authorization
    usual: dict[bytes, bytes] = {
        b":method": b"POST",
        b":path": TRACE_SERVICE,
        b":scheme": b"http",
        b":authority": b"127.0.0.1",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
        **({b"authorization": sent} if sent else {}),
    }
    names = {name for name, _ in call.headers}
    pairs: list[tuple[bytes, bytes]] = [
        *((name, value) for name, value in usual.items() if name not in names),
        *call.headers,
    ]
    pseudo_first = sorted(pairs, key=lambda pair: pair[0][:1] != b":")
    block = Encoder().encode(pseudo_first, huffman=False)
    return HeadersFrame(1, data=block, flags=["END_HEADERS"]).serialize()


def shown(call: Call) -> str:
    """A call for people, without most of its bytes."""
    short = {name: value[:200] for name, value in call._asdict().items() if isinstance(value, bytes)}
    return repr(call._replace(**short))[:1500] + f" body of {len(call.body)} bytes"
