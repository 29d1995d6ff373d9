"""A walk over all money of a period: project by project, law by law, from one range of time to the next, each range one quick question.

The ranges grow while the answers come fast and shrink when they do not, so that no question holds a snapshot for long. A range whose sums
differ is halved until the broken windows are found.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

import asyncpg

from tailrace.auditor.findings import Findings
from tailrace.auditor.repository import Law, Place
from tailrace.runtime.log import get_logger

log = get_logger(__name__)

LAWS: Final = (Law(None, "minute"), Law("minute", "hour"), Law("hour", "day"))
"""Observations = minutes, minutes = hours, hours = days: together the sum law."""

UNITS: Final = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
BEGINNING: Final = Place(None, 0, None)
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
_MAX_SPAN: Final = timedelta(days=64)
_QUICK_SECONDS: Final = 0.05
_SLOW_SECONDS: Final = 0.25


class Broken(NamedTuple):
    """Where two sums differ: the window that starts at `start`, of law number `law`."""

    project: str
    law: int
    start: datetime


class Money(Protocol):
    """What a walk asks Postgres: see `repository`."""

    async def next_project(self, after: str | None) -> str | None: ...

    async def next_start(self, project: str, law: Law, start: datetime) -> datetime | None: ...

    async def compare(self, project: str, law: Law, start: datetime, end: datetime) -> Decimal: ...


class Walk:
    """One walk over [first, end), from `place` on."""

    def __init__(
        self,
        money: Money,
        findings: Findings[Broken, Decimal],
        *,
        place: Place = BEGINNING,
        first: datetime = _FIRST,
        end: datetime = _LAST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._money = money
        self._findings = findings
        self.first, self._end = first, end
        self._clock = clock
        self._spans = list(UNITS)
        self.place = place

    async def step(self) -> bool:
        """Compare one range, or find the next project; False when the walk is at its end. Raises the errors of asyncpg."""
        project, number, at = self.place
        if project is None or number == len(LAWS):
            following = await self._money.next_project(project)
            self.place = Place(following, 0, self.first)
            return following is not None
        start = await self._money.next_start(project, LAWS[number], at or self.first)
        if start is None or start >= self._end:
            self.place = Place(project, number + 1, self.first)
            return True
        start = max(self.first, floor(start, UNITS[number]))
        end = start + min(self._spans[number], self._end - start)
        if await self._compare(Broken(project, number, start), end):
            self.place = Place(project, number, end)
        return True

    async def _compare(self, range_: Broken, end: datetime) -> bool:
        """Whether the range was compared; if not, the next one is shorter, or begins behind it."""
        project, number, start = range_
        began = self._clock()
        try:
            difference = await self._money.compare(project, LAWS[number], start, end)
        except asyncpg.QueryCanceledError:
            unit = self._spans[number] <= UNITS[number]
            self._spans[number] = max(UNITS[number], (self._spans[number] / 8) // UNITS[number] * UNITS[number])
            if unit:
                log.warning("audit.window.too_large", project=project, law=number, start=start.isoformat())
            return unit
        self._adapt(number, self._clock() - began)
        if difference:
            await self._narrow(range_, end, difference)
        return True

    def _adapt(self, number: int, seconds: float) -> None:
        if seconds < _QUICK_SECONDS:
            self._spans[number] = min(_MAX_SPAN, self._spans[number] * 2)
        elif seconds > _SLOW_SECONDS:
            self._spans[number] = max(UNITS[number], self._spans[number] / 2 // UNITS[number] * UNITS[number])

    async def _narrow(self, range_: Broken, end: datetime, difference: Decimal) -> None:
        project, number, start = range_
        if end - start <= UNITS[number]:
            self._findings.note(range_, difference)
            return
        middle = start + max(UNITS[number], (end - start) / 2 // UNITS[number] * UNITS[number])
        for one, its_end in ((range_, middle), (range_._replace(start=middle), end)):
            part = await self._money.compare(project, LAWS[number], one.start, its_end)
            if part and not self._findings.is_full:
                await self._narrow(one, its_end, part)


def floor(at: datetime, unit: timedelta) -> datetime:
    """The start of the UTC minute, hour or day that `at` lies in."""
    return at - (at - datetime(1, 1, 1, tzinfo=UTC)) % unit
