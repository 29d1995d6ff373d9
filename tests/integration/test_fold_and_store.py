"""Fold and store over a real Postgres: what the laws promise of resends, order, lateness, lost memory and sums."""

import random
from collections.abc import AsyncGenerator
from decimal import Decimal

import asyncpg
import pytest

from tests.events import Event, make_events
from tests.integration.partition import Partition, open_partition_pool, read_everything, sum_law_differences

pytestmark = pytest.mark.integration


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


async def _clear(pool: asyncpg.Pool) -> None:
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, scores, sessions, users, cost_parts, event_counts,
           dead_letters; update stream_progress set applied_origin = -1, position = 0, epoch = epoch + 1, owner = null"""
    )


async def _run(
    pool: asyncpg.Pool, batches: list[list[Event]], *, max_state_bytes: int, together: int
) -> dict[str, list[str]]:
    await _clear(pool)
    partition = Partition(pool, max_state_bytes=max_state_bytes)
    for batch in batches:
        partition.append(batch)
    await partition.own()
    for start in range(0, len(batches), together):
        await partition.fold(start, start + together)
        await partition.apply()
    return await read_everything(pool)


async def test_any_order_any_resend_and_any_loss_of_memory_leaves_the_same_rows(pool: asyncpg.Pool) -> None:
    events = make_events(11, traces=40)
    straight = await _run(
        pool, [events[at : at + 20] for at in range(0, len(events), 20)], max_state_bytes=1 << 30, together=5
    )

    rng = random.Random(5)
    shuffled = events + rng.sample(events, len(events) // 2)
    rng.shuffle(shuffled)
    scattered = await _run(
        pool, [shuffled[at : at + 3] for at in range(0, len(shuffled), 3)], max_state_bytes=0, together=4
    )

    assert scattered == straight
    assert len(straight["traces"]) == 40


async def test_the_sum_of_the_windows_is_the_cost_of_the_observations(pool: asyncpg.Pool) -> None:
    events = make_events(3, traces=60)
    random.Random(1).shuffle(events)
    await _run(pool, [events[at : at + 7] for at in range(0, len(events), 7)], max_state_bytes=50_000, together=3)

    assert await sum_law_differences(pool) == {"minute": 0, "hour": 0, "day": 0}
    assert await pool.fetchval("select count(*) > 0 from observations where total_cost > 0")


async def test_the_trace_row_sums_what_its_counted_observations_are(pool: asyncpg.Pool) -> None:
    events = make_events(8, traces=30)
    random.Random(2).shuffle(events)
    await _run(pool, [events[at : at + 5] for at in range(0, len(events), 5)], max_state_bytes=0, together=2)

    wrong = await pool.fetch(
        """select t.id from traces t
           left join lateral (
               select count(*) n, coalesce(sum(o.total_cost) filter (where o.counted), 0) cost, count(*) filter (where o.level = 'ERROR') errors,
                      coalesce(sum(o.total_tokens) filter (where o.counted), 0) tokens, min(o.start_time) first_start,
                      max(greatest(coalesce(o.end_time, o.start_time), o.start_time)) last_end
               from observations o where o.trace_id = t.id
           ) o on true
           where (t.observation_count, t.total_cost, t.error_count, t.total_tokens) is distinct from (o.n, o.cost, o.errors, o.tokens)
              or t.first_start is distinct from o.first_start or t.last_end is distinct from o.last_end"""
    )

    assert wrong == []


async def test_a_resend_of_everything_touches_no_row(pool: asyncpg.Pool) -> None:
    events = make_events(21, traces=10)
    partition = Partition(pool)
    partition.append(events)
    partition.append(events)
    await partition.own()
    await partition.fold(0, 1)
    await partition.apply()
    before = await pool.fetch("select id, updated_at, amended from traces order by id")
    await partition.fold(1, 2)
    await partition.apply()

    assert await pool.fetch("select id, updated_at, amended from traces order by id") == before
    counts = await pool.fetchrow("select accepted, applied, dead_lettered from event_counts")
    assert tuple(counts or ()) == (2 * len(events), 2 * len(events), 0)


async def test_a_user_that_arrives_after_the_cost_takes_the_cost_along(pool: asyncpg.Pool) -> None:
    partition = Partition(pool)
    at = "2026-03-01T10:00:30Z"
    partition.append([_generation("t", "g", at)])
    partition.append([{"id": "e2", "type": "trace-create", "timestamp": at, "body": {"id": "t", "userId": "ann"}}])
    await partition.own()
    await partition.fold(0, 1)
    await partition.apply()
    nobody = await _window(pool, None)
    await partition.fold(1, 2)
    await partition.apply()

    assert nobody > 0
    assert (await _window(pool, None), await _window(pool, "ann")) == (0, nobody)


async def test_an_observation_that_moves_in_time_moves_its_cost(pool: asyncpg.Pool) -> None:
    partition = Partition(pool)
    late = _generation("t", "g", "2026-03-01T10:00:30Z", event_id="b", at="2026-03-01T10:00:31Z")
    early = _generation("t", "g", "2026-03-01T09:59:30Z", event_id="a", at="2026-03-01T09:59:31Z")
    partition.append([late])
    partition.append([early])
    await partition.own()
    await partition.fold(0, 1)
    await partition.apply()
    await partition.fold(1, 2)
    await partition.apply()

    rows = await pool.fetch("select bucket_start from cost_parts where bucket = 'minute' and cost > 0")
    assert [f"{row['bucket_start']:%H:%M}" for row in rows] == ["09:59"]


async def _window(pool: asyncpg.Pool, user: str | None) -> Decimal:
    cost: Decimal = await pool.fetchval(
        "select coalesce(sum(cost), 0) from cost_parts where bucket = 'hour' and user_id is not distinct from $1", user
    )
    return cost


def _generation(trace: str, span: str, start: str, *, event_id: str = "e1", at: str | None = None) -> Event:
    body = {
        "id": span,
        "traceId": trace,
        "startTime": start,
        "model": "gpt-4o-mini",
        "usage": {"input": 1000, "output": 10},
    }
    return {"id": event_id, "type": "generation-create", "timestamp": at or start, "body": body}
