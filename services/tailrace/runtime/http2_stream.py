"""A request of HTTP/2 and its answer, as a handler meets them: ASGI's words for the one, headers, a small body and trailers for the other."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple

Headers = Sequence[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Answer(NamedTuple):
    """What a handler answers: a small body, and what follows it."""

    status: int
    headers: Headers
    body: bytes = b""
    trailers: Headers = ()


Handler = Callable[[dict[str, Any], Receive], Awaitable[Answer]]
"""Takes a request as ASGI describes it. It raises nothing, and goes on when its sender has gone, as it does under HTTP/1."""


class Stream:
    """One request under way: what has come of its body and was not read yet. `acknowledge` hears of which stream how much was read."""

    def __init__(self, stream_id: int, acknowledge: Callable[[int, int], None]) -> None:
        self.stream_id = stream_id
        self.ended = False
        self.gone = False
        self.changed = asyncio.Event()
        self._acknowledge = acknowledge
        self._body = bytearray()
        self._unread_bytes = 0
        self._told_end = False

    def add(self, data: bytes, flow_bytes: int) -> None:
        """`flow_bytes`: what it takes of the sender's window, padding included."""
        self._body += data
        self._unread_bytes += flow_bytes
        self.changed.set()

    def change(self, *, ended: bool = False, gone: bool = False) -> None:
        self.ended |= ended
        self.gone |= gone
        self.changed.set()

    def release(self) -> None:
        """Give the sender its window back."""
        self._body.clear()
        self._acknowledge(self.stream_id, self._unread_bytes)
        self._unread_bytes = 0

    async def receive(self) -> Message:
        """The next piece of the body, as ASGI has it."""
        while not self.gone and not self._body and (not self.ended or self._told_end):
            self.changed.clear()
            await self.changed.wait()
        if self.gone:
            return {"type": "http.disconnect"}
        body = bytes(self._body)
        self.release()
        self._told_end = self.ended
        return {"type": "http.request", "body": body, "more_body": not self.ended}


def scope_of(headers: Headers) -> dict[str, Any]:
    """What ASGI says of a request."""
    named = dict(headers)
    path, _, query = named.get(b":path", b"").partition(b"?")
    return {
        "type": "http",
        "http_version": "2",
        "method": named.get(b":method", b"").decode("latin-1"),
        "path": path.decode("latin-1"),
        "query_string": query,
        "headers": [(name, value) for name, value in headers if not name.startswith(b":")],
    }
