"""Applying batches of partitions: plan them against the locked progress rows, write them, move on. Kafka is not touched here.

1. Lock the progress rows: no other sink can move these partitions now. Dying here changes nothing.
2. Write rows, dead letters, counts; move the applied origins and the positions in the same transaction. Dying here changes nothing.
3. Commit. Dying after it is harmless: the next sink reads on from the stored position.

Batches of several partitions share a transaction while all goes well. One whose row another holds, and all of them where Postgres refuses
anything, are applied each alone. What Postgres refuses then although it was checked: the record becomes a dead letter in a transaction of
its own, and its owner starts over.
Too many of those are no record's fault: the partition stands still instead.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from tailrace.runtime import metrics
from tailrace.runtime.failures import SuspiciousRunError, TooManyFailuresError
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS
from tailrace.runtime.raw_record import FetchRaw, RawGoneError
from tailrace.sink.plan import Delivered, Plan, Stored, Whole, is_next, plan_batch
from tailrace.sink.repository import Move, Repository, SinkTransaction, UnstorableError
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


class Outcome(NamedTuple):
    """What a transaction does to a partition; no plan if it does nothing."""

    partition: int
    applied: Applied
    plan: Plan | None


class PartitionWriter:
    """Applies batches of any partition."""

    def __init__(self, repository: Repository, fetch_raw: FetchRaw, observe: Callable[[Sequence[Whole]], None]) -> None:
        self._repository = repository
        self._fetch_raw = fetch_raw
        self._observe = observe

    async def apply(self, partition: int, batch: Sequence[Delivered]) -> Applied:
        """Apply a batch. Raises OUTAGE_ERRORS and KAFKA_ERRORS, nothing is applied then."""
        try:
            try:
                return await self._apply_alone(partition, batch, copy_born=True)
            except asyncpg.UniqueViolationError:
                log.info("sink.entity.known", partition=partition)
                return await self._apply_alone(partition, batch, copy_born=False)
        except asyncpg.LockNotAvailableError:
            await self._end_frozen(partition)
            raise
        except OUTAGE_ERRORS:
            raise
        except REFUSALS as error:
            log.warning("sink.batch.refused", partition=partition, error=type(error).__name__, detail=str(error)[:300])
            return await self._apply_singly(partition, batch)

    async def apply_together(self, batches: Mapping[int, Sequence[Delivered]]) -> dict[int, Applied]:
        """Apply batches of several partitions in one transaction: its statements and its commit cost much, however little it holds.

        Returns what became of those that it could apply: the others are to be applied each alone. Raises OUTAGE_ERRORS, nothing is
        applied then.
        """
        started = time.monotonic()
        try:
            async with self._repository.locked_free(batches) as (transaction, stored):
                outcomes = await self._apply(transaction, stored, batches, copy_born=True)
        except OUTAGE_ERRORS:
            raise
        except REFUSALS:
            return {}
        return self._note(outcomes, started)

    async def _apply_alone(self, partition: int, batch: Sequence[Delivered], *, copy_born: bool) -> Applied:
        started = time.monotonic()
        async with self._repository.locked(partition) as (transaction, stored):
            outcomes = await self._apply(transaction, {partition: stored}, {partition: batch}, copy_born=copy_born)
        return self._note(outcomes, started)[partition]

    @staticmethod
    async def _apply(
        transaction: SinkTransaction,
        stored: Mapping[int, Stored],
        batches: Mapping[int, Sequence[Delivered]],
        *,
        copy_born: bool,
    ) -> list[Outcome]:
        """Write the batches of the partitions that are locked, and move on."""
        outcomes = [_outcome(partition, row, batches[partition]) for partition, row in stored.items()]
        plans = [(outcome.partition, outcome.plan) for outcome in outcomes if outcome.plan is not None]
        wholes = [whole for _, plan in plans for whole in plan.apply]
        if wholes:
            await transaction.write(wholes, copy_born=copy_born)
        if plans:
            await transaction.move([Move(partition, plan.position, plan.last) for partition, plan in plans])
        for partition, plan in plans:
            if plan.gap:
                applied = plan.last.origin if plan.last else stored[partition].applied_origin
                log.warning("sink.gap", partition=partition, applied=applied)
                await transaction.take_epoch(partition)
        return outcomes

    async def _apply_singly(self, partition: int, batch: Sequence[Delivered]) -> Applied:
        """Find the record that Postgres refuses: apply up to it, make it a dead letter, stop there."""
        async with self._repository.locked(partition) as (_, stored):
            plan = plan_batch(stored, _unread(stored, batch) or batch)
        for whole in plan.apply:
            try:
                async with self._repository.locked(partition) as (transaction, stored):
                    if not is_next(stored, whole):
                        return Applied(stored.position, seek=True, carry=[])
                    await transaction.write([whole], copy_born=False)
                    await transaction.move([Move(partition, whole.end, whole)])
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
                await self._spend(transaction, partition, letter.project_id, whole.origin)
            except TooManyFailuresError as error:
                reason = f"{error}; Postgres refuses the record at {whole.origin}: {letter.detail}"[:2000]
                await transaction.halt(partition, reason)
                log.error("sink.partition.halted", partition=partition, reason=reason)  # noqa: TRY400 (the reason says all)
                return
            await self._bury_in(transaction, whole, letter, count)
        metrics.sink_refused.inc()
        log.error(
            "sink.record.refused", partition=partition, origin=whole.origin, project=letter.project_id, detail=detail
        )

    @staticmethod
    async def _spend(transaction: SinkTransaction, partition: int, project_id: str, origin: int) -> None:
        """Raises TooManyFailuresError. Whose fault a run is cannot be tried out here: that others are applied must do."""
        try:
            (await transaction.read_budget(partition, origin)).spend(project_id, origin)
        except SuspiciousRunError as error:
            if not error.others_are_fine:
                raise

    @staticmethod
    async def _bury_in(transaction: SinkTransaction, whole: Whole, letter: DeadLetter, count: EventCount) -> None:
        first = whole.chunks[0]
        await transaction.add_dead_letters([(first, letter)])
        await transaction.add_counts([(first, count)])
        await transaction.move([Move(first.partition, whole.end, whole)])
        await transaction.take_epoch(first.partition)

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

    def _note(self, outcomes: Sequence[Outcome], started: float) -> dict[int, Applied]:
        """Count what is committed."""
        plans = [outcome.plan for outcome in outcomes if outcome.plan is not None]
        for plan in plans:
            for cause in plan.skipped:
                metrics.sink_skipped.labels(cause).inc()
        wholes = [whole for plan in plans for whole in plan.apply]
        if wholes:
            metrics.sink_flush_seconds.observe(time.monotonic() - started)
            metrics.sink_batch.observe(len(wholes))
            self._observe(wholes)
        return {outcome.partition: outcome.applied for outcome in outcomes}


def _outcome(partition: int, stored: Stored, batch: Sequence[Delivered]) -> Outcome:
    ahead = _unread(stored, batch)
    if not ahead:
        return Outcome(partition, Applied(stored.position, seek=True, carry=[]), None)
    plan = plan_batch(stored, ahead)
    return Outcome(partition, Applied(plan.position, seek=False, carry=plan.carry), plan)


def _unread(stored: Stored, batch: Sequence[Delivered]) -> Sequence[Delivered]:
    """The part of the batch from the stored position on; nothing if the batch begins behind it, because that would skip records."""
    if batch[0].offset > stored.position:
        return []
    return [delivered for delivered in batch if delivered.offset >= stored.position]
