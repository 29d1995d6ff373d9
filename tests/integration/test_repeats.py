"""Usage that is told twice counts once, in whatever order it comes and whatever is in memory then."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal

import asyncpg
import pytest

from tailrace.assembler import fold, hydration, repository
from tests.events import Event
from tests.integration.partition import Partition, open_partition_pool, read_everything, sum_law_differences

pytestmark = pytest.mark.integration

CALL = {"input": 1_000, "output": 100}
PRICE = Decimal("0.00021")
"""Of CALL by gpt-4o-mini: 1,000 times 0.15 and 100 times 0.60 USD per million."""


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


def observation(id_: str, parent: str | None, kind: str = "span", usage: object = None, **fields: object) -> Event:
    body = {"id": id_, "traceId": "t", "parentObservationId": parent, "startTime": "2026-03-01T12:00:00Z", **fields}
    if usage is not None:
        body |= {"model": "gpt-4o-mini", "usageDetails": usage}
    return {
        "id": f"event-{id_}-{len(fields)}",
        "type": f"{kind}-create",
        "timestamp": "2026-03-01T12:00:00Z",
        "body": body,
    }


USER: Event = {
    "id": "event-trace",
    "type": "trace-create",
    "timestamp": "2026-03-01T12:00:00Z",
    "body": {"id": "t", "userId": "ada"},
}
STORY = [
    USER,
    observation("agent", None, "agent", {"input": 2_000, "output": 200}),
    observation("step", "agent"),
    observation("one", "step", "generation", CALL),
    observation("two", "agent", "generation", CALL),
    observation("two again", "two", "generation", CALL),
]


async def _run(pool: asyncpg.Pool, batches: Sequence[Sequence[Event]], *, max_state_bytes: int = 1 << 30) -> None:
    partition = Partition(pool, max_state_bytes=max_state_bytes)
    await partition.own()
    for number, batch in enumerate(batches):
        partition.append(batch)
        await partition.fold(number, number + 1)
        await partition.apply()


async def _counted(pool: asyncpg.Pool) -> set[str]:
    rows = await pool.fetch("select id from observations where counted and total_tokens > 0")
    return {row["id"] for row in rows}


async def _costs(pool: asyncpg.Pool) -> tuple[Decimal, Decimal]:
    """Of the trace, and of ada's day."""
    trace: Decimal = await pool.fetchval("select total_cost from traces")
    day: Decimal = await pool.fetchval("select sum(cost) from cost_parts where user_id = 'ada' and bucket = 'day'")
    return trace, day


async def _clear(pool: asyncpg.Pool) -> None:
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, sessions, users, cost_parts, event_counts;
           update stream_progress set applied_origin = -1, position = 0, epoch = epoch + 1, owner = null"""
    )


async def test_usage_that_is_told_again_above_is_priced_and_not_summed(pool: asyncpg.Pool) -> None:
    await _run(pool, [STORY])

    assert await _counted(pool) == {"one", "two again"}
    assert await _costs(pool) == (2 * PRICE, 2 * PRICE)
    assert await pool.fetchval("select total_cost from observations where id = 'agent'") == 2 * PRICE
    assert not any((await sum_law_differences(pool)).values())


@pytest.mark.parametrize("max_state_bytes", [1 << 30, 0])
async def test_every_order_and_any_loss_of_memory_leaves_the_same_rows(
    pool: asyncpg.Pool, max_state_bytes: int
) -> None:
    await _run(pool, [STORY])
    expected = await read_everything(pool)
    for order in itertools.islice(itertools.permutations(STORY), 0, None, 97):
        await _clear(pool)
        await _run(pool, [[event] for event in order], max_state_bytes=max_state_bytes)
        assert await read_everything(pool) == expected, [event["body"]["id"] for event in order]


async def test_what_turns_out_to_be_no_repeat_counts_again(pool: asyncpg.Pool) -> None:
    corrected = observation("two again", "two", "generation", {"input": 5_000, "output": 1}, name="corrected")
    corrected["timestamp"] = "2026-03-01T12:00:05Z"
    await _run(pool, [STORY, [corrected]], max_state_bytes=0)

    assert await _counted(pool) == {"one", "two", "two again"}
    assert not any((await sum_law_differences(pool)).values())


async def test_in_a_large_trace_figures_are_not_compared(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fold, hydration, repository):
        monkeypatch.setattr(module, "MOST_MEMBERS", 5)
    for batches in ([STORY, [observation("six", None)]], [[observation("six", None)], *([event] for event in STORY)]):
        await _clear(pool)
        await _run(pool, batches, max_state_bytes=0)

        assert await _counted(pool) == {"agent", "one", "two", "two again"}
        assert not any((await sum_law_differences(pool)).values())
