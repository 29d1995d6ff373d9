"""The standing audit of events: the raw log's headers, read once, held against what Postgres counted, cycle by cycle.

It finds every difference at the cycle after it arises, and tells it when it stays for longer than a record may be in flight.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from tailrace.auditor.findings import Findings
from tailrace.auditor.ledger import (
    Bounds,
    Move,
    Plan,
    Snapshot,
    accounts_of,
    count_given_up,
    count_lost,
    count_partition,
    plan_partition,
)
from tailrace.auditor.report import export_events, sum_states
from tailrace.auditor.tally import Tally
from tailrace.core.model import ProjectId
from tailrace.runtime import metrics
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.probes import Health
from tailrace.runtime.settings import Audit

log = get_logger(__name__)

T = TypeVar("T")

MAX_RECORDS: Final = 1_000_000
"""Read and not counted for good, over all partitions: 16 bytes each."""

_SLICE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 1.0


class RawHeaders(Protocol):
    """The raw log: see `raw_headers`."""

    async def bounds(self) -> dict[int, Bounds]: ...

    async def poll(self, positions: Mapping[int, int]) -> dict[int, list[tuple[ProjectId, int]]]: ...


class Store(Protocol):
    """The audit's side of Postgres: see `repository`."""

    async def read_snapshot(self) -> Snapshot: ...

    async def begin(self, partition: int) -> None: ...

    async def take_over(self, partition: int, given_up: Mapping[str, int]) -> None: ...

    async def advance(self, moves: Sequence[Move]) -> None: ...


class EventAudit:
    """Audits all partitions. `findings` are keyed by project and partition."""

    def __init__(
        self, raw_log: RawHeaders, store: Store, health: Health, settings: Audit, *, max_series: int = 1000
    ) -> None:
        self._log = raw_log
        self._store = store
        self._health = health
        self._interval_seconds = settings.interval_seconds
        self._max_series = max_series
        self.findings: Findings[tuple[str, int], int] = Findings(settings.grace_seconds)
        self._tallies: dict[int, Tally] = {}
        self._heeded: dict[int, int] = {}
        self._verified_at: dict[int, float] = {}
        self._waits: dict[int, str] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Audit until `stop`, every few seconds; at once again while there is more to read. While Kafka or Postgres is away, not ready."""
        while not stop.is_set():
            pause = _RETRY_SECONDS
            try:
                pause = 0.0 if await self.run_cycle(stop) else self._interval_seconds
            except _PostgresAwayError as error:
                self._note_away("postgres", error)
            except KAFKA_ERRORS as error:
                self._note_away("kafka", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def run_cycle(self, stop: asyncio.Event | None = None) -> bool:
        """One cycle; True when more is left to do at once. Raises KAFKA_ERRORS, and _PostgresAwayError, which is none of them."""
        snapshot = await _asking_postgres(self._store.read_snapshot())
        self._health.clear("postgres")
        bounds = await self._log.bounds()
        plans = {
            number: self._plan(snapshot, number, one) for number, one in bounds.items() if number in snapshot.applied
        }
        reading = [number for number, plan in plans.items() if plan.step == "read"]
        is_done = await self._read({number: bounds[number].end for number in reading}, stop)
        self._health.clear("kafka")
        for number, plan in plans.items():
            await self._begin(snapshot, number, plan)
        moves = [count_partition(snapshot, number, self._tallies[number]) for number in reading]
        await _asking_postgres(self._store.advance(moves))
        lost = {
            number: count_lost(snapshot.applied[number], bounds[number], self._tallies[number])
            for number, plan in plans.items()
            if plan.step == "wait"
        }
        self._judge(snapshot, moves, lost)
        self._report(snapshot, moves, plans)
        is_behind = not is_done or not all(move.verified for move in moves)
        return is_behind or any(plan.step in ("begin", "take_over") for plan in plans.values())

    def _plan(self, snapshot: Snapshot, number: int, bounds: Bounds) -> Plan:
        tally = self._tallies.setdefault(number, Tally())
        losses = snapshot.losses_of(number)
        newest = max((one.id for one in losses), default=0)
        if newest > self._heeded.setdefault(number, newest) and not any(one.replaces_log for one in losses):
            # An operator has decided on this log: what it holds now counts, not what it held.
            tally.cut_from(bounds.first)
        self._heeded[number] = newest
        return plan_partition(snapshot, number, bounds, tally)

    async def _begin(self, snapshot: Snapshot, number: int, plan: Plan) -> None:
        if plan.step == "begin":
            await _asking_postgres(self._store.begin(number))
        elif plan.step == "take_over":
            log.warning("audit.taken_over", partition=number, reason=plan.reason)
            given_up = count_given_up(snapshot, number, self._tallies[number])
            await _asking_postgres(self._store.take_over(number, given_up))
            self._tallies[number] = Tally()

    async def _read(self, ends: Mapping[int, int], stop: asyncio.Event | None) -> bool:
        """Read up to these ends, for a few seconds at most; True when no more can be read now, or held."""
        room = MAX_RECORDS // max(1, len(self._tallies))
        until = time.monotonic() + _SLICE_SECONDS
        while True:
            wanted = {
                number: self._tallies[number].next
                for number, end in ends.items()
                if self._tallies[number].next < end and len(self._tallies[number]) < room
            }
            if not wanted:
                return True
            if time.monotonic() > until or (stop is not None and stop.is_set()):
                return False
            for number, records in (await self._log.poll(wanted)).items():
                for project, events in records:
                    self._tallies[number].add(project, events)
                metrics.audit_read_records.inc(len(records))

    def _judge(self, snapshot: Snapshot, moves: list[Move], lost: Mapping[int, Counter[str]]) -> None:
        """Note what is broken, and what no longer is; of a partition that cannot be compared now, the last finding stands."""
        judged = {move.partition for move in moves if move.verified}
        broken: dict[tuple[str, int], int] = {}
        for account in accounts_of(snapshot, moves):
            broken[account.project, account.partition] = off_by = account.broken_events()
            for sentence in account.breaches() if off_by else ():
                log.error("audit.events.broken", partition=account.partition, project=account.project, detail=sentence)
        for number, events in lost.items():
            for project, count in events.items():
                broken[project, number] = count
                log.error("audit.events.lost", partition=number, project=project, events=count)
        healed = {key for key in self.findings if key not in broken and key[1] in judged}
        for key in (*healed, *broken):
            self.findings.note(key, broken.get(key, 0))

    def _report(self, snapshot: Snapshot, moves: list[Move], plans: Mapping[int, Plan]) -> None:
        self._waits = {number: plan.reason for number, plan in plans.items() if plan.step == "wait"}
        self._health.details["notAudited"] = [self._waits[number] for number in sorted(self._waits)]
        for number, reason in self._waits.items():
            log.warning("audit.waits", partition=number, reason=reason)
        behind = {move.partition for move in moves if not move.verified}
        self._verified_at |= {move.partition: time.time() for move in moves if move.verified}
        for number in plans:
            lagging = number in behind
            self._health.report_progress(f"raw/{number}", position=self._tallies[number].next, lagging=lagging)
            stored = snapshot.stored.get(number)
            known = stored.verified_at if stored is not None and stored.verified_at is not None else datetime.now(UTC)
            self._verified_at.setdefault(number, known.timestamp())
            metrics.audit_behind_seconds.labels(str(number)).set_function(
                lambda number=number: max(0.0, time.time() - self._verified_at[number])
            )
        export_events(sum_states(snapshot, moves, self._tallies), self.findings.confirmed(), self._max_series)

    def _note_away(self, part: str, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        log.warning("audit.away", part=part, detail=reason[:300])
        self._health.block(part, reason)


class _PostgresAwayError(Exception):
    """Postgres cannot serve now."""


async def _asking_postgres(question: Awaitable[T]) -> T:
    try:
        return await question
    except OUTAGE_ERRORS as error:
        raise _PostgresAwayError(f"{type(error).__name__}: {error}") from error
