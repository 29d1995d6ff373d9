"""What a batch of assembled records means for a partition: which are applied, which are skipped, where to read on. Pure.

A record counts only if it is the current owner's and follows what is applied. A gap means that the owner went past a record that was
never stored: it must start over, so the sink takes a new epoch and what this owner still sends is void.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from tailrace.wire.records import AssembledRecord


class Stored(NamedTuple):
    """The partition's progress row."""

    epoch: int
    owner: UUID | None
    applied_origin: int
    position: int


class Delivered(NamedTuple):
    """An assembled record at its offset in the assembled topic; None if it cannot be decoded."""

    offset: int
    record: AssembledRecord | None


class Whole(NamedTuple):
    """All chunks of one raw record. `end`: the offset after its last chunk."""

    chunks: tuple[AssembledRecord, ...]
    end: int

    @property
    def origin(self) -> int:
        return self.chunks[0].origin


class Plan(NamedTuple):
    """`position`: where to read on after this batch. `carry`: chunks of a record that is not whole yet. `skipped`: causes."""

    apply: list[Whole]
    position: int
    carry: list[Delivered]
    gap: bool
    skipped: list[str]

    @property
    def last(self) -> Whole | None:
        """The last record that is applied, if any is."""
        return self.apply[-1] if self.apply else None


def plan_batch(stored: Stored, batch: Sequence[Delivered]) -> Plan:
    """Decide on a batch that starts at or after `stored.position`, in order of offsets."""
    applied = stored.applied_origin
    apply: list[Whole] = []
    skipped: list[str] = []
    open_chunks: list[Delivered] = []
    gap = False
    for delivered in batch:
        record = delivered.record
        cause = "gap" if gap else _skip_cause(stored, applied, record)
        if record is None or cause is not None:
            skipped.append(cause or "unreadable")
            gap |= record is None
            continue
        open_chunks = _continue_chunks(open_chunks, delivered, record)
        if not open_chunks or record.previous != applied:
            gap, open_chunks = True, []
            skipped.append("gap")
            continue
        if len(open_chunks) < record.chunks:
            continue
        chunks = tuple(chunk.record for chunk in open_chunks if chunk.record is not None)
        apply.append(Whole(chunks, delivered.offset + 1))
        applied, open_chunks = record.origin, []
    position = open_chunks[0].offset if open_chunks else batch[-1].offset + 1
    return Plan(apply, position, open_chunks, gap, skipped)


def is_next(stored: Stored, whole: Whole) -> bool:
    """Whether a record is the current owner's and follows what is applied: the progress row may have changed since it was planned."""
    first = whole.chunks[0]
    return _skip_cause(stored, stored.applied_origin, first) is None and first.previous == stored.applied_origin


def _skip_cause(stored: Stored, applied: int, record: AssembledRecord | None) -> str | None:
    if record is None:
        return "unreadable"
    if (record.epoch, record.owner) != (stored.epoch, stored.owner):
        return "old_owner"
    if record.origin <= applied:
        return "already_applied"
    return None


def _continue_chunks(open_chunks: list[Delivered], delivered: Delivered, record: AssembledRecord) -> list[Delivered]:
    """The chunks of this record so far; a chunk out of turn starts anew, and its record will show as a gap or come whole later."""
    first = open_chunks[0].record if open_chunks else None
    if first is not None and (first.origin, len(open_chunks)) == (record.origin, record.chunk):
        return [*open_chunks, delivered]
    return [delivered] if record.chunk == 0 else []
