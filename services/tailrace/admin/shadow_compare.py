"""Comparing the shadow with the live tables, in one snapshot of the database: what can be compared, and what of that differs.

A trace can be compared when all records that name it lie in the range. None lies before it if the live trace was made by a record that an
edge received at the range's start or later: the log's time of a record is the edge's own, when it sent what it had received. None lies behind it if none of the
records that are applied since, all of which are read, names it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tailrace.admin.raw_log import Bounds, RawLog
from tailrace.admin.shadow import Connection, Shadow
from tailrace.admin.shadow_span import Period, note_moved
from tailrace.admin.shadow_statements import PARTS, count_rows, diff_rows

NAMED: Final = 20


class Difference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row that differs. `what`: different, only_live or only_shadow. `columns`: those that differ."""

    row: str
    what: str
    columns: list[str]


class TableReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One table: how many rows were compared and what came of it, and the first that differ."""

    table: str
    compared: int
    equal: int
    different: int
    only_live: int
    only_shadow: int
    first: list[Difference]

    @property
    def differences(self) -> int:
        return self.different + self.only_live + self.only_shadow


class NotCompared(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the shadow has and what cannot be compared: it has records before the range, or behind it."""

    older_traces: int = 0
    moved_traces: int = 0
    older_scores: int = 0
    moved_scores: int = 0
    cost_parts: int = 0


class Repriced(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Observations whose cost differs, by what priced each side: a price table's version, `own:<model>@<version>`, or `nobody`."""

    live: str
    rebuilt: str
    observations: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole report. `other_price_version`: observations that another price table priced alike."""

    tables: list[TableReport]
    not_compared: NotCompared
    other_price_version: int
    repriced: list[Repriced]
    applied: dict[int, int]

    @property
    def differences(self) -> int:
        return sum(table.differences for table in self.tables)


async def compare(
    connection: Connection, shadow: Shadow, log: RawLog, period: Period, seen: Mapping[int, int]
) -> Comparison:
    """Compare. `seen`: up to which origin of each partition the log behind the range has been read for what moved on."""
    await connection.execute(shadow.queries["analyze"])
    async with connection.transaction(isolation="repeatable_read"):
        applied = await read_applied(connection, shadow, seen)
        await note_moved(connection, shadow, log, behind(seen, applied))
        await _choose(connection, shadow, period)
        tables = [
            await _compare_rows(
                connection, shadow, part.name, diff_rows(part, shadow.name), count_rows(part, shadow.name)
            )
            for part in PARTS
        ]
        tables += await _compare_shared(connection, shadow, period)
        return Comparison(
            tables=tables,
            not_compared=await _count_not_compared(connection, shadow),
            other_price_version=await connection.fetchval(shadow.queries["count_other_versions"]),
            repriced=[Repriced(**row) for row in await connection.fetch(shadow.queries["count_repriced"], NAMED)],
            applied=applied,
        )


async def read_applied(connection: Any, shadow: Shadow, partitions: Mapping[int, object]) -> dict[int, int]:
    """What is applied of these partitions."""
    rows = await connection.fetch(shadow.queries["read_progress"])
    return {row["partition"]: row["applied_origin"] for row in rows if row["partition"] in partitions}


def behind(seen: Mapping[int, int], applied: Mapping[int, int]) -> dict[int, Bounds]:
    """The ranges of the log after what was seen, up to what is applied."""
    return {partition: Bounds(last + 1, applied[partition] + 1) for partition, last in seen.items()}


async def _choose(connection: Connection, shadow: Shadow, period: Period) -> None:
    queries = shadow.queries
    await connection.execute(queries["forget_comparison"])
    await connection.execute(queries["choose"], period.start, period.project_id)
    await connection.execute(queries["choose_parts"], period.project_id)
    await connection.execute(queries["analyze_choice"])


async def _compare_shared(connection: Connection, shadow: Shadow, period: Period) -> list[TableReport]:
    queries, project = shadow.queries, period.project_id
    counts = await connection.fetchrow(queries["count_shadow_rows"])
    await connection.execute(queries["diff_users"])
    await connection.execute(queries["diff_sessions"])
    await connection.execute(queries["diff_dead_letters"], project)
    reports = [
        await _report(connection, shadow, table, 0 if counts is None else counts[table])
        for table in ("users", "sessions", "dead_letters")
    ]
    parts = await _compare_rows(
        connection, shadow, "cost_parts", queries["diff_cost_parts"], queries["count_cost_parts"], project
    )
    return [*reports, parts]


async def _compare_rows(
    connection: Connection, shadow: Shadow, table: str, diff: str, count: str, *arguments: object
) -> TableReport:
    await connection.execute(diff, *arguments)
    return await _report(connection, shadow, table, await connection.fetchval(count))


async def _report(connection: Connection, shadow: Shadow, table: str, in_shadow: int) -> TableReport:
    found = await connection.fetch(shadow.queries["count_differences"], table)
    counts: dict[str, int] = {row["what"]: row["count"] for row in found}
    different, only_live, only_shadow = (counts.get(what, 0) for what in ("different", "only_live", "only_shadow"))
    first = await connection.fetch(shadow.queries["list_differences"], table, NAMED)
    return TableReport(
        table=table,
        compared=in_shadow + only_live,
        equal=in_shadow - different - only_shadow,
        different=different,
        only_live=only_live,
        only_shadow=only_shadow,
        first=[Difference(row=row["name"], what=row["what"], columns=row["columns"] or []) for row in first],
    )


async def _count_not_compared(connection: Connection, shadow: Shadow) -> NotCompared:
    rows = {row["kind"]: row for row in await connection.fetch(shadow.queries["count_not_compared"])}
    none: Mapping[str, int] = {"older": 0, "moved_on": 0}
    traces, scores = rows.get("trace", none), rows.get("score", none)
    return NotCompared(
        older_traces=traces["older"],
        moved_traces=traces["moved_on"],
        older_scores=scores["older"],
        moved_scores=scores["moved_on"],
        cost_parts=await connection.fetchval(shadow.queries["count_parts_not_compared"]),
    )
