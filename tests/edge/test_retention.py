"""The edge takes nothing more when what is not applied yet is about to be forgotten by the log."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndTimestamp

from tailrace.admin.topics import create_topics
from tailrace.edge import retention
from tailrace.edge.publisher import PublishError, RawRecord
from tailrace.edge.retention import RetentionGuard, endangered
from tailrace.runtime.kafka import make_producer
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Kafka, Postgres, Secret, Settings
from tailrace.wire.topics import topics_of
from tests.edge.fakes import MemoryPublisher


def test_a_partition_is_endangered_when_its_next_record_is_older_than_allowed() -> None:
    assert endangered({0: 10, 1: 10, 2: 0, 3: None}, {0: 8, 1: 9, 2: -1}) == [0]


class _BusyLog:
    """A consumer of a log to which a record comes between any two questions."""

    def __init__(self) -> None:
        self.end = 5

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, object]:
        young = OffsetAndTimestamp(5, 0) if self.end > 5 else None
        self.end += 1
        return dict.fromkeys(times, young)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self.end += 1
        return dict.fromkeys(partitions, self.end - 1)


async def test_a_record_that_comes_while_it_looks_makes_nothing_look_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    def make_consumer(*_: object, **__: object) -> _BusyLog:
        return _BusyLog()

    monkeypatch.setattr(retention, "make_consumer", make_consumer)

    oldest = await retention._oldest_allowed(Kafka(), [0])  # pyright: ignore[reportPrivateUsage]

    assert endangered(oldest, {0: 4}) == []


@pytest.mark.integration
async def test_it_refuses_while_an_old_record_is_not_applied_and_takes_again_after(
    kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str
) -> None:
    kafka = Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix, partitions=1, retention_days=1)
    await create_topics(Settings(kafka=kafka, postgres=Postgres(dsn=Secret(postgres_dsn))))
    await _append_old_record(kafka, age_seconds=23 * 3600)
    health = Health("edge", stall_seconds=60)
    guard = RetentionGuard(MemoryPublisher(), health)
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=2) as pool:
        await _look_once(guard, kafka, pool)
        with pytest.raises(PublishError, match="about to forget"):
            await guard.publish(list[RawRecord]())
        assert "retention" in health.reasons

        await pool.execute("update stream_progress set applied_origin = 0")
        await _look_once(guard, kafka, pool)
        await guard.publish([])
        assert "retention" not in health.reasons


async def _look_once(guard: RetentionGuard, kafka: Kafka, pool: asyncpg.Pool) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(guard.watch(kafka, pool, stop))
    await asyncio.sleep(1.5)
    stop.set()
    await watching


async def _append_old_record(kafka: Kafka, *, age_seconds: float) -> None:
    producer = make_producer(kafka, client_id="test")
    await producer.start()
    sent_ms = int((time.time() - age_seconds) * 1000)
    await producer.send_and_wait(topics_of(kafka.topic_prefix).raw, b"{}", partition=0, timestamp_ms=sent_ms)
    await producer.stop()
