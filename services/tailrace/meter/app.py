"""The meter as a Faust app: cost parts in, live windows and Prometheus figures out.

A part is committed only once Postgres has applied its origin: until then it may be read again, and merging it again changes nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from tailrace.meter.repository import Repository
from tailrace.meter.windows import Growth, LiveWindows, Version, WindowKey, key_of
from tailrace.runtime import metrics
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.wire.records import BadRecordError, CostPart, CostPartsRecord, NewerRecordError, decode_record

log = get_logger(__name__)

POLL_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 1.0
ASK_SECONDS: Final = 10.0
"""How often the brokers are asked where the topic ends: what is never delivered is seen by nothing else."""

MAX_UNCOMMITTED: Final = 20_000
MAX_UNCOMMITTED_BYTES: Final = 64 * 1024 * 1024
MAX_WINDOW_BYTES: Final = 128 * 1024 * 1024
RELOAD_WINDOWS: Final = 1_000


class CostTopic(Protocol):
    """The cost topic as the meter sees it. May raise KAFKA_ERRORS."""

    name: str

    async def commit(self, partition: int, offset: int) -> None: ...
    def end(self, partition: int) -> int | None:
        """The offset after the last as far as known without asking."""
        ...

    async def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that is still there, and the one after the last."""
        ...

    async def committed(self, partition: int) -> int | None:
        """Where the group reads on; None if it has committed nothing."""
        ...


class Taken(NamedTuple):
    """A record of cost parts that is merged and not committed yet. None as raw partition: it could not be read."""

    offset: int
    raw_partition: int | None
    version: Version
    bytes: int


class Meter:
    """Merges cost parts and commits them once they are applied."""

    def __init__(
        self,
        repository: Repository,
        topic: CostTopic,
        health: Health,
        *,
        max_series: int,
        max_window_bytes: int = MAX_WINDOW_BYTES,
    ) -> None:
        self._repository = repository
        self._topic = topic
        self._health = health
        self._cap = metrics.LabelCap(max_series)
        self.windows = LiveWindows(max_window_bytes)
        self._taken: dict[int, deque[Taken]] = {}
        self._taken_bytes = 0
        self._ends: dict[int, int] = {}
        self._asked_at = 0.0
        self._void_due = False
        self._next: dict[int, int] = {}
        self._applied: dict[int, Version] = {}
        self._room = asyncio.Event()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        metrics.meter_windows.set_function(lambda: len(self.windows))

    def assign(self, partitions: Sequence[int]) -> None:
        """Hold these partitions of the cost topic and no others.

        Everything starts again from what is committed, as after a crash: meanwhile another meter may have had the partitions, and
        whatever is not committed comes again.
        """
        for partition in self._taken.keys() - set(partitions):
            self._forget(partition)
        self._taken = {partition: deque() for partition in partitions}
        self._taken_bytes = 0
        self._next.clear()
        self._ends.clear()
        self._asked_at = 0.0
        for partition in partitions:
            self._health.report_progress(_consumer_name(partition), position=-1, lagging=True)
        self.windows.clear()
        self._room.set()
        metrics.consumer_owned.set(len(self._taken))
        log.info("meter.assigned", partitions=sorted(partitions))

    async def take(self, partition: int, offset: int, value: bytes) -> None:
        """Merge one record; waits while Postgres is away or too much is uncommitted."""
        if partition not in self._taken:
            return
        await self._wait_for_room()
        try:
            record = decode_record(value, CostPartsRecord)
        except NewerRecordError as error:
            await self._wait_for_later_release(partition, error)
            return
        except BadRecordError:
            log.exception("meter.record.unreadable", partition=partition, offset=offset)
            self._note(partition, Taken(offset, None, Version(0, 0), len(value)))
            return
        version = Version(record.epoch, record.origin)
        if not self._is_void(record.partition, version):
            await self._load(record.parts)
        # Nothing may be awaited from here on: a trim, a new assignment or a new epoch would come between.
        if partition in self._taken and not self._is_void(record.partition, version):
            for part in record.parts:
                self._count(key_of(part), self.windows.merge(record.partition, version, part))
            self.windows.trim(self._is_stored)
        self._note(partition, Taken(offset, record.partition, version, len(value)))

    async def follow(self, stop: asyncio.Event) -> None:
        """Commit what Postgres has applied, until `stop`."""
        while not stop.is_set():
            await self._follow_postgres()
            await self._follow_kafka()
            for partition, taken in self._taken.items():
                self._report(partition, taken)
            await asyncio.sleep(POLL_SECONDS)

    async def _follow_postgres(self) -> None:
        try:
            await self._learn(await self._repository.read_applied())
            self._health.clear("postgres")
        except OUTAGE_ERRORS as error:
            self._health.block("postgres", f"{type(error).__name__}: {error}")

    async def _follow_kafka(self) -> None:
        try:
            await self._commit(self._applied)
            await self._ask()
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            log.warning("meter.kafka.away", error=type(error).__name__)
        self._room.set()

    async def _learn(self, applied: dict[int, Version]) -> None:
        """Take note of what is applied. A new epoch voids what its predecessors said of records that they never got applied."""
        before, self._applied = self._applied, applied
        self._void_due |= any(
            partition not in before or before[partition].epoch < now.epoch for partition, now in applied.items()
        )
        if not self._void_due:
            return
        keys = self.windows.voided(self._is_void)
        for start in range(0, len(keys), RELOAD_WINDOWS):
            stored = await self._repository.load_parts(keys[start : start + RELOAD_WINDOWS])
            for key, parts in stored.items():
                self._count(key, self.windows.reload(key, parts, self._is_void))
        self._void_due = False

    async def _ask(self) -> None:
        """Ask the brokers how far the topic goes, and where this group reads on in a partition of which nothing came yet."""
        if time.monotonic() - self._asked_at < ASK_SECONDS:
            return
        for partition in list(self._taken):
            first, end = await self._topic.bounds(partition)
            committed = await self._topic.committed(partition) if partition not in self._next else None
            if partition in self._taken:
                self._ends[partition] = end
                self._next.setdefault(partition, max(first, committed or 0))
        self._asked_at = time.monotonic()
        self._health.clear("kafka")

    async def _commit(self, applied: dict[int, Version]) -> None:
        for partition, taken in list(self._taken.items()):
            last: int | None = None
            while taken and _is_settled(taken[0], applied):
                settled = taken.popleft()
                last = settled.offset
                self._taken_bytes -= settled.bytes
            if last is not None and partition in self._taken:
                await self._topic.commit(partition, last + 1)

    async def _wait_for_room(self) -> None:
        while self._is_full():
            self._room.clear()
            await self._room.wait()

    async def _wait_for_later_release(self, partition: int, error: NewerRecordError) -> None:
        """Neither merge nor commit it: a meter of the release that wrote it takes this partition over, or this process's place.

        All partitions come in one stream, so that the others wait too, and nobody is stalled.
        """
        while partition in self._taken:
            self._health.block("later release", f"{_consumer_name(partition)}: {error}")
            await asyncio.sleep(AWAY_SECONDS)
        self._health.clear("later release")

    async def _load(self, parts: Sequence[CostPart]) -> None:
        keys = [key_of(part) for part in parts]
        while missing := self.windows.missing(keys):
            try:
                stored = await self._repository.load_parts(missing)
            except OUTAGE_ERRORS as error:
                self._health.block("postgres", f"{type(error).__name__}: {error}")
                await asyncio.sleep(AWAY_SECONDS)
                continue
            for key, found in stored.items():
                self.windows.load(key, found)

    def _count(self, key: WindowKey, growth: Growth) -> None:
        if key.bucket != "minute" or key.model is None:
            return
        overflowed = self._cap.overflowed
        labels = self._cap.admit(key.project_id, key.model)
        metrics.meter_series_overflow.inc(self._cap.overflowed - overflowed)
        if growth.cost >= 0:
            metrics.meter_cost.labels(*labels).inc(float(growth.cost))
        else:
            metrics.meter_corrections.labels(*labels).inc(float(-growth.cost))
        metrics.meter_tokens.labels(*labels).inc(max(0, growth.tokens))

    def _note(self, partition: int, taken: Taken) -> None:
        """What is read again after a rewind takes the place of what was noted before it."""
        if partition not in self._taken:
            return
        noted = self._taken[partition]
        while noted and noted[-1].offset >= taken.offset:
            self._taken_bytes -= noted.pop().bytes
        noted.append(taken)
        self._taken_bytes += taken.bytes
        self._next[partition] = taken.offset + 1

    def _is_full(self) -> bool:
        return self._taken_bytes >= MAX_UNCOMMITTED_BYTES or sum(map(len, self._taken.values())) >= MAX_UNCOMMITTED

    def _is_void(self, raw_partition: int, version: Version) -> bool:
        where = self._applied.get(raw_partition)
        return where is not None and where.epoch > version.epoch and where.origin < version.origin

    def _is_stored(self, raw_partition: int, version: Version) -> bool:
        where = self._applied.get(raw_partition)
        return where is not None and where.origin >= version.origin

    def _report(self, partition: int, taken: deque[Taken]) -> None:
        """Records that wait for Postgres are lag, but only those that could be taken and are not tell of a stall."""
        following = self._next.get(partition)
        ends = [end for end in (self._topic.end(partition), self._ends.get(partition)) if end is not None]
        lag = 0 if not ends or following is None else max(0, max(ends) - following)
        metrics.consumer_lag.labels(self._topic.name, str(partition)).set(lag + len(taken))
        self._health.report_progress(
            _consumer_name(partition), position=following or 0, lagging=lag > 0 and not self._is_full()
        )

    def _forget(self, partition: int) -> None:
        self._health.forget(_consumer_name(partition))
        with suppress(KeyError):
            metrics.consumer_lag.remove(self._topic.name, str(partition))


def _consumer_name(partition: int) -> str:
    return f"cost/{partition}"


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
            try:
                await meter.take(event.message.partition, event.message.offset, event.message.value or b"")
            except Exception as error:
                # Faust would start the agent again behind this record: the process must end instead.
                if not meter.failed.done():
                    meter.failed.set_exception(error)
                raise

    app.agent(source, name="count")(count)

    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        meter.assign([tp.partition for tp in assigned if tp.topic == topic])

    app.on_partitions_assigned.connect(assigned, weak=False)
