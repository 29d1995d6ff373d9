"""`tailrace meter`: cost parts in, live windows and cost metrics out."""

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack

from tailrace.meter.app import Meter, connect
from tailrace.meter.repository import Repository
from tailrace.runtime.faust_app import FaustTopic, make_faust_app, running
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, raw_partitions
from tailrace.runtime.wedge import watch_kafka
from tailrace.wire.topics import topics_of


def add_arguments(_: argparse.ArgumentParser) -> None:
    """The meter has settings only."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    require_bootstrap_servers(settings.kafka)
    require_dsn(settings.postgres)
    return run_service("meter", settings, measure)


async def measure(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the meter until `stop`."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(pool_when_answered(settings.postgres, health, stop, application="meter"))
        await raw_partitions(pool, settings, health, stop)
        datadir = stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-faust-"))
        group = f"{settings.kafka.topic_prefix}meter"
        app = make_faust_app(group, settings.kafka, datadir=datadir)
        topic = FaustTopic(app, topics_of(settings.kafka.topic_prefix).cost_parts)
        meter = Meter(Repository(pool), topic, health, max_series=settings.processing.max_metric_projects)
        connect(app, topic.name, meter)
        async with running(app) as crashed:
            health.started()
            async with in_background(meter.follow(stop), watch_kafka(settings.kafka, health, group=group)) as tasks:
                done, _ = await asyncio.wait([*tasks, meter.failed, crashed], return_when=asyncio.FIRST_COMPLETED)
                for end in done:
                    end.result()
