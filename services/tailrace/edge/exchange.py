"""What the edges tell each other, by way of Postgres and in the background: their demand by project out, everybody else's in.

From it follows each edge's share of a quota. While Postgres is away the last shares stand for a while; an edge that hears of no others has all of it.
No request waits for any of this.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
import msgspec

from tailrace.edge.demand import Demand
from tailrace.runtime import metrics
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, SCHEMA_ERRORS

log = get_logger(__name__)

EXCHANGE_SECONDS: Final = 2.0
_MOST_PROJECTS_TOLD: Final = 500
_UNCLAIMED: Final = 0.05
"""This part of a quota is divided evenly, so that an edge to which a project turns anew has something to give at once."""

_FORGET_SECONDS: Final = 30.0
"""After so long without a word, others may be gone with their shares: better too much is taken than that events are lost."""

_FAILURES: Final[tuple[type[BaseException], ...]] = (*OUTAGE_ERRORS, *SCHEMA_ERRORS, msgspec.MsgspecError)

_exchange = """
    with gone as (delete from edges where seen_at < now() - interval '1 minute' and id <> $1),
         told as (insert into edges (id, demand) values ($1, $2::jsonb)
                  on conflict (id) do update set demand = excluded.demand, seen_at = now())
    select demand::text from edges where id <> $1 and seen_at > now() - interval '10 seconds'
"""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an edge tells: the work a second that each project offered, and how much it took, and how much of that was applied."""

    offered: Mapping[str, float]
    taken: float = 0.0
    applied: float = 0.0


class Exchange:
    """The demand of this edge, and what it knows of the others'. `pace`: the work a second that this edge took, and of that was applied; set by who knows."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self._id = uuid.uuid4()
        self._others: Sequence[Told] = ()
        self.pace = (0.0, 0.0)
        metrics.edge_known_edges.set(1)

    def share(self, project: str) -> float:
        """The part of a project's quota that this edge may give, above 0 and at most 1. The shares of all edges that know the same add up to 1."""
        edges = len(self._others) + 1
        mine, total = self.demand.rates.get(project, 0.0), self.total(project)
        if total <= 0:
            return 1 / edges
        return (mine + _UNCLAIMED * total / edges) / (total * (1 + _UNCLAIMED))

    def total(self, project: str) -> float:
        """Its work a second at all edges."""
        return self.demand.rates.get(project, 0.0) + sum(other.offered.get(project, 0.0) for other in self._others)

    def totals(self) -> Mapping[str, float]:
        """The work a second of each active project at all edges."""
        totals = dict(self.demand.rates)
        for other in self._others:
            for project, rate in other.offered.items():
                totals[project] = totals.get(project, 0.0) + rate
        return totals

    def total_pace(self) -> tuple[float, float]:
        """The work a second that all edges took lately, and that of theirs was applied."""
        taken, applied = self.pace
        return taken + sum(other.taken for other in self._others), applied + sum(
            other.applied for other in self._others
        )

    def hear(self, others: Sequence[Told]) -> None:
        """Know the demand of the other living edges."""
        self._others = others
        metrics.edge_known_edges.set(len(others) + 1)

    async def run(self, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
        """Tell and hear every few seconds until `stop`."""
        heard_at = time.monotonic()
        while not stop.is_set():
            try:
                async with asyncio.timeout(5):
                    rows: list[Any] = await pool.fetch(_exchange, self._id, self._told())
                self.hear([msgspec.json.decode(row["demand"], type=Told) for row in rows])
                heard_at = time.monotonic()
            except _FAILURES as error:
                log.warning("edge.exchange.failed", error=type(error).__name__)
                if time.monotonic() - heard_at > _FORGET_SECONDS:
                    self.hear(())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EXCHANGE_SECONDS)

    def _told(self) -> str:
        loudest = sorted(self.demand.rates.items(), key=lambda item: -item[1])[:_MOST_PROJECTS_TOLD]
        taken, applied = self.pace
        told = Told(offered={project: round(rate, 3) for project, rate in loudest}, taken=taken, applied=applied)
        return msgspec.json.encode(told).decode()
