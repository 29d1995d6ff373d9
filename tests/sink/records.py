"""Assembled records for the sink's tests: only what a test is about must be said."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tailrace.sink.plan import Delivered, Stored
from tailrace.wire.records import AssembledRecord

OWNER = UUID(int=1)
RIVAL = UUID(int=2)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_record(origin: int, *, chunk: int = 0, chunks: int = 1, **overrides: Any) -> AssembledRecord:
    """A record, or a chunk of it, of epoch 7 of OWNER that follows the origin before it."""
    given: dict[str, Any] = {"epoch": 7, "owner": OWNER, "partition": 0, "previous": origin - 1, **overrides}
    return AssembledRecord(origin=origin, chunk=chunk, chunks=chunks, fingerprint="00" * 16, received_at=NOW, **given)


def make_stored(applied: int, *, position: int = 0, epoch: int = 7, owner: UUID | None = OWNER) -> Stored:
    """The progress row."""
    return Stored(epoch, owner, applied, position)


def deliver(*records: AssembledRecord | None, first: int = 0) -> list[Delivered]:
    """The records at consecutive offsets."""
    return [Delivered(first + number, record) for number, record in enumerate(records)]
