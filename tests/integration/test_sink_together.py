"""Batches of several partitions in one transaction: the same rows as each alone, and no partition waits or suffers for another."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition

from tailrace.runtime.probes import Health
from tailrace.sink import consumer
from tailrace.sink.consumer import SinkConsumer
from tailrace.sink.plan import Delivered
from tailrace.sink.repository import Repository as SinkRepository
from tailrace.sink.writer import Applied
from tests.events import Event
from tests.fakes import TOPICS, FakeConsumer, Fetched, eventually
from tests.integration.partition import Partition, open_partition_pool, read_everything, sum_law_differences
from tests.integration.worker import generation

pytestmark = pytest.mark.integration

PARTITIONS = 3


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    await pool.execute("insert into stream_progress (partition) values (1), (2)")
    yield pool
    await pool.close()


def named(number: int) -> Event:
    """The event that names the user of a partition's trace, always the same one."""
    body = {"id": f"trace-{number}", "userId": "user", "sessionId": "session"}
    return {"id": f"named-{number}", "type": "trace-create", "timestamp": "2026-03-01T12:00:00Z", "body": body}


async def assembled(pool: asyncpg.Pool, **odd: Any) -> list[Partition]:
    """Three partitions of which each has folded five records of one user; `odd` is in the third record of partition 1."""
    lines = [Partition(pool, number) for number in range(PARTITIONS)]
    for line in lines:
        for record in range(5):
            body = odd if odd and (line.number, record) == (1, 2) else {}
            line.append(
                [named(line.number), generation(f"trace-{line.number}", f"span-{line.number}-{record}", **body)]
            )
        await line.own()
        await line.fold(0, 2)
        await line.fold(2, 5)
    return lines


async def applied_origins(pool: asyncpg.Pool) -> list[int]:
    rows = await pool.fetch("select applied_origin from stream_progress order by partition")
    return [row["applied_origin"] for row in rows]


async def test_together_leaves_what_each_alone_leaves(pool: asyncpg.Pool) -> None:
    lines = await assembled(pool)
    applied = await lines[0].writer.apply_together({line.number: line.delivered() for line in lines})
    together = await read_everything(pool)
    counts = await pool.fetch("select partition, accepted, applied from event_counts order by partition")

    assert {number: (one.position, one.seek) for number, one in applied.items()} == {
        0: (5, False),
        1: (5, False),
        2: (5, False),
    }
    assert [tuple(row) for row in counts] == [(0, 10, 10), (1, 10, 10), (2, 10, 10)]
    assert await pool.fetchval("select count(*)::int from users") == PARTITIONS
    assert set((await sum_law_differences(pool)).values()) == {0}

    tables = (
        "traces",
        "trace_bodies",
        "observations",
        "observation_bodies",
        "users",
        "sessions",
        "cost_parts",
        "event_counts",
    )
    await pool.execute(f"truncate {', '.join(tables)}")
    await pool.execute("update stream_progress set applied_origin = -1, position = 0")
    for line in lines:
        await line.apply()
    assert await read_everything(pool) == together


async def test_a_partition_that_another_sink_holds_is_left_out_and_nobody_waits_for_it(pool: asyncpg.Pool) -> None:
    lines = await assembled(pool)
    async with pool.acquire() as other, other.transaction():
        await other.execute("select 1 from stream_progress where partition = 1 for update")
        applied = await lines[0].writer.apply_together({line.number: line.delivered() for line in lines})

    assert set(applied) == {0, 2}
    assert await applied_origins(pool) == [4, -1, 4]


async def test_where_one_record_is_refused_nothing_is_applied_and_alone_only_that_record_is_buried(
    pool: asyncpg.Pool,
) -> None:
    await pool.execute("alter table observations add constraint never check (name <> 'odd')")
    lines = await assembled(pool, name="odd")
    assert await lines[0].writer.apply_together({line.number: line.delivered() for line in lines}) == {}
    assert await applied_origins(pool) == [-1, -1, -1]
    for line in lines:
        applied = await line.writer.apply(line.number, line.delivered())
        assert applied.seek == (line.number == 1)

    letters = await pool.fetch("select partition, origin, reason from dead_letters")
    assert [tuple(row) for row in letters] == [(1, 2, "refused_by_postgres")]
    assert await applied_origins(pool) == [4, 2, 4]


async def test_an_entity_that_seems_new_and_is_stored_is_merged(pool: asyncpg.Pool) -> None:
    (line, *_) = await assembled(pool)
    await line.writer.apply(0, line.delivered())
    before = await read_everything(pool)
    await pool.execute("update observations set name = 'older'")
    await pool.execute("update stream_progress set applied_origin = -1, position = 0 where partition = 0")
    again = await line.writer.apply(0, line.delivered())

    assert (again.position, again.seek) == (5, False)
    assert await read_everything(pool) == before
    assert await pool.fetchval("select count(*)::int from dead_letters") == 0


async def test_bodies_are_stored_alike_in_every_partition_of_their_table(pool: asyncpg.Pool) -> None:
    rows = await pool.fetch(
        "select distinct attstorage, attcompression from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relname ~ '^(observation|trace)_bodies' and c.relkind in ('r', 'p') and attname in ('input', 'output')"
    )

    assert len(rows) == 1


class SeveralPartitions(FakeConsumer):
    """A consumer of what the lines have assembled."""

    def __init__(self, lines: list[Partition]) -> None:
        super().__init__({})
        self.logs = {TopicPartition(TOPICS.assembled, line.number): line.assembled for line in lines}
        self.positions = dict.fromkeys(self.logs, 0)

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(self.logs[tp]) for tp in partitions}

    def highwater(self, partition: TopicPartition) -> int:
        return len(self.logs[partition])

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Nothing depends on it."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Fetched]]:
        found: dict[TopicPartition, list[Fetched]] = {}
        for tp in partitions:
            at = self.positions[tp]
            values = self.logs[tp][at : at + 2]
            if values:
                found[tp] = [Fetched(tp.partition, at + number, value) for number, value in enumerate(values)]
                self.positions[tp] = at + len(values)
        await asyncio.sleep(0 if found else timeout_ms / 1000)
        return found


async def test_while_another_sink_holds_one_partition_the_others_of_its_transaction_go_on(pool: asyncpg.Pool) -> None:
    lines = await assembled(pool)
    health = Health("sink", stall_seconds=60)
    several = SeveralPartitions(lines)
    feeder = SinkConsumer(several, SinkRepository(pool), lines[0].writer, health, batch_records=500)
    feeder.assign(several.logs)
    stop = asyncio.Event()
    async with pool.acquire() as other, other.transaction():
        await other.execute("select 1 from stream_progress where partition = 1 for update")
        running = asyncio.create_task(feeder.run(stop))
        await eventually(lambda: _is_applied(pool, [4, -1, 4]))
    await eventually(lambda: _is_applied(pool, [4, 4, 4]))
    stop.set()
    await running

    assert await pool.fetchval("select sum(accepted)::int from event_counts") == 10 * PARTITIONS


async def _is_applied(pool: asyncpg.Pool, origins: list[int]) -> bool:
    return await applied_origins(pool) == origins


@pytest.mark.parametrize(("few_bytes", "together"), [(1_000_000, [{0: 5, 1: 5, 2: 5}]), (0, [{0: 5, 1: 5}, {2: 5}])])
async def test_what_comes_between_two_beats_shares_one_transaction_if_it_is_little(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, few_bytes: int, together: list[dict[int, int]]
) -> None:
    monkeypatch.setattr(consumer, "FEW_BYTES", few_bytes)
    monkeypatch.setattr(consumer, "next_beat", lambda: time.monotonic() + 2)

    assert await _transactions(pool, monkeypatch) == together


async def test_a_partition_with_as_much_waiting_as_it_may_have_waits_for_no_beat(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "BATCH_BYTES", PARTITIONS)
    monkeypatch.setattr(consumer, "next_beat", lambda: time.monotonic() + 1000)

    assert len(await _transactions(pool, monkeypatch)) > 1


async def _transactions(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> list[dict[int, int]]:
    """How many records of which partitions shared a transaction, until all is applied."""
    lines = await assembled(pool)
    writer = lines[0].writer
    found: list[dict[int, int]] = []
    apply_together, apply = writer.apply_together, writer.apply

    async def note(batches: Mapping[int, Sequence[Delivered]]) -> dict[int, Applied]:
        found.append({partition: len(batch) for partition, batch in batches.items()})
        return await apply_together(batches)

    async def note_alone(partition: int, batch: Sequence[Delivered]) -> Applied:
        found.append({partition: len(batch)})
        return await apply(partition, batch)

    monkeypatch.setattr(writer, "apply_together", note)
    monkeypatch.setattr(writer, "apply", note_alone)
    several = SeveralPartitions(lines)
    feeder = SinkConsumer(several, SinkRepository(pool), writer, Health("sink", stall_seconds=60), batch_records=500)
    feeder.assign(several.logs)
    stop = asyncio.Event()
    running = asyncio.create_task(feeder.run(stop))
    await eventually(lambda: _is_applied(pool, [4, 4, 4]))
    stop.set()
    await running
    return found
