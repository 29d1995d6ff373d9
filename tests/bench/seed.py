"""History for a stack: what its own pipeline has stored is copied under other ids, other users and earlier days, until there is as much as wanted.

So every row is one that the product writes, whatever its schema; what one trace belongs to (its user, its windows) is copied with it, so the sums stay right.
"""

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

from tailrace.admin.command import ProgressLine
from tailrace.runtime.partitions import ensure_day_partitions
from tests.load.sender import Orders, send_apart
from tests.load.stack import Stack
from tests.load.throughput import CONNECTIONS, count_events, wait_for_events

PATTERN_REQUESTS: Final = 40
"""Of five traces of ten spans each: the 2,000 observations that are copied."""

DAYS: Final = 60
COPIES_AT_ONCE: Final = 20
SPARE: Final = 1.3
"""So much more disk than what is to be stored must be free, for what writing leaves behind."""

_ids: Final[Mapping[str, Mapping[str, str]]] = {
    "traces": {"id": "trace", "user_id": "name", "session_id": "name"},
    "trace_bodies": {"trace_id": "trace"},
    "observations": {"id": "span", "trace_id": "trace", "parent_observation_id": "span"},
    "observation_bodies": {"id": "span", "trace_id": "trace"},
    "sessions": {"id": "name"},
    "users": {"id": "name"},
    "cost_parts": {"user_id": "name"},
}
"""The columns of each table that hold ids, and of which kind."""

_copied: Final = {
    "trace": "md5({column} || '-' || copy)",
    "span": "left(md5({column} || '-' || copy), 16)",
    "name": "{column} || '-' || copy",
    "timestamp with time zone": f"{{column}} - make_interval(days => copy % {DAYS} + 1)",
    "date": f"{{column}} - (copy % {DAYS} + 1)",
    "dates": f"(select coalesce(array_agg(each - (copy % {DAYS} + 1)), '{{{{}}}}') from unnest({{column}}) as each)",
}
"""How a value is made for a copy, by kind of id or by type."""


class NotEnoughDiskError(Exception):
    """What is to be stored does not fit."""


async def seed(stack: Stack, observations: int) -> int:
    """Store history until there are so many observations; returns how many there are. Raises NotEnoughDiskError before anything is written."""
    connection = await stack.connect()
    try:
        if not await connection.fetchval("select to_regclass('pattern_traces')"):
            await _store_pattern(stack, connection)
        size: int = await connection.fetchval("select count(*) from pattern_observations")
        stored: int = await connection.fetchval("select count(*) from observations")
        first: int = await connection.fetchval("select copies from pattern_copies")
        last = first + max(0, observations - stored) // size
        await _check_disk(stack, connection, stored, (last - first) * size)
        await _copy(connection, first, last)
        return stored + (last - first) * size
    finally:
        await connection.close()


async def _store_pattern(stack: Stack, connection: asyncpg.Connection) -> None:
    """Send a few requests through the pipeline, and keep what it made of them as the pattern of the copies."""
    before = await count_events(stack)
    orders = Orders(stack.url, stack.authorization, CONNECTIONS, PATTERN_REQUESTS, workload="small")
    sent = await send_apart(orders)
    await wait_for_events(stack, before + sent["events"])
    for table in _ids:
        await connection.execute(f"create table pattern_{table} as select * from {table}")
    await connection.execute("create table pattern_copies as select 0 as copies")
    today: date = await connection.fetchval("select current_date")
    await ensure_day_partitions(connection, today - timedelta(days=DAYS + 1), today)


async def _check_disk(stack: Stack, connection: asyncpg.Connection, stored: int, more: int) -> None:
    tables = ", ".join(f"'{table}'::regclass" for table in _ids)
    size: int = await connection.fetchval(
        f"select sum(pg_total_relation_size(relid))::bigint from (select (pg_partition_tree(root)).relid"
        f" from unnest(array[{tables}]) as root) as every"
    )
    needed, free = int(SPARE * more * size / max(1, stored)), shutil.disk_usage(stack.data).free
    if needed > free:
        raise NotEnoughDiskError(
            f"{more:,} observations need {needed >> 30} GiB of disk, and {free >> 30} GiB are free"
        )


async def _copy(connection: asyncpg.Connection, first: int, last: int) -> None:
    statements = [await _statement(connection, table) for table in _ids]
    progress = ProgressLine("stored {done} of {total} copies of the history", last - first)
    for start in range(first, last, COPIES_AT_ONCE):
        end = min(last, start + COPIES_AT_ONCE)
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement, start + 1, end)
            await connection.execute("update pattern_copies set copies = $1", end)
        progress.advance(end - start)
    progress.end()
    await connection.execute("vacuum (analyze)")


async def _statement(connection: asyncpg.Connection, table: str) -> str:
    """Insert the copies $1 to $2 of the pattern of a table."""
    rows: list[Any] = await connection.fetch(
        "select column_name as name, data_type as type, udt_name as element from information_schema.columns"
        " where table_schema = 'public' and table_name = $1 order by ordinal_position",
        table,
    )
    columns = [row["name"] for row in rows]
    values = [_value(table, row["name"], "dates" if row["element"] == "_date" else row["type"]) for row in rows]
    return (
        f"insert into {table} ({', '.join(columns)}) select {', '.join(values)}"
        f" from pattern_{table} cross join generate_series($1::int, $2::int) as copy"
    )


def _value(table: str, column: str, kind: str) -> str:
    """`kind`: the type of the column."""
    how = _copied.get(_ids[table].get(column, kind))
    return column if how is None else how.format(column=column)
