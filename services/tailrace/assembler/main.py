"""`tailrace assembler`: raw records in, assembled records, cost parts and dead letters out."""

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from tailrace.assembler.app import Assembler, connect
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.owner import Tools, fenced_pause_seconds
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository
from tailrace.assembler.sender import KafkaSender
from tailrace.assembler.witness import Witness
from tailrace.core.pricing import load_price_table
from tailrace.runtime.faust_app import FaustTopic, make_faust_app, running
from tailrace.runtime.kafka import require_bootstrap_servers
from tailrace.runtime.lifecycle import run_service
from tailrace.runtime.metrics import LabelCap
from tailrace.runtime.postgres import require_dsn
from tailrace.runtime.probes import Health
from tailrace.runtime.raw_record import raw_reader
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import in_background, pool_when_answered, raw_partitions
from tailrace.runtime.tokens import token_counter
from tailrace.runtime.wedge import watch_kafka
from tailrace.wire.topics import topics_of


def add_arguments(_: argparse.ArgumentParser) -> None:
    """The assembler has settings only."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    require_bootstrap_servers(settings.kafka)
    require_dsn(settings.postgres)
    return run_service("assembler", settings, assemble)


async def assemble(settings: Settings, health: Health, stop: asyncio.Event) -> None:
    """Run the assembler until `stop`."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            pool_when_answered(settings.postgres, health, stop, application="assembler")
        )
        partitions = await raw_partitions(pool, settings, health, stop)
        datadir = stack.enter_context(tempfile.TemporaryDirectory(prefix="tailrace-faust-"))
        await _run_app(settings, health, stop, (pool, partitions, datadir))


async def _run_app(
    settings: Settings, health: Health, stop: asyncio.Event, parts: tuple[asyncpg.Pool, int, str]
) -> None:
    pool, partitions, datadir = parts
    topics = topics_of(settings.kafka.topic_prefix)
    group = f"{settings.kafka.topic_prefix}assembler"
    app = make_faust_app(group, settings.kafka, datadir=datadir)
    sender = KafkaSender(settings.kafka, client_id="tailrace-assembler")
    repository = Repository(pool)
    prices = PriceList(
        load_price_table((schemas() / "prices.json").read_bytes()),
        OwnModelStore(pool, kept_days=settings.kafka.retention_days + 1),
        LabelCap(settings.processing.max_metric_projects),
        token_counter(settings.processing),
    )
    tools = Tools(
        log=FaustTopic(app, topics.raw),
        repository=repository,
        sender=sender,
        prices=prices,
        topics=topics,
        partitions=partitions,
        limits=settings.processing,
        health=health,
        witness=Witness(
            repository, raw_reader(settings.kafka, client_id="tailrace-assembler-raw"), prices, settings.processing
        ),
        fenced_pause_seconds=fenced_pause_seconds(settings.kafka),
    )
    assembler = Assembler(lambda: tools)
    connect(app, topics.raw, assembler)
    async with in_background(watch_kafka(settings.kafka, health, group=group)) as (watching,):
        await _serve(app, assembler, watching, health, stop)
    await sender.stop()


async def _serve(
    app: Any, assembler: Assembler, watching: asyncio.Task[None], health: Health, stop: asyncio.Event
) -> None:
    """Start Faust, follow Postgres, and stop both in order; raises what ended an owner, Faust or the watch unexpectedly."""
    async with running(app) as crashed:
        health.started()
        following = asyncio.create_task(assembler.follow(stop))
        stopping = asyncio.create_task(stop.wait())
        ends = (stopping, following, watching, assembler.failed, crashed)
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
        finally:
            stop.set()
            await asyncio.wait([following, stopping])
            await assembler.stop()
