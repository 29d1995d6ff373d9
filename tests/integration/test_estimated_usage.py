"""Estimated usage over a real Postgres: what comes later wins whatever is in memory then, and the sums stay right."""

import itertools
import json
import threading
from collections.abc import AsyncGenerator, Sequence

import asyncpg
import pytest

from tailrace.core.vocabularies import Vocabulary
from tailrace.runtime.tokens import TokenCounter
from tests.events import Event
from tests.integration.partition import Partition, open_partition_pool, read_everything, sum_law_differences
from tests.integration.worker import World

pytestmark = pytest.mark.integration

COUNTER = TokenCounter()
CHAT = [{"role": "user", "content": "hello world"}]
ESTIMATE = {"input": 9, "output": 2, "total": 11}
WARNING = "usage was not sent: it is estimated from the texts of input and output, counted with o200k_base"


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    world = World(pool)
    await world.clear_rows()
    return world


def event(kind: str, second: int, id_: str = "g", **body: object) -> Event:
    at = f"2026-03-01T12:00:{second:02}Z"
    whole = {"id": id_, "traceId": "t", **body}
    return {"id": f"{kind}-{id_}-{second}", "type": kind, "timestamp": at, "body": whole}


def generation(id_: str = "g", **body: object) -> Event:
    told = {"model": "gpt-4o-mini", "input": CHAT, "output": "hello world", "endTime": "2026-03-01T12:00:01Z", **body}
    return event("generation-create", 0, id_, startTime="2026-03-01T12:00:00Z", **told)


USER: Event = event("trace-create", 0, "t", userId="ada")
STORY = [
    USER,
    generation("outer"),
    generation("g", parentObservationId="outer"),
    event("generation-update", 2, output="hello world, again"),
    event("generation-update", 3, usageDetails={"input": 7, "output": 1}),
    generation("alone", output=None),
]


async def _clear(pool: asyncpg.Pool) -> None:
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, sessions, users, cost_parts, event_counts;
           update stream_progress set applied_origin = -1, position = 0, epoch = epoch + 1, owner = null"""
    )


async def _run(pool: asyncpg.Pool, batches: list[list[Event]], *, max_state_bytes: int) -> None:
    partition = Partition(pool, max_state_bytes=max_state_bytes, tokens=COUNTER)
    await partition.own()
    for number, batch in enumerate(batches):
        partition.append(batch)
        await partition.fold(number, number + 1)
        await partition.apply()


@pytest.mark.parametrize("max_state_bytes", [1 << 30, 0])
async def test_every_order_and_any_loss_of_memory_leaves_the_same_rows(
    pool: asyncpg.Pool, max_state_bytes: int
) -> None:
    await _clear(pool)
    await _run(pool, [STORY], max_state_bytes=1 << 30)
    expected = await read_everything(pool)
    assert not any((await sum_law_differences(pool)).values())
    for order in itertools.islice(itertools.permutations(STORY), 0, None, 71):
        await _clear(pool)
        await _run(pool, [[event] for event in order], max_state_bytes=max_state_bytes)
        assert await read_everything(pool) == expected, [event["id"] for event in order]


async def test_an_estimate_is_stored_loaded_again_and_gone_when_usage_comes(pool: asyncpg.Pool) -> None:
    await _clear(pool)
    await _run(pool, [[generation()], [event("generation-update", 2, name="late")]], max_state_bytes=0)
    estimated = await pool.fetchrow("select name, usage_details, total_cost, warnings from observations")
    assert estimated is not None
    assert (estimated["name"], json.loads(estimated["usage_details"]), estimated["warnings"]) == (
        "late",
        ESTIMATE,
        [WARNING],
    )
    assert estimated["total_cost"] > 0
    assert not any((await sum_law_differences(pool)).values())

    await _clear(pool)
    told = event("generation-update", 3, usageDetails={"input": 7, "output": 1})
    await _run(pool, [[generation()], [told]], max_state_bytes=0)
    row = await pool.fetchrow("select usage_details, warnings, stamps from observations")
    assert row is not None
    assert json.loads(row["usage_details"]) == {"input": 7, "output": 1, "total": 8}
    assert row["warnings"] == []
    assert "e" not in json.loads(row["stamps"])
    assert not any((await sum_law_differences(pool)).values())


async def test_assemblers_that_take_over_from_each_other_agree(world: World) -> None:
    first, second = world.worker(tokens=COUNTER), world.worker(tokens=COUNTER)
    world.topic.append([generation("g"), generation("other")])
    async with first.running(), world.sink().running():
        await world.all_applied()
    assert await world.pool.fetchval("select sum(total_tokens) from observations") == 22
    second.log.position = 0
    async with second.running(), world.sink().running():
        world.topic.append([event("generation-update", 5, usageDetails={"input": 3})])
        await world.all_applied()

    assert await world.pool.fetchval("select total_tokens from traces") == 3 + 11
    assert not any((await sum_law_differences(world.pool)).values())


class WatchedCounter(TokenCounter):
    """Notes how much was counted, and whether beside the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[int, bool]] = []

    def count(self, vocabulary: Vocabulary, texts: Sequence[str]) -> list[int]:
        aside = threading.current_thread() is not threading.main_thread()
        self.counted.append((sum(map(len, texts)), aside))
        return super().count(vocabulary, texts)


async def test_what_takes_long_to_count_is_counted_beside_the_event_loop(world: World) -> None:
    counter = WatchedCounter()
    worker = world.worker(tokens=counter)
    async with worker.running(), world.sink().running():
        for events in (
            [generation("first", input="hi")],  # the vocabulary is read
            [generation("second", input="hi")],
            [generation("large", input="=" * 100_000)],
            [event("generation-update", 5, "large", output="hi")],  # a small record, and much text
        ):
            world.topic.append(events)
            await world.all_applied()

    assert counter.counted == [(13, True), (13, False), (100_011, True), (100_002, True)]
