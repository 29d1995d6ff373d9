"""Own models over a real Postgres, from the API that writes them to the rows that they price."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tailrace.assembler.own_model_store import OwnModelStore
from tailrace.assembler.price_list import PriceList
from tailrace.core.own_models import EFFECTIVE_AFTER_US, MODEL_LOCK
from tailrace.query.sql import statement
from tests.events import Event
from tests.integration.partition import (
    PRICES,
    Partition,
    open_partition_pool,
    read_everything,
    sum_law_differences,
)
from tests.own_models import write_model

pytestmark = pytest.mark.integration

START = "2026-03-01T10:00:30Z"
HOUR_US = 3_600_000_000


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


@pytest.fixture
async def now_us(pool: asyncpg.Pool) -> int:
    """The database's time, well before anything that a test writes."""
    return await pool.fetchval("select micros(now() - interval '1 minute')")


def generation(span: str = "g", *, event: str = "e", kind: str = "generation-create", **body: Any) -> Event:
    whole = {"id": span, "traceId": "t", "startTime": START, "model": "GPT-4o", "usage": {"input": 1000}} | body
    return {"id": event, "type": kind, "timestamp": START, "body": whole}


def update(span: str = "g", *, event: str = "u", **body: Any) -> Event:
    whole = {"id": span, "traceId": "t"} | body
    return {"id": event, "type": "generation-update", "timestamp": START.replace("30Z", "40Z"), "body": whole}


async def fold(partition: Partition, *records: tuple[list[Event], int], project_id: str = "p") -> None:
    """Fold and apply records of these events, received then, one after another."""
    first = len(partition.raw)
    for events, received_us in records:
        partition.append(events, project_id=project_id, received_us=received_us)
    if partition.folder is None:
        await partition.own()
    for at in range(first, len(partition.raw)):
        await partition.fold(at, at + 1)
        await partition.apply()


async def priced(pool: asyncpg.Pool, span: str = "g", project_id: str = "p") -> tuple[Any, ...]:
    row = await pool.fetchrow(
        "select total_cost, model_id, pricing_tier, price_version from observations where id = $1 and project_id = $2",
        span,
        project_id,
    )
    return tuple(row or ())


async def test_a_projects_own_model_beats_the_shipped_one_and_no_other_project_sees_it(pool: asyncpg.Pool) -> None:
    holds_us = await write_model(pool)
    partition = Partition(pool)

    await fold(partition, ([generation()], holds_us))
    await fold(partition, ([generation()], holds_us), project_id="q")

    version = await pool.fetchval("select version from model_versions")
    assert await priced(pool) == (1000, "ours", "Standard", f"own:m@{version}")
    assert await priced(pool, project_id="q") == (Decimal("0.0025"), "gpt-4o", "Standard", PRICES.version)
    assert await sum_law_differences(pool) == {"minute": 0, "hour": 0, "day": 0}
    assert await pool.fetchval("select sum(cost) from cost_parts where bucket = 'day' and model = 'ours'") == 1000


async def test_a_change_holds_from_its_instant_on_and_what_was_priced_keeps_its_price(pool: asyncpg.Pool) -> None:
    first_us = await write_model(pool)
    partition = Partition(pool)
    await fold(partition, ([generation("old")], first_us))
    second_us = await write_model(pool, inputPrice=2)

    await fold(
        partition,
        ([generation("before", event="e2")], second_us - 1),
        ([generation("after", event="e3")], second_us),
        ([update("old", output="text", metadata={"a": 1})], second_us + HOUR_US),
    )

    assert [(await priced(pool, span))[0] for span in ("old", "before", "after")] == [1000, 1000, 2000]
    await fold(partition, ([update("old", event="u2", usage={"input": 500})], second_us + HOUR_US))
    latest = await pool.fetchval("select max(version) from model_versions")
    assert await priced(pool, "old") == (1000, "ours", "Standard", f"own:m@{latest}")
    assert await sum_law_differences(pool) == {"minute": 0, "hour": 0, "day": 0}


async def test_a_start_date_is_the_day_from_which_a_price_applies(pool: asyncpg.Pool) -> None:
    boundary = datetime.fromisoformat(START)
    await write_model(pool, "history", inputPrice=1, startDate="2026-01-01T00:00:00Z")
    holds_us = await write_model(pool, "new", inputPrice=2, startDate=START)
    partition = Partition(pool)
    starts = {
        "first": boundary - timedelta(days=365),
        "before": boundary - timedelta(milliseconds=1),
        "on": boundary,
        "after": boundary + timedelta(days=400),
    }

    events = [generation(span, event=span, startTime=at.isoformat()) for span, at in starts.items()]
    await fold(partition, (events, holds_us))

    assert {span: (await priced(pool, span))[0] for span in starts} == {
        "first": Decimal("0.0025"),
        "before": 1000,
        "on": 2000,
        "after": 2000,
    }


async def test_an_observation_that_moves_over_the_boundary_is_priced_anew(pool: asyncpg.Pool) -> None:
    holds_us = await write_model(pool, startDate=START)
    partition = Partition(pool)
    early = datetime.fromisoformat(START) - timedelta(seconds=1)
    moved = generation(startTime=early.isoformat(), event="0") | {"timestamp": "2026-03-01T10:00:00Z"}

    await fold(partition, ([generation()], holds_us))
    assert (await priced(pool))[1] == "ours"
    await fold(partition, ([moved], holds_us))

    assert (await priced(pool))[1] == "gpt-4o"
    assert await sum_law_differences(pool) == {"minute": 0, "hour": 0, "day": 0}


TIERS: list[dict[str, Any]] = [
    {"name": "Standard", "isDefault": True, "priority": 0, "conditions": [], "prices": {"input": 1}},
    {
        "name": "Priority",
        "priority": 1,
        "conditions": [{"source": "metadata", "key": "tier", "operator": "in", "values": ["fast", "3"]}],
        "prices": {"input": 2},
    },
    {
        "name": "Flex",
        "priority": 2,
        "conditions": [{"source": "model_parameters", "key": "service_tier", "operator": "in", "values": ["flex"]}],
        "prices": {"input": 0},
    },
]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]])
@pytest.mark.parametrize("state_bytes", [0, 1 << 30])
async def test_a_tier_by_attributes_is_chosen_in_any_order_of_events(
    pool: asyncpg.Pool, order: list[int], state_bytes: int
) -> None:
    """Also where the observation has left memory in between."""
    holds_us = await write_model(pool, inputPrice=None, pricingTiers=TIERS)
    partition = Partition(pool, max_state_bytes=state_bytes)
    events = [
        generation(),
        update(event="u1", modelParameters={"service_tier": "flex", "temperature": 1}),
        update(event="u2", metadata={"tier": 3}),
    ]

    await fold(partition, *(([events[at]], holds_us) for at in order))

    assert (await priced(pool))[:3] == (2000, "ours", "Priority")
    assert await sum_law_differences(pool) == {"minute": 0, "hour": 0, "day": 0}


async def test_a_deleted_model_prices_nothing_that_comes_later(pool: asyncpg.Pool) -> None:
    holds_us = await write_model(pool)
    await pool.fetchrow(statement("delete_own_model"), "p", "m", MODEL_LOCK, EFFECTIVE_AFTER_US)
    gone_us = await pool.fetchval("select micros(max(effective_at)) from model_versions")
    await asyncio.sleep(EFFECTIVE_AFTER_US / 1_000_000)
    partition = Partition(pool)

    await fold(partition, ([generation("a")], holds_us), ([generation("b", event="e2")], gone_us))

    assert [(await priced(pool, span))[1] for span in "ab"] == ["ours", "gpt-4o"]


async def test_another_owner_who_folds_the_same_log_later_leaves_the_same_rows(pool: asyncpg.Pool, now_us: int) -> None:
    """After a crash, or by a replay: whatever was changed in the meantime."""
    events = [generation(f"g{number}", event=f"e{number}") for number in range(3)]
    one_us = await write_model(pool)
    two_us = await write_model(pool, inputPrice=2)
    first = Partition(pool)
    await fold(first, *(([event], at) for event, at in zip(events, (now_us, one_us, two_us), strict=True)))
    rows = await read_everything(pool)
    await write_model(pool, inputPrice=3)
    await pool.fetchrow(statement("delete_own_model"), "p", "m", MODEL_LOCK, EFFECTIVE_AFTER_US)
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, users, sessions, cost_parts, event_counts;
           update stream_progress set applied_origin = -1, position = 0"""
    )

    second = Partition(pool)
    await fold(second, *(([event], at) for event, at in zip(events, (now_us, one_us, two_us), strict=True)))

    assert await read_everything(pool) == rows
    assert [(await priced(pool, f"g{number}"))[0] for number in range(3)] == [Decimal("0.0025"), 1000, 2000]


async def test_a_reader_waits_for_a_version_that_is_being_written(pool: asyncpg.Pool, now_us: int) -> None:
    """Else it could say that it knows all versions up to a time, and miss one whose time is before that."""
    store = OwnModelStore(pool, kept_days=8)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select pg_advisory_xact_lock($1)", MODEL_LOCK)
        reading = asyncio.create_task(store.read(["p"], [], 0))
        await asyncio.sleep(0.3)
        assert not reading.done()
        await transaction.rollback()

    read = await reading
    assert (read.versions, read.last_version) == ({"p": []}, 0)
    assert read.until_us > now_us


async def test_a_row_that_no_release_wrote_prices_nothing_and_breaks_nothing(pool: asyncpg.Pool) -> None:
    holds_us = await write_model(pool, "good", inputPrice=4)
    await write_model(pool, "no-tier")
    await write_model(pool, "no-default")
    await write_model(pool, "bad-unit")
    await write_model(pool, "bad-pattern")
    await pool.execute(
        """update model_versions set tiers = case id when 'no-tier' then '{"a": 1}'
               when 'no-default' then '[]' else tiers end,
               unit = case id when 'bad-unit' then 'BYTES' end,
               match_pattern = case id when 'bad-pattern' then '(' else match_pattern end"""
    )
    partition = Partition(pool)

    await fold(partition, ([generation()], holds_us + HOUR_US))

    assert (await priced(pool))[0] == 4000


async def test_old_versions_are_kept_out_of_memory(pool: asyncpg.Pool, now_us: int) -> None:
    await write_model(pool)
    await write_model(pool, inputPrice=2)
    await pool.execute("update model_versions set superseded_at = superseded_at - interval '9 days'")
    await pool.execute("update model_versions set effective_at = effective_at - interval '9 days'")
    store = OwnModelStore(pool, kept_days=8)

    read = await store.read(["p"], [], 0)

    assert [one.tiers[0].prices for one in read.versions["p"]] == [{"input": Decimal(2)}]


async def test_a_change_of_a_held_project_is_found_by_its_version(pool: asyncpg.Pool) -> None:
    store = OwnModelStore(pool, kept_days=8)
    await write_model(pool, project_id="p")
    before = await store.read(["p", "q"], [], 0)
    await write_model(pool, project_id="q")
    await write_model(pool, project_id="r")

    after = await store.read([], ["p", "q"], before.last_version)

    assert (list(before.versions), list(after.versions)) == (["p", "q"], ["q"])
    assert after.last_version > before.last_version
    assert (await store.read([], ["p", "q"], after.last_version)).versions == {}


async def test_what_a_sender_says_that_it_cost_is_what_it_cost(pool: asyncpg.Pool) -> None:
    holds_us = await write_model(pool)

    await fold(Partition(pool), ([generation(costDetails={"input": 0.5})], holds_us))

    assert await priced(pool) == (Decimal("0.5"), "ours", None, None)


async def test_the_fold_refuses_a_project_that_was_not_prepared(pool: asyncpg.Pool) -> None:
    prices = PriceList(PRICES, OwnModelStore(pool, kept_days=8))

    with pytest.raises(KeyError):
        prices.as_of(0).of_project("p")
