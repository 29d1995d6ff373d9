"""A gate that projects pass in turn: who wants to pass in, a hold on the gate out. It waits and never refuses.

One project's crowd stands in its own queue; the heads of the queues are let through one after the other.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple


class _Waiter(NamedTuple):
    size: int
    granted: asyncio.Future[None]


class FairGate:
    """Lets at most `capacity` through at once, and of one project at most `each`; one who asks for more than either goes without company."""

    def __init__(self, capacity: int, each: int) -> None:
        self._capacity = capacity
        self._each = each
        self._used = 0
        self._held: dict[str, int] = {}
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()

    @asynccontextmanager
    async def hold(self, project: str, size: int) -> AsyncGenerator[None]:
        """Pass in turn, and stay while the block runs."""
        await self._enter(project, size)
        try:
            yield
        finally:
            self._leave(project, size)

    async def _enter(self, project: str, size: int) -> None:
        waiter = _Waiter(size, asyncio.get_running_loop().create_future())
        self._queues.setdefault(project, deque()).append(waiter)
        self._admit()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            self._forget(project, waiter)
            raise

    def _forget(self, project: str, waiter: _Waiter) -> None:
        if waiter.granted.done() and not waiter.granted.cancelled():
            self._leave(project, waiter.size)
            return
        queue = self._queues.get(project)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[project]
        self._admit()

    def _leave(self, project: str, size: int) -> None:
        self._used -= size
        left = self._held.get(project, 0) - size
        if left > 0:
            self._held[project] = left
        else:
            self._held.pop(project, None)
        self._admit()

    def _admit(self) -> None:
        while (project := self._next_project()) is not None:
            queue = self._queues[project]
            waiter = queue.popleft()
            if queue:
                self._queues.move_to_end(project)
            else:
                del self._queues[project]
            if waiter.granted.cancelled():
                continue
            self._used += waiter.size
            self._held[project] = self._held.get(project, 0) + waiter.size
            waiter.granted.set_result(None)

    def _next_project(self) -> str | None:
        """The first in turn that is below its own bound, if there is room for it. A large one is waited for, so that it is not overtaken for ever."""
        for project, queue in self._queues.items():
            size, held = queue[0].size, self._held.get(project, 0)
            if held and held + size > self._each:
                continue
            return project if not self._used or self._used + size <= self._capacity else None
        return None
