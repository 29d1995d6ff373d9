"""The sink's side of Kafka: assembled records in, batch by batch, each partition on its own.

Where to read is Postgres's word: a partition is positioned by its progress row before its first batch, and again whenever a batch does
not fit. The group's commits only show lag.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError

from tailrace.runtime import metrics
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.records import AssembledRecord, BadRecordError, NewerRecordError, decode_record

log = get_logger(__name__)

FETCH_MS = 50
COMMIT_SECONDS = 2.0
NEWER_SECONDS = 1.0


class PartitionFeed:
    """One assigned partition: whether its reading position is set, and chunks that wait for their rest."""

    def __init__(self, partition: TopicPartition) -> None:
        self.partition = partition
        self.positioned = False
        self.carry: list[Delivered] = []
        self.position = 0
        self.task: asyncio.Task[None] | None = None


class SinkConsumer:
    """Feeds batches to the writer, one at a time for each partition."""

    def __init__(
        self, consumer: Any, repository: Repository, writer: PartitionWriter, health: Health, *, batch_records: int
    ) -> None:
        self._consumer = consumer
        self._repository = repository
        self._writer = writer
        self._health = health
        self._batch_records = batch_records
        self._feeds: dict[TopicPartition, PartitionFeed] = {}
        self._committed_at = 0.0
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
            ready = [feed.partition for feed in idle if feed.positioned]
            for feed in idle:
                if not feed.positioned:
                    self._spawn(feed, self._position(feed))
            if ready:
                await self._fetch(ready)
            else:
                await asyncio.sleep(FETCH_MS / 1000)
            await self._report()
        await self.finish(self._feeds.values())

    async def finish(self, feeds: Iterable[PartitionFeed]) -> None:
        """Wait for running batches."""
        tasks = [feed.task for feed in feeds if feed.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=15)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are this sink's now; each must be positioned first."""
        for partition in partitions:
            self._feeds[partition] = PartitionFeed(partition)
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

    async def _fetch(self, ready: Sequence[TopicPartition]) -> None:
        try:
            fetched = await self._consumer.getmany(*ready, timeout_ms=FETCH_MS, max_records=self._batch_records)
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.5)
            return
        self._health.clear("kafka")
        for tp, messages in fetched.items():
            feed = self._feeds.get(tp)
            if feed is not None and messages:
                self._spawn(feed, self._take(feed, messages))

    async def _take(self, feed: PartitionFeed, messages: Sequence[Any]) -> None:
        """Apply what this release reads; a record of a later one is waited at, until a process of that release has the partition."""
        known, newer = _deliver_known(messages)
        batch = [*feed.carry, *known]
        if newer is None:
            self._health.clear(_name(feed))
        else:
            self._health.block(_name(feed), str(newer))
        if batch:
            await self._apply(feed, batch)
        elif newer is not None:
            await asyncio.sleep(NEWER_SECONDS)
        feed.positioned &= newer is None
        feed.task = None

    def _spawn(self, feed: PartitionFeed, work: Any) -> None:
        feed.task = asyncio.create_task(work)
        feed.task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """An unexpected error of one batch ends the process, loudly."""
        if not task.cancelled() and task.exception() is not None and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError())

    async def _apply(self, feed: PartitionFeed, batch: list[Delivered]) -> None:
        try:
            applied = await self._writer.apply(feed.partition.partition, batch)
        except OUTAGE_ERRORS as error:
            await self._wait_for_postgres(feed, error)
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            feed.positioned = False
            await asyncio.sleep(0.5)
        else:
            self._health.clear("postgres")
            feed.carry, feed.position = applied.carry, applied.position
            feed.positioned = not applied.seek
        finally:
            feed.task = None

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
            feed.carry, feed.position, feed.positioned = [], position, True
        except IllegalStateError:
            log.info("sink.position.revoked", partition=tp.partition)
        except OUTAGE_ERRORS as error:
            await self._wait_for_postgres(feed, error)
        except KAFKA_ERRORS as error:
            self._health.block("kafka", f"{type(error).__name__}: {error}")
            await asyncio.sleep(0.5)
        finally:
            feed.task = None

    async def _wait_for_postgres(self, feed: PartitionFeed, error: BaseException) -> None:
        self._health.block("postgres", f"{type(error).__name__}: {error}")
        log.warning(
            "sink.postgres.away",
            partition=feed.partition.partition,
            error=type(error).__name__,
            detail=str(error)[:200],
        )
        feed.positioned = False
        await asyncio.sleep(0.5)

    async def _report(self) -> None:
        for feed in self._feeds.values():
            tp = feed.partition
            # aiokafka asserts that the partition is assigned: it may be revoked by now.
            with suppress(IllegalStateError, AssertionError, AttributeError):
                end = self._consumer.highwater(tp)
                lag = 0 if end is None or not feed.positioned else max(0, end - feed.position)
                metrics.consumer_lag.labels(tp.topic, str(tp.partition)).set(lag)
                metrics.consumer_position.labels(tp.topic, str(tp.partition)).set(feed.position)
                self._health.report_progress(_name(feed), position=feed.position, lagging=lag > len(feed.carry))
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            self._committed_at = time.monotonic()
            await self._commit()

    async def _commit(self) -> None:
        """Show in the group how far this sink is; nothing depends on it."""
        positions = {feed.partition: feed.position for feed in self._feeds.values() if feed.positioned}
        if not positions:
            return
        try:
            await self._consumer.commit(positions)
        except KAFKA_ERRORS as error:
            log.info("sink.commit.failed", error=type(error).__name__)


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
