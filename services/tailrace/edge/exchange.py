"""What the edges tell each other, by way of Postgres and in the background: their demand by project out, everybody else's in.

From it follows each edge's share of a quota. While Postgres is away the last shares stand; an edge that never heard of others has all of it.
No request waits for any of this.
"""

import asyncio
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

_FAILURES: Final[tuple[type[BaseException], ...]] = (*OUTAGE_ERRORS, *SCHEMA_ERRORS, msgspec.MsgspecError)

_exchange = """
    with gone as (delete from edges where seen_at < now() - interval '1 minute' and id <> $1),
         told as (insert into edges (id, demand) values ($1, $2::jsonb)
                  on conflict (id) do update set demand = excluded.demand, seen_at = now())
    select demand::text from edges where id <> $1 and seen_at > now() - interval '10 seconds'
"""


class Exchange:
    """The demand of this edge, and what it knows of the others'."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self._id = uuid.uuid4()
        self._others: Sequence[Mapping[str, float]] = ()
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
        return sum(rates.get(project, 0.0) for rates in (self.demand.rates, *self._others))

    def fair_share(self) -> float | None:
        """The work a second of all projects at all edges, divided by how many are active; None while there is only one."""
        rates = (self.demand.rates, *self._others)
        active = set[str]().union(*rates)
        return sum(sum(each.values()) for each in rates) / len(active) if len(active) > 1 else None

    def hear(self, others: Sequence[Mapping[str, float]]) -> None:
        """Know the demand of the other living edges."""
        self._others = others
        metrics.edge_known_edges.set(len(others) + 1)

    async def run(self, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
        """Tell and hear every few seconds until `stop`."""
        while not stop.is_set():
            loudest = sorted(self.demand.rates.items(), key=lambda item: -item[1])[:_MOST_PROJECTS_TOLD]
            told = msgspec.json.encode({project: round(rate, 3) for project, rate in loudest}).decode()
            try:
                rows: list[Any] = await pool.fetch(_exchange, self._id, told, timeout=5)
                self.hear([msgspec.json.decode(row["demand"], type=dict[str, float]) for row in rows])
            except _FAILURES as error:
                log.warning("edge.exchange.failed", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EXCHANGE_SECONDS)
