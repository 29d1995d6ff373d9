"""A line to a server that a test can cut and mend: a TCP proxy on a port of its own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Line:
    """Carries bytes between clients and the server until it is cut; mended, it takes new connections on the same port."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    async def mend(self) -> None:
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        for source, target in ((from_client, to_server), (from_server, to_client)):
            task = asyncio.create_task(_pump(source, target))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)


@asynccontextmanager
async def line_to(server_port: int) -> AsyncGenerator[Line]:
    """A line to the server on this machine, cut for good at the end."""
    line = Line(server_port)
    await line.mend()
    try:
        yield line
    finally:
        await line.cut()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
    finally:
        target.transport.abort()
