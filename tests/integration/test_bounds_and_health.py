"""What an owner holds is bounded, and whether it is alive is told by its progress: over a real Postgres, with an injected clock."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

import pytest

from tailrace.assembler import intake, owner
from tailrace.assembler.batch import BatchFolder, RawRecord
from tailrace.assembler.letters import Doom
from tailrace.assembler.repository import LoadedEntities, Progress, Repository
from tailrace.assembler.state import EntityKeys
from tailrace.runtime.settings import Processing
from tailrace.wire.records import AssembledRecord
from tests.fakes import eventually
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration

SMALL = Processing(max_unapplied_bytes=4096)


def large(span: str) -> list[dict[str, object]]:
    """A record of a bit more than 1,000 bytes."""
    return [generation("t", span, input="x" * 600)]


async def test_no_more_than_the_bound_is_folded_ahead_of_postgres(world: World) -> None:
    worker, sink = world.worker(limits=SMALL), world.sink()
    async with worker.running():
        for number in range(20):
            world.topic.append(large(f"g{number}"))
        await eventually(lambda: worker.log.paused)
        await asyncio.sleep(0.5)
        ahead = sum(record.weight for record in world.topic.records[: len(world.assembled)])
        assert 4096 <= ahead < 4096 + 2 * world.topic.records[0].weight

        async with sink.running():
            await world.all_applied()
        await eventually(lambda: not worker.log.paused)


async def test_a_record_larger_than_the_bound_is_admitted_when_nothing_is_unapplied(world: World) -> None:
    worker = world.worker(limits=Processing(max_unapplied_bytes=1024))
    world.topic.append([generation("t", "g0", input="x" * 50_000)])
    world.topic.append([generation("t", "g1", input="x" * 50_000)])
    async with worker.running():
        await eventually(lambda: len(world.assembled) == 1)
        await asyncio.sleep(0.3)
        assert len(world.assembled) == 1
        async with world.sink().running():
            await world.all_applied()


@pytest.mark.parametrize(("most_records", "batches"), [(100, [4]), (2, [2, 2])])
async def test_what_comes_before_the_beat_is_one_batch_and_a_whole_batch_waits_for_no_beat(
    world: World, monkeypatch: pytest.MonkeyPatch, most_records: int, batches: list[int]
) -> None:
    fold, found = BatchFolder.fold, list[int]()

    async def note(
        folder: BatchFolder, records: Sequence[RawRecord], doomed: Mapping[int, Doom]
    ) -> list[list[AssembledRecord]]:
        found.append(len(records))
        return await fold(folder, records, doomed)

    monkeypatch.setattr(BatchFolder, "fold", note)
    monkeypatch.setattr(intake, "BATCH_RECORDS", most_records)
    monkeypatch.setattr(owner, "next_beat", lambda: time.monotonic() + (1 if most_records == 100 else 1000))
    async with world.worker().running():
        for number in range(4):
            world.topic.append(large(f"g{number}"))
            await asyncio.sleep(0.05)
        await eventually(lambda: len(world.assembled) == 4)

    assert found == batches


async def test_a_partition_that_a_rebalance_has_resumed_is_paused_again(world: World) -> None:
    worker = world.worker(limits=SMALL)
    async with worker.running():
        for number in range(20):
            world.topic.append(large(f"g{number}"))
        await eventually(lambda: worker.log.paused)
        assert worker.log.position is not None
        before = worker.log.position
        for _ in range(5):
            worker.log.resume(0)
            await asyncio.sleep(0.05)

        assert worker.log.paused
        assert worker.log.position <= before + 6 < world.topic.end


async def test_state_leaves_memory_once_it_is_applied_and_not_before(world: World) -> None:
    worker, sink = world.worker(limits=Processing(max_state_bytes=1024)), world.sink()
    async with worker.running():
        for number in range(5):
            world.topic.append([generation(f"t{number}", "g")])
        await eventually(lambda: len(world.assembled) == 5)
        await asyncio.sleep(0.5)
        assert worker.state is not None
        assert len(worker.state.traces) == 5

        await sink.apply()
        await eventually(lambda: worker.state is not None and worker.state.bytes <= 1024)


async def test_an_owner_that_gets_nothing_of_a_log_that_has_more_is_stalled(world: World) -> None:
    worker = world.worker()
    worker.log.delivering = False
    async with worker.running():
        await eventually(lambda: worker.log.seeks == [0])
        world.topic.append([generation("t", "g")])
        await asyncio.sleep(0.3)
        worker.clock.now += 61

        await eventually(lambda: worker.health.stalled() == ["raw/0"])


async def test_an_owner_whose_fetch_never_ends_is_stalled_though_it_is_told_of_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(intake, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(intake, "MOST_SILENCE_SECONDS", 0.3)
    worker = world.worker()
    worker.log.delivering, worker.log.known_end = False, 0
    async with worker.running():
        await eventually(lambda: worker.log.seeks == [0])
        world.topic.append([generation("t", "g")])
        await eventually(lambda: len(worker.log.seeks) > 1)
        await asyncio.sleep(0.3)
        worker.clock.now += 61

        await eventually(lambda: worker.health.stalled() == ["raw/0"])


async def test_an_owner_that_never_gets_to_read_is_stalled(world: World) -> None:
    worker = world.worker()
    worker.log.hanging = True
    async with worker.running():
        await asyncio.sleep(0.3)
        worker.clock.now += 61

        await eventually(lambda: worker.health.stalled() == ["raw/0"])


async def test_an_owner_that_is_assigned_what_its_consumer_does_not_have_is_stalled(world: World) -> None:
    worker = world.worker()
    worker.log.assigned = False
    async with worker.running():
        await asyncio.sleep(0.3)
        worker.clock.now += 61

        await eventually(lambda: worker.health.stalled() == ["raw/0"])


class HangingRepository(Repository):
    """A repository of which one question is never answered."""

    async def load_entities(self, partition: int, keys: EntityKeys) -> LoadedEntities:
        return await asyncio.get_running_loop().create_future()


async def test_an_owner_with_the_last_record_in_hand_for_ever_is_stalled(world: World) -> None:
    worker = world.worker(repository=HangingRepository(world.pool))
    async with worker.running():
        world.topic.append([generation("t", "g")])
        await asyncio.sleep(0.5)
        worker.clock.now += 61

        await eventually(lambda: worker.health.stalled() == ["raw/0"])


class MuteRepository(Repository):
    """A repository that never says what is applied."""

    async def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        return await asyncio.get_running_loop().create_future()


async def test_an_owner_that_is_never_told_what_is_applied_is_stalled(world: World) -> None:
    worker = world.worker(repository=MuteRepository(world.pool))
    await worker.assembler.assign([0])
    following = asyncio.create_task(worker.assembler.follow(asyncio.Event()))
    await asyncio.sleep(0.3)
    worker.clock.now += 61

    assert worker.health.stalled() == ["raw/0"]
    following.cancel()
    await worker.assembler.stop()


async def test_an_idle_owner_is_alive(world: World) -> None:
    worker = world.worker()
    async with worker.running(), world.sink().running():
        world.topic.append([generation("t", "g")])
        await world.all_applied()
        for _ in range(3):
            await asyncio.sleep(0.3)
            worker.clock.now += 59

        assert worker.health.stalled() == []


async def test_an_owner_that_waits_for_the_sink_is_alive(world: World) -> None:
    worker = world.worker(limits=SMALL)
    async with worker.running():
        for number in range(20):
            world.topic.append(large(f"g{number}"))
        await eventually(lambda: worker.log.paused)
        for _ in range(3):
            await asyncio.sleep(0.3)
            worker.clock.now += 59

        assert worker.health.stalled() == []


class AwayRepository(Repository):
    """A repository whose database can go away."""

    away = False

    async def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        if self.away:
            raise ConnectionRefusedError("the database is away")
        return await super().read_progress(partitions)


async def test_while_postgres_is_away_an_assembler_is_alive_not_ready_and_says_why(world: World) -> None:
    repository = AwayRepository(world.pool)
    worker = world.worker(repository=repository)
    async with worker.running(), world.sink().running():
        world.topic.append([generation("t", "g")])
        await world.all_applied()
        await eventually(lambda: worker.health.ready)
        repository.away = True
        await eventually(lambda: not worker.health.ready)
        worker.clock.now += 3600
        assert worker.health.stalled() == []
        assert worker.health.reasons == {"postgres": "ConnectionRefusedError: the database is away"}
        repository.away = False
        await eventually(lambda: worker.health.ready)
        assert worker.health.stalled() == []


async def test_while_kafka_takes_nothing_an_assembler_is_alive_not_ready_and_says_why(world: World) -> None:
    worker = world.worker()
    async with worker.running(), world.sink().running():
        worker.sender.fails = 2
        world.topic.append([generation("t", "g")])
        await eventually(lambda: not worker.health.ready)
        assert worker.health.reasons["raw/0"] == "SendError: the fake broker does not answer"
        worker.clock.now += 3600
        assert worker.health.stalled() == []
        await world.all_applied()
        await eventually(lambda: worker.health.ready)
