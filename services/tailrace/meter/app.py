"""The meter as a Faust app: cost parts in, live windows and Prometheus figures out.

A part is committed only once Postgres has applied its origin: until then it may be read again, and merging it again changes nothing.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tailrace.meter.repository import Repository
from tailrace.meter.windows import LiveWindows, Version, key_of
from tailrace.runtime import metrics
from tailrace.runtime.faust_app import FaustTopic
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.wire.records import BadRecordError, CostPart, CostPartsRecord, decode_record

log = get_logger(__name__)

POLL_SECONDS: Final = 1.0
MAX_UNCOMMITTED: Final = 20_000
MAX_WINDOWS: Final = 200_000


class Taken(NamedTuple):
    """A record of cost parts that is merged and not committed yet. None as raw partition: it could not be read."""

    offset: int
    raw_partition: int | None
    version: Version


class Meter:
    """Merges cost parts and commits them once they are applied."""

    def __init__(self, repository: Repository, topic: FaustTopic, health: Health, *, max_series: int) -> None:
        self._repository = repository
        self._topic = topic
        self._health = health
        self._cap = metrics.LabelCap(max_series)
        self._windows = LiveWindows(MAX_WINDOWS)
        self._taken: dict[int, deque[Taken]] = {}
        self._room = asyncio.Event()
        metrics.meter_windows.set_function(lambda: len(self._windows))

    def assign(self, partitions: Sequence[int]) -> None:
        """Hold these partitions of the cost topic and no others."""
        self._taken = {partition: self._taken.get(partition, deque()) for partition in partitions}
        metrics.consumer_owned.set(len(self._taken))
        log.info("meter.assigned", partitions=sorted(partitions))

    async def take(self, partition: int, offset: int, value: bytes) -> None:
        """Merge one record; waits while Postgres is away or too much is uncommitted."""
        if partition not in self._taken:
            return
        await self._wait_for_room()
        try:
            record = decode_record(value, CostPartsRecord)
        except BadRecordError:
            log.exception("meter.record.unreadable", partition=partition, offset=offset)
            self._note(partition, Taken(offset, None, Version(0, 0)))
            return
        version = Version(record.epoch, record.origin)
        await self._load(record.parts)
        for part in record.parts:
            self._count(part, record.partition, version)
        self._note(partition, Taken(offset, record.partition, version))

    async def follow(self, stop: asyncio.Event) -> None:
        """Commit what Postgres has applied, until `stop`."""
        while not stop.is_set():
            try:
                self._health.clear("postgres")
                await self._commit(await self._repository.read_applied())
            except OUTAGE_ERRORS as error:
                self._health.block("postgres", f"{type(error).__name__}: {error}")
            except KAFKA_ERRORS as error:
                log.warning("meter.commit.failed", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _commit(self, applied: dict[int, Version]) -> None:
        for partition, taken in list(self._taken.items()):
            last: int | None = None
            while taken and _is_settled(taken[0], applied):
                last = taken.popleft().offset
            if last is not None:
                await self._topic.commit(partition, last + 1)
            self._report(partition, taken)
        self._room.set()

    async def _wait_for_room(self) -> None:
        while sum(map(len, self._taken.values())) >= MAX_UNCOMMITTED:
            self._room.clear()
            await self._room.wait()

    async def _load(self, parts: Sequence[CostPart]) -> None:
        missing = self._windows.missing(key_of(part) for part in parts)
        while missing:
            try:
                stored = await self._repository.load_parts(missing)
            except OUTAGE_ERRORS as error:
                self._health.block("postgres", f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)
                continue
            for key, found in stored.items():
                self._windows.load(key, found)
            return

    def _count(self, part: CostPart, raw_partition: int, version: Version) -> None:
        growth = self._windows.merge(raw_partition, version, part)
        if part.bucket != "minute" or part.model is None:
            return
        overflowed = self._cap.overflowed
        labels = self._cap.admit(part.project_id, part.model)
        metrics.meter_series_overflow.inc(self._cap.overflowed - overflowed)
        if growth.cost >= 0:
            metrics.meter_cost.labels(*labels).inc(float(growth.cost))
        else:
            metrics.meter_corrections.labels(*labels).inc(float(-growth.cost))
        metrics.meter_tokens.labels(*labels).inc(max(0, growth.tokens))

    def _note(self, partition: int, taken: Taken) -> None:
        if partition in self._taken:
            self._taken[partition].append(taken)

    def _report(self, partition: int, taken: deque[Taken]) -> None:
        end = self._topic.end(partition)
        label = (self._topic.name, str(partition))
        if end is not None and taken:
            metrics.consumer_lag.labels(*label).set(max(0, end - taken[0].offset))
        else:
            metrics.consumer_lag.labels(*label).set(0)


def _is_settled(taken: Taken, applied: dict[int, Version]) -> bool:
    """Whether a part need not be read again: its origin is applied, or its epoch is over and the next owner sends it anew."""
    if taken.raw_partition is None:
        return True
    where = applied.get(taken.raw_partition)
    return where is not None and (where.origin >= taken.version.origin or where.epoch > taken.version.epoch)


def connect(app: Any, topic: str, meter: Meter) -> None:
    """Let the app's cost topic and its assignments flow to the meter."""
    source = app.topic(topic, key_serializer="raw", value_serializer="raw")

    async def count(stream: Any) -> None:
        async for event in stream.noack().events():
            await meter.take(event.message.partition, event.message.offset, event.message.value)

    app.agent(source, name="count")(count)

    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        meter.assign([tp.partition for tp in assigned if tp.topic == topic])

    app.on_partitions_assigned.connect(assigned, weak=False)
