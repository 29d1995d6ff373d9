"""The gate in front of a producer, which lets no more bytes through at once than a broker takes as one request; and broken connections."""

import asyncio
import socket
import struct
import threading
from typing import Any

import aiokafka.conn
import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

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


def test_a_request_on_a_connection_that_has_just_broken_fails_by_a_kafka_error() -> None:
    errors: list[BaseException] = []
    sends: list[asyncio.Future[Any]] = []

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=_answer_and_reset, args=(server,))
            thread.start()
            client: Any = aiokafka.conn
            connection = await client.create_conn("127.0.0.1", server.getsockname()[1], request_timeout_ms=5_000)
            while connection.connected():
                try:
                    sends.append(asyncio.ensure_future(connection.send(MetadataRequest([]))))
                except RuntimeError as error:
                    errors.append(error)
                await asyncio.sleep(0)
            thread.join()
            await asyncio.gather(*sends, return_exceptions=True)

    uvloop.run(main())

    (error,) = errors
    assert isinstance(error, KafkaConnectionError)
    assert "unable to perform operation" in str(error)


def _answer_and_reset(server: socket.socket) -> None:
    """Take one connection, answer its question for the versions, and reset it."""
    client, _ = server.accept()
    (size,) = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))
    correlation = client.recv(size, socket.MSG_WAITALL)[4:8]
    metadata_versions = struct.pack(">hhh", 3, 0, 5)
    answer = correlation + struct.pack(">hi", 0, 1) + metadata_versions
    client.sendall(struct.pack(">i", len(answer)) + answer)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
