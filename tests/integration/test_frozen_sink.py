"""A sink that is frozen while it holds a partition's lock keeps no other sink from going on, wherever in its transaction it stands."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from tailrace.sink import repository
from tests.fakes import eventually
from tests.integration.worker import World, generation

pytestmark = pytest.mark.integration

_FROZEN_SINK = """
import asyncio, os, signal, sys
import asyncpg

async def rows():
    yield b"x" * 100_000
    print("in copy", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    yield b"x\\n"

async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute("create temporary table stage (line text)")
    async with connection.transaction():
        await connection.execute("select 1 from stream_progress where partition = $1 for update", int(sys.argv[2]))
        await connection.copy_to_table("stage", source=rows())

asyncio.run(main())
"""


@asynccontextmanager
async def _frozen_sink(dsn: str, partition: int = 0) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A process that is frozen in the middle of a COPY, and holds the partition's lock."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FROZEN_SINK, dsn, str(partition), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"in copy\n"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: ASYNC230, PTH123 (a moment)
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"


@pytest.fixture
async def impatient(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which locks are waited for, and frozen sinks suffered, for a part of a second."""
    monkeypatch.setattr(repository, "FROZEN_AFTER", timedelta(seconds=0.3))
    await world.pool.execute(
        f"alter database {await world.pool.fetchval('select current_database()')} set lock_timeout = '300ms'"
    )
    await world.pool.expire_connections()
    return world


async def test_a_sink_frozen_in_the_middle_of_a_copy_is_ended_and_the_partition_goes_on(
    impatient: World, postgres_dsn: str
) -> None:
    world = impatient
    async with world.worker().running():
        world.topic.append([generation("t", "g")])
        await eventually(lambda: len(world.assembled) == 1)
    async with _frozen_sink(postgres_dsn) as frozen:
        await eventually(lambda: _is_stopped(frozen.pid))
        sink = world.sink()

        async def applies() -> bool:
            try:
                await sink.apply()
            except asyncpg.LockNotAvailableError:
                return False
            return True

        await eventually(applies)
        assert (await world.progress())["applied_origin"] == 0
        os.kill(frozen.pid, signal.SIGCONT)
        assert await asyncio.wait_for(frozen.wait(), 15) != 0

    assert await world.counts() == (1, 1, 0)


async def test_a_session_that_only_idles_or_works_is_not_ended(impatient: World) -> None:
    async with impatient.pool.acquire() as connection, connection.transaction():
        await connection.execute("select 1 from stream_progress where partition = 0 for update")
        await asyncio.sleep(0.5)
        assert await impatient.sink().repository.end_frozen(0) == []
        working = asyncio.create_task(connection.execute("select pg_sleep(1)"))
        await asyncio.sleep(0.5)
        assert await impatient.sink().repository.end_frozen(0) == []
        await working


async def test_a_sink_in_the_middle_of_a_copy_for_another_partition_is_not_ended(
    impatient: World, postgres_dsn: str
) -> None:
    await impatient.pool.execute("insert into stream_progress (partition) values (1)")
    async with _frozen_sink(postgres_dsn, 1) as other, impatient.pool.acquire() as connection:
        await eventually(lambda: _is_stopped(other.pid))
        await asyncio.sleep(0.5)
        async with connection.transaction():
            await connection.execute("select 1 from stream_progress where partition = 0 for update")
            assert await impatient.sink().repository.end_frozen(0) == []
        assert len(await impatient.sink().repository.end_frozen(1)) == 1
