"""Applying a batch of one partition: plan it against the locked progress row, write it, move on. Kafka is not touched here.

1. Lock the progress row: no other sink can move this partition now. Dying here changes nothing.
2. Write rows, dead letters, counts; move the applied origin and the position in the same transaction. Dying here changes nothing.
3. Commit. Dying after it is harmless: the next sink reads on from the stored position.

What Postgres refuses although it was checked: the record becomes a dead letter in a transaction of its own, and its owner starts over.
Too many of those are no record's fault: the partition stands still instead.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from tailrace.runtime import metrics
from tailrace.runtime.failures import SuspiciousRunError, TooManyFailuresError
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.raw_record import FetchRaw, RawGoneError
from tailrace.sink.plan import Delivered, Plan, Stored, Whole, is_next, plan_batch
from tailrace.sink.repository import PartitionTransaction, Repository, UnstorableError
from tailrace.wire.records import DeadLetter, EventCount

log = get_logger(__name__)


REFUSALS: tuple[type[Exception], ...] = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.exceptions.ProgramLimitExceededError,
    asyncpg.RaiseError,
    asyncpg.exceptions.UntranslatableCharacterError,
    UnstorableError,
)
"""How Postgres or its driver says that it cannot hold this data. Anything else (SCHEMA_ERRORS, a fault in our own code) is no record's
fault and ends the process."""


class Applied(NamedTuple):
    """What became of a batch. `seek`: the topic must be read again from here. `carry`: chunks to put before the next batch."""

    position: int
    seek: bool
    carry: list[Delivered]


class PartitionWriter:
    """Applies batches of any partition."""

    def __init__(self, repository: Repository, fetch_raw: FetchRaw, observe: Callable[[Sequence[Whole]], None]) -> None:
        self._repository = repository
        self._fetch_raw = fetch_raw
        self._observe = observe

    async def apply(self, partition: int, batch: Sequence[Delivered]) -> Applied:
        """Apply a batch. Raises OUTAGE_ERRORS and KAFKA_ERRORS, nothing is applied then."""
        started = time.monotonic()
        try:
            applied, plan = await self._apply(partition, batch)
        except asyncpg.LockNotAvailableError:
            await self._end_frozen(partition)
            raise
        except OUTAGE_ERRORS:
            raise
        except REFUSALS as error:
            log.warning("sink.batch.refused", partition=partition, error=type(error).__name__, detail=str(error)[:300])
            return await self._apply_singly(partition, batch)
        self._note(plan, time.monotonic() - started)
        return applied

    async def _apply(self, partition: int, batch: Sequence[Delivered]) -> tuple[Applied, Plan | None]:
        async with self._repository.locked(partition) as (transaction, stored):
            ahead = _unread(stored, batch)
            if not ahead:
                return Applied(stored.position, seek=True, carry=[]), None
            plan = plan_batch(stored, ahead)
            if plan.apply:
                await transaction.write(plan.apply)
            await transaction.move(plan.position, plan.apply[-1] if plan.apply else None)
            if plan.gap:
                log.warning("sink.gap", partition=partition, applied=plan.applied_origin or stored.applied_origin)
                await transaction.take_epoch()
        return Applied(plan.position, seek=False, carry=plan.carry), plan

    async def _apply_singly(self, partition: int, batch: Sequence[Delivered]) -> Applied:
        """Find the record that Postgres refuses: apply up to it, make it a dead letter, stop there."""
        async with self._repository.locked(partition) as (_, stored):
            plan = plan_batch(stored, _unread(stored, batch) or batch)
        for whole in plan.apply:
            try:
                async with self._repository.locked(partition) as (transaction, stored):
                    if not is_next(stored, whole):
                        return Applied(stored.position, seek=True, carry=[])
                    await transaction.write([whole])
                    await transaction.move(whole.end, whole)
            except OUTAGE_ERRORS:
                raise
            except REFUSALS as error:
                await self._bury(partition, whole, f"{type(error).__name__}: {error}"[:1000])
                return Applied(whole.end, seek=True, carry=[])
        return Applied(plan.position, seek=True, carry=[])

    async def _end_frozen(self, partition: int) -> None:
        """Another sink holds the lock for longer than a lock may take: end it if it is frozen in the middle of a COPY."""
        for pid in await self._repository.end_frozen(partition):
            log.warning("sink.frozen.ended", partition=partition, pid=pid)

    async def _bury(self, partition: int, whole: Whole, detail: str) -> None:
        """Make a record a dead letter; if too many are, let the partition stand still and keep the record."""
        letter, count = await self._last_words(partition, whole, detail)
        async with self._repository.locked(partition) as (transaction, stored):
            if not is_next(stored, whole):
                return
            try:
                await self._spend(transaction, letter.project_id, whole.origin)
            except TooManyFailuresError as error:
                reason = f"{error}; Postgres refuses the record at {whole.origin}: {letter.detail}"[:2000]
                await transaction.halt(reason)
                log.error("sink.partition.halted", partition=partition, reason=reason)  # noqa: TRY400 (the reason says all)
                return
            await self._bury_in(transaction, whole, letter, count)
        metrics.sink_refused.inc()
        log.error(
            "sink.record.refused", partition=partition, origin=whole.origin, project=letter.project_id, detail=detail
        )

    @staticmethod
    async def _spend(transaction: PartitionTransaction, project_id: str, origin: int) -> None:
        """Raises TooManyFailuresError. Whose fault a run is cannot be tried out here: that others are applied must do."""
        try:
            (await transaction.read_budget(origin)).spend(project_id, origin)
        except SuspiciousRunError as error:
            if not error.others_are_fine:
                raise

    @staticmethod
    async def _bury_in(transaction: PartitionTransaction, whole: Whole, letter: DeadLetter, count: EventCount) -> None:
        await transaction.add_dead_letters([(whole.origin, letter)])
        await transaction.add_counts([(whole.origin, count)])
        await transaction.move(whole.end, whole)
        await transaction.take_epoch()

    async def _last_words(self, partition: int, whole: Whole, detail: str) -> tuple[DeadLetter, EventCount]:
        """The dead letter of a whole record, and its count. The assembler has counted the record's events; the bytes are the raw log's."""
        counted = next(count for chunk in whole.chunks for count in chunk.counts)
        kind, payload = "ingestion", b""
        try:
            raw = await self._fetch_raw(partition, whole.origin)
        except RawGoneError as error:
            detail = f"{detail}; kept without its bytes: {error}"
        else:
            kind, payload = raw.headers.kind, raw.value
        letter = DeadLetter(
            project_id=counted.project_id,
            sequence=0,
            reason="refused_by_postgres",
            detail=detail.replace("\x00", ""),
            entity=None,
            content_kind=kind,
            payload=payload,
            received_at=whole.chunks[0].received_at,
        )
        return letter, msgspec.structs.replace(counted, applied=0, dead_lettered=counted.accepted)

    def _note(self, plan: Plan | None, seconds: float) -> None:
        if plan is None:
            return
        for cause in plan.skipped:
            metrics.sink_skipped.labels(cause).inc()
        if plan.apply:
            metrics.sink_flush_seconds.observe(seconds)
            metrics.sink_batch.observe(len(plan.apply))
            self._observe(plan.apply)


def _unread(stored: Stored, batch: Sequence[Delivered]) -> Sequence[Delivered]:
    """The part of the batch from the stored position on; nothing if the batch begins behind it, because that would skip records."""
    if batch[0].offset > stored.position:
        return []
    return [delivered for delivered in batch if delivered.offset >= stored.position]
