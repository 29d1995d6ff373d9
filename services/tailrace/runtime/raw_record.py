"""Reading one raw record again, long after it came: its offset in, the headers and bytes that an edge wrote out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from tailrace.runtime.kafka import make_consumer
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import BadHeadersError, RawHeaders, decode_raw_headers, topics_of

READ_SECONDS: Final = 20


class RawOrigin(NamedTuple):
    """A raw record as it was accepted."""

    headers: RawHeaders
    value: bytes


class RawGoneError(Exception):
    """The raw log does not hold this record any more."""


FetchRaw = Callable[[int, int], Awaitable[RawOrigin]]
"""Reads the raw record at (partition, offset). Raises RawGoneError when there is none, KAFKA_ERRORS when it cannot be told."""


def raw_reader(settings: Kafka, *, client_id: str) -> FetchRaw:
    """A function that reads raw records of this installation, each by a consumer of its own."""
    topic = topics_of(settings.topic_prefix).raw

    async def fetch(partition: int, offset: int) -> RawOrigin:
        consumer: Any = make_consumer(settings, group_id=None, client_id=client_id)
        tp = TopicPartition(topic, partition)
        await consumer.start()
        try:
            consumer.assign([tp])
            first = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
            if not first <= offset < end:
                raise RawGoneError(f"the raw log of partition {partition} holds {first} to {end - 1}, not {offset}")
            consumer.seek(tp, offset)
            message = await asyncio.wait_for(consumer.getone(tp), READ_SECONDS)
        finally:
            await consumer.stop()
        if message.offset != offset:
            raise RawGoneError(f"the raw log of partition {partition} has {message.offset} next, not {offset}")
        try:
            return RawOrigin(decode_raw_headers(dict(message.headers)), message.value)
        except BadHeadersError as error:
            raise RawGoneError(f"its headers cannot be read: {error}") from error

    return fetch
