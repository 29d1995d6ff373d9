"""Day partitions of the tables that retention drops by day: a range of days in, the missing partitions made.

A day without a partition is kept in the default partition; when its own is made, those rows move along. Never drops anything.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

import asyncpg

PARTITIONED_TABLES: Final = ("observations", "observation_bodies")
DAYS_BACK: Final = 7
DAYS_AHEAD: Final = 3

_LOCK: Final = 0x7461696C_0002
_find_partitions = """
    select child.relname
    from pg_inherits join pg_class child on child.oid = inhrelid
    where inhparent = any (select to_regclass(name) from unnest($1::text[]) as name)
"""


async def ensure_day_partitions(
    connection: "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]", first: date, last: date
) -> list[str]:
    """Make the missing partitions of the days `first` to `last`, both included; returns the names of the new ones.

    One query when nothing is missing. Else one transaction for each partition, during which writers of that table wait and nothing
    is lost from sight: it must not be called inside a transaction. Raises ValueError when it is, and Postgres's errors.
    """
    if connection.is_in_transaction():
        raise ValueError("ensure_day_partitions opens its own transactions, expected a connection outside of one")
    made: list[str] = []
    for table, day in await _missing(connection, list(_days(first, last))):
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            if await _missing(connection, [day], [table]):
                await _make_partition(connection, table, day)
                made.append(_partition_name(table, day))
    return made


async def _missing(
    connection: Any, days: list[date], tables: Iterable[str] = PARTITIONED_TABLES
) -> list[tuple[str, date]]:
    existing = {row["relname"] for row in await connection.fetch(_find_partitions, list(tables))}
    return [(table, day) for table in tables for day in days if _partition_name(table, day) not in existing]


async def _make_partition(connection: Any, table: str, day: date) -> None:
    name, following = _partition_name(table, day), day + timedelta(days=1)
    # Writers wait here, before they choose a partition: one that had chosen the default partition would be refused after the attach.
    await connection.execute(f"lock table only {table} in share row exclusive mode")
    await connection.execute(f"create table {name} (like {table} including all)")
    await connection.execute(
        f"with moved as (delete from only {table}_default where day = $1 returning *) insert into {name} select * from moved",  # noqa: S608 (names of our own)
        day,
    )
    await connection.execute(
        f"alter table {table} attach partition {name} for values from ('{day}') to ('{following}')"
    )


def _partition_name(table: str, day: date) -> str:
    return f"{table}_{day.isoformat().replace('-', '')}"


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
