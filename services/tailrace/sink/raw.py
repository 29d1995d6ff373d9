"""Reading one raw record again, for the rare assembled record that Postgres refuses: its dead letter keeps the sender's bytes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import TopicPartition

from tailrace.runtime.kafka import make_consumer
from tailrace.runtime.settings import Kafka
from tailrace.sink.writer import RawGoneError, RawOrigin
from tailrace.wire.topics import BadHeadersError, decode_raw_headers, topics_of

READ_SECONDS = 20


def raw_reader(settings: Kafka) -> Callable[[int, int], Awaitable[RawOrigin]]:
    """A function that reads the raw record at (partition, offset). It raises RawGoneError when the log has it no more."""
    topic = topics_of(settings.topic_prefix).raw

    async def fetch(partition: int, offset: int) -> RawOrigin:
        consumer: Any = make_consumer(settings, group_id=None, client_id="tailrace-sink-raw")
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
