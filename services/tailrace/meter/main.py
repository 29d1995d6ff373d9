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
from tailrace.runtime.postgres import observe_pool, require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import raw_partitions, wait_for_pool
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
        pool = await stack.enter_async_context(
            await wait_for_pool(settings.postgres, health, stop, application="meter")
        )
        observe_pool(pool)
        await raw_partitions(pool, settings.kafka, health, stop)
        datadir = stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-faust-"))
        app = make_faust_app(f"{settings.kafka.topic_prefix}meter", settings.kafka, datadir=datadir)
        topic = FaustTopic(app, topics_of(settings.kafka.topic_prefix).cost_parts)
        meter = Meter(Repository(pool), topic, health, max_series=settings.processing.max_metric_projects)
        connect(app, topic.name, meter)
        async with running(app) as crashed:
            health.started()
            following = asyncio.create_task(meter.follow(stop))
            done, _ = await asyncio.wait([following, crashed], return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
