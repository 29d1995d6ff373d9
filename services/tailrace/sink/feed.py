"""What a sink holds of one assigned partition: fetched messages in, batches bounded in bytes out. Neither Kafka nor Postgres is touched here."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from tailrace.sink.plan import Delivered


class PartitionFeed:
    """One assigned partition: whether its reading position is set, what is fetched and not applied, and chunks that wait for their rest.

    `end`: the offset after the last, as the brokers said when they were asked.
    """

    def __init__(self, partition: TopicPartition) -> None:
        self.partition = partition
        self.positioned = False
        self.fetched_bytes = 0
        self._fetched: deque[Any] = deque()
        self.carry: list[Delivered] = []
        self.position = 0
        self.end = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether anything is fetched and not taken."""
        return bool(self._fetched)

    def add(self, messages: Sequence[Any]) -> None:
        """These are fetched."""
        self._fetched.extend(messages)
        self.fetched_bytes += sum(len(message.value) for message in messages)

    def take(self, most_bytes: int) -> list[Any]:
        """The next messages, always one, up to so many bytes."""
        batch: list[Any] = []
        size = 0
        while self._fetched and (not batch or size + len(self._fetched[0].value) <= most_bytes):
            batch.append(self._fetched.popleft())
            size += len(batch[-1].value)
        self.fetched_bytes -= size
        return batch

    def restart(self, position: int) -> None:
        """Read from here; what was fetched is forgotten."""
        self._fetched.clear()
        self.fetched_bytes = 0
        self.carry, self.position, self.positioned = [], position, True
