"""The gate in front of a producer: no more bytes at once than a broker takes as one request."""

import asyncio

import pytest

from tailrace.runtime.kafka import ByteGate


async def test_bytes_beyond_the_capacity_wait_for_room() -> None:
    gate = ByteGate(10)
    await gate.acquire(6)
    waiting = asyncio.create_task(gate.acquire(5))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.release(6)

    await asyncio.wait_for(waiting, 1)


async def test_more_than_the_capacity_goes_alone() -> None:
    gate = ByteGate(10)
    await gate.acquire(1)
    waiting = asyncio.create_task(gate.acquire(50))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.release(1)
    await asyncio.wait_for(waiting, 1)
    small = asyncio.create_task(gate.acquire(1))
    await asyncio.sleep(0)
    assert not small.done()
    gate.release(50)

    await asyncio.wait_for(small, 1)


async def test_one_who_gives_up_takes_no_room() -> None:
    gate = ByteGate(10)
    await gate.acquire(10)
    waiting = asyncio.create_task(gate.acquire(5))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.release(10)

    await asyncio.wait_for(gate.acquire(10), 1)


async def test_the_room_is_given_back_when_the_block_fails() -> None:
    gate = ByteGate(10)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await _fail_within(gate)

    await asyncio.wait_for(gate.acquire(10), 1)


async def _fail_within(gate: ByteGate) -> None:
    async with gate.hold(10):
        _ = 1 / 0
