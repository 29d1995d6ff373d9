"""Positions, rule by rule: epochs, gaps, hydration, fences, bounds and commits, over a real Postgres with every fault placed by hand."""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import asyncpg
import pytest

from tailrace.assembler.repository import LoadedEntities, Progress, Repository
from tailrace.assembler.state import EntityKeys
from tailrace.runtime.settings import Processing
from tests.events import Event
from tests.fakes import RawTopic
from tests.integration.partition import open_partition_pool, sum_law_differences
from tests.integration.worker import Sink, Worker, all_applied, eventually, read_progress

pytestmark = pytest.mark.integration


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncGenerator[asyncpg.Pool]:
    pool = await open_partition_pool(postgres_dsn)
    yield pool
    await pool.close()


@pytest.fixture
def topic() -> RawTopic:
    return RawTopic()


@pytest.fixture
def topics() -> dict[str, list[bytes]]:
    return {}


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


async def test_state_does_not_leave_memory_while_a_record_that_needs_it_is_folded(
    pool: asyncpg.Pool, topic: RawTopic, topics: dict[str, list[bytes]]
) -> None:
    repository = SlowRepository(pool)
    worker = repository.worker = Worker(
        pool, topic, topics, limits=Processing(max_state_bytes=1024), repository=repository
    )
    sink = repository.sink = Sink(pool, topic, topics)
    async with sink.running(), worker.running():
        topic.append([_generation("t", "g1")])
        await all_applied(pool, topic)
        topic.append([_generation("t", "g2"), _generation("other", "g3")])
        await all_applied(pool, topic)

    assert await pool.fetchval("select observation_count from traces where id = 't'") == 2
    assert set((await sum_law_differences(pool)).values()) == {0}


async def test_an_answer_that_other_answers_have_overtaken_is_no_step_back(
    pool: asyncpg.Pool, topic: RawTopic, topics: dict[str, list[bytes]]
) -> None:
    repository = LateRepository(pool)
    worker, sink = Worker(pool, topic, topics, repository=repository), Sink(pool, topic, topics)
    async with worker.running():
        topic.append([_generation("a", "g1")])
        await eventually(lambda: len(worker.sender.assembled) == 1)
        repository.held = asyncio.Event()
        await repository.holding.wait()
        await sink.apply()
        topic.append([_generation("b", "g2")])
        await eventually(lambda: len(worker.sender.assembled) == 2)
        held, repository.held = repository.held, None
        held.set()
        await sink.apply()
        await eventually(lambda: worker.log.commits[-1:] == [2])

    assert {record.epoch for record in worker.sender.assembled} == {(await read_progress(pool))["epoch"]}
    assert worker.log.seeks == [0]


async def test_an_answer_about_the_epoch_before_says_nothing_about_this_one(
    pool: asyncpg.Pool, topic: RawTopic, topics: dict[str, list[bytes]]
) -> None:
    repository = LateRepository(pool)
    repository.held = asyncio.Event()
    worker, sink = Worker(pool, topic, topics, repository=repository), Sink(pool, topic, topics)
    async with worker.running(), sink.running():
        await repository.holding.wait()
        await eventually(lambda: worker.log.seeks == [0])
        held, repository.held = repository.held, None
        held.set()
        topic.append([_generation("a", "g1")])
        await eventually(lambda: worker.log.commits[-1:] == [1])

    assert worker.log.seeks == [0]


def _generation(trace: str, span: str, at: str = "2026-03-01T10:00:30Z") -> Event:
    body = {"id": span, "traceId": trace, "startTime": at, "model": "gpt-4o-mini", "usage": {"input": 1000}}
    return {"id": f"e-{trace}-{span}", "type": "generation-create", "timestamp": at, "body": body}
