"""Answers of Postgres that come late, or between others: what an owner makes of them, and what it must keep meanwhile."""

import asyncio
from collections.abc import Iterable

import asyncpg
import pytest

from tailrace.assembler.repository import LoadedEntities, Progress, Repository
from tailrace.assembler.state import EntityKeys
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
