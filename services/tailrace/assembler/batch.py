"""Folding a batch of raw records of one partition: map, load what is not in memory in one query, fold in order, tell the totals.

Raises Superseded when a read shows that the partition has another owner or has gone back; the caller throws the state away.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, ParamSpec, TypeVar

from tailrace.assembler.assembled import Origin, Shared, assemble_record
from tailrace.assembler.entities import Seen, Sighting, TraceState
from tailrace.assembler.fold import Fold, FoldedRecord
from tailrace.assembler.judge import load_judge
from tailrace.assembler.letters import Doom, all_dead, dead_letter, rejects_without_room
from tailrace.assembler.mapping import Mapped, Reject, map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Epoch, Progress, Repository
from tailrace.assembler.rows import cost_part, session_row, user_row
from tailrace.assembler.shelf import Shelf
from tailrace.assembler.state import EntityKeys, PartitionState, PartState, SharedKeys
from tailrace.core.contributions import NOTHING, Amounts, PartKey
from tailrace.core.merge import Change
from tailrace.runtime import metrics
from tailrace.runtime.failures import FailureBudget, TooManyFailuresError
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS, SCHEMA_ERRORS
from tailrace.wire.records import AssembledRecord, EventCount
from tailrace.wire.topics import (
    BadHeadersError,
    NewerHeadersError,
    RawHeaders,
    decode_raw_headers,
    fingerprint_of,
    headers_of_unreadable,
)

log = get_logger(__name__)

ASIDE_BYTES: Final = 256 * 1024
"""A larger record is folded beside the event loop."""

TURN_SECONDS: Final = 0.005
"""How long a fold may go on before everybody else has a turn."""

STEP_CHANGES: Final = 1_000

EVENT_BYTES: Final = 500

LOADED_KEYS: Final = 1_000
"""What one query loads of each kind: a large record may touch so much that one would not end in its time."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Superseded(Exception):  # noqa: N818
    """The owner's time is over; `cause` is a metric label."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class FoldFailedError(Exception):
    """Folding the record at `offset` raised: the state is half changed and must be thrown away."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"folding the raw record at {offset} failed")
        self.offset = offset


class BatchFailedError(Exception):
    """A batch cannot be folded: one of its records, up to the one at `last`, is to blame. The state must be thrown away."""

    def __init__(self, last: int) -> None:
        super().__init__(f"folding the raw records up to {last} together failed")
        self.last = last


class RawRecord(NamedTuple):
    """A record of the raw topic."""

    offset: int
    headers: Mapping[str, bytes]
    value: bytes

    @property
    def bytes(self) -> int:
        return len(self.value) + 200

    @property
    def stated_events(self) -> int:
        """What its headers state, 0 if they cannot be read."""
        stated = self.headers.get("events", b"")
        return int(stated) if stated.isdigit() and len(stated) < 10 else 0

    @property
    def weight(self) -> int:
        """Its bytes, and what its events take beyond theirs once they are folded: tiny ones take far more than they are sent in."""
        return self.bytes + EVENT_BYTES * self.stated_events

    def fingerprint(self) -> str:
        """The log's identity at this offset."""
        return fingerprint_of(self.headers, self.value)


@contextmanager
def blaming(record: RawRecord) -> Generator[None]:
    """What goes wrong in the block, and is no outage, is the fault of what is done with this record: raises FoldFailedError."""
    try:
        yield
    except (Superseded, TooManyFailuresError, *OUTAGE_ERRORS, *SCHEMA_ERRORS):
        raise
    except Exception as error:
        raise FoldFailedError(record.offset) from error


@contextmanager
def blaming_batch(batch: Sequence[RawRecord]) -> Generator[None]:
    """The same for what is done for a whole batch: raises BatchFailedError, or FoldFailedError where it has one record."""
    try:
        with blaming(batch[0]):
            yield
    except FoldFailedError as error:
        if len(batch) == 1:
            raise
        raise BatchFailedError(batch[-1].offset) from error


class MappedRecord(NamedTuple):
    """A raw record, read."""

    record: RawRecord
    headers: RawHeaders
    mapped: Mapped


class BatchFolder:
    """Folds the batches of one epoch of one partition. `steps` grows while a batch is folded: a large one may take a minute."""

    def __init__(
        self,
        epoch: Epoch,
        repository: Repository,
        prices: PriceList,
        *,
        max_state_bytes: int,
        max_spans: int,
        budget: FailureBudget,
    ) -> None:
        self.epoch = epoch
        self.state = PartitionState(max_state_bytes)
        self.applied_seen = epoch.applied_origin
        self._repository = repository
        self._prices = prices
        self._max_spans = max_spans
        self._budget = budget
        self._previous = epoch.applied_origin
        self.steps = 0
        self._turn_at = 0.0

    async def fold(self, batch: Sequence[RawRecord], doomed: Mapping[int, Doom]) -> list[list[AssembledRecord]]:
        """The assembled records, chunks of one raw record together. `doomed`: by offset.

        Raises FoldFailedError, BatchFailedError, TooManyFailuresError and NewerHeadersError.
        """
        mapped = await self._map_batch(batch, doomed)
        with blaming_batch(batch):
            await self._load_prices(mapped)
            mapped = await self._judge_scores(mapped)
            await self._load_entities(mapped)
        folded = [await self._fold_guarded(one) for one in mapped]
        with blaming_batch(batch):
            await self._load_shared([result for result, _ in folded])
        return [await self._assemble_guarded(one, *result) for one, result in zip(mapped, folded, strict=True)]

    def check(self, progress: Progress, asked_at: int) -> None:
        """Raise Superseded unless `progress` is this owner's and has not gone back.

        `asked_at`: what was seen applied when the question was asked; another answer may have come first and told more.
        """
        if (progress.epoch, progress.owner) != (self.epoch.number, self.epoch.owner):
            raise Superseded("fenced" if progress.owner is not None else "gap")
        if progress.applied_origin < asked_at:
            raise Superseded("went_back")
        self.applied_seen = max(self.applied_seen, progress.applied_origin)

    async def _aside(self, record: RawRecord, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """Do what may take long in a thread, so that the process goes on answering; nothing else touches the state meanwhile.

        What is short is done at once; everybody else has a turn now and then.
        """
        self.steps += 1
        if record.bytes > ASIDE_BYTES:
            return await asyncio.to_thread(work, *arguments, **named)
        now = time.monotonic()
        if now - self._turn_at > TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_at = time.monotonic()
        return work(*arguments, **named)

    def release(self) -> None:
        """Let applied state go until the bound holds. Never while a fold is under way: it counts on what it has loaded."""
        self.state.evict(self.applied_seen)

    async def _map_batch(self, batch: Sequence[RawRecord], doomed: Mapping[int, Doom]) -> list[MappedRecord]:
        """What is within the budget is buried before the partition stands still: one record at a time, so that nothing waits with it."""
        try:
            return [await self._aside(record, self._map, record, doomed.get(record.offset)) for record in batch]
        except (TooManyFailuresError, NewerHeadersError) as error:
            if len(batch) == 1:
                raise
            raise BatchFailedError(batch[-1].offset) from error

    def _map(self, record: RawRecord, doom: Doom | None) -> MappedRecord:
        try:
            headers = decode_raw_headers(dict(record.headers))
        except NewerHeadersError:
            raise
        except BadHeadersError as error:
            headers = headers_of_unreadable(record.headers)
            return MappedRecord(
                record,
                headers,
                all_dead(headers, Reject("unknown_record_kind", str(error), None, record.value)),
            )
        if doom is not None:
            return MappedRecord(record, headers, self._failed(headers, record, doom))
        try:
            return MappedRecord(record, headers, _as_stated(headers, record, map_record(headers, record.value)))
        except Exception as error:
            log.exception("assembler.map.failed", partition=self.epoch.partition, origin=record.offset)
            doom = Doom("internal_error", f"reading it failed unexpectedly: {type(error).__name__}")
            return MappedRecord(record, headers, self._failed(headers, record, doom))

    def _failed(self, headers: RawHeaders, record: RawRecord, doom: Doom) -> Mapped:
        if doom.reason == "internal_error":
            self._spend(headers, record, doom)
        return all_dead(headers, Reject(doom.reason, doom.detail, None, record.value if doom.keep_bytes else b""))

    def _spend(self, headers: RawHeaders, record: RawRecord, doom: Doom) -> None:
        try:
            self._budget.spend(headers.project_id, record.offset)
        except TooManyFailuresError as error:
            error.args = (f"{error}; the record at {record.offset}: {doom.detail}",)
            raise

    async def _load_prices(self, batch: Sequence[MappedRecord]) -> None:
        await self._prices.prepare(
            {one.headers.project_id for one in batch}, max(one.headers.received_at_us for one in batch)
        )

    async def _judge_scores(self, batch: Sequence[MappedRecord]) -> Sequence[MappedRecord]:
        """The same once configs have judged the scores that name one."""
        judge = await load_judge(self._repository, [(one.headers, one.mapped) for one in batch])
        return [
            one._replace(mapped=await self._aside(one.record, judge.judge, one.headers, one.mapped))
            if one.mapped.configured
            else one
            for one in batch
        ]

    async def _load_entities(self, batch: Sequence[MappedRecord]) -> None:
        missing = self.state.missing_entities(change for one in batch for change in one.mapped.changes)
        if not any(missing):
            return
        metrics.assembler_hydrations.labels(self.epoch.partition).inc()
        for keys in missing.slices(LOADED_KEYS):
            await self._load_slice(keys)

    async def _load_slice(self, keys: EntityKeys) -> None:
        """Nobody else writes what is not in memory, so that what is loaded in several reads fits together while each is this epoch's."""
        self.steps += 1
        asked_at = self.applied_seen
        loaded = await self._repository.load_entities(self.epoch.partition, keys)
        self.check(loaded.progress, asked_at)
        for trace in loaded.traces:
            self.state.traces.keep((trace.project_id, trace.id), trace)
        for observation in loaded.observations:
            self.state.place_observation(observation)
            self.state.keep_observation(observation)
        for score in loaded.scores:
            self.state.scores.keep((score.project_id, score.id), score)

    async def _fold_guarded(self, one: MappedRecord) -> tuple[FoldedRecord, list[Reject]]:
        with blaming(one.record):
            return await self._fold_one(one)

    async def _fold_one(self, one: MappedRecord) -> tuple[FoldedRecord, list[Reject]]:
        fold = Fold(
            self.state,
            self._prices,
            origin=one.record.offset,
            received_us=one.headers.received_at_us,
            max_spans=self._max_spans,
        )
        rejects = list(one.mapped.rejects)
        overflow = await self._aside(one.record, self._apply_changes, fold, one.mapped.changes)
        rejects += rejects_without_room(overflow, len(rejects), one.record.value, self._max_spans)
        await self._estimate_usage(fold)
        for trace in fold.shrunk_traces():
            await self._refresh_extremes(trace)
        turned = await self._aside(one.record, fold.find_turned)
        for keys in EntityKeys(set(), turned, set()).slices(LOADED_KEYS):
            await self._load_slice(keys)
        return await self._aside(one.record, fold.finish), rejects

    async def _estimate_usage(self, fold: Fold) -> None:
        """Count tokens where nobody told them: beside the event loop if that takes long, as it may for a small change of a large text."""
        if fold.counting_takes_long:
            self.steps += 1
            await asyncio.to_thread(fold.estimate_usage)
        else:
            fold.estimate_usage()

    def _apply_changes(self, fold: Fold, changes: Sequence[Change]) -> list[str]:
        """Apply those that there is room for; returns the ids of the others."""
        overflow: list[str] = []
        for number, change in enumerate(changes):
            if fold.has_room_for(change):
                fold.apply(change)
            else:
                overflow.append(change.id)
            self.steps += number % STEP_CHANGES == 0
        return overflow

    async def _refresh_extremes(self, trace: TraceState) -> None:
        members = self.state.members((trace.project_id, trace.id))
        asked_at = self.applied_seen
        stored = await self._repository.load_extremes(self.epoch.partition, trace, [state.id for state in members])
        self.check(stored.progress, asked_at)
        starts = [state.start_us for state in members]
        ends = [state.start_us if state.end_us is None else state.end_us for state in members]
        trace.first_start_us = min(starts + ([] if stored.first_start_us is None else [stored.first_start_us]))
        trace.last_end_us = max(ends + ([] if stored.last_end_us is None else [stored.last_end_us]))

    async def _load_shared(self, folded: Sequence[FoldedRecord]) -> None:
        wanted = SharedKeys(set(), set(), set())
        for result in folded:
            for mine, its in zip(wanted, result.wants(), strict=True):
                mine.update(its)  # pyright: ignore[reportArgumentType]
        missing = self.state.missing_shared(wanted)
        if not any(missing):
            return
        asked_at = self.applied_seen
        loaded = await self._repository.load_shared(self.epoch.partition, missing)
        self.check(loaded.progress, asked_at)
        for key, sighting in loaded.users:
            self.state.users.keep(key, sighting)
        for key, sighting in loaded.sessions:
            self.state.sessions.keep(key, sighting)
        for part, amounts in loaded.parts:
            self.state.parts.keep(part, PartState(amounts, -1))

    async def _assemble_guarded(
        self, one: MappedRecord, folded: FoldedRecord, rejects: list[Reject]
    ) -> list[AssembledRecord]:
        with blaming(one.record):
            return await self._aside(one.record, self._assemble, one, folded, rejects)

    def _assemble(self, one: MappedRecord, folded: FoldedRecord, rejects: list[Reject]) -> list[AssembledRecord]:
        record, headers = one.record, one.headers
        origin = Origin(record.offset, self._previous, headers.received_at_us, record.fingerprint())
        self._previous = record.offset
        applied = one.mapped.events - len(rejects)
        counts = [
            EventCount(
                project_id=headers.project_id,
                accepted=headers.events,
                applied=applied,
                dead_lettered=headers.events - applied,
            )
        ]
        if applied:
            self._budget.note_fine(headers.project_id, record.offset)
        letters = [dead_letter(headers, number, reject) for number, reject in enumerate(rejects)]
        shared = self._shared_rows(record.offset, folded)
        metrics.assembler_folded.labels(headers.kind).inc(applied)
        self._prices.count_unknown(folded.unknown)
        self._prices.count_estimates(folded.estimates)
        for reject in rejects:
            metrics.assembler_dead.labels(reject.reason).inc()
        return assemble_record(self.epoch, origin, folded, shared, (letters, counts))

    def _shared_rows(self, offset: int, folded: FoldedRecord) -> Shared:
        users = _sight(self.state.users, folded.users, offset)
        sessions = _sight(self.state.sessions, folded.sessions, offset)
        parts = [
            cost_part(key, self._add_to_part(key, offset, folded)) for key, delta in folded.deltas.items() if delta
        ]
        return Shared(
            [user_row(*key, sighting) for key, sighting in users.items()],
            [session_row(*key, sighting) for key, sighting in sessions.items()],
            parts,
        )

    def _add_to_part(self, key: PartKey, offset: int, folded: FoldedRecord) -> Amounts:
        part = self.state.parts.get(key)
        total = (NOTHING if part is None else part.amounts).plus(folded.deltas[key]).within_bounds()
        self.state.parts.keep(key, PartState(total, offset))
        return total


def _as_stated(headers: RawHeaders, record: RawRecord, mapped: Mapped) -> Mapped:
    """The same, unless it has another number of events than the headers state: then no edge wrote the record, and all of it is dead."""
    if mapped.events == headers.events or 0 < mapped.events == len(mapped.rejects):
        return mapped
    detail = f"expected {headers.events} events, as the headers state, got {mapped.events}"
    return all_dead(headers, Reject("invalid_payload", detail, None, record.value))


_SeenKey = tuple[str, str]


def _sight(
    shelf: Shelf[_SeenKey, Sighting], sightings: Sequence[tuple[_SeenKey, Seen]], offset: int
) -> dict[_SeenKey, Sighting]:
    """The sightings that changed, after taking in what a record saw."""
    changed: dict[_SeenKey, Sighting] = {}
    for key, seen in sightings:
        sighting = shelf.get(key)
        if sighting is None:
            sighting = Sighting(*seen)
        elif not sighting.extend(seen):
            continue
        sighting.last_origin = offset
        shelf.keep(key, sighting)
        changed[key] = sighting
    return changed
