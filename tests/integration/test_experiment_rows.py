"""Experiments on spans, from the raw log to rows: the same rows in any order, with any resend and any loss of memory."""

import random
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import asyncpg
import pytest

from tailrace.assembler.batch import RawRecord
from tailrace.wire.topics import RawHeaders
from tests.assembler.mapping.senders import START_US, span, trace_request
from tests.integration.partition import RECEIVED_US, Partition, open_partition_pool, read_everything

pytestmark = pytest.mark.integration

RUNS, ITEMS = 2, 4


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


def item_spans(run: int, item: int) -> list[dict[str, Any]]:
    """The spans of one item as the Python SDK 5 sends them: a root, its task, what the task did, an evaluation."""
    trace_id, start = f"{run:016x}{item:016x}", START_US + item * 1_000_000
    ids = [f"{run}{item}{number:014x}" for number in range(4)]
    common = {
        "langfuse.experiment.id": f"run{run}",
        "langfuse.experiment.name": f"name {run}",
        "langfuse.experiment.dataset.id": "dataset",
        "langfuse.experiment.item.id": f"item{item}",
        "langfuse.experiment.item.root_observation_id": ids[1],
        "langfuse.experiment.metadata": '{"model": "x"}',
        "langfuse.experiment.item.expected_output": f'"{item}"',
    }
    parents = (None, ids[0], ids[1], ids[0])
    return [
        span(
            common,
            traceId=trace_id,
            spanId=id_,
            startTimeUnixNano=str((start + number) * 1000),
            endTimeUnixNano=str((start + 500_000 + number) * 1000),
            **({} if parent is None else {"parentSpanId": parent}),
        )
        for number, (id_, parent) in enumerate(zip(ids, parents, strict=True))
    ]


def append(partition: Partition, spans: Sequence[dict[str, Any]]) -> None:
    received = RECEIVED_US + len(partition.raw) * 1_000
    headers = RawHeaders("otlp-json", "p", received, len(spans))  # pyright: ignore[reportArgumentType]
    partition.raw.append(RawRecord(len(partition.raw), dict(headers.encode()), trace_request(spans)))


async def run_through(
    pool: asyncpg.Pool, requests: list[list[dict[str, Any]]], *, max_state_bytes: int
) -> dict[str, list[str]]:
    await pool.execute(
        """truncate traces, trace_bodies, observations, observation_bodies, scores, sessions, users, cost_parts, event_counts,
           dead_letters; update stream_progress set applied_origin = -1, position = 0, epoch = epoch + 1, owner = null"""
    )
    partition = Partition(pool, max_state_bytes=max_state_bytes)
    for spans in requests:
        append(partition, spans)
    await partition.own()
    for at in range(len(requests)):
        await partition.fold(at, at + 1)
        await partition.apply()
    return await read_everything(pool)


async def test_any_order_any_resend_and_any_loss_of_memory_leaves_the_same_experiments(pool: asyncpg.Pool) -> None:
    spans = [each for run in range(RUNS) for item in range(ITEMS) for each in item_spans(run, item)]
    straight = await run_through(pool, [spans], max_state_bytes=1 << 30)

    rng = random.Random(7)
    shuffled = spans + rng.sample(spans, len(spans) // 2)
    rng.shuffle(shuffled)
    scattered = await run_through(pool, [shuffled[at : at + 3] for at in range(0, len(shuffled), 3)], max_state_bytes=0)

    assert scattered == straight
    roots = await pool.fetch(
        """select experiment_id, experiment_name, experiment_dataset_id, count(*) as items, min(experiment::jsonb ->> 'metadata') as metadata
           from observations where experiment is not null group by 1, 2, 3 order by 1"""
    )
    assert [tuple(row) for row in roots] == [
        (f"run{run}", f"name {run}", "dataset", ITEMS, '{"model": "x"}') for run in range(RUNS)
    ]
    assert await pool.fetchval("select count(*) from observations where experiment_id is not null") == len(spans)
