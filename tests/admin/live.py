"""The live side of a replay's tests: events to a real Kafka as an edge sends them, folded and written as the processes do, by hand."""

import time
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
from aiokafka import TopicPartition

from tailrace.admin.raw_log import Bounds, RawLog, open_raw_log
from tailrace.assembler.batch import BatchFolder, FoldFailedError, RawRecord, Superseded
from tailrace.assembler.letters import Doom
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.core.model import ProjectId
from tailrace.core.pricing import PriceTable
from tailrace.runtime.failures import FailureBudget
from tailrace.runtime.kafka import make_consumer, make_producer
from tailrace.runtime.raw_record import RawOrigin
from tailrace.runtime.settings import Kafka
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.deletions import encode_deletions
from tailrace.wire.records import CostPartsRecord, decode_record
from tailrace.wire.topics import RawHeaders, decode_raw_headers, partition_of, topics_of
from tests.events import Event
from tests.integration.partition import PRICES, read_everything, sum_law_differences
from tests.integration.partition import open_partition_pool as open_pool

PARTITIONS = 2


class Live:
    """One installation of two raw partitions."""

    def __init__(self, pool: asyncpg.Pool, kafka: Kafka) -> None:
        self.pool = pool
        self.prices: PriceTable = PRICES
        self._kafka = kafka
        self._positions = dict.fromkeys(range(PARTITIONS), 0)
        self._held: dict[tuple[int, int], RawRecord] = {}

    async def send(self, events: Sequence[Event], *, project_id: str = "p", at_once: int = 7) -> None:
        """Put events on the log, a request of `at_once` after another, received now."""
        producer = make_producer(self._kafka, client_id="test-edge")
        await producer.start()
        try:
            for start in range(0, len(events), at_once):
                for partition, part in _by_partition(project_id, events[start : start + at_once]).items():
                    headers = RawHeaders("ingestion", ProjectId(project_id), time.time_ns() // 1000, len(part))
                    await producer.send_and_wait(
                        topics_of(self._kafka.topic_prefix).raw,
                        orjson.dumps({"batch": part}),
                        partition=partition,
                        headers=headers.encode(),
                    )
        finally:
            await producer.stop()

    async def delete_score(self, score_id: str, *, project_id: str = "p") -> None:
        """Put the deletion of a score on the log, as an edge does."""
        headers = RawHeaders("deletions", ProjectId(project_id), time.time_ns() // 1000, 1)
        producer = make_producer(self._kafka, client_id="test-edge")
        await producer.start()
        try:
            await producer.send_and_wait(
                topics_of(self._kafka.topic_prefix).raw,
                encode_deletions([score_id]),
                partition=partition_of(project_id, score_id, PARTITIONS),
                headers=headers.encode(),
            )
        finally:
            await producer.stop()

    async def settle(self) -> None:
        """Fold and write all that the log has; a record whose fold fails is a dead letter, as with an owner."""
        async with open_raw_log(self._kafka) as log:
            for partition, bounds in (await log.bounds(range(PARTITIONS))).items():
                doomed: dict[int, Doom] = {}
                while not await self._settle_partition(log, partition, bounds.end, doomed):
                    pass

    async def _settle_partition(self, log: RawLog, partition: int, end: int, doomed: dict[int, Doom]) -> bool:
        epoch = await AssemblerRepository(self.pool).acquire_epoch(partition)
        assert epoch is not None
        folder = BatchFolder(
            epoch,
            AssemblerRepository(self.pool),
            PriceList(self.prices, OwnModelStore(self.pool, kept_days=8)),
            max_state_bytes=1 << 30,
            max_spans=50_000,
            budget=FailureBudget(),
        )
        batch = [
            RawRecord(record.offset, record.headers, record.value)
            async for record in log.read({partition: Bounds(epoch.applied_origin + 1, end)})
        ]
        try:
            await self._apply(partition, folder, batch, doomed)
        except FoldFailedError as error:
            doomed[error.offset] = Doom("internal_error", "folding it failed")
            return False
        except Superseded:  # a swap took the partition meanwhile
            return False
        return True

    async def rows(self) -> dict[str, list[str]]:
        """All that events decide."""
        return await read_everything(self.pool)

    async def cost_records(self) -> list[CostPartsRecord]:
        """What the meters were told; the processes of this installation tell them nothing."""
        topic = topics_of(self._kafka.topic_prefix).cost_parts
        consumer = make_consumer(self._kafka, group_id=None, client_id="test-meter")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(partitions)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
            records: list[CostPartsRecord] = []
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    message = await consumer.getone(partition)
                    records.append(decode_record(message.value, CostPartsRecord))
        finally:
            await consumer.stop()
        return records

    async def sum_law(self) -> set[Any]:
        """The differences of the three kinds of windows; {0} when the law holds."""
        return set((await sum_law_differences(self.pool)).values())

    async def _apply(
        self, partition: int, folder: BatchFolder, batch: list[RawRecord], doomed: dict[int, Doom]
    ) -> None:
        self._held |= {(partition, record.offset): record for record in batch}
        writer = PartitionWriter(SinkRepository(self.pool), self._find_raw, lambda _: None)
        records = [chunk for chunks in await folder.fold(batch, doomed) for chunk in chunks] if batch else []
        if records:
            position = self._positions[partition]
            delivered = [Delivered(position + number, record) for number, record in enumerate(records)]
            self._positions[partition] = (await writer.apply(partition, delivered)).position

    async def _find_raw(self, partition: int, offset: int) -> RawOrigin:
        record = self._held[partition, offset]
        return RawOrigin(decode_raw_headers(dict(record.headers)), record.value)


async def open_live(dsn: str, bootstrap: str, prefix: str) -> Live:
    """An installation whose topics exist."""
    return Live(await open_pool(dsn), Kafka(bootstrap_servers=bootstrap, topic_prefix=prefix))


def _by_partition(project_id: str, events: Sequence[Event]) -> dict[int, list[Event]]:
    parts: dict[int, list[Event]] = {}
    for event in events:
        named_by = "id" if event["type"] in ("trace-create", "score-create") else "traceId"
        entity = event["body"].get(named_by, "")
        parts.setdefault(partition_of(project_id, entity, PARTITIONS), []).append(event)
    return parts
