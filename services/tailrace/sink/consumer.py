"""The sink's side of Kafka: assembled records in, batch by batch; a transaction takes those of several partitions.

Where to read is Postgres's word: a partition is positioned by its progress row before its first batch, and again whenever a batch does
not fit. The group's commits only show lag.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from tailrace.runtime import metrics
from tailrace.runtime.beat import next_beat
from tailrace.runtime.kafka import KAFKA_ERRORS, ByteGate
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.sink.feed import PartitionFeed
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository
from tailrace.sink.writer import Applied, PartitionWriter
from tailrace.wire.records import AssembledRecord, BadRecordError, NewerRecordError, decode_record

log = get_logger(__name__)

FETCH_MS = 50
COMMIT_SECONDS = 2.0
REPORT_SECONDS: Final = 0.2
"""How often metrics and the probe are told where each partition is: on every round of the loop it took a tenth of a busy sink."""

ASK_SECONDS = 10.0
"""How often the brokers are asked where the topic ends: a fetch that hangs tells nothing of it."""

BATCH_BYTES: Final = 16 * 1024 * 1024
"""What one transaction takes of the topic; one record of each partition may be larger."""

FEW_BYTES: Final = 1024 * 1024
"""What all partitions together may have waiting to share one transaction."""

MOST_BYTES_AT_ONCE: Final = 64 * 1024 * 1024
"""What all partitions together may have decoded and in a transaction."""

NEWER_SECONDS = 1.0
FINISH_SECONDS: Final = 15.0


class Taken(NamedTuple):
    """What is to be applied of a partition: chunks that waited and new records. `meets_newer`: a record of a later release is next."""

    batch: list[Delivered]
    meets_newer: bool


class SinkConsumer:
    """Feeds batches to the writer, one at a time for each partition, those of several partitions together."""

    def __init__(
        self, consumer: Any, repository: Repository, writer: PartitionWriter, health: Health, *, batch_records: int
    ) -> None:
        self._consumer = consumer
        self._repository = repository
        self._writer = writer
        self._health = health
        self._batch_records = batch_records
        self._feeds: dict[TopicPartition, PartitionFeed] = {}
        self._gate = ByteGate(MOST_BYTES_AT_ONCE)
        self._tending: asyncio.Task[None] | None = None
        self._committed_at = self._asked_at = self._reported_at = self._beat = 0.0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def subscribe(self, topic: str) -> None:
        """Join the group for the assembled topic."""
        self._consumer.subscribe([topic], listener=_Listener(self))

    async def run(self, stop: asyncio.Event) -> None:
        """Fetch and apply until `stop`; then let running batches finish. Raises what no batch may raise."""
        while not stop.is_set():
            if self._failed.done():
                self._failed.result()
            idle = [feed for feed in self._feeds.values() if feed.task is None]
            for feed in idle:
                if not feed.positioned:
                    self._spawn([feed], self._position(feed))
            waiting = [feed for feed in idle if feed.waits and feed.positioned]
            if not self._is_time(waiting):
                waiting = []
            most = self._most_together(waiting)
            for start in range(0, len(waiting), most):
                together = waiting[start : start + most]
                self._spawn(together, self._take(together))
            ready = [feed.partition for feed in idle if feed.task is None and feed.fetched_bytes < self._share_of_bytes]
            if ready:
                await self._fetch(ready)
            else:
                await asyncio.sleep(FETCH_MS / 1000)
            self._report()
            self._tend()
        await self.finish(self._feeds.values())
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])

    def end_with(self, task: "asyncio.Task[None]") -> None:
        """Let an unexpected error of this task end the process too."""
        task.add_done_callback(self._ended)

    async def finish(self, feeds: Iterable[PartitionFeed]) -> None:
        """Wait for running batches."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                for feed in list(feeds):
                    while feed.task is not None:
                        await asyncio.wait([feed.task])

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are this sink's now; each must be positioned first."""
        for partition in partitions:
            self._feeds[partition] = PartitionFeed(partition)
            self._health.report_progress(_name(self._feeds[partition]), position=-1, lagging=True)
        metrics.consumer_owned.set(len(self._feeds))
        log.info("sink.assigned", partitions=sorted(tp.partition for tp in self._feeds))

    async def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are no longer this sink's."""
        gone = [feed for tp in partitions if (feed := self._feeds.pop(tp, None)) is not None]
        await self.finish(gone)
        for feed in gone:
            self._health.forget(_name(feed))
            self._health.clear(_name(feed))
            for gauge in (metrics.consumer_lag, metrics.consumer_position):
                with suppress(KeyError):
                    gauge.remove(feed.partition.topic, str(feed.partition.partition))

    def _is_time(self, waiting: Sequence[PartitionFeed]) -> bool:
        """Whether a beat has come since the last look, or a partition has as much waiting as it may."""
        is_beat = time.monotonic() >= self._beat
        if is_beat:
            self._beat = next_beat()
        return is_beat or any(feed.fetched_bytes >= self._share_of_bytes for feed in waiting)

    async def _fetch(self, ready: Sequence[TopicPartition]) -> None:
        try:
            until_beat = max(1, int((self._beat - time.monotonic()) * 1000))
            fetched = await self._consumer.getmany(
                *ready, timeout_ms=min(FETCH_MS, until_beat), max_records=self._batch_records
            )
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.5)
            return
        for tp, messages in fetched.items():
            feed = self._feeds.get(tp)
            if feed is not None and feed.task is None and feed.positioned:
                feed.add(messages)

    @property
    def _share_of_bytes(self) -> int:
        """What one partition may have waiting."""
        return BATCH_BYTES // max(1, len(self._feeds))

    def _most_together(self, waiting: Sequence[PartitionFeed]) -> int:
        """How many partitions share a transaction: half of them, so that while one half is written, the other is read; all, if that is little."""
        if sum(feed.fetched_bytes for feed in waiting) <= FEW_BYTES:
            return max(1, len(waiting))
        return max(1, (len(self._feeds) + 1) // 2)

    async def _take(self, feeds: Sequence[PartitionFeed]) -> None:
        """Apply as much of what these have fetched as one transaction may take; what cannot share one is applied alone."""
        messages = {feed: feed.take(BATCH_BYTES // len(feeds)) for feed in feeds}
        try:
            async with self._gate.hold(sum(len(message.value) for some in messages.values() for message in some)):
                taken = {feed: self._deliver(feed, some) for feed, some in messages.items()}
                left = await self._apply_together(taken) if len(taken) > 1 else taken
                for feed in taken.keys() - left.keys():
                    feed.task = None
                await asyncio.gather(*(self._apply_alone(feed, one) for feed, one in left.items()))
        finally:
            for feed in feeds:
                if feed.task is asyncio.current_task():
                    feed.task = None

    def _deliver(self, feed: PartitionFeed, messages: Sequence[Any]) -> Taken:
        """What this release reads; a record of a later one is waited at, until a process of that release has the partition."""
        known, newer = _deliver_known(messages)
        if newer is None:
            self._health.clear(_name(feed))
        else:
            self._health.block(_name(feed), str(newer))
        return Taken([*feed.carry, *known], meets_newer=newer is not None)

    async def _apply_together(self, taken: Mapping[PartitionFeed, Taken]) -> dict[PartitionFeed, Taken]:
        """Apply what can share a transaction; returns what is left."""
        batches = {feed.partition.partition: one.batch for feed, one in taken.items() if one.batch}
        try:
            applied = await self._writer.apply_together(batches)
        except OUTAGE_ERRORS as error:
            await self._wait_for_postgres(taken, error)
            return {}
        for feed, one in taken.items():
            outcome = applied.get(feed.partition.partition)
            if outcome is not None:
                self._settle(feed, one, outcome)
        return {feed: one for feed, one in taken.items() if feed.partition.partition not in applied}

    async def _apply_alone(self, feed: PartitionFeed, taken: Taken) -> None:
        try:
            if taken.batch:
                self._settle(feed, taken, await self._writer.apply(feed.partition.partition, taken.batch))
            else:
                feed.positioned = False
                await asyncio.sleep(NEWER_SECONDS)
        except OUTAGE_ERRORS as error:
            await self._wait_for_postgres([feed], error)
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            feed.positioned = False
            await asyncio.sleep(0.5)
        feed.task = None

    def _settle(self, feed: PartitionFeed, taken: Taken, applied: Applied) -> None:
        """Go on behind what is applied."""
        self._health.clear("postgres")
        feed.carry, feed.position = applied.carry, applied.position
        feed.positioned = not (applied.seek or taken.meets_newer)

    def _spawn(self, feeds: Sequence[PartitionFeed], work: Any) -> None:
        task = asyncio.create_task(work)
        for feed in feeds:
            feed.task = task
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """An unexpected error ends the process, loudly."""
        if not task.cancelled() and task.exception() is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError())

    async def _position(self, feed: PartitionFeed) -> None:
        """Let reading start where Postgres says."""
        tp = feed.partition
        try:
            position = (await self._repository.read_positions([tp.partition]))[tp.partition]
            self._health.clear("postgres")
            first = (await self._consumer.beginning_offsets([tp]))[tp]
            end = (await self._consumer.end_offsets([tp]))[tp]
            if not first <= position <= end:
                log.error("sink.position.lost", partition=tp.partition, position=position, first=first, end=end)
                await self._repository.reset_position(tp.partition, lost=position, position=first)
                position = first
            self._consumer.seek(tp, position)
            feed.restart(position)
        except IllegalStateError:
            log.info("sink.position.revoked", partition=tp.partition)
        except OUTAGE_ERRORS as error:
            await self._wait_for_postgres([feed], error)
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.5)
        finally:
            feed.task = None

    async def _wait_for_postgres(self, feeds: Iterable[PartitionFeed], error: BaseException) -> None:
        self._health.block("postgres", f"{type(error).__name__}: {error}")
        partitions: list[int] = []
        for feed in feeds:
            feed.positioned = False
            partitions.append(feed.partition.partition)
        log.warning("sink.postgres.away", partitions=partitions, error=type(error).__name__, detail=str(error)[:200])
        await asyncio.sleep(0.5)

    def _report(self) -> None:
        """A partition must move while it is positioned, while a batch of it is applied, and while there is more to read."""
        if time.monotonic() - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = time.monotonic()
        for feed in self._feeds.values():
            tp = feed.partition
            # aiokafka asserts that the partition is assigned: it may be revoked by now.
            with suppress(IllegalStateError, AssertionError, AttributeError):
                end = max(self._consumer.highwater(tp) or 0, feed.end)
                lag = max(0, end - feed.position) if feed.positioned else 0
                metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(lag)
                metrics.consumer_position.labels(tp.topic, str(tp.partition)).set(feed.position)
                busy = feed.task is not None or not feed.positioned or feed.waits
                lagging = busy or lag > len(feed.carry)
                self._health.report_progress(_name(feed), position=feed.position + len(feed.carry), lagging=lagging)

    def _tend(self) -> None:
        """What is asked of the brokers besides records goes on beside the reading: without a broker it may take long."""
        due = time.monotonic() - self._committed_at > COMMIT_SECONDS
        if due and self._feeds and (self._tending is None or self._tending.done()):
            self._committed_at = time.monotonic()
            self._tending = asyncio.create_task(self._commit_and_ask())
            self._tending.add_done_callback(self._ended)

    async def _commit_and_ask(self) -> None:
        if not await self._commit():
            return
        if time.monotonic() - self._asked_at > ASK_SECONDS or "kafka" in self._health.reasons:
            await self._ask()

    async def _commit(self) -> bool:
        """Show in the group how far this sink is. Nothing depends on it, but a group that does not answer gives no partitions either."""
        positions = {feed.partition: feed.position for feed in self._feeds.values() if feed.positioned}
        try:
            async with asyncio.timeout(ASK_SECONDS):
                if positions:
                    await self._consumer.commit(positions)
        except CommitFailedError:
            log.info("sink.commit.superseded")
        except KAFKA_ERRORS as error:
            log.info("sink.commit.failed", error=type(error).__name__)
            self._health.block("kafka", f"commits: {type(error).__name__}: {error}")
            return False
        return True

    async def _ask(self) -> None:
        """Ask the brokers where the topic ends."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                ends = await self._consumer.end_offsets(list(self._feeds))
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            return
        self._asked_at = time.monotonic()
        self._health.clear("kafka")
        for tp, end in ends.items():
            if tp in self._feeds:
                self._feeds[tp].end = end


class _Listener(ConsumerRebalanceListener):
    """Tells the sink's consumer what it is assigned."""

    def __init__(self, sink: SinkConsumer) -> None:
        self._sink = sink

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  (aiokafka awaits either)
        await self._sink.revoke(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  (aiokafka awaits either)
        self._sink.assign(assigned)


def _name(feed: PartitionFeed) -> str:
    return f"assembled/{feed.partition.partition}"


def _deliver_known(messages: Sequence[Any]) -> tuple[list[Delivered], NewerRecordError | None]:
    """The messages up to the first one that a later release wrote, and what is said of that one."""
    known: list[Delivered] = []
    for message in messages:
        try:
            known.append(_deliver(message))
        except NewerRecordError as error:
            return known, error
    return known, None


def _deliver(message: Any) -> Delivered:
    try:
        return Delivered(message.offset, decode_record(message.value, AssembledRecord))
    except NewerRecordError:
        raise
    except BadRecordError:
        log.exception("sink.record.unreadable", partition=message.partition, offset=message.offset)
        return Delivered(message.offset, None)
