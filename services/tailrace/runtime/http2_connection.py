"""One connection of HTTP/2: bytes in, requests for a handler out, and its answers with trailers. Each bound is kept while bytes come, not after.

Of a body no more stands in memory than the sender's window, which opens as far as the handler has read. What stands for one connection is under 400 KiB together,
as of HTTP/1. A connection is renewed now and then, so that senders with a few long ones find every process behind an address. Nothing here knows of gRPC.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final, cast

import h2.errors
import h2.events
import h2.exceptions
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from tailrace.runtime.connections import MOST_HEAD_BYTES, MOST_HEAD_SECONDS
from tailrace.runtime.http2_frames import FrameMeter
from tailrace.runtime.http2_stream import Answer, Handler, Headers, Stream, scope_of
from tailrace.runtime.log import get_logger

log = get_logger(__name__)

MOST_STREAMS: Final = 100
WINDOW_BYTES: Final = 256 * 1024
IDLE_SECONDS: Final = 300.0
MOST_AGE_SECONDS: Final = 600.0
MOST_REQUESTS: Final = 10_000
"""After so many, or so long, a connection is renewed."""

MOST_RESETS: Final = 1000
"""Who gives up more requests than this on one connection is not after answers."""

_FRAME_BYTES: Final = 64 * 1024
_TABLE_BYTES: Final = 4096
_LINGER_SECONDS: Final = 1.0
"""Who was told to leave closes the connection itself; for what is on its way meanwhile, it is told that nothing became of it."""

_PREFACE: Final = b"PRI * HTTP/2.0"
_NOT_HTTP2: Final = b'{"message":"this port takes gRPC, which is HTTP/2","error":"InvalidRequestError"}'
_HTTP1_REFUSAL: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
    % (len(_NOT_HTTP2), _NOT_HTTP2)
)


class Connection(asyncio.Protocol):
    """One of `connections`, if there are not `most` already. HTTP/2's own state is h2's."""

    def __init__(self, handler: Handler, connections: "set[Connection]", most: int) -> None:
        self._handler = handler
        self._connections = connections
        self._most = most
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS,
                SettingCodes.MAX_HEADER_LIST_SIZE: MOST_HEAD_BYTES,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                SettingCodes.MAX_FRAME_SIZE: _FRAME_BYTES,
            },
        )
        self._h2.max_inbound_frame_size = _FRAME_BYTES
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._first_bytes = b""
        self._spoke = False
        self._meter = FrameMeter()
        self._requests = 0
        self._resets = 0
        self._leaving = False
        self._window_changed = asyncio.Event()
        self._since = self._active_at = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections) >= self._most:
            self.abort()
            return
        self._connections.add(self)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW_BYTES - 65_535)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self)
        self._transport = None
        self._window_changed.set()
        for stream in self._streams.values():
            stream.change(gone=True)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or not self._speaks_http2(data):
            return
        self._meter.count(data)
        if self._meter.head_bytes > MOST_HEAD_BYTES or self._meter.has_too_many(self._requests):
            self._close(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            return
        if self._meter.longest > _FRAME_BYTES:
            self._close(h2.errors.ErrorCodes.FRAME_SIZE_ERROR)
            return
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except h2.exceptions.H2Error:
            self._close()
            return
        self._flush()

    def pause_writing(self) -> None:
        # Who does not read answers is not read from.
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def acknowledge(self, stream_id: int, size: int) -> None:
        """So many bytes of a body have been read."""
        if size and self._transport is not None:
            with suppress(h2.exceptions.H2Error):
                self._h2.acknowledge_received_data(size, stream_id)
            self._flush()

    def look(self, now: float) -> None:
        """Close it when it never spoke; leave it when nothing is asked, or not any more, or for its age."""
        if self._transport is None or self._transport.is_closing():
            if self._silent(now, MOST_HEAD_SECONDS):
                self.abort()
        elif self._leaving:
            if self._silent(now, _LINGER_SECONDS):
                self._close()
        elif not self._spoke and self._silent(now, MOST_HEAD_SECONDS):
            self.abort()
        elif (
            self._silent(now, IDLE_SECONDS if self._requests else MOST_HEAD_SECONDS)
            or now - self._since > MOST_AGE_SECONDS
        ):
            self.leave()

    def leave(self) -> None:
        """Tell the sender to use another connection; what it has asked here is answered."""
        if self._leaving or self._transport is None:
            return
        self._leaving = True
        self._active_at = time.monotonic()
        # h2 would answer nothing any more after a GOAWAY of its own.
        frame = GoAwayFrame(0, last_stream_id=self._h2.highest_inbound_stream_id)
        self._flush()
        self._transport.write(frame.serialize())

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, event: h2.events.Event) -> None:
        self._spoke = True
        match event:
            case h2.events.RequestReceived(stream_id=stream_id, headers=headers):
                self._begin(stream_id, headers)
            case h2.events.DataReceived(stream_id=stream_id, data=data, flow_controlled_length=size):
                stream = self._streams.get(stream_id)
                if stream is None:
                    self.acknowledge(stream_id, size)
                else:
                    stream.add(data, size)
            case h2.events.StreamEnded(stream_id=stream_id) if stream_id in self._streams:
                self._streams[stream_id].change(ended=True)
            case h2.events.StreamReset(stream_id=stream_id, remote_reset=by_sender):
                self._reset(stream_id, by_sender=bool(by_sender))
            case h2.events.RemoteSettingsChanged():
                # It may allow us any size; what we remember of our answers is ours to bound.
                encoder = self._h2.encoder
                encoder.header_table_size = min(encoder.header_table_size, _TABLE_BYTES)
                self._window_changed.set()
            case h2.events.WindowUpdated():
                self._window_changed.set()
            case _:
                pass

    def _begin(self, stream_id: int, headers: Headers) -> None:
        if self._leaving or len(self._tasks) >= MOST_STREAMS:
            # It may have been given up already.
            with suppress(h2.exceptions.H2Error):
                self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        self._active_at = time.monotonic()
        self._requests += 1
        stream = self._streams[stream_id] = Stream(stream_id, self.acknowledge)
        task = asyncio.create_task(self._respond(stream, scope_of(headers)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._requests >= MOST_REQUESTS:
            self.leave()

    def _reset(self, stream_id: int, *, by_sender: bool) -> None:
        """What is still on its way for a request that was refused is reset by us, and is nobody's fault."""
        if stream_id in self._streams:
            self._streams[stream_id].change(gone=True)
        self._resets += by_sender
        if self._resets > MOST_RESETS:
            self._close(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    async def _respond(self, stream: Stream, scope: dict[str, Any]) -> None:
        try:
            await self._write(stream, await self._handler(scope, stream.receive))
        except h2.exceptions.H2Error:
            # The sender is gone, or lets no answer through.
            with suppress(h2.exceptions.H2Error):
                self._h2.reset_stream(stream.stream_id, h2.errors.ErrorCodes.CANCEL)
            self._flush()
        except Exception:
            log.exception("http2.request.failed")
            self.abort()
        finally:
            stream.release()
            del self._streams[stream.stream_id]
            self._active_at = time.monotonic()

    async def _write(self, stream: Stream, answer: Answer) -> None:
        if stream.gone:
            return
        stream_id, status = stream.stream_id, (b":status", b"%d" % answer.status)
        self._h2.send_headers(stream_id, [status, *answer.headers], end_stream=not answer.body and not answer.trailers)
        if answer.body:
            self._flush()
            await self._wait_for_window(stream, len(answer.body))
            self._h2.send_data(stream_id, answer.body, end_stream=not answer.trailers)
        if answer.trailers:
            self._h2.send_headers(stream_id, answer.trailers, end_stream=True)
        if not stream.ended:
            self._h2.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
        self._flush()

    async def _wait_for_window(self, stream: Stream, size: int) -> None:
        """Raises StreamClosedError when the sender goes away, or opens no window."""
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_HEAD_SECONDS):
                while not stream.gone and self._h2.local_flow_control_window(stream.stream_id) < size:
                    self._window_changed.clear()
                    await self._window_changed.wait()
        if stream.gone:
            raise h2.exceptions.StreamClosedError(stream.stream_id)

    def _silent(self, now: float, seconds: float) -> bool:
        return not self._tasks and now - self._active_at > seconds

    def _speaks_http2(self, data: bytes) -> bool:
        if len(self._first_bytes) < len(_PREFACE):
            self._first_bytes += data[: len(_PREFACE) - len(self._first_bytes)]
            if not _PREFACE.startswith(self._first_bytes) and self._transport is not None:
                self._transport.write(_HTTP1_REFUSAL)
                self._transport.close()
                return False
        return True

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)

    def _close(self, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR) -> None:
        with suppress(h2.exceptions.H2Error):
            self._h2.close_connection(code)
        self._flush()
        if self._transport is not None:
            self._transport.close()
