"""`tailrace conservation`: is every accepted event applied, dead-lettered or in flight, and is every cent in the windows?

Accepted events are counted from the headers of the raw log itself, not by those who wrote it; what became of them comes from one
snapshot of Postgres, so both laws can be checked to the last event and digit while traffic flows. It changes nothing.
"""

import argparse
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tailrace.admin.command import QUERIES, ProgressLine, open_connection, print_json, print_table, run_command
from tailrace.admin.raw_log import Bounds, RawLog, open_raw_log
from tailrace.runtime.settings import Settings

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


class Count(NamedTuple):
    """What Postgres counted of a project's events in one partition."""

    accepted: int
    applied: int
    dead_lettered: int


class Snapshot(NamedTuple):
    """What Postgres says at one moment. `losses`: partition, applied origin before and after an operator accepted a loss."""

    applied: dict[int, int]
    counts: dict[tuple[str, int], Count]
    losses: list[tuple[int, int, int]]
    costs: list[CostLine]


class Logged(NamedTuple):
    """Events by (project, partition) that the log holds: up to the applied origin, given up by an operator, and beyond."""

    applied: Counter[tuple[str, int]]
    given_up: Counter[tuple[str, int]]
    in_flight: Counter[tuple[str, int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    whole = {number for number, one in ranges.items() if one.first == 0} - _replaced_logs(snapshot)
    violations = [
        *_check_bounds(bounds, snapshot),
        *_check_counts(snapshot, logged, whole),
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
        [tuple(row) for row in losses],
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
        project, events = record.count_events()
        if record.offset > snapshot.applied[record.partition]:
            kind = logged.in_flight
        elif _is_given_up(record.partition, record.offset, snapshot.losses):
            kind = logged.given_up
        else:
            kind = logged.applied
        kind[project, record.partition] += events
        progress.advance()
    progress.end()
    return logged


def _is_given_up(partition: int, offset: int, losses: Iterable[tuple[int, int, int]]) -> bool:
    return any(number == partition and before < offset <= after for number, before, after in losses)


def _replaced_logs(snapshot: Snapshot) -> set[int]:
    """Partitions whose log is not the one that was counted first: an operator let them go back."""
    return {partition for partition, before, after in snapshot.losses if after < before}


def _check_bounds(bounds: dict[int, Bounds], snapshot: Snapshot) -> list[str]:
    return [
        f"partition {number}: {snapshot.applied[number]} is applied, but the log ends at {one.end}"
        if one.end <= snapshot.applied[number]
        else f"partition {number}: only {snapshot.applied[number]} is applied, but the log begins at {one.first}"
        for number, one in bounds.items()
        if not one.first - 1 <= snapshot.applied[number] < one.end
    ]


def _check_counts(snapshot: Snapshot, logged: Logged, whole: set[int]) -> list[str]:
    violations: list[str] = []
    for project, partition in sorted(snapshot.counts.keys() | logged.applied.keys()):
        count = snapshot.counts.get((project, partition), Count(0, 0, 0))
        in_log = logged.applied[project, partition]
        place = f"project {project}, partition {partition}"
        if count.accepted != count.applied + count.dead_lettered:
            violations.append(
                f"{place}: {count.accepted} events were accepted, but {count.applied} applied and {count.dead_lettered} dead-lettered"
            )
        if in_log > count.accepted or (partition in whole and in_log != count.accepted):
            violations.append(
                f"{place}: the log holds {in_log} events up to the applied origin, Postgres counted {count.accepted}"
            )
    return violations


def _event_lines(snapshot: Snapshot, logged: Logged, whole: set[int]) -> list[EventLine]:
    keys = snapshot.counts.keys() | logged.applied.keys() | logged.given_up.keys() | logged.in_flight.keys()
    return [
        _event_line(project, [key for key in keys if key[0] == project], snapshot, logged, whole)
        for project in sorted({key[0] for key in keys})
    ]


def _event_line(
    project: str, keys: list[tuple[str, int]], snapshot: Snapshot, logged: Logged, whole: set[int]
) -> EventLine:
    counts = [snapshot.counts.get(key, Count(0, 0, 0)) for key in keys]
    in_flight, given_up = sum(logged.in_flight[key] for key in keys), sum(logged.given_up[key] for key in keys)
    known = sum(
        logged.applied[key] if key[1] in whole else snapshot.counts.get(key, Count(0, 0, 0)).accepted for key in keys
    )
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
