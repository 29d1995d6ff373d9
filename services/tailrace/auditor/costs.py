"""The standing audit of money: what was touched lately first, everything else slowly, never more than a share of the time.

Σ windows = Σ counted cost, in each project and each minute, hour and day. It remembers how far it is, so that a restart goes on there.
"""

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from tailrace.auditor.findings import Findings
from tailrace.auditor.report import export_costs
from tailrace.auditor.repository import Place
from tailrace.auditor.walk import LAWS, UNITS, Broken, Money, Walk
from tailrace.runtime import metrics
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.settings import Audit

log = get_logger(__name__)

MAX_BROKEN: Final = 500
"""Windows that are remembered as broken; what lies beyond them is found once these are mended."""

_WALK: Final = "costs"
_RETRY_SECONDS: Final = 1.0
_day_partition = re.compile(r"observations_(\d{8})")


class Store(Money, Protocol):
    """The audit's side of Postgres: see `repository`."""

    async def read_touched(self) -> dict[str, int]: ...

    async def read_walk(self, name: str) -> tuple[Place, datetime | None]: ...

    async def save_walk(self, name: str, place: Place, completed_at: datetime | None) -> None: ...


class CostAudit:
    """Audits all projects' money, in rounds: what is broken again, then the days touched lately, then a piece of the walk over everything."""

    def __init__(self, store: Store, settings: Audit, *, max_series: int = 1000) -> None:
        self._store = store
        self._interval_seconds = settings.interval_seconds
        self._busy_share = min(100, settings.cost_percent) / 100
        self._max_series = max_series
        self.findings: Findings[Broken, Decimal] = Findings(settings.grace_seconds, limit=MAX_BROKEN)
        self._touched: dict[str, int] | None = None
        self._recent: list[Walk] = []
        self._whole: Walk | None = None
        self._projects: set[str] = set()
        self._completed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Audit until `stop`. While Postgres is away it waits; whether it answers is the event audit's to tell."""
        while not stop.is_set():
            pause = _RETRY_SECONDS
            try:
                began = time.monotonic()
                await self.run_round(stop)
                pause = max(_RETRY_SECONDS, self._interval_seconds - (time.monotonic() - began))
            except OUTAGE_ERRORS as error:
                log.warning("audit.costs.away", error=type(error).__name__, detail=str(error)[:200])
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def run_round(self, stop: asyncio.Event | None = None) -> None:
        """One round, of about the interval's length. Raises OUTAGE_ERRORS."""
        stop = stop or asyncio.Event()
        if self._whole is None:
            await self._resume()
        await self._look_again()
        self._recent += [self._walk_day(day) for day in await self._read_touched_days()]
        await self._go(self._recent, stop)
        if self._whole is not None and await self._go([self._whole], stop):
            self._completed_at = time.time()
            self._whole = Walk(self._store, self.findings)
            await self._store.save_walk(_WALK, self._whole.place, datetime.now(UTC))
        elif self._whole is not None:
            await self._store.save_walk(_WALK, self._whole.place, None)
        export_costs(self._projects, self.findings.confirmed(), self._max_series)

    async def _resume(self) -> None:
        place, completed_at = await self._store.read_walk(_WALK)
        self._completed_at = (completed_at or datetime.now(UTC)).timestamp()
        metrics.audit_costs_behind_seconds.set_function(lambda: max(0.0, time.time() - self._completed_at))
        self._whole = Walk(self._store, self.findings, place=place)

    async def _look_again(self) -> None:
        """At everything that was broken: is it still?"""
        for one in self.findings:
            end = one.start + UNITS[one.law]
            difference = await self._store.compare(one.project, LAWS[one.law], one.start, end)
            self.findings.note(one, difference)
            if difference:
                log.error(
                    "audit.costs.broken",
                    project=one.project,
                    sums=f"{LAWS[one.law].bucket or 'observation'}s less {LAWS[one.law].wider}s",
                    start=one.start.isoformat(),
                    usd=f"{difference:f}",
                )

    async def _read_touched_days(self) -> list[datetime]:
        """Days of observations that were written since the last look, except those whose walk is still to come."""
        now = await self._store.read_touched()
        before, self._touched = self._touched or now, now
        waiting = {walk.first for walk in self._recent}
        return [day for name, day in _days_of(now) if now[name] != before.get(name) and day not in waiting]

    def _walk_day(self, day: datetime) -> Walk:
        return Walk(self._store, self.findings, first=day, end=day + timedelta(days=1))

    async def _go(self, walks: list[Walk], stop: asyncio.Event) -> bool:
        """Go on with these walks, one after the other, for about the interval, resting between the steps; True when all are at their end."""
        until = time.monotonic() + self._interval_seconds
        while walks:
            began = time.monotonic()
            if not await walks[0].step():
                walks.pop(0)
                continue
            self._note_project(walks[0].place.project)
            rest = (time.monotonic() - began) * (1 / self._busy_share - 1)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), rest)
            if stop.is_set() or time.monotonic() > until:
                return False
        return True

    def _note_project(self, project: str | None) -> None:
        if project is not None and len(self._projects) < self._max_series:
            self._projects.add(project)


def _days_of(partitions: Iterable[str]) -> list[tuple[str, datetime]]:
    matches = [(name, _day_partition.fullmatch(name)) for name in partitions]
    return [(name, datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC)) for name, match in matches if match]
