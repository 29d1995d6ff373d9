"""`tailrace sink`: assembled records in, rows of Postgres out."""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta

import asyncpg

from tailrace.runtime import metrics
from tailrace.runtime.kafka import dispose_consumer, make_consumer, require_bootstrap_servers
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.log import get_logger
from tailrace.runtime.partitions import DAYS_AHEAD, DAYS_BACK, ensure_day_partitions
from tailrace.runtime.postgres import OUTAGE_ERRORS, require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.raw_record import raw_reader
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, raw_partitions, wait_for_kafka
from tailrace.runtime.wedge import watch_kafka
from tailrace.sink.consumer import SinkConsumer
from tailrace.sink.plan import Whole
from tailrace.sink.repository import Repository, create_stages
from tailrace.sink.writer import PartitionWriter
from tailrace.wire.topics import topics_of

log = get_logger(__name__)

PARTITION_CHECK_SECONDS = 3600


def add_arguments(_: argparse.ArgumentParser) -> None:
    """The sink has settings only."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    require_bootstrap_servers(settings.kafka)
    require_dsn(settings.postgres)
    return run_service("sink", settings, sink)


async def sink(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the sink until `stop`."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            pool_when_answered(settings.postgres, health, stop, application="sink", prepare=create_stages)
        )
        await raw_partitions(pool, settings, health, stop)
        group = f"{settings.kafka.topic_prefix}sink"
        consumer = make_consumer(settings.kafka, group_id=group, client_id="tailrace-sink")
        repository = Repository(pool)
        observer = Observer(settings.processing.max_metric_projects)
        writer = PartitionWriter(
            repository, raw_reader(settings.kafka, client_id="tailrace-sink-raw"), observer.observe
        )
        feeder = SinkConsumer(
            consumer, repository, writer, health, batch_records=settings.processing.sink_batch_records
        )
        feeder.subscribe(topics_of(settings.kafka.topic_prefix).assembled)
        await wait_for_kafka(consumer, health, stop)
        stack.push_async_callback(dispose_consumer, consumer)
        health.started()
        async with in_background(
            keep_partitions(pool, stop), watch_kafka(settings.kafka, health, group=group)
        ) as tasks:
            for task in tasks:
                feeder.end_with(task)
            await feeder.run(stop)


class Observer:
    """Counts what was applied, for Prometheus."""

    def __init__(self, max_projects: int) -> None:
        self._cap = metrics.LabelCap(max_projects)

    def observe(self, wholes: Sequence[Whole]) -> None:
        """Count a committed batch."""
        now = time.time()
        for whole in wholes:
            metrics.sink_freshness_seconds.observe(max(0.0, now - whole.chunks[0].received_at.timestamp()))
            for chunk in whole.chunks:
                for count in chunk.counts:
                    metrics.sink_applied.labels(*self._cap.admit(count.project_id)).inc(count.applied)
                for letter in chunk.dead_letters:
                    (project,) = self._cap.admit(letter.project_id)
                    metrics.sink_dead_lettered.labels(project, letter.reason).inc()


async def keep_partitions(pool: asyncpg.Pool, stop: asyncio.Event) -> None:
    """Make the day partitions that are coming, every hour, until `stop`."""
    while not stop.is_set():
        today = datetime.now(UTC).date()
        try:
            async with pool.acquire() as connection:
                await ensure_day_partitions(
                    connection, today - timedelta(days=DAYS_BACK), today + timedelta(days=DAYS_AHEAD)
                )
        except OUTAGE_ERRORS as error:
            log.warning("sink.partitions.failed", error=type(error).__name__, detail=str(error)[:200])
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PARTITION_CHECK_SECONDS)
