"""Serving HTTP/2 without TLS on a port: connections that are watched, listening before it is said, and time for what is under way after it ends."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

from tailrace.runtime.connections import MOST_CONNECTIONS
from tailrace.runtime.http2_connection import Connection
from tailrace.runtime.http2_stream import Handler

_LOOK_SECONDS: Final = 1.0


class Server:
    """The connections of one address. `most`: how many may be open."""

    def __init__(self, handler: Handler, *, most: int = MOST_CONNECTIONS) -> None:
        self._handler = handler
        self._most = most
        self.connections: set[Connection] = set()

    def connect(self) -> Connection:
        """What the transport of a new connection speaks to."""
        return Connection(self._handler, self.connections, self._most)

    async def look(self) -> None:
        """Let go of connections that are silent, idle or old, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for connection in list(self.connections):
                connection.look(now)

    async def drain(self, seconds: float) -> None:
        """Take no new requests, and return when those under way are answered; after `seconds` they are cut off."""
        for connection in list(self.connections):
            connection.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connections:  # noqa: ASYNC110 (many connections have no common event)
                    await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()


@asynccontextmanager
async def listening(
    handler: Handler, *, host: str, port: int, stop: asyncio.Event, drain_seconds: float
) -> AsyncGenerator[Server]:
    """Serve `handler` while the block runs; from `stop` on, requests under way have `drain_seconds` to finish. Raises OSError when the port is taken."""
    server = Server(handler)
    listener = await asyncio.get_running_loop().create_server(server.connect, host, port)
    looking = asyncio.create_task(server.look())
    ended = asyncio.Event()

    async def drain_at_stop() -> None:
        waits = [asyncio.create_task(event.wait()) for event in (stop, ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        listener.close()
        await server.drain(drain_seconds)

    draining = asyncio.create_task(drain_at_stop())
    try:
        yield server
    finally:
        ended.set()
        await draining
        looking.cancel()
