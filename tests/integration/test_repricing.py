"""Repricings over a real Postgres: whatever is in memory then, and whatever the price lists say when the log is folded again."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
import pytest

from tailrace.assembler.batch import RawRecord
from tailrace.assembler.price_list import PriceList
from tailrace.core.price_terms import PriceTerms
from tailrace.core.pricing import PriceTable, load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.topics import RawHeaders
from tests.events import Event
from tests.integration.partition import Partition, open_partition_pool, read_everything, sum_law_differences
from tests.integration.worker import generation
from tests.repricing import RECEIVED_US, make_repricing, raw_repricing, shipped_terms

pytestmark = pytest.mark.integration

Step = list[Event] | dict[str, PriceTerms]
"""Events, or what the next command says of observations."""


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


def named_user(user: str) -> Event:
    body = {"id": "t", "userId": user}
    return {"id": f"u-{user}", "type": "trace-create", "timestamp": "2026-03-01T10:00:00Z", "body": body}


def used(span: str, at: str, tokens: int) -> Event:
    body = {"id": span, "traceId": "t", "usage": {"input": tokens}}
    return {"id": f"used-{span}-{at}", "type": "generation-update", "timestamp": at, "body": body}


def free_of(*models: str) -> PriceTable:
    """The shipped table without these models."""
    table = orjson.loads((schemas() / "prices.json").read_bytes())
    table["models"] = [model for model in table["models"] if model["model"] not in models]
    return load_price_table(table)


async def run(
    pool: asyncpg.Pool, steps: Sequence[Step], *, max_state_bytes: int = 1 << 30, prices: PriceTable | None = None
) -> Partition:
    """Fold and apply each step as a record of its own, in a new world."""
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, scores, sessions, users, cost_parts, event_counts,
           dead_letters; update stream_progress set applied_origin = -1, position = 0, epoch = epoch + 1, owner = null"""
    )
    partition = Partition(pool, max_state_bytes=max_state_bytes)
    if prices is not None:
        partition.prices = PriceList(prices)
    await partition.own()
    for number, step in enumerate(steps):
        if isinstance(step, dict):
            # The number of a command is its place among all steps, whatever order these are in.
            partition.raw.append(raw_repricing(number, make_repricing(step, command=_number_of(step))))
        else:
            partition.append(step)
        await partition.fold(number, number + 1)
        await partition.apply()
    return partition


def _number_of(step: dict[str, PriceTerms]) -> int:
    return STEPS.index(step) if step in STEPS else 1


CREATES: list[Step] = [[generation("t", "a"), generation("t", "b", usage={"input": 2_000}), named_user("ada")]]
STEPS: list[Step] = [
    [used("a", "2026-03-01T11:00:00Z", 500)],
    {"a": shipped_terms(input="1"), "b": shipped_terms(input="2")},
    {"a": shipped_terms(input="3")},
    [used("b", "2026-03-01T12:00:00Z", 100)],
    [{**named_user("zoe"), "timestamp": "2026-03-02T00:00:00Z"}],
]


async def cost_of(pool: asyncpg.Pool, span: str) -> Decimal:
    return await pool.fetchval("select total_cost from observations where id = $1", span)


@pytest.mark.parametrize("max_state_bytes", [1 << 30, 0])
async def test_every_order_and_any_loss_of_memory_leaves_the_same_rows(
    pool: asyncpg.Pool, max_state_bytes: int
) -> None:
    await run(pool, [*CREATES, *STEPS])
    expected = await read_everything(pool)
    assert [await cost_of(pool, "a"), await cost_of(pool, "b")] == [1_500, 200]
    for order in itertools.islice(itertools.permutations(STEPS), 0, None, 13):
        await run(pool, [*CREATES, *order, order[0], order[2]], max_state_bytes=max_state_bytes)

        assert await read_everything(pool) == expected
        assert not any((await sum_law_differences(pool)).values())
    assert await pool.fetchval("select sum(cost) from cost_parts where user_id = 'zoe' and bucket = 'day'") == 1_700


async def test_an_observation_its_trace_and_its_users_windows_change_by_the_same_amount(pool: asyncpg.Pool) -> None:
    await run(pool, CREATES)
    before = await _costs(pool)

    await run(pool, [*CREATES, {"a": shipped_terms(input="1")}])

    difference = 1_000 - Decimal("0.00015")
    assert [now - was for now, was in zip(await _costs(pool), before, strict=True)] == [difference] * 5


async def test_the_log_folded_again_with_other_prices_gives_a_repriced_observation_the_same_cost(
    pool: asyncpg.Pool,
) -> None:
    """Also what comes behind the repricing."""
    steps = [*CREATES, {"a": shipped_terms(input="1"), "b": shipped_terms(input="2")}, STEPS[0]]
    await run(pool, steps)
    expected = await read_everything(pool)

    await run(pool, steps, prices=free_of("gpt-4o-mini"))

    assert await read_everything(pool) == expected


async def test_a_repricing_that_cannot_be_used_is_a_dead_letter_and_counts_as_one_event(pool: asyncpg.Pool) -> None:
    partition = await run(pool, [*CREATES, {"a": shipped_terms(input="1")}])
    headers = RawHeaders("repricing", "p", RECEIVED_US, 1)  # pyright: ignore[reportArgumentType]
    partition.raw.append(RawRecord(2, dict(headers.encode()), b'{"command": "me"}'))
    await partition.fold(2, 3)
    await partition.apply()

    counts: Any = await pool.fetchrow("select accepted, applied, dead_lettered from event_counts")
    letter: Any = await pool.fetchrow("select reason, content_kind, payload from dead_letters")

    assert tuple(counts) == (5, 4, 1)
    assert tuple(letter) == ("invalid_payload", "repricing", b'{"command": "me"}')


async def _costs(pool: asyncpg.Pool) -> list[Decimal]:
    observation = await cost_of(pool, "a")
    trace: Decimal = await pool.fetchval("select total_cost from traces")
    windows = await pool.fetch("select sum(cost) as cost from cost_parts where user_id = 'ada' group by bucket")
    return [observation, trace, *(row["cost"] for row in windows)]
