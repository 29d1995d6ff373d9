"""Answers of Postgres that come late, or between others: what an owner makes of them, and what it must keep meanwhile."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

import asyncpg
import pytest

from tailrace.assembler.entities import TraceState
from tailrace.assembler.repository import Extremes, LoadedEntities, LoadedShared, Progress, Repository
from tailrace.assembler.state import EntityKeys, SharedKeys
from tailrace.runtime.settings import Processing
from tests.fakes import eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import Sink, Worker, World, generation

pytestmark = pytest.mark.integration


class SlowRepository(Repository):
    """A repository whose loads come back after the owner has learnt from another answer how far Postgres is."""

    worker: Worker
    sink: Sink

    async def load_entities(self, partition: int, keys: EntityKeys) -> LoadedEntities:
        loaded = await super().load_entities(partition, keys)
        await self.sink.apply()
        await self.worker.assembler.poll()
        return loaded


class LateRepository(Repository):
    """A repository whose answer to `read_progress` comes back after the sink has gone on and a load has told so."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.held: asyncio.Event | None = None
        self.holding = asyncio.Event()

    async def read_progress(self, partitions: Iterable[int]) -> dict[int, Progress]:
        answer = await super().read_progress(partitions)
        if self.held is not None:
            self.holding.set()
            await self.held.wait()
        return answer


async def test_state_does_not_leave_memory_while_a_record_that_needs_it_is_folded(world: World) -> None:
    repository = SlowRepository(world.pool)
    worker = repository.worker = world.worker(limits=Processing(max_state_bytes=1024), repository=repository)
    sink = repository.sink = world.sink()
    async with sink.running(), worker.running():
        world.topic.append([generation("t", "g1")])
        await world.all_applied()
        world.topic.append([generation("t", "g2"), generation("other", "g3")])
        await world.all_applied()

    assert await world.pool.fetchval("select observation_count from traces where id = 't'") == 2
    assert set((await sum_law_differences(world.pool)).values()) == {0}


async def test_an_answer_that_other_answers_have_overtaken_is_no_step_back(world: World) -> None:
    repository = LateRepository(world.pool)
    worker, sink = world.worker(repository=repository), world.sink()
    async with worker.running():
        world.topic.append([generation("a", "g1")])
        await eventually(lambda: len(worker.sender.assembled) == 1)
        repository.held = asyncio.Event()
        await repository.holding.wait()
        await sink.apply()
        world.topic.append([generation("b", "g2")])
        await eventually(lambda: len(worker.sender.assembled) == 2)
        held, repository.held = repository.held, None
        held.set()
        await sink.apply()
        await eventually(lambda: worker.log.commits[-1:] == [2])

    assert {record.epoch for record in worker.sender.assembled} == {(await world.progress())["epoch"]}
    assert worker.log.seeks == [0]


async def test_an_answer_about_the_epoch_before_says_nothing_about_this_one(world: World) -> None:
    repository = LateRepository(world.pool)
    repository.held = asyncio.Event()
    worker, sink = world.worker(repository=repository), world.sink()
    async with worker.running(), sink.running():
        await repository.holding.wait()
        await eventually(lambda: worker.log.seeks == [0])
        held, repository.held = repository.held, None
        held.set()
        world.topic.append([generation("a", "g1")])
        await eventually(lambda: worker.log.commits[-1:] == [1])

    assert worker.log.seeks == [0]


class OddRepository(Repository):
    """A repository one of whose loads tells of another world, once."""

    def __init__(self, pool: asyncpg.Pool, load: str, change: Callable[[Progress], Progress]) -> None:
        super().__init__(pool)
        self._load = load
        self._change = change
        self.told = 0

    async def load_entities(self, partition: int, keys: EntityKeys) -> LoadedEntities:
        loaded = await super().load_entities(partition, keys)
        return loaded._replace(progress=self._tell("entities", loaded.progress))

    async def load_shared(self, partition: int, keys: SharedKeys) -> LoadedShared:
        loaded = await super().load_shared(partition, keys)
        return loaded._replace(progress=self._tell("shared", loaded.progress))

    async def load_extremes(self, partition: int, trace: TraceState, except_ids: Sequence[str]) -> Extremes:
        loaded = await super().load_extremes(partition, trace, except_ids)
        return loaded._replace(progress=self._tell("extremes", loaded.progress))

    def _tell(self, load: str, progress: Progress) -> Progress:
        if load != self._load or self.told or progress.applied_origin < 0:
            return progress
        self.told += 1
        return self._change(progress)


CHANGES: dict[str, Callable[[Progress], Progress]] = {
    "a newer epoch": lambda progress: progress._replace(epoch=progress.epoch + 1, owner=uuid4()),
    "an older epoch": lambda progress: progress._replace(epoch=progress.epoch - 1),
    "no owner": lambda progress: progress._replace(owner=None),
    "less applied": lambda progress: progress._replace(applied_origin=progress.applied_origin - 1),
}


@pytest.mark.parametrize("load", ["entities", "shared", "extremes"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_state_loaded_from_another_world_makes_the_owner_start_over(
    world: World, load: str, change: Callable[[Progress], Progress]
) -> None:
    repository = OddRepository(world.pool, load, change)
    worker = world.worker(repository=repository)
    moved = generation("t", "g0", "2026-03-01T09:00:00Z", userId="late")
    async with worker.running(), world.sink().running():
        world.topic.append([generation("t", "g0")])
        await eventually(lambda: worker.log.commits == [1])
        world.topic.append([moved | {"id": "e-moved"}, generation("u", "g1", "2026-03-01T11:00:00Z")])
        world.topic.append([generation("t", "g2")])
        await world.all_applied()

    assert repository.told == 1
    assert len(worker.log.seeks) == 2
    assert await world.counts() == (4, 4, 0)
    assert set((await sum_law_differences(world.pool)).values()) == {0}
    first_start = await world.pool.fetchval("select first_start from traces where id = 't'")
    assert f"{first_start:%H:%M}" == "09:00"


async def test_a_database_that_was_set_back_makes_the_owner_start_over_from_there(world: World) -> None:
    worker = world.worker()
    async with worker.running():
        async with world.sink().running():
            for number in range(3):
                world.topic.append([generation("t", f"g{number}")])
            await world.all_applied()
        await world.clear_rows()
        await eventually(lambda: worker.log.seeks == [0, 0])
        async with world.sink().running():
            await world.all_applied()

    assert await world.counts() == (3, 3, 0)
