"""A raw log on a real Kafka, a real Postgres that says what became of it, and auditors over both."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.structs import TopicPartition
from prometheus_client import REGISTRY

from tailrace.admin.topics import create_topics
from tailrace.auditor.events import EventAudit
from tailrace.auditor.raw_headers import RawHeadersLog
from tailrace.auditor.repository import Repository, prepare
from tailrace.core.model import ProjectId
from tailrace.runtime.kafka import make_admin, make_consumer, make_producer
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Audit, Kafka, Postgres, Secret, Settings
from tailrace.wire.topics import RawHeaders, topics_of

PARTITIONS = 2


class Stream:
    """What edges, sinks and operators do, by hand."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, producer: Any, stack: AsyncExitStack) -> None:
        self.pool = pool
        self.settings = settings
        self._producer = producer
        self._stack = stack
        self.dsn = settings.postgres.dsn.reveal() if settings.postgres.dsn else ""
        self.topic = topics_of(settings.kafka.topic_prefix).raw

    async def accept(self, *events: int, project: str = "shop", partition: int = 0) -> None:
        """One raw record for each number of events."""
        for count in events:
            headers = RawHeaders("ingestion", ProjectId(project), 1_700_000_000_000_000, count).encode()
            await self._producer.send_and_wait(self.topic, b"{}", partition=partition, headers=headers)

    async def accept_raw(self, headers: Sequence[tuple[str, bytes]], partition: int = 0) -> None:
        await self._producer.send_and_wait(self.topic, b"?", partition=partition, headers=list(headers))

    async def apply(
        self, origin: int, applied: int, dead: int = 0, *, project: str = "shop", partition: int = 0
    ) -> None:
        """What a sink's transaction does: counts and applied origin move together."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "update stream_progress set applied_origin = $2 where partition = $1", partition, origin
            )
            await connection.execute(
                "insert into event_counts as c values ($1, $2, $3, $4, $5) on conflict (project_id, partition) do update set"
                " accepted = c.accepted + $3, applied = c.applied + $4, dead_lettered = c.dead_lettered + $5",
                project,
                partition,
                applied + dead,
                applied,
                dead,
            )

    async def command(self, after: int, *, partition: int = 0) -> None:
        """An operator's `partition resume --accept-loss`."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after)"
                " select $1, 'accept-loss', 'eve', 'test', applied_origin, $2 from stream_progress where partition = $1",
                partition,
                after,
            )
            await connection.execute(
                "update stream_progress set applied_origin = $2 where partition = $1", partition, after
            )

    async def forget_before(self, offset: int, *, partition: int = 0) -> None:
        """What retention does to the log's beginning."""
        admin = make_admin(self.settings.kafka)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(self.topic, partition): RecordsToDelete(offset)})
        finally:
            await admin.close()

    async def auditor(self, *, grace_seconds: int = 0) -> EventAudit:
        """An auditor as after a start: it knows what Postgres remembers."""
        consumer = make_consumer(self.settings.kafka, group_id=None, client_id="test-auditor")
        await consumer.start()
        self._stack.push_async_callback(consumer.stop)
        return EventAudit(
            RawHeadersLog(consumer, self.topic, range(PARTITIONS)),
            Repository(self.pool),
            Health("auditor", stall_seconds=60),
            Audit(interval_seconds=1, grace_seconds=grace_seconds),
        )


@pytest.fixture
async def stream(kafka_bootstrap: str, postgres_dsn: str, topic_prefix: str) -> AsyncGenerator[Stream]:
    """An empty installation of two partitions."""
    settings = Settings(
        kafka=Kafka(bootstrap_servers=kafka_bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS),
        postgres=Postgres(dsn=Secret(postgres_dsn)),
    )
    await create_topics(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(asyncpg.create_pool(postgres_dsn, min_size=1, max_size=4, init=prepare))
        producer = make_producer(settings.kafka, client_id="test-edge")
        await producer.start()
        stack.push_async_callback(producer.stop)
        yield Stream(settings, pool, producer, stack)


async def settle(audit: EventAudit) -> None:
    """Cycles until there is nothing left to do at once."""
    for _ in range(20):
        if not await audit.run_cycle():
            return
    raise AssertionError("the audit does not come to rest")


def exported(name: str, **labels: str) -> float | None:
    """What /metrics says."""
    return REGISTRY.get_sample_value(name, labels)


def states(project: str = "shop") -> tuple[float | None, ...]:
    """Accepted, applied, dead-lettered, in flight and given up events of a project."""
    names = ("accepted", "applied", "dead_lettered", "in_flight", "given_up")
    return tuple(exported("tailrace_conservation_events", project=project, state=name) for name in names)


def broken_by_name() -> dict[tuple[str, str], float]:
    """By how many events the law is broken, by project and partition, where it is."""
    return {
        (sample.labels["project"], sample.labels["partition"]): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "tailrace_conservation_broken_events" and sample.value
    }
