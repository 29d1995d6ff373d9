"""The raw log as the auditor reads it: positions in, whose events the next records hold out. In no consumer group; it commits nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka.structs import TopicPartition

from tailrace.auditor.ledger import Bounds
from tailrace.core.model import ProjectId
from tailrace.wire.topics import count_events

ANSWER_SECONDS: Final = 15.0
_POLL_MS: Final = 500
_POLL_RECORDS: Final = 2000


class RawHeadersLog:
    """The raw topic. Between two polls it asks the brokers for nothing."""

    def __init__(self, consumer: Any, topic: str, partitions: Sequence[int]) -> None:
        self._consumer = consumer
        self._partitions = {number: TopicPartition(topic, number) for number in partitions}
        self._next: dict[int, int] = {}
        consumer.assign(list(self._partitions.values()))
        self._pause()

    async def bounds(self) -> dict[int, Bounds]:
        """Where the partitions begin and end now. Raises KAFKA_ERRORS, TimeoutError among them."""
        wanted = list(self._partitions.values())
        async with asyncio.timeout(ANSWER_SECONDS):
            first = await self._consumer.beginning_offsets(wanted)
            end = await self._consumer.end_offsets(wanted)
        return {number: Bounds(first[one], end[one]) for number, one in self._partitions.items()}

    async def poll(self, positions: Mapping[int, int]) -> dict[int, list[tuple[ProjectId, int]]]:
        """Project and events of the next records of each partition, from its position on and without a gap; nothing if none come soon."""
        for number, position in positions.items():
            if self._next.get(number) != position:
                self._consumer.seek(self._partitions[number], position)
                self._next[number] = position
            self._consumer.resume(self._partitions[number])
        wanted = [self._partitions[number] for number in positions]
        try:
            polled: dict[Any, list[Any]] = await self._consumer.getmany(
                *wanted, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS
            )
        finally:
            self._pause()
        return {one.partition: self._take(one.partition, records) for one, records in polled.items()}

    def _pause(self) -> None:
        self._consumer.pause(*self._partitions.values())

    def _take(self, number: int, records: Sequence[Any]) -> list[tuple[ProjectId, int]]:
        taken: list[tuple[ProjectId, int]] = []
        for record in records:
            if record.offset == self._next[number]:
                taken.append(count_events(dict(record.headers)))
                self._next[number] += 1
        if records[-1].offset + 1 != self._next[number]:
            # Read from elsewhere: seek before the next poll.
            del self._next[number]
        return taken
