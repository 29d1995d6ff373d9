"""The standing audit of money over a real Postgres: quiet on what is folded right, loud at the last digit, and it remembers its place."""

import asyncio
import random
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from tailrace.auditor.costs import CostAudit
from tailrace.auditor.repository import Repository
from tailrace.runtime.settings import Audit
from tests.auditor.conftest import exported
from tests.events import make_events
from tests.fakes import eventually
from tests.integration.partition import Partition, open_partition_pool

pytestmark = pytest.mark.integration


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


async def fold(pool: asyncpg.Pool) -> None:
    """A few hundred events, folded and stored as in production."""
    events = make_events(3, traces=8)
    random.Random(1).shuffle(events)
    partition = Partition(pool)
    await partition.own()
    for at in range(0, len(events), 20):
        partition.append(events[at : at + 20], project_id="shop")
        await partition.fold(at // 20, at // 20 + 1)
        await partition.apply()


def make_audit(pool: asyncpg.Pool, *, grace_seconds: int = 0) -> CostAudit:
    return CostAudit(Repository(pool), Audit(interval_seconds=60, grace_seconds=grace_seconds, cost_percent=100))


def broken_usd(project: str = "shop") -> float | None:
    return exported("tailrace_conservation_broken_usd", project=project)


async def test_what_was_folded_right_is_no_finding(pool: asyncpg.Pool) -> None:
    await fold(pool)
    audit = make_audit(pool)

    await audit.run_round()

    assert len(audit.findings) == 0
    assert broken_usd() == 0
    assert exported("tailrace_audit_costs_behind_seconds") is not None


@pytest.mark.parametrize(
    "fault",
    [
        "update cost_parts set cost = cost + 0.000000000000000001 where ctid = (select min(ctid) from cost_parts where bucket = '{}')",
        "delete from cost_parts where ctid = (select min(ctid) from cost_parts where bucket = '{}' and cost > 0)",
    ],
)
@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
async def test_a_changed_window_is_told_and_no_more_once_it_is_right(
    pool: asyncpg.Pool, fault: str, bucket: str
) -> None:
    await fold(pool)
    audit = make_audit(pool)
    await audit.run_round()
    saved = [tuple(row) for row in await pool.fetch("select * from cost_parts")]

    await pool.execute(fault.format(bucket))
    await audit.run_round()
    assert (broken_usd() or 0) > 0

    await pool.execute("delete from cost_parts")
    await pool.copy_records_to_table("cost_parts", records=saved)
    await audit.run_round()
    assert broken_usd() == 0


@pytest.mark.parametrize(
    "fault",
    [
        "update observations set total_cost = total_cost * 2 where ctid = (select ctid from observations where total_cost > 0 limit 1)",
        "update observations set counted = false where total_cost > 0",
        "delete from observations",
        "delete from cost_parts",
    ],
)
async def test_changed_observations_and_missing_rows_are_told(pool: asyncpg.Pool, fault: str) -> None:
    await fold(pool)
    audit = make_audit(pool)

    await pool.execute(fault)
    await audit.run_round()

    assert (broken_usd() or 0) > 0


async def test_a_difference_is_told_once_and_in_full(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into cost_parts select 'shop', null, null, b, '2026-03-01T10:00Z', 0, 1.25, 0, 0, 0, 1, 0, 0, 1, 0"
        " from unnest(array['minute', 'hour', 'day']) b"
    )
    await pool.execute("update cost_parts set cost = 1 where bucket = 'hour'")
    audit = make_audit(pool)

    await audit.run_round()

    assert broken_usd() == 1.25
    assert {(one.law, one.start) for one in audit.findings} == {
        (0, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (1, datetime(2026, 3, 1, 10, tzinfo=UTC)),
        (2, datetime(2026, 3, 1, tzinfo=UTC)),
    }


async def test_a_difference_is_told_only_after_the_time_that_it_may_last(pool: asyncpg.Pool) -> None:
    await fold(pool)
    await pool.execute("update cost_parts set cost = cost + 1 where bucket = 'day'")
    audit = make_audit(pool, grace_seconds=1)

    await audit.run_round()
    assert broken_usd() == 0
    await asyncio.sleep(1)
    await audit.run_round()

    assert (broken_usd() or 0) > 0


async def test_while_events_are_stored_no_round_finds_anything(pool: asyncpg.Pool) -> None:
    audit = make_audit(pool)
    storing = asyncio.create_task(fold(pool))
    rounds = 0
    while not storing.done():
        await audit.run_round()
        rounds += 1
        assert len(audit.findings) == 0
    await storing

    assert rounds > 1


async def test_days_that_were_written_since_the_last_look_come_first(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "create table observations_20260301 partition of observations for values from ('2026-03-01') to ('2026-03-02')"
    )
    audit = make_audit(pool)
    await audit.run_round()
    await fold(pool)
    store = Repository(pool)
    before = await store.read_touched()

    async def is_seen() -> bool:
        await pool.execute("select pg_stat_force_next_flush()")
        return (await store.read_touched())["observations_20260301"] > 0

    await eventually(is_seen)
    days = await audit._read_touched_days()  # pyright: ignore[reportPrivateUsage]

    assert before.keys() >= {"observations_20260301", "observations_default"}
    assert days == [datetime(2026, 3, 1, tzinfo=UTC)]
    assert await audit._read_touched_days() == []  # pyright: ignore[reportPrivateUsage]


async def test_a_restart_goes_on_where_the_walk_was(pool: asyncpg.Pool) -> None:
    await fold(pool)
    stop = asyncio.Event()
    stop.set()
    audit = make_audit(pool)
    await audit.run_round(stop)
    place, completed_at = await Repository(pool).read_walk("costs")
    assert (place.project, completed_at) == ("shop", None)

    await make_audit(pool).run_round()

    place, completed_at = await Repository(pool).read_walk("costs")
    assert place.project is None
    assert completed_at is not None
    assert Decimal(str(broken_usd())) == 0
