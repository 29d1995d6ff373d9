"""When traces become readable, seen by one connection for all of them: polling the API for each would be a load of its own."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

LOOK_SECONDS: Final = 0.02

_whole = """
select traces.id from projects join traces on traces.project_id = projects.project_id and traces.id = any($1::text[])
where observation_count >= $2
"""


class Arrivals:
    """Waits for whole traces of `spans` spans each. `watching` keeps it looking."""

    def __init__(self, connection: asyncpg.Connection, spans: int) -> None:
        self._connection = connection
        self._spans = spans
        self._waiting: dict[str, asyncio.Future[float]] = {}

    async def seen(self, trace_id: str, *, seconds: float) -> float | None:
        """When, by the monotonic clock, all of the trace was committed; None if it was not within the time."""
        found = self._waiting[trace_id] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(found, seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(trace_id, None)

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Look, until the end of the block."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look())
            yield
            looking.cancel()

    async def _look(self) -> None:
        await self._connection.execute("set enable_seqscan = off")  # the plan is made while the tables are empty
        while True:
            if self._waiting:
                rows = await self._connection.fetch(_whole, list(self._waiting), self._spans)
                for row in rows:
                    found = self._waiting.get(row["id"])
                    if found is not None and not found.done():
                        found.set_result(time.monotonic())
            await asyncio.sleep(LOOK_SECONDS)
