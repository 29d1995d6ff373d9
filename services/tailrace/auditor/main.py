"""`tailrace auditor`: reads the raw log's headers and Postgres, tells whether the laws of conservation hold; on nobody's path."""

import argparse
import asyncio
import os
from contextlib import AsyncExitStack

import msgspec

from tailrace.auditor.costs import CostAudit
from tailrace.auditor.events import EventAudit
from tailrace.auditor.raw_headers import RawHeadersLog
from tailrace.auditor.repository import Repository, prepare
from tailrace.runtime.kafka import dispose_consumer, make_consumer, require_bootstrap_servers
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, raw_partitions, until_stopped, wait_for_kafka
from tailrace.runtime.wedge import watch_kafka
from tailrace.wire.topics import topics_of

_NICENESS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all is in the settings."""
    parser.epilog = "Needs TAILRACE_KAFKA_BOOTSTRAP_SERVERS and TAILRACE_POSTGRES_DSN; tells what it finds by metrics and in its log."


def run(_: argparse.Namespace, settings: Settings) -> int:
    require_bootstrap_servers(settings.kafka)
    require_dsn(settings.postgres)
    # Where it shares a host with those whose work it checks, theirs comes first.
    os.nice(_NICENESS)
    return run_service("auditor", settings, audit)


async def audit(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run both audits until `stop`."""
    # A cycle is a sign of life: it must come well within the time after which a process without one counts as stuck.
    interval = min(settings.audit.interval_seconds, max(1, settings.process.stall_seconds // 4))
    paced = msgspec.structs.replace(settings.audit, interval_seconds=interval)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            pool_when_answered(settings.postgres, health, stop, application="auditor", prepare=prepare)
        )
        partitions = await raw_partitions(pool, settings, health, stop)
        consumer = make_consumer(settings.kafka, group_id=None, client_id="tailrace-auditor")
        await wait_for_kafka(consumer, health, stop)
        stack.push_async_callback(dispose_consumer, consumer)
        raw_log = RawHeadersLog(consumer, topics_of(settings.kafka.topic_prefix).raw, range(partitions))
        store, max_series = Repository(pool), settings.processing.max_metric_projects
        events = EventAudit(raw_log, store, health, paced, max_series=max_series)
        costs = CostAudit(store, paced, max_series=max_series)
        health.started()
        watch = watch_kafka(settings.kafka, health, group=None)
        async with in_background(events.run(stop), costs.run(stop), watch) as (auditing, costing, watching):
            await until_stopped(stop, auditing, costing, watching)
            await asyncio.wait([auditing, costing], timeout=settings.process.drain_seconds / 2)
