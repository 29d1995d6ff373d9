"""Cost parts for the meter's tests: only what a test is about must be said."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tailrace.wire.records import CostPart, CostPartsRecord

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_part(cost: str = "1", **overrides: Any) -> CostPart:
    """A part of ann's minute of one model."""
    given: dict[str, Any] = {
        "project_id": "p",
        "user_id": "ann",
        "model": "gpt-4o-mini",
        "bucket": "minute",
        "bucket_start": AT,
        "input_tokens": 0,
        "output_tokens": 0,
        "total_tokens": 10,
        "generations": 1,
        "errors": 0,
        "traces": 0,
        **overrides,
    }
    return CostPart(cost=Decimal(cost), **given)


def make_parts_record(origin: int, *parts: CostPart, epoch: int = 7, partition: int = 0) -> CostPartsRecord:
    """What raw partition `partition` says after its record `origin`."""
    return CostPartsRecord(partition=partition, epoch=epoch, origin=origin, parts=list(parts))
