"""`tailrace reprice`: what stored observations of a model would cost by today's prices, and, if told to, what they cost from now on.

A dry run and the run that is applied are one computation. Applied, it sends records through the raw log; the processors do the rest, so that
observations, traces and windows change together.
"""

import argparse
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import uuid4

import asyncpg

from tailrace.admin.appraisal import Scope, appraise, count_observations
from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    ProgressLine,
    login_name,
    no_project,
    open_connection,
    open_kafka,
    read_time,
    run_command,
)
from tailrace.admin.period import take_lock
from tailrace.admin.reprice_pace import Pace, await_earlier
from tailrace.admin.reprice_report import Sums, make_report, print_report
from tailrace.admin.reprice_send import Order, ProjectRepricing, RawSender
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.price_list import PriceList
from tailrace.core.pricing import load_price_table
from tailrace.runtime.kafka import make_producer
from tailrace.runtime.log import configure_logging
from tailrace.runtime.postgres import open_pool
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Settings
from tailrace.wire.topics import topics_of

_EPILOG: Final = """\
The price is what this release's table and the project's own models say for the observation's start, today. What a sender said that it cost stays, and so do
billing periods that `tailrace period` has closed. A run that was interrupted can be started again: what has its price already is not changed twice."""


class Tools(NamedTuple):
    """What a run works with. `sender`, `order`: None in a dry run."""

    connection: "asyncpg.Connection[Any]"
    prices: PriceList
    sender: RawSender | None
    order: Order | None


class Outcome(NamedTuple):
    """What was done in one project."""

    sums: Sums
    records: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="the model, as it was sent or as it is called in windows"
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=read_time,
        required=True,
        metavar="TIME",
        help="the first start of an observation, such as 2026-03-01",
    )
    parser.add_argument(
        "--to", dest="end", type=read_time, default=None, metavar="TIME", help="the start after the last (default: now)"
    )
    parser.add_argument("--project", default=None, metavar="ID", help="only this project's (default: all projects')")
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would change by project, user and model; change nothing"
    )
    parser.add_argument("--force", action="store_true", help="also what lies in closed billing periods")
    parser.add_argument("--reason", default=None, metavar="TEXT", help="why this is right; it is recorded")
    parser.add_argument("--operator", default=None, metavar="NAME", help="who says so (default: the login name)")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    configure_logging("reprice", level="warning", log_format=settings.process.log_format)
    return run_command(_reprice(arguments, settings))


async def _reprice(arguments: argparse.Namespace, settings: Settings) -> int:
    between = (arguments.start, arguments.end or datetime.now(UTC))
    _check_arguments(arguments, between)
    async with _open_tools(arguments, settings) as tools:
        outcomes = [
            await _reprice_project(tools, Scope(project_id, arguments.model, *between), force=arguments.force)
            for project_id in await _projects(tools.connection, arguments.project)
        ]
    command = None if tools.order is None else str(tools.order.command)
    records = sum(one.records for one in outcomes)
    report = make_report(arguments.model, between, [one.sums for one in outcomes], command, records)
    print_report(report, as_json=arguments.json)
    return 0


def _check_arguments(arguments: argparse.Namespace, between: tuple[datetime, datetime]) -> None:
    if between[0] >= between[1]:
        raise OperatorError("expected --from before --to")
    if arguments.dry_run == (arguments.reason is not None):
        raise OperatorError("expected either --dry-run, or a --reason in words to change what is stored")
    if arguments.reason is not None and not arguments.reason.strip():
        raise OperatorError("expected a --reason in words, got nothing")
    if any("\x00" in (text or "") for text in (arguments.model, arguments.project, arguments.reason)):
        raise OperatorError("expected texts without U+0000")


@asynccontextmanager
async def _open_tools(arguments: argparse.Namespace, settings: Settings) -> AsyncGenerator[Tools]:
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(open_connection(settings.postgres))
        pool = await stack.enter_async_context(await open_pool(settings.postgres, application="reprice"))
        own_models = OwnModelStore(pool, kept_days=settings.kafka.retention_days + 1)
        prices = PriceList(load_price_table((schemas() / "prices.json").read_bytes()), own_models)
        if arguments.dry_run:
            yield Tools(connection, prices, None, None)
            return
        await take_lock(connection)
        await await_earlier(connection)
        producer = make_producer(settings.kafka, client_id="tailrace-reprice")
        await stack.enter_async_context(open_kafka(producer, settings.kafka))
        partitions = await connection.fetchval(QUERIES["find_stream_partitions"])
        if partitions is None:
            raise OperatorError("there is no raw topic yet: run `tailrace topics`")
        sender = RawSender(producer, topics_of(settings.kafka.topic_prefix).raw, partitions, Pace(connection))
        await sender.require_partitions()
        at = await connection.fetchval(QUERIES["find_command_time"])
        order = Order(uuid4(), at, arguments.operator or login_name(), arguments.reason.strip(), forced=arguments.force)
        yield Tools(connection, prices, sender, order)


async def _projects(connection: "asyncpg.Connection[Any]", project_id: str | None) -> list[str]:
    if project_id is None:
        return [row["project_id"] for row in await connection.fetch(QUERIES["projects_with_events"])]
    if await connection.fetchrow(QUERIES["find_project"], project_id) is None:
        raise no_project(project_id)
    return [project_id]


async def _reprice_project(tools: Tools, scope: Scope, *, force: bool) -> Outcome:
    connection, project_id = tools.connection, scope.project_id
    closed_before = None if force else await connection.fetchval(QUERIES["read_closed_before"], project_id)
    sums = Sums(project_id, closed_before)
    total = await count_observations(connection, scope)
    if not total:
        return Outcome(sums, 0)
    now_us: int = await connection.fetchval("select micros(clock_timestamp())")
    await tools.prices.prepare([project_id], now_us)
    prices = tools.prices.as_of(now_us).of_project(project_id)
    sending = None
    if tools.sender is not None and tools.order is not None:
        sending = ProjectRepricing(connection, tools.sender, tools.order, scope, sums)
        await sending.begin()
    progress = ProgressLine("looked at {done} of {total} observations", total)
    async for page in appraise(connection, scope, prices):
        changes = sums.add(page)
        if sending is not None and changes:
            await sending.send(changes)
        progress.advance(page.looked_at)
    progress.end()
    if sending is None:
        return Outcome(sums, 0)
    await sending.note(is_done=True)
    return Outcome(sums, sending.records)
