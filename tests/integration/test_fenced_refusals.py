"""A sink that applies a refused batch record by record holds the partition's lock for each anew: what a new owner does between is seen."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tailrace.assembler.repository import LoadedShared
from tailrace.assembler.repository import Repository as AssemblerRepository
from tailrace.assembler.state import SharedKeys
from tailrace.runtime.raw_record import RawOrigin
from tailrace.sink.plan import Stored
from tailrace.sink.repository import Repository, SinkTransaction
from tailrace.sink.writer import PartitionWriter
from tests.fakes import eventually
from tests.integration.partition import sum_law_differences
from tests.integration.worker import Sink, World, generation

pytestmark = pytest.mark.integration


class InterruptedRepository(Repository):
    """A repository before whose lock of a number something else happens."""

    def __init__(self, repository: Repository, lock: int, happens: Callable[[], Awaitable[object]]) -> None:
        vars(self).update(vars(repository))
        self._locks_until = lock
        self._happens = happens

    @asynccontextmanager
    async def locked(self, partition: int) -> AsyncGenerator[tuple[SinkTransaction, Stored]]:
        self._locks_until -= 1
        if not self._locks_until:
            await self._happens()
        async with super().locked(partition) as locked:
            yield locked


def _interrupt(sink: Sink, lock: int, happens: Callable[[], Awaitable[object]]) -> None:
    async def fetch_raw(partition: int, offset: int) -> RawOrigin:
        return await sink._fetch_raw(partition, offset)  # pyright: ignore[reportPrivateUsage]

    sink.writer = PartitionWriter(InterruptedRepository(sink.repository, lock, happens), fetch_raw, lambda _: None)


REFUSE_ONE = """create function refuse() returns trigger language plpgsql as $$
    begin raise exception 'this id is refused'; end $$;
    create trigger refuse before insert on observations for each row when (new.id = 'g2') execute function refuse()"""

REFUSE_SEVERAL = """create function refuse() returns trigger language plpgsql as $$
    begin if (select count(*) from added) > 1 then raise exception 'several are refused'; end if; return null; end $$;
    create trigger refuse after insert on observations referencing new table as added for each statement execute function refuse()"""


async def _assemble_refused(world: World, trigger: str) -> None:
    await world.pool.execute(trigger)
    async with world.worker().running():
        for number in range(3):
            world.topic.append([generation("t", f"g{number}")])
        await eventually(lambda: len(world.assembled) == 3)


LOCKS = {"the whole batch": 1, "a plan": 2, "the first": 3, "the second": 4, "the refused one": 5, "its burial": 6}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
async def test_nothing_of_a_fenced_owner_is_applied_or_buried_whenever_the_new_one_comes(
    world: World, lock: int
) -> None:
    await _assemble_refused(world, REFUSE_ONE)
    sink = world.sink()
    seen: list[int] = []

    async def take() -> None:
        epoch = await AssemblerRepository(world.pool).acquire_epoch(0)
        assert epoch is not None
        seen.append(epoch.applied_origin)

    _interrupt(sink, lock, take)
    await sink.apply()

    assert [(await world.progress())["applied_origin"]] == seen
    assert await world.pool.fetchval("select count(*)::int from dead_letters") == 0


class HeldRepository(AssemblerRepository):
    """A repository whose load of shared rows begins when it is told to: the entities are loaded by then."""

    def __init__(self, world: World) -> None:
        super().__init__(world.pool)
        self.holding = asyncio.Event()
        self.released = asyncio.Event()

    async def load_shared(self, partition: int, keys: SharedKeys) -> LoadedShared:
        self.holding.set()
        await self.released.wait()
        return await super().load_shared(partition, keys)


@pytest.mark.parametrize("lock", [1, 2, 3, 4, 5])
async def test_a_new_owner_that_comes_while_a_batch_is_applied_singly_counts_every_cent_once(
    world: World, lock: int
) -> None:
    await _assemble_refused(world, REFUSE_SEVERAL)
    repository = HeldRepository(world)
    sink, rival = world.sink(), world.worker(repository=repository)
    async with AsyncExitStack() as stack:

        async def enter() -> None:
            await stack.enter_async_context(rival.running())
            await repository.holding.wait()

        _interrupt(sink, lock, enter)
        await sink.apply()
        repository.released.set()
        async with world.sink().running():
            world.topic.append([generation("t", "g3")])
            await world.all_applied()

    assert await world.counts() == (4, 4, 0)
    assert set((await sum_law_differences(world.pool)).values()) == {0}
