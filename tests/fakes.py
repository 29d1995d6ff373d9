"""Hand-written stand-ins for what the assembler meets outside of itself: the raw log, the sender and the topics behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import orjson
from aiokafka import TopicPartition

from tailrace.assembler.batch import RawRecord
from tailrace.assembler.sender import Message, SendError
from tailrace.wire.records import AssembledRecord, CostPartsRecord, DeadLetterRecord, decode_record
from tailrace.wire.topics import RawHeaders, Topics, decode_raw_headers

RECEIVED_US = 1_772_366_400_000_000
TOPICS = Topics(raw="raw", assembled="assembled", cost_parts="parts", dead="dead")

Offer = Callable[[int, RawRecord], None]


class RawTopic:
    """Partition 0 of the raw log, shared by all consumers. `first`: the offset of the first record that is kept."""

    def __init__(self) -> None:
        self.first = 0
        self.records: list[RawRecord] = []
        self._watchers: list[FakeRawLog] = []

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def append(
        self, events: Sequence[dict[str, Any]], *, project_id: str = "p", received_us: int | None = None
    ) -> RawRecord:
        """Put a batch of events on the log, as the edge does."""
        received = RECEIVED_US + self.end * 1_000 if received_us is None else received_us
        headers = RawHeaders("ingestion", project_id, received, len(events))  # pyright: ignore[reportArgumentType]
        return self.append_raw(dict(headers.encode()), orjson.dumps({"batch": events}))

    def append_raw(self, headers: dict[str, bytes], value: bytes) -> RawRecord:
        """Put anything on the log."""
        record = RawRecord(self.end, headers, value)
        self.records.append(record)
        self.changed()
        return record

    def read(self, offset: int) -> RawRecord | None:
        """The record at `offset`, None where the log has none."""
        return self.records[offset - self.first] if self.first <= offset < self.end else None

    def headers_of(self, offset: int) -> RawHeaders:
        record = self.read(offset)
        assert record is not None
        return decode_raw_headers(dict(record.headers))

    def expire(self, first: int) -> None:
        """Retention: forget what is before `first`."""
        del self.records[: first - self.first]
        self.first = first

    def watch(self, log: "FakeRawLog") -> None:
        self._watchers.append(log)

    def changed(self) -> None:
        for log in self._watchers:
            log.wake()


class FakeRawLog:
    """One consumer's view of a `RawTopic`, with a position, a pause, and commits. It reads ahead of nobody: each record is offered once."""

    def __init__(self, topic: RawTopic) -> None:
        self.topic = topic
        self.position: int | None = None
        self.assigned = True
        self.delivering = True
        self.paused = False
        self.pauses = 0
        self.commits: list[int] = []
        self.seeks: list[int] = []
        self.failing: Exception | None = None
        self.known_end: int | None = None
        self.hanging = False
        self._wake = asyncio.Event()
        topic.watch(self)

    async def seek(self, partition: int, offset: int) -> None:
        self._raise_if_failing()
        self.position = offset
        self.seeks.append(offset)
        self.wake()

    async def bounds(self, partition: int) -> tuple[int, int]:
        self._raise_if_failing()
        if self.hanging:
            await asyncio.Event().wait()
        return self.topic.first, self.topic.end

    async def reading_at(self, partition: int) -> int | None:
        self._raise_if_failing()
        return self.position

    async def commit(self, partition: int, offset: int) -> None:
        self._raise_if_failing()
        self.commits.append(offset)

    def end(self, partition: int) -> int | None:
        return self.topic.end if self.known_end is None else self.known_end

    def is_assigned(self, partition: int) -> bool:
        return self.assigned

    def pause(self, partition: int) -> None:
        self.paused = True
        self.pauses += 1

    def resume(self, partition: int) -> None:
        self.paused = False
        self.wake()

    def wake(self) -> None:
        self._wake.set()

    async def deliver(self, offer: Offer) -> None:
        """Offer record after record from the position on, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.delivering and not self.paused and self.position is not None:
                self.position = max(self.position, self.topic.first)
                record = self.topic.read(self.position)
                if record is None:
                    break
                self.position += 1
                offer(0, record)
                await asyncio.sleep(0)

    def _raise_if_failing(self) -> None:
        if self.failing is not None:
            raise self.failing


class FakeSender:
    """A Sender that keeps what it is given, topic by topic.

    `fails`: how many of the next sends are refused whole. `fails_after`: how many messages of the next send arrive before it fails.
    `loses`: what is confirmed and gone. `before`: is awaited before each send.
    """

    def __init__(self, topics: dict[str, list[bytes]] | None = None) -> None:
        self.topics: dict[str, list[bytes]] = {} if topics is None else topics
        self.fails = 0
        self.fails_after: int | None = None
        self.before: Callable[[Sequence[Message]], Any] | None = None
        self.loses: Callable[[Message], bool] = lambda _: False

    async def send(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        if self.before is not None:
            await self.before(messages)
        if self.fails:
            self.fails -= 1
            raise SendError("the fake broker does not answer")
        for number, message in enumerate(messages):
            if self.fails_after is not None and number >= self.fails_after:
                self.fails_after = None
                raise SendError("the fake broker went away")
            if not self.loses(message):
                self.topics.setdefault(message.topic, []).append(message.value)
        await asyncio.sleep(0)

    @property
    def assembled(self) -> list[AssembledRecord]:
        return [decode_record(value, AssembledRecord) for value in self.topics.get(TOPICS.assembled, [])]

    @property
    def parts(self) -> list[CostPartsRecord]:
        return [decode_record(value, CostPartsRecord) for value in self.topics.get(TOPICS.cost_parts, [])]

    @property
    def dead(self) -> list[DeadLetterRecord]:
        return [decode_record(value, DeadLetterRecord) for value in self.topics.get(TOPICS.dead, [])]


async def eventually(holds: Callable[[], Awaitable[bool] | bool], *, seconds: float = 15) -> None:
    """Return once `holds` does; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.02)


class Fetched(NamedTuple):
    """A record as aiokafka hands it out."""

    partition: int
    offset: int
    value: bytes


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FakeConsumer:
    """An aiokafka consumer of partition 0 of the assembled topic; its group's commit is wherever `position` is set to."""

    def __init__(self, topics: dict[str, list[bytes]]) -> None:
        self._topics = topics
        self.tp = TopicPartition(TOPICS.assembled, 0)
        self.first = 0
        self.position = 0
        self.at_most = 1_000_000
        self.seeks: list[int] = []
        self.commits: list[int] = []

    @property
    def end(self) -> int:
        return self.first + len(self._topics.get(TOPICS.assembled, []))

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {self.tp: self.first}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {self.tp: self.end}

    def highwater(self, partition: TopicPartition) -> int:
        return self.end

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.position = offset
        self.seeks.append(offset)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.commits.append(offsets[self.tp])

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        values = self._topics.get(TOPICS.assembled, [])[self.position - self.first :][: min(max_records, self.at_most)]
        if not values:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        fetched = [Fetched(0, self.position + number, value) for number, value in enumerate(values)]
        self.position += len(values)
        return {self.tp: fetched}
