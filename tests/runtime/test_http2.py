"""HTTP/2 is bounded in what it holds, and keeps what is under way when it ends. The client is h2 on a plain socket, so that it may misbehave."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from tailrace.local.ports import free_port
from tailrace.runtime import http2, http2_connection
from tailrace.runtime.http2_connection import MOST_RESETS, MOST_STREAMS, WINDOW_BYTES
from tailrace.runtime.http2_frames import MOST_SPARE_FRAMES, FrameMeter
from tailrace.runtime.http2_stream import Answer, Receive

HEAD = [(":method", "POST"), (":path", "/echo"), (":scheme", "http"), (":authority", "x")]


class Echo:
    """Answers with the size of the body, and what it saw. `gate`: it answers no sooner. `reads`: whether it reads the body."""

    def __init__(self, *, reads: bool = True) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = reads
        self.seen: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.disconnected = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive) -> Answer:
        self.seen.append(scope)
        size, more = 0, self.reads
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                break
            self.sizes.append(len(message["body"]))
            size, more = size + len(message["body"]), message["more_body"]
        await self.gate.wait()
        return Answer(200, [(b"kind", b"echo")], b"%d" % size, [(b"after", b"all")])


class Client:
    """One connection, and what came back on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events: list[h2.events.Event] = []
        self.closed = False

    async def begin(self, settings: dict[SettingCodes, int] | None = None) -> None:
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings({**settings})
        await self.flush()
        await self.until(h2.events.RemoteSettingsChanged)

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def ask(self, body: bytes = b"") -> int:
        """The stream of a request whose body fits into the window."""
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, HEAD, end_stream=not body)
        for at in range(0, len(body), 16_384):
            self.h2.send_data(stream_id, body[at : at + 16_384], end_stream=at + 16_384 >= len(body))
        await self.flush()
        return stream_id

    async def until(self, kind: type[h2.events.Event], stream_id: int | None = None, timeout: float = 10) -> Any:
        """The next event of that kind."""
        async with asyncio.timeout(timeout):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and stream_id in (None, getattr(event, "stream_id", None)):
                        self.events.remove(event)
                        return event
                await self.read()

    async def read(self) -> None:
        data = await self.reader.read(65_536)
        assert data, f"closed, after {self.events}"
        self.events += self.h2.receive_data(data)
        await self.flush()

    async def until_closed(self, timeout: float = 10) -> None:
        async with asyncio.timeout(timeout):
            try:
                while data := await self.reader.read(65_536):
                    self.events += self.h2.receive_data(data)
            except ConnectionResetError:
                pass

    async def answer(self, stream_id: int) -> tuple[bytes, dict[str, str]]:
        """Body and trailers."""
        data = await self.until(h2.events.DataReceived, stream_id)
        trailers = await self.until(h2.events.TrailersReceived, stream_id)
        await self.until(h2.events.StreamEnded, stream_id)
        return data.data, dict(trailers.headers)


@asynccontextmanager
async def connected(port: int, settings: dict[SettingCodes, int] | None = None) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    try:
        await client.begin(settings)
        yield client
    finally:
        writer.close()


@asynccontextmanager
async def serving(echo: Echo, *, stop: asyncio.Event | None = None, drain_seconds: float = 2) -> AsyncGenerator[int]:
    port = free_port()
    stop = stop or asyncio.Event()
    async with http2.listening(echo, host="127.0.0.1", port=port, stop=stop, drain_seconds=drain_seconds):
        yield port


async def frames_until_closed(reader: asyncio.StreamReader) -> list[Frame]:
    """What comes after a GOAWAY, of which h2 as a client reads no more."""
    frames: list[Frame] = []
    while head := await asyncio.wait_for(reader.read(9), 10):
        frame, length = Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(await reader.readexactly(length)))
        frames.append(frame)
    return frames


async def test_requests_on_one_connection_are_answered_each_with_trailers() -> None:
    echo = Echo()
    async with serving(echo) as port, connected(port) as client:
        streams = [await client.ask(b"x" * size) for size in (10, 0, 50_000)]
        answers = [await client.answer(stream_id) for stream_id in streams]

    assert answers == [(b"10", {"after": "all"}), (b"0", {"after": "all"}), (b"50000", {"after": "all"})]
    assert [(scope["method"], scope["path"]) for scope in echo.seen] == [("POST", "/echo")] * 3


async def test_a_body_that_nobody_reads_stops_at_the_window() -> None:
    echo = Echo()
    echo.reads = False
    echo.gate.clear()
    async with serving(echo) as port, connected(port) as client:
        stream_id = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream_id, HEAD)
        sent = 0
        while room := min(16_384, client.h2.local_flow_control_window(stream_id)):
            client.h2.send_data(stream_id, b"x" * room)
            sent += room
        await client.flush()
        with pytest.raises(TimeoutError):
            await client.until(h2.events.WindowUpdated, stream_id, timeout=0.5)
        echo.gate.set()
        await client.answer(stream_id)

        echo.reads = True
        other = await client.ask(b"x" * 100_000)

        assert sent == WINDOW_BYTES
        await client.until(h2.events.StreamReset, stream_id)
        assert (await client.answer(other))[0] == b"100000", "the connection's window is given back"


async def test_a_window_opens_as_far_as_is_read() -> None:
    echo = Echo()
    async with serving(echo) as port, connected(port) as client:
        stream_id = client.h2.get_next_available_stream_id()
        client.h2.send_headers(stream_id, HEAD)
        left = 3_000_000
        while left:
            room = min(16_384, left, client.h2.local_flow_control_window(stream_id))
            if not room:
                await client.read()
                continue
            left -= room
            client.h2.send_data(stream_id, b"x" * room, end_stream=not left)
            await client.flush()

        assert (await client.answer(stream_id))[0] == b"3000000"
    assert max(echo.sizes) <= WINDOW_BYTES


async def test_a_sender_that_gives_up_is_seen_and_others_go_on() -> None:
    echo = Echo()
    async with serving(echo) as port, connected(port) as client:
        given_up = client.h2.get_next_available_stream_id()
        client.h2.send_headers(given_up, HEAD)
        client.h2.send_data(given_up, b"x")
        client.h2.reset_stream(given_up)
        other = await client.ask(b"abc")

        assert (await client.answer(other))[0] == b"3"
    assert echo.disconnected == 1


async def test_a_connection_that_breaks_is_seen() -> None:
    echo = Echo()
    async with serving(echo) as port:
        async with connected(port) as client:
            client.h2.send_headers(1, HEAD)
            await client.flush()
            async with asyncio.timeout(5):
                while not echo.seen:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while not echo.disconnected:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_an_answer_waits_for_a_window_that_opens_later() -> None:
    async with serving(Echo()) as port, connected(port, {SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client:
        stream_id = await client.ask(b"abc")
        await client.until(h2.events.ResponseReceived, stream_id)
        client.h2.increment_flow_control_window(100, stream_id)
        await client.flush()

        assert (await client.answer(stream_id))[0] == b"3"


async def test_an_answer_that_is_let_through_by_nobody_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_connection, "MOST_HEAD_SECONDS", 0.3)
    async with serving(Echo()) as port, connected(port, {SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client:
        stream_id = await client.ask(b"abc")

        assert (await client.until(h2.events.StreamReset, stream_id)).error_code == ErrorCodes.CANCEL


async def test_more_requests_at_once_than_the_bound_end_the_connection() -> None:
    echo = Echo()
    echo.gate.clear()
    async with serving(echo) as port, connected(port) as client:
        client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 10_000
        client.h2.remote_settings.acknowledge()
        for _ in range(MOST_STREAMS + 1):
            await client.ask()

        await client.until_closed()
        echo.gate.set()
    assert len(echo.seen) <= MOST_STREAMS


async def test_requests_that_are_given_up_at_once_do_not_pile_up() -> None:
    echo = Echo()
    echo.gate.clear()
    async with serving(echo) as port, connected(port) as client:
        for _ in range(MOST_STREAMS + 50):
            stream_id = client.h2.get_next_available_stream_id()
            client.h2.send_headers(stream_id, HEAD)
            client.h2.reset_stream(stream_id)
        await client.flush()
        await asyncio.sleep(0.3)
        assert len(echo.seen) == MOST_STREAMS
        echo.gate.set()


async def test_who_only_gives_up_requests_is_sent_away() -> None:
    async with serving(Echo()) as port, connected(port) as client:
        for _ in range(MOST_RESETS + 1):
            stream_id = client.h2.get_next_available_stream_id()
            client.h2.send_headers(stream_id, HEAD)
            client.h2.reset_stream(stream_id)
        await client.flush()
        await client.until_closed()

    (told,) = [event for event in client.events if isinstance(event, h2.events.ConnectionTerminated)]
    assert told.error_code == ErrorCodes.ENHANCE_YOUR_CALM


_FLOODS = {
    "pings": PingFrame(0, opaque_data=b"8 bytes!").serialize(),
    "settings": SettingsFrame(0, settings={}).serialize(),
    "windows": WindowUpdateFrame(0, window_increment=1).serialize(),
    "priorities": PriorityFrame(3, depends_on=1, stream_weight=1).serialize(),
    "unknown frames": b"\x00\x00\x00\x5a\x00\x00\x00\x00\x00",
    "empty pieces of a body": DataFrame(1, data=b"").serialize(),
    "tiny pieces of a body": DataFrame(1, data=b"x").serialize(),
}


@pytest.mark.parametrize("frame", _FLOODS.values(), ids=_FLOODS.keys())
async def test_frames_that_ask_for_nothing_are_bounded(frame: bytes) -> None:
    echo = Echo()
    async with serving(echo) as port, connected(port) as client:
        client.h2.send_headers(1, HEAD)
        await client.flush()
        client.writer.write(frame * (MOST_SPARE_FRAMES * 3))
        frames = await frames_until_closed(client.reader)

    ends = [one for one in frames if isinstance(one, GoAwayFrame)]
    assert [one.error_code for one in ends] == [ErrorCodes.ENHANCE_YOUR_CALM]


@pytest.mark.parametrize("size", [64 * 1024 + 1, 2**24 - 1])
async def test_a_frame_that_is_too_long_is_refused_before_it_comes(size: int) -> None:
    async with serving(Echo()) as port, connected(port) as client:
        client.writer.write(size.to_bytes(3) + b"\x00\x00\x00\x00\x00\x01")
        frames = await frames_until_closed(client.reader)

    assert [one.error_code for one in frames if isinstance(one, GoAwayFrame)] == [ErrorCodes.FRAME_SIZE_ERROR]


async def test_frames_that_requests_explain_are_taken() -> None:
    async with serving(Echo()) as port, connected(port) as client:
        for _ in range(150):
            for _ in range(10):
                client.h2.ping(b"8 bytes!")
            assert (await client.answer(await client.ask(b"x" * 300)))[0] == b"300"


async def test_pieces_that_come_after_a_refusal_are_nobodys_fault() -> None:
    """A large body is under way when its request is answered; the others of the channel must not bear it."""
    echo = Echo(reads=False)
    async with serving(echo) as port, connected(port) as client:
        for number in range(3):
            stream_id = client.h2.get_next_available_stream_id()
            client.h2.send_headers(stream_id, HEAD)
            await client.flush()
            await client.until(h2.events.StreamReset, stream_id)
            pieces = [DataFrame(stream_id, data=b"x" * 16_000).serialize()] * 14
            client.writer.write(b"".join(pieces))
            await client.writer.drain()
            echo.reads = number < 1
            assert (await client.answer(await client.ask(b"abc")))[0] == (b"3" if echo.reads else b"0")
            echo.reads = False


async def test_a_table_of_heads_is_no_larger_than_we_say() -> None:
    async with serving(Echo()) as port, connected(port, {SettingCodes.HEADER_TABLE_SIZE: 2**32 - 1}) as client:
        assert (await client.answer(await client.ask(b"abc")))[0] == b"3"
        decoder = client.h2.decoder

        assert decoder.header_table_size <= 4096


async def test_who_asks_for_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_connection, "MOST_HEAD_SECONDS", 0.5)
    async with serving(Echo()) as port, connected(port) as client:
        await client.until(h2.events.ConnectionTerminated)
        await client.until_closed()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40)), max_size=20), st.randoms(use_true_random=False))
def test_frames_are_counted_however_the_bytes_come(drawn: list[tuple[int, int]], rng: random.Random) -> None:
    frames = [size.to_bytes(3) + bytes((kind, 0, 0, 0, 0, 1)) + b"x" * size for kind, size in drawn]
    data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(frames)
    whole, torn = FrameMeter(), FrameMeter()
    whole.count(data)
    while data:
        end = rng.randint(1, len(data))
        torn.count(data[:end])
        data = data[end:]

    heads = [0]
    for kind, size in drawn:
        if kind in (1, 9):
            heads.append(size + (heads[-1] if kind == 9 else 0))
    assert vars(torn) == vars(whole)
    assert (whole.head_bytes, whole.frames) == (heads[-1], len(drawn))


async def test_a_head_without_end_is_cut_off() -> None:
    async with serving(Echo()) as port, connected(port) as client:
        client.writer.write(HeadersFrame(1, data=b"\x00" * 10_000).serialize())
        for _ in range(100):
            client.writer.write(ContinuationFrame(1, data=b"\x00" * 10_000).serialize())
        await client.until_closed()


async def test_a_head_that_is_too_long_is_refused() -> None:
    echo = Echo()
    async with serving(echo) as port, connected(port) as client:
        client.h2.send_headers(1, [*HEAD, *((f"x-{n}", "y" * 100) for n in range(1000))], end_stream=True)
        await client.flush()
        await client.until_closed()

    assert echo.seen == []


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"x"])
async def test_who_speaks_something_else_is_told_so(data: bytes) -> None:
    async with serving(Echo()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert b"HTTP/1.1 400" in answer
    assert answer.endswith(b'{"message":"this port takes gRPC, which is HTTP/2","error":"InvalidRequestError"}')


async def test_frames_that_break_the_protocol_end_the_connection() -> None:
    async with serving(Echo()) as port, connected(port) as client:
        client.writer.write(b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00")
        await client.until_closed()

    assert any(isinstance(event, h2.events.ConnectionTerminated) for event in client.events)


async def test_no_more_connections_than_the_bound_are_open() -> None:
    server = http2.Server(Echo(), most=1)
    port = free_port()
    listener = await asyncio.get_running_loop().create_server(server.connect, "127.0.0.1", port)
    async with connected(port) as first:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()
        assert (await first.answer(await first.ask(b"abc")))[0] == b"3"
    listener.close()
    await server.drain(1)


async def test_at_the_stop_what_is_under_way_is_answered_and_nothing_new_is_taken() -> None:
    echo, stop = Echo(), asyncio.Event()
    echo.gate.clear()
    async with serving(echo, stop=stop) as port, connected(port) as client:
        under_way = await client.ask(b"abc")
        await asyncio.sleep(0.1)
        stop.set()
        going = await client.until(h2.events.ConnectionTerminated)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        echo.gate.set()
        frames = await frames_until_closed(client.reader)

    assert going.last_stream_id == under_way
    assert echo.sizes == [3]
    assert [frame.data for frame in frames if isinstance(frame, DataFrame)] == [b"3"]
    assert [frame.stream_id for frame in frames if "END_STREAM" in frame.flags] == [under_way]


async def test_the_end_waits_no_longer_than_it_may() -> None:
    echo = Echo()
    echo.gate.clear()
    started = asyncio.get_running_loop().time()
    async with serving(echo, drain_seconds=0.2) as port, connected(port) as client:
        await client.ask(b"abc")
        await asyncio.sleep(0.1)

    assert asyncio.get_running_loop().time() - started < 2
    echo.gate.set()


@pytest.mark.parametrize("which", ["IDLE_SECONDS", "MOST_AGE_SECONDS"])
async def test_a_connection_is_renewed_when_it_is_idle_or_old(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    monkeypatch.setattr(http2_connection, which, 0.5)
    async with serving(Echo()) as port, connected(port) as client:
        assert (await client.answer(await client.ask(b"abc")))[0] == b"3"

        await client.until(h2.events.ConnectionTerminated)
        await client.until_closed()


async def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2_connection, "MOST_HEAD_SECONDS", 0.5)
    async with serving(Echo()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PRI * HT")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(10):
                await reader.readexactly(1_000_000)
        writer.close()


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with serving(Echo()) as port:
        with pytest.raises(OSError, match="in use"):
            async with http2.listening(Echo(), host="127.0.0.1", port=port, stop=asyncio.Event(), drain_seconds=1):
                pass
