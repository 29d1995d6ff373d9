"""The sink's reading of its topic: where from is Postgres's word, and nothing that goes wrong on the way is lost or applied by halves."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka import TopicPartition

from tailrace.assembler import assembled
from tailrace.runtime.probes import Health
from tailrace.sink import consumer, repository
from tailrace.sink.consumer import SinkConsumer
from tailrace.sink.plan import Delivered
from tailrace.sink.writer import Applied, PartitionWriter
from tests.fakes import TOPICS, Clock, FakeConsumer, eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration


class Process:
    """One sink process."""

    def __init__(self, world: World) -> None:
        sink = world.sink()
        self.consumer = FakeConsumer(world.topics)
        self.clock = Clock()
        self.health = Health("sink", stall_seconds=60, clock=self.clock)
        self.health.started()
        self.writer: PartitionWriter = sink.writer
        self._repository = sink.repository
        self.feeder: SinkConsumer | None = None
        self.abandoned = False

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["asyncio.Task[None]"]:
        self.feeder = SinkConsumer(self.consumer, self._repository, self.writer, self.health, batch_records=500)
        self.feeder.assign([self.consumer.tp])
        stop = asyncio.Event()
        task = asyncio.create_task(self.feeder.run(stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait([task])
        if not self.abandoned:
            task.result()


class FaultyWriter(PartitionWriter):
    """A writer that fails before it does anything, as often as it has faults left."""

    def __init__(self, writer: PartitionWriter, faults: list[Exception]) -> None:
        vars(self).update(vars(writer))
        self._faults = faults

    async def apply(self, partition: int, batch: Sequence[Delivered]) -> Applied:
        if self._faults:
            raise self._faults.pop(0)
        return await super().apply(partition, batch)


async def _assemble(world: World, *spans: str) -> None:
    """Let an assembler fold one record for each span."""
    folded = len(world.assembled)
    async with world.worker().running():
        for span in spans:
            world.topic.append([generation("t", span)])
        await eventually(lambda: len(world.assembled) == folded + len(spans))


async def test_reading_starts_at_the_stored_position_whatever_the_group_has_committed(world: World) -> None:
    await _assemble(world, "g0", "g1", "g2")
    process = Process(world)
    process.consumer.position = 3
    async with process.running():
        await world.all_applied()

    assert process.consumer.seeks == [0]
    assert await world.counts() == (3, 3, 0)


async def test_a_batch_that_begins_behind_the_stored_position_is_read_again_from_there(world: World) -> None:
    await _assemble(world, "g0", "g1", "g2")
    process = Process(world)
    process.consumer.at_most = 1
    async with process.running():
        await eventually(lambda: process.consumer.seeks == [0])
        process.consumer.position = 2
        await world.all_applied()

    assert await world.counts() == (3, 3, 0)


async def test_two_sinks_at_once_apply_everything_once(world: World) -> None:
    one, other = Process(world), Process(world)
    one.consumer.at_most, other.consumer.at_most = 2, 3
    async with one.running(), other.running(), world.worker().running():
        for number in range(40):
            world.topic.append([generation(f"t{number % 3}", f"g{number}")])
        await world.all_applied()

    assert await world.counts() == (40, 40, 0)
    assert await world.pool.fetchval("select sum(observation_count)::int from traces") == 40


async def test_when_the_topic_has_lost_the_position_the_owner_sends_again_what_is_not_applied(world: World) -> None:
    async with Process(world).running():
        await _assemble(world, "g0", "g1")
        await world.all_applied()
    await _assemble(world, "g2", "g3")
    world.topics[TOPICS.assembled].clear()
    async with Process(world).running(), world.worker().running():
        world.topic.append([generation("t", "g4")])
        await world.all_applied()

    assert await world.counts() == (5, 5, 0)
    assert await world.pool.fetchval("select observation_count from traces") == 5


@pytest.mark.parametrize("at_most", [1, 2, 3, 100])
async def test_the_chunks_of_a_large_record_are_applied_together(
    world: World, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    monkeypatch.setattr(assembled, "CHUNK_BYTES", 3_000)
    await _assemble_large(world)
    assert len(world.assembled) > 4
    assert {record.origin for record in world.assembled} == {0}
    process = Process(world)
    process.consumer.at_most = at_most
    async with process.running():
        await world.all_applied()

    assert await world.counts() == (5, 5, 0)
    assert await world.pool.fetchval("select count(*)::int from observations") == 5


async def test_a_crash_between_the_chunks_of_a_record_applies_none_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembled, "CHUNK_BYTES", 3_000)
    await _assemble_large(world)
    whole = list(world.topics[TOPICS.assembled])
    del world.topics[TOPICS.assembled][-1]
    process = Process(world)
    async with process.running():
        await eventually(lambda: process.consumer.position == len(whole) - 1)
        await asyncio.sleep(0.2)
        assert await world.pool.fetchval("select count(*)::int from observations") == 0
        assert (await world.progress())["position"] == 0
    world.topics[TOPICS.assembled].append(whole[-1])
    async with Process(world).running():
        await world.all_applied()

    assert await world.pool.fetchval("select count(*)::int from observations") == 5


async def test_a_sink_that_waits_for_the_rest_of_a_record_is_alive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembled, "CHUNK_BYTES", 3_000)
    await _assemble_large(world)
    del world.topics[TOPICS.assembled][-1]
    process = Process(world)
    async with process.running():
        await eventually(lambda: process.consumer.position == len(world.topics[TOPICS.assembled]))
        for _ in range(3):
            await asyncio.sleep(0.2)
            process.clock.now += 59

        assert process.health.stalled() == []


async def test_a_sink_that_gets_a_record_bit_by_bit_is_alive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembled, "CHUNK_BYTES", 3_000)
    await _assemble_large(world)
    process = Process(world)
    process.consumer.at_most = 1
    fetch, stalls = process.consumer.getmany, list[str]()

    async def fetch_slowly(*partitions: TopicPartition, timeout_ms: int, max_records: int) -> object:
        await asyncio.sleep(0.2)
        process.clock.now += 29
        stalls.extend(process.health.stalled())
        return await fetch(*partitions, timeout_ms=timeout_ms, max_records=max_records)

    monkeypatch.setattr(process.consumer, "getmany", fetch_slowly)
    async with process.running():
        await world.all_applied()

    assert process.clock.now > 120
    assert stalls == []


@pytest.mark.parametrize("rows", [1, 2, 7])
async def test_a_large_record_is_written_in_statements_of_few_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(assembled, "CHUNK_BYTES", 3_000)
    monkeypatch.setattr(repository, "STATEMENT_ROWS", rows)
    await _assemble_large(world)
    async with Process(world).running():
        await world.all_applied()

    assert await world.pool.fetchval("select count(*)::int from observations") == 5
    assert await world.pool.fetchval("select count(*)::int from observation_bodies where length(input) = 800") == 5
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_while_postgres_is_away_the_sink_is_alive_not_ready_and_says_why(world: World) -> None:
    await _assemble(world, "g0", "g1")
    process = Process(world)
    process.writer = FaultyWriter(
        process.writer, [ConnectionRefusedError("away"), asyncpg.PostgresConnectionError("away")]
    )
    async with process.running():
        await eventually(lambda: process.health.reasons.get("postgres") == "ConnectionRefusedError: away")
        process.clock.now += 3600
        assert process.health.stalled() == []
        await world.all_applied()
        await eventually(lambda: process.health.ready)

    assert await world.counts() == (2, 2, 0)


async def test_a_sink_whose_batch_never_ends_is_stalled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await _assemble(world, "g0")
    process = Process(world)

    async def hang(*_: object) -> Applied:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(process.writer, "apply", hang)
    async with process.running() as task:
        await eventually(lambda: process.consumer.position == 1)
        await asyncio.sleep(0.2)
        process.clock.now += 61
        await eventually(lambda: process.health.stalled() == ["assembled/0"])
        await _abandon(process, task)


async def test_a_sink_that_is_never_positioned_is_stalled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(world)

    async def hang(_: object) -> dict[int, int]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(process.consumer, "beginning_offsets", hang)
    async with process.running() as task:
        await asyncio.sleep(0.2)
        process.clock.now += 61
        await eventually(lambda: process.health.stalled() == ["assembled/0"])
        await _abandon(process, task)


async def test_a_sink_whose_fetch_finds_nothing_of_a_topic_that_has_more_is_stalled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(consumer, "COMMIT_SECONDS", 0.05)
    await _assemble(world, "g0")
    process = Process(world)
    process.consumer.at_most = 0
    monkeypatch.setattr(process.consumer, "highwater", _unknown)
    async with process.running():
        await asyncio.sleep(0.4)
        process.clock.now += 61
        await eventually(lambda: process.health.stalled() == ["assembled/0"])


async def test_a_sink_whose_fetch_never_ends_is_stalled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(world)

    async def hang(*_: object, **__: object) -> dict[object, object]:
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(process.consumer, "getmany", hang)
    async with process.running() as task:
        await eventually(lambda: process.consumer.seeks == [0])
        await asyncio.sleep(0.2)
        process.clock.now += 61
        assert process.health.stalled() == ["assembled/0"]
        await _abandon(process, task)


async def test_an_idle_sink_is_alive(world: World) -> None:
    await _assemble(world, "g0")
    process = Process(world)
    async with process.running():
        await world.all_applied()
        for _ in range(3):
            await asyncio.sleep(0.2)
            process.clock.now += 59

        assert process.health.stalled() == []


async def test_while_kafka_is_away_a_sink_is_alive_not_ready_and_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(consumer, "COMMIT_SECONDS", 0.05)
    process = Process(world)

    async def away(_: object) -> dict[object, int]:
        raise ConnectionRefusedError("away")

    async with process.running():
        await eventually(lambda: process.consumer.seeks == [0] and process.health.ready)
        with monkeypatch.context() as outage:
            outage.setattr(process.consumer, "end_offsets", away)
            await eventually(lambda: process.health.reasons == {"kafka": "ConnectionRefusedError: away"})
            process.clock.now += 3600
            assert process.health.stalled() == []
        await eventually(lambda: process.health.ready)


async def test_a_transaction_takes_no_more_than_its_bytes_of_the_topic(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _assemble(world, *(f"g{number}" for number in range(10)))
    process = Process(world)
    sizes: list[int] = []
    apply = process.writer.apply

    async def note(partition: int, batch: Sequence[Delivered]) -> Applied:
        sizes.append(len(batch))
        return await apply(partition, batch)

    monkeypatch.setattr(process.writer, "apply", note)
    largest = max(len(value) for value in world.topics[TOPICS.assembled])
    monkeypatch.setattr(consumer, "BATCH_BYTES", 3 * largest)
    async with process.running():
        await world.all_applied()

    assert max(sizes) in (3, 4)
    assert sum(sizes) == 10


async def test_an_empty_record_is_passed_over_like_any_that_cannot_be_read(world: World) -> None:
    await _assemble(world, "g0")
    world.topics[TOPICS.assembled].append(b"")
    process = Process(world)
    async with process.running():
        await eventually(lambda: _is_at(world, 2))


async def _is_at(world: World, position: int) -> bool:
    return await world.pool.fetchval("select position from stream_progress where partition = 0") == position


async def test_what_no_batch_may_raise_ends_the_process(world: World) -> None:
    await _assemble(world, "g0")
    process = Process(world)
    process.writer = FaultyWriter(process.writer, [asyncpg.UndefinedColumnError("no such column")])
    await asyncio.wait_for(_ended(process), 5)

    assert await world.counts() == (0, 0, 0)


async def test_a_partition_is_let_go_of_only_after_its_running_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "next_beat", time.monotonic)
    await _assemble(world, "g0")
    process = Process(world)
    async with process.running(), world.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("select 1 from stream_progress for update")
        await eventually(lambda: process.consumer.position == 1)
        assert process.feeder is not None
        revoking = asyncio.create_task(process.feeder.revoke([process.consumer.tp]))
        await asyncio.sleep(0.2)
        assert not revoking.done()
        await transaction.rollback()
        await revoking

    assert (await world.progress())["applied_origin"] == 0


async def test_a_sink_whose_group_does_not_answer_is_not_ready_and_says_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "COMMIT_SECONDS", 0.01)
    monkeypatch.setattr(consumer, "ASK_SECONDS", 0.05)
    await _assemble(world, "g0")
    process = Process(world)
    answer = asyncio.Event()

    async def commit(_: object) -> None:
        await answer.wait()

    monkeypatch.setattr(process.consumer, "commit", commit)
    async with process.running():
        await eventually(lambda: process.health.reasons == {"kafka": "commits: TimeoutError: "})
        await world.all_applied()
        answer.set()
        await eventually(lambda: process.health.ready)


async def test_commits_only_show_how_far_the_sink_is(world: World) -> None:
    await _assemble(world, "g0", "g1")
    process = Process(world)
    async with process.running():
        await eventually(lambda: process.consumer.commits[-1:] == [2])


def _unknown(_: TopicPartition) -> int | None:
    return None


async def _abandon(process: Process, task: "asyncio.Task[None]") -> None:
    """End a process that would not end by itself."""
    assert process.feeder is not None
    for feed in process.feeder._feeds.values():  # pyright: ignore[reportPrivateUsage]
        if feed.task is not None:
            feed.task.cancel()
    task.cancel()
    await asyncio.wait([task])
    process.abandoned = True


async def _ended(process: Process) -> None:
    """Run the process until it ends by itself."""
    with pytest.raises(asyncpg.UndefinedColumnError):
        async with process.running() as task:
            await asyncio.wait([task])


async def _assemble_large(world: World) -> None:
    """Let an assembler fold one record of several chunks."""
    async with world.worker().running():
        world.topic.append([generation("t", f"h{number}", input="x" * 800) for number in range(5)])
        await eventually(
            lambda: bool(world.assembled) and world.assembled[-1].chunk == world.assembled[-1].chunks - 1 > 0
        )
