"""Cost windows in event time: instants in, the UTC minute, hour or day they lie in out; periods in, the fewest buckets that fill them out.

Windows are `[start, end)`. A sum over any period reads at most five ranges of ready sums, however long the period is.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tailrace.core.model import Bucket

BUCKET_LENGTHS: Final[dict[Bucket, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}

_longest_first: Final[tuple[Bucket, ...]] = ("day", "hour", "minute")


class BucketRange(NamedTuple):
    """All buckets of one kind whose start lies in `[start, end)`; both are starts of such a bucket."""

    bucket: Bucket
    start: datetime
    end: datetime


def bucket_start(at: datetime, bucket: Bucket) -> datetime:
    """The start of the UTC bucket that the aware instant `at` lies in."""
    at = at.astimezone(UTC)
    if bucket == "minute":
        return at.replace(second=0, microsecond=0)
    if bucket == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def bucket_end(at: datetime, bucket: Bucket) -> datetime:
    """The first bucket start that is not before `at`. Raises OverflowError after the last bucket of year 9999."""
    start = bucket_start(at, bucket)
    return start if start == at else start + BUCKET_LENGTHS[bucket]


def cover(start: datetime, end: datetime, longest: Bucket = "day") -> list[BucketRange]:
    """The fewest buckets up to `longest` that fill `[start, end)`, in order: days inside, hours and minutes at the ragged edges.

    A minute that the period only touches is taken whole; on whole minutes the cover is exact. Empty when `end` is not after `start`.
    """
    if end <= start:
        return []
    buckets = _longest_first[_longest_first.index(longest) :]
    return list(_fill(bucket_start(start, "minute"), bucket_end(end, "minute"), buckets))


def _fill(start: datetime, end: datetime, buckets: tuple[Bucket, ...]) -> Iterator[BucketRange]:
    """Ranges for `[start, end)`, whose ends are starts of the last of `buckets`; the first of `buckets` is the longest."""
    if start >= end:
        return
    bucket, *shorter = buckets
    inner_start, inner_end = bucket_end(start, bucket), bucket_start(end, bucket)
    if inner_start >= inner_end:
        yield from _fill(start, end, tuple(shorter))
        return
    yield from _fill(start, inner_start, tuple(shorter))
    yield BucketRange(bucket, inner_start, inner_end)
    yield from _fill(inner_end, end, tuple(shorter))
