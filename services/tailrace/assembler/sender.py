"""Sending: cost parts and dead letters first, and once Kafka has them the assembled records. Every send is awaited.

A send that fails or takes too long raises: the partition's owner must start over. The producer is then replaced, because an idempotent
producer that lost a batch refuses all that follow.
"""

import asyncio
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from tailrace.runtime.kafka import (
    KAFKA_ERRORS,
    MAX_RECORD_BYTES,
    MOST_BYTES_AT_ONCE,
    ByteGate,
    dispose_producer,
    make_producer,
)
from tailrace.runtime.log import get_logger
from tailrace.runtime.settings import Kafka
from tailrace.wire.records import AssembledRecord, CostPart, CostPartsRecord, DeadLetterRecord, encode_record
from tailrace.wire.topics import Topics, partition_of

log = get_logger(__name__)

DISPOSE_SECONDS: Final = 5

MOST_BYTES_OF_A_SEND: Final = 16 * 1024 * 1024
"""What one time-out is for. What became of a large record may be many times as much, and would never be sent in one."""


MOST_PARTS: Final = 2_000
"""Cost parts of one record."""

_key_of: Final = attrgetter("project_id", "user_id", "model", "bucket", "bucket_start")


class SendError(Exception):
    """Kafka has not confirmed a record."""


class Message(NamedTuple):
    """One Kafka record."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class Sender(Protocol):
    """Sends messages; returns once all are confirmed. Order within a topic's partition is kept. Raises SendError."""

    async def send(self, messages: Sequence[Message]) -> None: ...


class Line(NamedTuple):
    """A producer, and the gate that bounds what it is given at once."""

    producer: Any
    gate: ByteGate


class KafkaSender:
    """A Sender over one idempotent producer, which it replaces when it fails."""

    def __init__(self, settings: Kafka, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._line: Line | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Connect. Raises one of KAFKA_ERRORS."""
        await self._current()

    async def stop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await dispose_producer(line.producer, self._settings.send_timeout_seconds)

    async def send(self, messages: Sequence[Message]) -> None:
        for some in slices(messages, MOST_BYTES_OF_A_SEND):
            await self._send_some(some)

    async def _send_some(self, messages: Sequence[Message]) -> None:
        line: Line | None = None
        try:
            async with asyncio.timeout(self._settings.send_timeout_seconds * 2):
                line = await self._current()
                await asyncio.gather(*[await _put(line, message) for message in messages])
        except (*KAFKA_ERRORS, AssertionError) as error:
            await self._discard(line)
            raise SendError(f"{type(error).__name__}: {error}") from error

    async def _current(self) -> Line:
        async with self._lock:
            if self._line is None:
                producer = make_producer(self._settings, client_id=self._client_id, max_record_bytes=MAX_RECORD_BYTES)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._line = Line(producer, ByteGate(MOST_BYTES_AT_ONCE))
            return self._line

    async def _discard(self, line: Line | None) -> None:
        if line is None or line is not self._line:
            return
        self._line = None
        log.warning("assembler.producer.replaced")
        await dispose_producer(line.producer, DISPOSE_SECONDS)


async def _put(line: Line, message: Message) -> "asyncio.Future[Any]":
    """Give a message to the producer, once there is room for it; the future is its confirmation."""
    size = len(message.value)
    await line.gate.acquire(size)
    try:
        sent: asyncio.Future[Any] = await line.producer.send(
            message.topic, message.value, key=message.key, partition=message.partition
        )
    except BaseException:
        line.gate.release(size)
        raise
    sent.add_done_callback(lambda _: line.gate.release(size))
    return sent


def slices(messages: Sequence[Message], most_bytes: int) -> Iterator[list[Message]]:
    """The messages in order, each slice up to so many bytes, and always one message."""
    some: list[Message] = []
    size = 0
    for message in messages:
        if some and size + len(message.value) > most_bytes:
            yield some
            some, size = [], 0
        some.append(message)
        size += len(message.value)
    if some:
        yield some


def assembled_messages(topics: Topics, records: Sequence[AssembledRecord]) -> list[Message]:
    """The assembled records of one partition, in order."""
    return [Message(topics.assembled, record.partition, None, encode_record(record)) for record in records]


def letter_messages(topics: Topics, record: AssembledRecord) -> list[Message]:
    """The dead letters of a record, for their topic."""
    messages: list[Message] = []
    for letter in record.dead_letters:
        dead = DeadLetterRecord(partition=record.partition, origin=record.origin, letter=letter)
        messages.append(Message(topics.dead, record.partition, letter.project_id.encode(), encode_record(dead)))
    return messages


def cost_messages(topics: Topics, records: Sequence[AssembledRecord], partitions: int) -> list[Message]:
    """What the meters hear of the cost parts of one epoch's records: each part as it stands after the last of them.

    Between its own record and the last one a part does not change, so that it stands for both.
    """
    newest = {_key_of(part): part for record in records for part in record.cost_parts}
    targets: dict[int, list[CostPart]] = {}
    for part in newest.values():
        targets.setdefault(partition_of(part.project_id, part.user_id or "", partitions), []).append(part)
    messages: list[Message] = []
    last = records[-1]
    for target, parts in sorted(targets.items()):
        for start in range(0, len(parts), MOST_PARTS):
            some = parts[start : start + MOST_PARTS]
            changed = CostPartsRecord(partition=last.partition, epoch=last.epoch, origin=last.origin, parts=some)
            messages.append(Message(topics.cost_parts, target, None, encode_record(changed)))
    return messages
