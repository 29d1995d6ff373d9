"""Faults at moments: pairs of (seconds from now, what to do) in; each is begun at its moment, whether the one before has ended or not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

Act = Callable[[], Awaitable[object]]


async def at_moments(acts: Sequence[tuple[float, Act]]) -> None:
    """Do everything at its moment; returns when all has ended. Raises the first error."""

    async def do_later(seconds: float, act: Act) -> None:
        await asyncio.sleep(seconds)
        await act()

    async with asyncio.TaskGroup() as group:
        for seconds, act in acts:
            group.create_task(do_later(seconds, act))
