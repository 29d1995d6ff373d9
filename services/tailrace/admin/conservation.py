"""`tailrace conservation`: is every accepted event applied, dead-lettered or in flight, and is every cent in the windows?

Accepted events are counted from the headers of the raw log itself, not by those who wrote it; what became of them comes from one
snapshot of Postgres, so both laws can be checked to the last event and digit while traffic flows. It changes nothing.
"""

import argparse
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tailrace.admin.command import QUERIES, ProgressLine, open_connection, print_json, print_table, run_command
from tailrace.admin.raw_log import Bounds, RawLog, open_raw_log
from tailrace.runtime.conservation import NO_COUNT, Account, Count, Loss, is_given_up, replaced_logs, why_not_comparable
from tailrace.runtime.settings import Settings
from tailrace.wire.topics import count_events

BUCKETS = ("minute", "hour", "day")


class EventLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One project's events. `log` is partial where retention took the log's beginning; accepted then is what was counted when applied."""

    project: str
    accepted: int
    applied: int
    dead_lettered: int
    in_flight: int
    given_up: int
    difference: int
    log: str


class CostLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One project's money, in USD: of its counted observations, and in each kind of window. `difference`: the largest one."""

    project: str
    observations: Decimal
    minute: Decimal
    hour: Decimal
    day: Decimal
    difference: Decimal


class Conservation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether the laws hold, and one sentence for each breach."""

    holds: bool
    in_flight: int
    events: list[EventLine]
    costs: list[CostLine]
    violations: list[str]


class Snapshot(NamedTuple):
    """What Postgres says at one moment."""

    applied: dict[int, int]
    counts: dict[tuple[str, int], Count]
    losses: list[Loss]
    costs: list[CostLine]


class Logged(NamedTuple):
    """Events by (project, partition) that the log holds: up to the applied origin, given up by an operator, and beyond."""

    applied: Counter[tuple[str, int]]
    given_up: Counter[tuple[str, int]]
    in_flight: Counter[tuple[str, int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check for each project that accepted = applied + dead-lettered + in flight + given up, by the raw log itself, and that "
        "windows of minutes, hours and days each add up to the cost of the observations. Exit code 1: a law is broken."
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="read only what is in flight, instead of the whole retained log"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    return run_command(_check_and_print(arguments, settings))


async def check_conservation(settings: Settings, *, quick: bool = False) -> Conservation:
    """Check both laws; `quick` leaves the applied part of the log unread, as if retention had taken it.

    Raises OperatorError when Postgres or Kafka does not answer.
    """
    snapshot = await read_snapshot(settings)
    async with open_raw_log(settings.kafka) as log:
        bounds = await log.bounds(list(snapshot.applied))
        ranges = {number: _range_of(one, snapshot.applied[number], quick=quick) for number, one in bounds.items()}
        logged = await _count_log(log, ranges, snapshot)
    whole = {number for number, one in ranges.items() if one.first == 0} - replaced_logs(snapshot.losses)
    violations = [
        *_check_bounds(bounds, snapshot),
        *(sentence for account in _accounts(snapshot, logged, whole) for sentence in account.breaches()),
        *(_cost_sentence(line) for line in snapshot.costs if line.difference),
    ]
    return Conservation(
        holds=not violations,
        in_flight=logged.in_flight.total(),
        events=_event_lines(snapshot, logged, whole),
        costs=snapshot.costs,
        violations=violations,
    )


async def read_snapshot(settings: Settings) -> Snapshot:
    """What Postgres says, all of it as of one moment."""
    async with (
        open_connection(settings.postgres) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        applied = await connection.fetch(QUERIES["read_applied"])
        counts = await connection.fetch(QUERIES["read_counts"])
        losses = await connection.fetch(QUERIES["read_losses"])
        costs = await connection.fetch(QUERIES["read_costs"])
    return Snapshot(
        {row["partition"]: row["applied_origin"] for row in applied},
        {
            (row["project_id"], row["partition"]): Count(row["accepted"], row["applied"], row["dead_lettered"])
            for row in counts
        },
        [Loss(*row) for row in losses],
        [_cost_line(row) for row in costs],
    )


def _range_of(bounds: Bounds, applied: int, *, quick: bool) -> Bounds:
    return Bounds(max(bounds.first, applied + 1), bounds.end) if quick else bounds


async def _count_log(log: RawLog, ranges: dict[int, Bounds], snapshot: Snapshot) -> Logged:
    logged = Logged(Counter(), Counter(), Counter())
    progress = ProgressLine(
        "read {done} of {total} records", sum(max(0, one.end - one.first) for one in ranges.values())
    )
    async for record in log.read(ranges):
        project, events = count_events(record.headers)
        if record.offset > snapshot.applied[record.partition]:
            kind = logged.in_flight
        elif is_given_up(snapshot.losses, record.partition, record.offset):
            kind = logged.given_up
        else:
            kind = logged.applied
        kind[project, record.partition] += events
        progress.advance()
    progress.end()
    return logged


def _check_bounds(bounds: dict[int, Bounds], snapshot: Snapshot) -> list[str]:
    found = (why_not_comparable(number, snapshot.applied[number], *one) for number, one in bounds.items())
    return [sentence for sentence in found if sentence is not None]


def _accounts(snapshot: Snapshot, logged: Logged, whole: set[int]) -> list[Account]:
    return [
        Account(*key, logged.applied[key], key[1] in whole, snapshot.counts.get(key, NO_COUNT))
        for key in sorted(snapshot.counts.keys() | logged.applied.keys())
    ]


def _event_lines(snapshot: Snapshot, logged: Logged, whole: set[int]) -> list[EventLine]:
    keys = snapshot.counts.keys() | logged.applied.keys() | logged.given_up.keys() | logged.in_flight.keys()
    return [
        _event_line(project, [key for key in keys if key[0] == project], snapshot, logged, whole)
        for project in sorted({key[0] for key in keys})
    ]


def _event_line(
    project: str, keys: list[tuple[str, int]], snapshot: Snapshot, logged: Logged, whole: set[int]
) -> EventLine:
    counts = [snapshot.counts.get(key, NO_COUNT) for key in keys]
    in_flight, given_up = sum(logged.in_flight[key] for key in keys), sum(logged.given_up[key] for key in keys)
    known = sum(logged.applied[key] if key[1] in whole else snapshot.counts.get(key, NO_COUNT).accepted for key in keys)
    applied, dead = sum(one.applied for one in counts), sum(one.dead_lettered for one in counts)
    accepted = known + in_flight + given_up
    return EventLine(
        project=project,
        accepted=accepted,
        applied=applied,
        dead_lettered=dead,
        in_flight=in_flight,
        given_up=given_up,
        difference=accepted - applied - dead - in_flight - given_up,
        log="whole" if {key[1] for key in keys} <= whole else "partial",
    )


def _cost_line(row: Any) -> CostLine:
    windows = {bucket: row[bucket] for bucket in BUCKETS}
    difference = max((row["observations"] - cost for cost in windows.values()), key=abs)
    return CostLine(project=row["project_id"], observations=row["observations"], **windows, difference=difference)


def _cost_sentence(line: CostLine) -> str:
    return (
        f"project {line.project}: its counted observations cost {line.observations:f} USD, its windows hold {line.minute:f} (minutes), "
        f"{line.hour:f} (hours) and {line.day:f} (days)"
    )


async def _check_and_print(arguments: argparse.Namespace, settings: Settings) -> int:
    found = await check_conservation(settings, quick=arguments.quick)
    if arguments.json:
        print_json(found)
    else:
        _print_tables(found)
    return 0 if found.holds else 1


def _print_tables(found: Conservation) -> None:
    if found.events:
        print_table(
            ["PROJECT", "ACCEPTED", "APPLIED", "DEAD-LETTERED", "IN FLIGHT", "GIVEN UP", "DIFFERENCE", "LOG"],
            [msgspec.structs.astuple(line) for line in found.events],
        )
        print()
    if found.costs:
        print_table(
            ["PROJECT", "OBSERVATIONS USD", "MINUTES USD", "HOURS USD", "DAYS USD", "DIFFERENCE USD"],
            [[line.project, *(f"{cost:f}" for cost in msgspec.structs.astuple(line)[1:])] for line in found.costs],
        )
        print()
    for violation in found.violations:
        print(f"BROKEN  {violation}")
    if found.holds:
        flying = f"{found.in_flight} events are in flight" if found.in_flight else "nothing is in flight"
        print(f"HOLDS   every accepted event is accounted for, every cent is in its windows; {flying}")
