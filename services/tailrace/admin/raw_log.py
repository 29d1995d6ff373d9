"""The raw log as operators read it: its bounds, its records, and how many events they hold. Reads only, in no consumer group."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aiokafka.structs import TopicPartition

from tailrace.admin.command import OperatorError, open_kafka
from tailrace.runtime.kafka import make_consumer
from tailrace.runtime.settings import Kafka
from tailrace.wire.topics import topics_of

_POLL_MS: Final = 1000
_STALLED_POLLS: Final = 30


class Bounds(NamedTuple):
    """The first offset that the log still has, and the one after the last."""

    first: int
    end: int


class LogPlace(NamedTuple):
    """A record's offset, and the time at which its edge sent it."""

    offset: int
    at: datetime


class RawRecord(NamedTuple):
    """A record of the raw log."""

    partition: int
    offset: int
    headers: dict[str, bytes]
    value: bytes


class RawLog:
    """The raw topic of this installation."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def bounds(self, partitions: Sequence[int]) -> dict[int, Bounds]:
        """Where these partitions begin and end now."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        first = await self._consumer.beginning_offsets(wanted)
        end = await self._consumer.end_offsets(wanted)
        return {one.partition: Bounds(first[one], end[one]) for one in wanted}

    async def places_at(self, partitions: Sequence[int], at: datetime) -> dict[int, LogPlace | None]:
        """The first record of each partition that was sent at this time or later; every one before it was sent earlier. None without one."""
        wanted = {TopicPartition(self._topic, partition): int(at.timestamp() * 1000) for partition in partitions}
        found = await self._consumer.offsets_for_times(wanted)
        return {
            one.partition: None
            if place is None
            else LogPlace(place.offset, datetime.fromtimestamp(place.timestamp / 1000, UTC))
            for one, place in found.items()
        }

    async def read(self, ranges: Mapping[int, Bounds]) -> AsyncGenerator[RawRecord]:
        """The records of each partition's range, in order within a partition. Raises OperatorError when the log stops giving them."""
        missing = {number: one for number, one in ranges.items() if one.first < one.end}
        self._consumer.assign([TopicPartition(self._topic, partition) for partition in missing])
        for partition, (first, _) in missing.items():
            self._consumer.seek(TopicPartition(self._topic, partition), first)
        silent = 0
        while missing:
            polled = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=1000)
            silent = 0 if polled else silent + 1
            if silent > _STALLED_POLLS:
                raise OperatorError(f"the topic {self._topic} gives no records of the partitions {sorted(missing)}")
            for topic_partition, records in polled.items():
                for record in records:
                    if record.offset < ranges[topic_partition.partition].end:
                        yield _raw_record(record)
                if records[-1].offset + 1 >= ranges[topic_partition.partition].end:
                    self._consumer.pause(topic_partition)
                    missing.pop(topic_partition.partition, None)

    async def find(self, partition: int, offset: int) -> RawRecord | None:
        """The record at an origin; None when the log does not have it any more, or not yet."""
        first, end = (await self.bounds([partition]))[partition]
        if not first <= offset < end:
            return None
        async for record in self.read({partition: Bounds(offset, offset + 1)}):
            return record
        return None


@asynccontextmanager
async def open_raw_log(settings: Kafka) -> AsyncGenerator[RawLog]:
    """The raw log while the block runs. Raises OperatorError when no broker answers or there is no such topic."""
    topic = topics_of(settings.topic_prefix).raw
    async with open_kafka(make_consumer(settings, group_id=None, client_id="tailrace-admin"), settings) as consumer:
        # All topics are asked for: asking for one by name lets a broker create it.
        if topic not in await consumer.topics():
            raise OperatorError(f"there is no topic {topic}: run `tailrace topics`")
        yield RawLog(consumer, topic)


def _raw_record(record: Any) -> RawRecord:
    return RawRecord(record.partition, record.offset, dict(record.headers), record.value or b"")
