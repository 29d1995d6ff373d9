"""Reading bodies: piece by piece, within limits of size, memory and time."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.answers import Refusal
from tailrace.edge.body import BodyLimit, drop_body, read_body
from tailrace.edge.room import Room
from tests.wire.json_strategies import patient


async def stream_of(data: bytes, step: int = 7, pause_seconds: float = 0) -> AsyncIterator[bytes]:
    for start in range(0, len(data), step):
        await asyncio.sleep(pause_seconds)
        yield data[start : start + step]


def make_room(limit: int = 1_000_000) -> Room:
    return Room(limit, "bytes", "share_of_bytes", lambda _: None)


def make_limit(room: int = 1_000_000) -> BodyLimit:
    return BodyLimit(make_room(room), "shop")


@patient
@given(data=st.binary(max_size=300), step=st.integers(1, 50), members=st.integers(1, 3))
async def test_a_compressed_body_is_read_whatever_its_pieces_and_members(data: bytes, step: int, members: int) -> None:
    compressed = gzip.compress(data) * members + b"\x00" * (members - 1)

    assert await read_body(stream_of(compressed, step), "gzip", make_limit(), most=1000) == data * members


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert await read_body(stream_of(b"x" * 100), "", make_limit(), most=100) == b"x" * 100


async def test_more_than_the_limit_is_refused_without_reading_on() -> None:
    limit = make_limit()

    with pytest.raises(Refusal) as caught:
        await read_body(stream_of(gzip.compress(b"x" * 50_000_000), step=1_000_000), "gzip", limit, most=100)

    assert caught.value.status == 413
    assert limit.held <= 100


async def test_a_sender_that_is_too_slow_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        await read_body(stream_of(b"x" * 100, pause_seconds=0.05), "", make_limit(), most=100, seconds=0.1)

    assert caught.value.status == 408


async def test_a_body_is_granted_beside_others_only_while_there_is_room() -> None:
    room = make_room(100)
    first, second = BodyLimit(room, "shop"), BodyLimit(room, "till")
    await read_body(stream_of(b"x" * 90), "", first, most=1000)

    with pytest.raises(Refusal) as caught:
        await read_body(stream_of(b"x" * 20), "", second, most=1000)
    assert caught.value.status == 503

    first.release()
    second.release()
    assert await read_body(stream_of(b"x" * 500), "", BodyLimit(room, "till"), most=1000), "one alone is always granted"


async def test_a_body_that_nobody_wants_is_read_to_its_end_and_no_further_than_the_limit() -> None:
    await drop_body(stream_of(b"x" * 100), most=100)

    with pytest.raises(Refusal) as caught:
        await drop_body(stream_of(b"x" * 101), most=100)
    assert caught.value.status == 413
