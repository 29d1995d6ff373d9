"""Connections within bounds: how many there are, how long the head of a request may be, and how long it may take to come.

What stands in memory for one connection is bounded by its head and by what the server reads ahead of the application (under 400 KiB together). The
application bounds the rest.
"""

import asyncio
from functools import partial
from typing import Any, Final

from tailrace.runtime.http_protocol import JsonRefusals

MOST_CONNECTIONS: Final = 4096
MOST_HEAD_BYTES: Final = 64 * 1024
MOST_HEAD_SECONDS: Final = 30.0

_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 2\r\nconnection: close\r\n",
    b'{"message":"too many connections are open; try again","error":"ServiceUnavailableError"}',
)
_TOO_LONG: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n",
    b'{"message":"the request line and headers are too long","error":"InvalidRequestError"}',
)


class BoundedConnection(JsonRefusals):
    """One connection. `most`: how many may be open; one more is answered 503 and closed."""

    def __init__(self, *, most: int, **given: Any) -> None:
        super().__init__(**given)
        self._most = most
        self._head_bytes = 0
        self._messages = 0
        self._awaits_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._end_with(_TOO_MANY)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._awaits_head and self._deadline is None:
            self._expect_head()
        messages = self._messages
        super().data_received(data)
        if self._awaits_head and messages == self._messages:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._end_with(_TOO_LONG)

    def on_headers_complete(self) -> None:
        self._awaits_head = False
        self._forget_deadline()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._awaits_head = True
        self._head_bytes = 0
        self._messages += 1
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(MOST_HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self._awaits_head and (not self._messages or self.cycle.response_complete):
            self.transport.close()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_with(self, answer: tuple[bytes, bytes]) -> None:
        head, body = answer
        self.transport.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        self.transport.close()


def bounded_to(most: int = MOST_CONNECTIONS) -> "partial[BoundedConnection]":
    """What a server makes its connections with, at most `most` at once."""
    return partial(BoundedConnection, most=most)
