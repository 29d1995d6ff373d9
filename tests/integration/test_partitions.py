"""Day partitions: made once, right whatever the default partition holds, and without refusing a writer."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tailrace.runtime.partitions import DAYS_AHEAD, DAYS_BACK, ensure_day_partitions

pytestmark = pytest.mark.integration

DAY = date(2031, 5, 4)
_insert = """
    insert into observations (project_id, day, trace_id, id, partition, type, start_time, stamps, created_at, updated_at)
    values ('p', $1, 't', $2, 0, 'SPAN', now(), '{}', now(), now())
"""


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def test_a_migrated_database_has_the_partitions_of_the_days_around_today(
    connection: "asyncpg.Connection[Any]",
) -> None:
    today = datetime.now(UTC).date()

    made = await ensure_day_partitions(connection, today - timedelta(DAYS_BACK), today + timedelta(DAYS_AHEAD))

    # A run that crosses midnight may lack the newest day.
    assert len(made) <= 2
    names = await connection.fetch(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'observations'::regclass"
    )
    assert f"observations_{today:%Y%m%d}" in {row[0] for row in names}


async def test_missing_days_are_made_for_every_table_and_only_once(connection: "asyncpg.Connection[Any]") -> None:
    made = await ensure_day_partitions(connection, DAY, DAY + timedelta(days=1))

    assert made == [
        "observations_20310504",
        "observations_20310505",
        "observation_bodies_20310504",
        "observation_bodies_20310505",
    ]
    assert await ensure_day_partitions(connection, DAY, DAY + timedelta(days=1)) == []


async def test_rows_that_waited_in_the_default_partition_move_to_their_day(
    connection: "asyncpg.Connection[Any]",
) -> None:
    for number, day in enumerate((DAY, DAY, DAY + timedelta(days=1))):
        await connection.execute(_insert, day, f"o{number}")

    await ensure_day_partitions(connection, DAY, DAY)

    assert await _ids(connection, "observations_20310504") == ["o0", "o1"]
    assert await _ids(connection, "only observations_default") == ["o2"]
    assert await _ids(connection, "observations") == ["o0", "o1", "o2"]


async def test_a_new_partition_has_the_keys_and_indexes_of_its_table(connection: "asyncpg.Connection[Any]") -> None:
    await connection.execute(_insert, DAY, "o")
    await ensure_day_partitions(connection, DAY, DAY)

    indexes = "select count(*) from pg_index where indrelid = $1::text::regclass"
    assert await connection.fetchval(indexes, "observations_20310504") == await connection.fetchval(
        indexes, "observations"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(_insert, DAY, "o")


async def test_writers_of_that_very_day_wait_and_are_not_refused(
    connection: "asyncpg.Connection[Any]", postgres_dsn: str
) -> None:
    before, during = await asyncpg.connect(postgres_dsn), await asyncpg.connect(postgres_dsn)
    transaction = before.transaction()
    await transaction.start()
    await before.execute(_insert, DAY, "before")

    making = asyncio.create_task(ensure_day_partitions(connection, DAY, DAY))
    await _until_locks_wait(before, 1)
    writing = asyncio.create_task(during.execute(_insert, DAY, "during"))
    await _until_locks_wait(before, 2)
    await transaction.commit()
    await asyncio.gather(making, writing)

    assert await _ids(connection, "observations_20310504") == ["before", "during"]
    await before.close()
    await during.close()


async def test_processes_that_meet_make_each_partition_once(postgres_dsn: str) -> None:
    connections = [await asyncpg.connect(postgres_dsn) for _ in range(4)]

    made = await asyncio.gather(*(ensure_day_partitions(one, DAY, DAY + timedelta(days=3)) for one in connections))

    assert sorted(name for names in made for name in names) == sorted({name for names in made for name in names})
    assert sum(len(names) for names in made) == 8
    for one in connections:
        await one.close()


async def test_inside_a_transaction_it_is_refused(connection: "asyncpg.Connection[Any]") -> None:
    async with connection.transaction():
        with pytest.raises(ValueError, match="outside of one"):
            await ensure_day_partitions(connection, DAY, DAY)


async def _ids(connection: "asyncpg.Connection[Any]", table: str) -> list[str]:
    return [row["id"] for row in await connection.fetch(f"select id from {table} order by id")]


async def _until_locks_wait(connection: "asyncpg.Connection[Any]", count: int) -> None:
    waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())"
    for _ in range(500):
        if await connection.fetchval(waiting) >= count:
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"expected {count} sessions to wait for a lock")
