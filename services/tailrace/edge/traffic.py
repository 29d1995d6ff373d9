"""All that the edge knows of its traffic as a whole: requests and records in, limits out, kept up to date in the background. Only composes.

No request waits for Postgres here. While Postgres is away, quotas hold with the last shares, and nobody is slowed for a backlog that cannot be seen.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg

from tailrace.edge.backlog import Applied, Backlog
from tailrace.edge.demand import Demand, work_of
from tailrace.edge.exchange import Exchange
from tailrace.edge.gate import FairGate
from tailrace.edge.pace import Pacer
from tailrace.edge.publisher import RawRecord
from tailrace.edge.quotas import Quotas, open_on_failure
from tailrace.edge.room import Room
from tailrace.runtime import metrics
from tailrace.runtime.keys import Principal
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, SCHEMA_ERRORS
from tailrace.runtime.settings import Edge

log = get_logger(__name__)

LOOK_SECONDS: Final = 0.25
_TURNS: Final = 4
_TURNS_OF_A_PROJECT: Final = 3
_MOST_PARSED_BYTES: Final = 64 * 1024 * 1024
"""Large bodies parsed at once. A parsed one takes several times its size, which is counted nowhere else."""

_applied = """
select partition, micros(applied_received_at) as at, extract(epoch from clock_timestamp() - updated_at)::float8 as seconds_ago
from stream_progress where applied_received_at is not null
"""


class Traffic:
    """The limits of one edge. `watch` runs beside it; without that, quotas are not divided and nobody is slowed."""

    def __init__(self, settings: Edge, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._backlog = Backlog()
        self._exchange = Exchange(Demand(clock))
        self._pacer = Pacer(self._exchange, settings.pace_lag_ms / 1000)
        self.quotas = Quotas(settings, self._exchange, self._pacer, clock)
        self.bytes = Room(settings.max_inflight_bytes, "bytes", "share_of_bytes", metrics.edge_inflight.set)
        self.requests = Room(
            settings.max_inflight_requests, "requests", "share_of_requests", metrics.edge_inflight_requests.set
        )
        self.turns = FairGate(_TURNS, _TURNS_OF_A_PROJECT)
        """Who may use the event loop to parse a small body."""
        self.parsers = FairGate(_MOST_PARSED_BYTES, _MOST_PARSED_BYTES // 2)
        """Bytes of the large bodies that are parsed beside the event loop."""

    def accepted(self, sender: Principal, records: Sequence[RawRecord]) -> None:
        """These are in the log."""
        with open_on_failure:
            works = [work_of(record) for record in records]
            for record, work in zip(records, works, strict=True):
                self._backlog.note(record.partition, record.headers.received_at_us, work)
            self._exchange.demand.add(sender.project_id, sum(works))

    async def watch(self, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
        """Follow the other edges and the processors until `stop`."""
        await asyncio.gather(self._exchange.run(pool, stop), self._follow(pool, stop))

    async def _follow(self, pool: asyncpg.Pool, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._backlog.empty:
                self._look({})
            else:
                await self._ask(pool)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def _ask(self, pool: asyncpg.Pool) -> None:
        try:
            async with asyncio.timeout(5):
                rows: list[Any] = await pool.fetch(_applied)
        except (*OUTAGE_ERRORS, *SCHEMA_ERRORS) as error:
            log.warning("edge.backlog.unknown", error=type(error).__name__)
            self._pacer.let_go()
        else:
            self._look({row["partition"]: Applied(row["at"], max(0.0, row["seconds_ago"])) for row in rows})

    def _look(self, applied: dict[int, Applied]) -> None:
        with open_on_failure:
            now = self._clock()
            finding = self._backlog.look(applied, now)
            metrics.edge_behind_seconds.set(finding.oldest_seconds)
            self._exchange.pace = finding.taken, finding.applied
            self._pacer.adjust(finding, now)
