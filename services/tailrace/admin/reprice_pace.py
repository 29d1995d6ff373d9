"""How far a repricing runs ahead of the processors: pages sent in, a wait out while too much of them is not applied, or an earlier one is not. Live events come behind it."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import asyncpg

from tailrace.admin.command import QUERIES, OperatorError

MOST_OBSERVATIONS: Final = 5_000
"""Observations sent and not applied: a second or two of work. Each may have to be loaded, which takes longer than an event of a trace in memory."""

PATIENCE_SECONDS: Final = 60.0
_poll_seconds: Final = 0.1


class _Sent(NamedTuple):
    last_origins: Mapping[int, int]
    observations: int


class Pace:
    """What one command has sent and is not applied yet."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._pages: deque[_Sent] = deque()

    def note(self, last_origins: Mapping[int, int], observations: int) -> None:
        """A page was sent; its last record of each partition."""
        self._pages.append(_Sent(last_origins, observations))

    async def wait(self) -> None:
        """Until there is room for a page. Raises OperatorError when nothing is applied for PATIENCE_SECONDS."""
        progress = _Progress(self._connection)
        while sum(page.observations for page in self._pages) >= MOST_OBSERVATIONS:
            applied = await progress.look()
            while self._pages and self._is_applied(self._pages[0], applied):
                self._pages.popleft()
            if progress.stuck_seconds > PATIENCE_SECONDS:
                raise OperatorError(
                    "nothing that was sent is being applied: see `tailrace partition show`, and start again once partitions move"
                )
            await asyncio.sleep(_poll_seconds)

    @staticmethod
    def _is_applied(page: _Sent, applied: Mapping[int, int]) -> bool:
        return all(applied.get(partition, -1) >= origin for partition, origin in page.last_origins.items())


async def await_earlier(connection: "asyncpg.Connection[Any]") -> None:
    """Until what earlier runs have sent is stored: their observations would be counted as changed once more.

    Raises OperatorError when nothing is applied for PATIENCE_SECONDS.
    """
    progress = _Progress(connection)
    while waiting := await connection.fetchval(QUERIES["count_unapplied_repricings"], None):
        await progress.look()
        if progress.stuck_seconds > PATIENCE_SECONDS:
            raise OperatorError(
                f"an earlier repricing is not applied yet in {waiting} partitions: `tailrace partition show` says how far they are"
            )
        await asyncio.sleep(_poll_seconds)


class _Progress:
    """The last origin that is applied of each partition, and since when none has moved."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._applied: dict[int, int] = {}
        self._moved_at = time.monotonic()

    @property
    def stuck_seconds(self) -> float:
        return time.monotonic() - self._moved_at

    async def look(self) -> Mapping[int, int]:
        rows: list[Any] = await self._connection.fetch(QUERIES["read_applied"])
        now = {row["partition"]: row["applied_origin"] for row in rows}
        if now != self._applied:
            self._moved_at, self._applied = time.monotonic(), now
        return now
