"""`tailrace replay`: rebuilds what a part of the log says beside the live tables, tells where these differ, and swaps that if asked to.

The tables of the shadow are made by this release's migrations, folded by its assembler and written by its sink; live traffic goes on.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    ProgressLine,
    login_name,
    no_project,
    open_connection,
    print_json,
    print_table,
    read_time,
    run_command,
)
from tailrace.admin.raw_log import Bounds, RawLog, open_raw_log
from tailrace.admin.shadow import Connection, Shadow
from tailrace.admin.shadow_compare import Comparison, behind, compare, read_applied
from tailrace.admin.shadow_rebuild import Manner, Rebuilder
from tailrace.admin.shadow_span import Period, find_spans, note_moved
from tailrace.admin.shadow_swap import Order, Swapped, Swapper, announce
from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.sender import SendError
from tailrace.core.pricing import load_price_table
from tailrace.runtime.log import configure_logging
from tailrace.runtime.postgres import open_pool
from tailrace.runtime.resources import schemas
from tailrace.runtime.settings import Settings
from tailrace.runtime.tokens import token_counter
from tailrace.wire.topics import topics_of


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a replay has found and done."""

    start: datetime
    end: datetime
    project: str | None
    shadow: str
    records: int
    ranges: dict[int, tuple[int, int]]
    comparison: Comparison
    swapped: list[Swapped]


class Tools(NamedTuple):
    """What a replay works with."""

    connection: Connection
    log: RawLog
    shadow: Shadow
    settings: Settings
    period: Period


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fold a part of the raw log once more, with this release's code and prices, into tables beside the live ones, and tell "
        "where the live ones differ. Compared are traces and scores whose records all lie in the range. Nothing changes without --swap. "
        "Exit code 1: something differs, or differs still after the swap."
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=read_time,
        required=True,
        metavar="TIME",
        help="the first time, such as 2026-03-01T12:00Z",
    )
    parser.add_argument(
        "--to", dest="end", type=read_time, default=None, metavar="TIME", help="the time after the last (default: now)"
    )
    parser.add_argument("--project", default=None, metavar="ID", help="only this project's records")
    parser.add_argument(
        "--into",
        required=True,
        metavar="NAME",
        help="the schema of the rebuilt tables, such as `shadow`; one of an earlier replay is dropped",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the rebuilt tables there, to look at; the next replay drops them"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--swap", action="store_true", help="replace what differs in the live tables by what was rebuilt"
    )
    parser.add_argument("--reason", default=None, metavar="TEXT", help="with --swap: why this is right; it is recorded")
    parser.add_argument(
        "--operator", default=None, metavar="NAME", help="with --swap: who says so (default: the login name)"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    configure_logging("replay", level="warning", log_format=settings.process.log_format)
    return run_command(_replay(arguments, settings))


async def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    order = _order(arguments)
    shadow = Shadow(arguments.into)
    period = Period(arguments.start, arguments.end or datetime.now(UTC), arguments.project)
    if period.start >= period.end:
        raise OperatorError("expected --from before --to")
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(open_connection(settings.postgres))
        await _require_project(connection, period.project_id)
        log = await stack.enter_async_context(open_raw_log(settings.kafka))
        tools = Tools(connection, log, shadow, settings, period)
        report = await _run(tools, order)
        if not arguments.keep:
            await shadow.drop(connection)
    _print(report, as_json=arguments.json)
    return 1 if _is_left(report) else 0


async def _run(tools: Tools, order: Order | None) -> Report:
    connection, log, shadow, settings, period = tools
    spans = await find_spans(connection, shadow, log, period)
    await shadow.make(connection, settings.postgres, spans)
    partitions = len(await connection.fetch(shadow.queries["read_progress"]))
    if order is not None:
        await _announce(tools, partitions)
    records = await _rebuild(tools, spans, partitions)
    seen = {partition: span.end - 1 for partition, span in spans.items()}
    applied = await read_applied(connection, shadow, seen)
    await note_moved(connection, shadow, log, behind(seen, applied))
    comparison = await compare(connection, shadow, log, period, applied)
    swapped: list[Swapped] = []
    if order is not None and comparison.differences:
        swapper = Swapper(connection, shadow, log, period, order)
        try:
            swapped = [
                await swapper.swap(partition, spans[partition], comparison.applied[partition])
                for partition in sorted(await swapper.differing())
            ]
        finally:
            # Also of the partitions that were swapped before one failed.
            await _announce(tools, partitions)
    return Report(
        start=period.start,
        end=period.end,
        project=period.project_id,
        shadow=shadow.name,
        records=records,
        ranges={partition: (span.first, span.end - 1) for partition, span in spans.items()},
        comparison=comparison,
        swapped=swapped,
    )


async def _rebuild(tools: Tools, spans: Mapping[int, Bounds], partitions: int) -> int:
    settings = tools.settings
    progress = ProgressLine(
        "folded {done} of {total} raw records", sum(span.end - span.first for span in spans.values())
    )
    records = 0
    async with (
        tools.shadow.pool(settings.postgres) as pool,
        await open_pool(settings.postgres, application="replay") as live,
    ):
        # What projects wrote of their own models and score configs is not rebuilt: it is asked of the live tables.
        own_models = OwnModelStore(live, kept_days=settings.kafka.retention_days + 1)
        manner = Manner(
            prices=PriceList(
                load_price_table((schemas() / "prices.json").read_bytes()),
                own_models,
                tokens=token_counter(settings.processing),
            ),
            live=live,
            limits=settings.processing,
            topics=topics_of(settings.kafka.topic_prefix),
            partitions=partitions,
        )
        rebuilder = Rebuilder(pool, manner, tools.period, progress)
        for partition, span in spans.items():
            records += await rebuilder.rebuild(partition, tools.log.read({partition: span}))
    progress.end()
    return records


async def _announce(tools: Tools, partitions: int) -> None:
    try:
        await announce(tools.connection, tools.shadow, tools.settings.kafka, partitions)
    except SendError as error:
        raise OperatorError(
            f"the meters could not be told of swapped cost parts, the next --swap does it: {error}"
        ) from error


async def _require_project(connection: Connection, project_id: str | None) -> None:
    if project_id is not None and await connection.fetchrow(QUERIES["find_project"], project_id) is None:
        raise no_project(project_id)


def _order(arguments: argparse.Namespace) -> Order | None:
    if not arguments.swap:
        if arguments.reason is not None:
            raise OperatorError("expected --reason only together with --swap")
        return None
    if not (arguments.reason or "").strip():
        raise OperatorError("expected a --reason in words with --swap, got nothing")
    return Order(arguments.operator or login_name(), arguments.reason)


def _is_left(report: Report) -> bool:
    """Whether anything differs still. A swap replaces all but dead letters, and what changed meanwhile."""
    if not report.swapped:
        return report.comparison.differences > 0
    letters = next(one for one in report.comparison.tables if one.table == "dead_letters")
    return letters.differences > 0 or any(one.left for one in report.swapped)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(report))
        return
    comparison, out = report.comparison, report.comparison.not_compared
    print(f"folded {report.records} raw records of {len(report.ranges)} partitions into {report.shadow}")
    print_table(
        ["TABLE", "COMPARED", "EQUAL", "DIFFERENT", "ONLY LIVE", "ONLY SHADOW"],
        [
            (one.table, one.compared, one.equal, one.different, one.only_live, one.only_shadow)
            for one in comparison.tables
        ],
    )
    print(f"not compared, because records lie before the range: {out.older_traces} traces, {out.older_scores} scores")
    print(f"not compared, because records came behind the range: {out.moved_traces} traces, {out.moved_scores} scores")
    print(f"not compared, because such a trace has a share in them: {out.cost_parts} cost parts")
    if comparison.other_price_version:
        print(f"priced alike by another price table: {comparison.other_price_version} observations")
    for one in comparison.repriced:
        print(f"priced otherwise: {one.observations} observations, live by {one.live}, rebuilt by {one.rebuilt}")
    for table in comparison.tables:
        for one in table.first:
            print(f"{one.what.replace('_', ' ')}: {table.table} {one.row} {', '.join(one.columns)}".rstrip())
        if table.differences > len(table.first):
            print(f"and {table.differences - len(table.first)} more rows of {table.table}")
    _print_swapped(report.swapped)
    sys.stdout.flush()


def _print_swapped(done: Sequence[Swapped]) -> None:
    for one in done:
        if one.traces or one.scores or one.cost_parts:
            print(
                f"swapped in partition {one.partition}: {one.traces} traces, {one.scores} scores, {one.cost_parts} cost parts"
            )
        for name in one.left:
            print(f"left, because it changed meanwhile: {name}")


def _as_json(report: Report) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(report, str_keys=True)
    built["differences"] = report.comparison.differences
    built["from"], built["to"] = built.pop("start"), built.pop("end")
    return built
