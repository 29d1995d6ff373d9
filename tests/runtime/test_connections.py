"""A server's connections are bounded in number, and what comes before a request's body in bytes and in time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tailrace.local.ports import free_port
from tailrace.runtime import connections
from tailrace.runtime.connections import MOST_HEAD_BYTES, bounded_to


async def _echo_size(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@asynccontextmanager
async def serving(most: int = 10) -> AsyncGenerator[int]:
    """A server on the port that is yielded."""
    port = free_port()
    app = Starlette(routes=[Route("/", _echo_size, methods=["POST"])])
    http: Callable[..., asyncio.Protocol] = bounded_to(most)
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off", http=http)  # pyright: ignore[reportArgumentType]
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())  # pyright: ignore[reportPrivateUsage] - without its signal handlers
    while not server.started:  # noqa: ASYNC110 - it has a flag and no event
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await task


async def talk(port: int, *pieces: bytes) -> bytes:
    """What the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def request(body: bytes = b"", headers: bytes = b"connection: close\r\n") -> bytes:
    return b"POST / HTTP/1.1\r\nhost: x\r\n%scontent-length: %d\r\n\r\n%s" % (headers, len(body), body)


async def test_a_request_with_a_large_body_and_one_after_it_are_served() -> None:
    async with serving() as port:
        answer = await talk(port, request(b"x" * 1_000_000, b""), request(b"y" * 100_000))

    assert answer.count(b"200 OK") == 2
    assert b"1000000" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(100_000)),
        b"POST / HTTP/1.1\r\nx: " + b"y" * 2_000_000,
        b"POST /" + b"y" * 2_000_000,
    ],
    ids=["many headers", "one long header", "a long line"],
)
async def test_a_head_without_end_is_refused(head: bytes) -> None:
    async with serving() as port:
        answer = await talk(port, head)

    assert answer == b"reset" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


async def test_a_head_of_a_usual_size_is_taken_in_however_small_pieces() -> None:
    head = request(b"", b"connection: close\r\nx: " + b"y" * (MOST_HEAD_BYTES // 2) + b"\r\n")
    pieces = [head[at : at + 5000] for at in range(0, len(head), 5000)]

    async with serving() as port:
        assert b"200 OK" in await talk(port, *pieces)


async def test_one_connection_too_many_is_503_with_retry_after() -> None:
    async with serving(most=2) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.1)
        refused = await talk(port, request())
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.1)
        served = await talk(port, request())

    assert refused.startswith(b"HTTP/1.1 503") or refused == b"reset"
    assert b"200 OK" in served


async def test_a_connection_that_says_nothing_or_never_ends_its_head_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_HEAD_SECONDS", 0.2)
    async with serving() as port:
        assert await talk(port) == b""
        assert await talk(port, b"POST / HTTP/1.1\r\nhost: x\r\n") == b""
