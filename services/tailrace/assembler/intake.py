"""The intake of one partition: raw records as the log delivers them in, the next ones in order out; what is applied is let go.

What is delivered and not folded, and what is folded and not applied, is bounded together in bytes: above the bound the partition is paused.
A record that is not the next one is dropped: it is known already, or a seek brings it back.
"""

import time
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from tailrace.assembler.batch import RawRecord, Superseded
from tailrace.runtime.log import get_logger

log = get_logger(__name__)

BATCH_RECORDS: Final = 100
BATCH_BYTES: Final = 4 * 1024 * 1024
BATCH_EVENTS: Final = 10_000
GAP_SECONDS: Final = 0.3
"""How long a delivery may go on behind a gap: what was fetched before a seek still comes. Twice as long each time that a seek has not helped."""

SILENCE_SECONDS: Final = 2.0
"""How long nothing may come although the client has handed out more. Twice as long each time that a seek has not helped."""

MOST_SILENCE_SECONDS: Final = 30.0
"""How long nothing may come although the log has more, and a seek may not help. What is on its way through a busy process may take long,
and each seek makes the client fetch again what it has."""

ASK_SECONDS: Final = 10.0
"""How long nothing may come before the brokers are asked whether the log has more: a fetch that hangs tells nothing of its end."""


class RawLog(Protocol):
    """The raw topic as its owner sees it. May raise KAFKA_ERRORS."""

    async def seek(self, partition: int, offset: int) -> None: ...
    async def bounds(self, partition: int) -> tuple[int, int]:
        """The first offset that is still there, and the one after the last."""
        ...

    async def reading_at(self, partition: int) -> int | None:
        """The offset that the client hands out next; None if it does not know."""
        ...

    async def commit(self, partition: int, offset: int) -> None: ...
    def end(self, partition: int) -> int | None:
        """The offset after the last as far as known without asking."""
        ...

    def is_assigned(self, partition: int) -> bool: ...
    def pause(self, partition: int) -> None: ...
    def resume(self, partition: int) -> None: ...


class Pending(NamedTuple):
    """A raw record that is folded and sent, and not applied yet."""

    origin: int
    bytes: int
    received_at: float


class Intake:
    """The raw records of one partition that this process holds, between the log and Postgres."""

    def __init__(self, partition: int, raw_log: RawLog, *, max_bytes: int) -> None:
        self._partition = partition
        self._log = raw_log
        self._max_bytes = max_bytes
        self._queue: deque[RawRecord] = deque()
        self._queued_bytes = 0
        self._taken_bytes = 0
        self._pending: deque[Pending] = deque()
        self._expected: int | None = None
        self._moved_at = 0.0
        self._asked_at = 0.0
        self._asked_end = 0
        self._singly_until = -1
        self._sought = -1
        self._vain_seeks = 0
        self._gap_seen = False
        self._paused = False
        self.pending_bytes = 0

    @property
    def position(self) -> int:
        """The offset of the next record to fold, 0 while nothing is read."""
        return (self._expected or 0) - len(self._queue)

    @property
    def is_ready(self) -> bool:
        """Whether there is a record, and room for one more that is not applied. A record is always admitted when nothing is unapplied."""
        return bool(self._queue) and self.has_room

    @property
    def has_room(self) -> bool:
        return not self._pending or self.pending_bytes < self._max_bytes

    @property
    def is_whole(self) -> bool:
        """Whether a batch can have no more than what waits here."""
        singly = bool(self._queue) and self._queue[0].offset <= self._singly_until
        return self._paused or singly or len(self._queue) >= BATCH_RECORDS or self._queued_bytes >= BATCH_BYTES

    @property
    def oldest_received_at(self) -> float | None:
        """When the edge got the oldest record that is folded and not applied, in seconds since 1970."""
        return self._pending[0].received_at if self._pending else None

    def has_more(self) -> bool:
        """Whether anything waits here or, as far as known, in the log."""
        end = max(self._log.end(self._partition) or 0, self._asked_end)
        return bool(self._queue) or end > (self._expected or 0)

    async def start(self, offset: int) -> None:
        """Read from `offset` on."""
        self._expected = offset
        self._moved_at = self._asked_at = time.monotonic()
        await self._log.seek(self._partition, offset)

    def offer(self, record: RawRecord) -> bool:
        """Take a delivered record; returns whether it was the next one."""
        if self._expected is None or record.offset < self._expected:
            return False
        if record.offset > self._expected:
            self._gap_seen = True
            return False
        self._expected += 1
        self._moved_at = time.monotonic()
        self._queue.append(record)
        self._queued_bytes += record.weight
        self._pause_if_full()
        return True

    def take_first(self) -> RawRecord:
        """The next record alone."""
        record = self._queue.popleft()
        self._queued_bytes -= record.weight
        return record

    def take_batch(self) -> list[RawRecord]:
        """As many as fit into a batch and into what may be unapplied; always one."""
        most_records = 1 if self._queue[0].offset <= self._singly_until else BATCH_RECORDS
        batch: list[RawRecord] = []
        size = events = 0
        most = min(BATCH_BYTES, self._max_bytes - self.pending_bytes)
        while self._queue and len(batch) < most_records and ((size < most and events < BATCH_EVENTS) or not batch):
            batch.append(self.take_first())
            size += batch[-1].weight
            events += batch[-1].stated_events
        self._taken_bytes = size
        return batch

    def take_singly(self, last: int) -> None:
        """Let every batch up to the record at `last` be of one record: one of many is to blame for a failure."""
        self._singly_until = last

    def note_folded(self, batch: Sequence[RawRecord]) -> None:
        """These are folded, and stay here until they are applied."""
        now = time.time()
        for record in batch:
            received = record.headers.get("received", b"")
            received_at = int(received) / 1e6 if received.isdigit() else now
            self._pending.append(Pending(record.offset, record.weight, received_at))
            self.pending_bytes += record.weight
        self._taken_bytes = 0

    def settle(self, applied_origin: int) -> None:
        """Let go of what is applied, and let the log go on once half of the bound is free."""
        while self._pending and self._pending[0].origin <= applied_origin:
            self.pending_bytes -= self._pending.popleft().bytes
        self._resume_if_drained()

    def clear(self) -> None:
        """Hold nothing and expect nothing, until the next start."""
        self._expected = None
        self._asked_end = 0
        self._gap_seen = False
        self._queue.clear()
        self._pending.clear()
        self._queued_bytes = self._taken_bytes = self.pending_bytes = 0
        self._resume_if_drained()

    async def find_way_back(self) -> None:
        """Go back for a record that was lost on the way here: a later one came, or none comes although the log has more.

        Another seek than ours, a late one to the group's commit, is found out by this too. Raises Superseded when the log has changed.
        """
        expected = self._expected
        if expected is None or self._paused:
            return
        astray = self._is_astray(expected)
        if not astray and not self._is_silent():
            return
        first, end = await self._log.bounds(self._partition)
        self._asked_at, self._asked_end = time.monotonic(), end
        if self._expected != expected:
            return
        if not first <= expected <= end:
            raise Superseded("log_changed")
        if end == expected and not astray:
            return
        if await self._waits_its_turn(expected) or self._expected != expected:
            return
        log.info("assembler.log.reseek", partition=self._partition, offset=expected)
        self._gap_seen = False
        self._note_seek(expected)
        await self.start(expected)

    async def _waits_its_turn(self, expected: int) -> bool:
        """Whether the client has the next record still before it, so that none can be lost; not for ever, since a fetch may hang.

        So it is also taken to be soon after a seek.
        """
        if self._gap_seen:
            return False
        silence = time.monotonic() - self._moved_at
        if silence < self._patience(SILENCE_SECONDS):
            return True
        return silence < MOST_SILENCE_SECONDS and await self._log.reading_at(self._partition) == expected

    def _note_seek(self, offset: int) -> None:
        """A seek that brings nothing is not repeated soon."""
        self._vain_seeks = self._vain_seeks + 1 if offset == self._sought else 0
        self._sought = offset

    def _patience(self, seconds: float) -> float:
        """Twice as long for each seek that has brought nothing."""
        return min(seconds * 2 ** min(self._vain_seeks, 10), MOST_SILENCE_SECONDS)

    def _is_astray(self, expected: int) -> bool:
        silence = time.monotonic() - self._moved_at
        if self._gap_seen:
            return silence >= self._patience(GAP_SECONDS)
        end = self._log.end(self._partition)
        return end is not None and end != expected and silence >= self._patience(SILENCE_SECONDS)

    def _is_silent(self) -> bool:
        return not self._queue and time.monotonic() - max(self._moved_at, self._asked_at) >= ASK_SECONDS

    @property
    def _held_bytes(self) -> int:
        """What is delivered, what is being folded, and what is folded and not applied."""
        return self._queued_bytes + self._taken_bytes + self.pending_bytes

    def _pause_if_full(self) -> None:
        """A record that comes although the partition is paused pauses it again: a rebalance has let it go on."""
        if self._held_bytes > self._max_bytes:
            self._paused = True
            self._log.pause(self._partition)

    def _resume_if_drained(self) -> None:
        if self._paused and self._held_bytes <= self._max_bytes // 2:
            self._paused = False
            self._log.resume(self._partition)
