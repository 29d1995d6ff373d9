from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.model import BUCKETS, Bucket
from tailrace.core.windows import BUCKET_LENGTHS, BucketRange, bucket_end, bucket_start, cover

instants = st.datetimes(
    min_value=datetime.fromisoformat("1990-01-01T00:00:00"),
    max_value=datetime.fromisoformat("2090-01-01T00:00:00"),
    timezones=st.just(UTC),
)
short_periods = st.tuples(instants, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_bucket_starts_at_its_utc_minute_hour_or_day_whatever_the_offset() -> None:
    instant = datetime(2026, 3, 1, 1, 59, 30, 5, tzinfo=timezone(timedelta(hours=2)))

    assert bucket_start(instant, "minute") == at("2026-02-28T23:59:00Z")
    assert bucket_start(instant, "hour") == at("2026-02-28T23:00:00Z")
    assert bucket_start(instant, "day") == at("2026-02-28T00:00:00Z")


def test_the_start_of_a_bucket_is_its_own_end() -> None:
    assert bucket_end(at("2026-02-28T23:00:00Z"), "hour") == at("2026-02-28T23:00:00Z")
    assert bucket_end(at("2026-02-28T23:00:00.000001Z"), "hour") == at("2026-03-01T00:00:00Z")


def test_a_ragged_period_is_minutes_hours_days_hours_minutes() -> None:
    assert cover(at("2026-01-01T22:58:00Z"), at("2026-01-04T01:02:00Z")) == [
        BucketRange("minute", at("2026-01-01T22:58:00Z"), at("2026-01-01T23:00:00Z")),
        BucketRange("hour", at("2026-01-01T23:00:00Z"), at("2026-01-02T00:00:00Z")),
        BucketRange("day", at("2026-01-02T00:00:00Z"), at("2026-01-04T00:00:00Z")),
        BucketRange("hour", at("2026-01-04T00:00:00Z"), at("2026-01-04T01:00:00Z")),
        BucketRange("minute", at("2026-01-04T01:00:00Z"), at("2026-01-04T01:02:00Z")),
    ]


def test_a_period_inside_two_hours_is_one_range_of_minutes() -> None:
    assert cover(at("2026-01-01T22:58:00Z"), at("2026-01-01T23:03:00Z")) == [
        BucketRange("minute", at("2026-01-01T22:58:00Z"), at("2026-01-01T23:03:00Z"))
    ]


def test_a_minute_that_is_only_touched_is_taken_whole() -> None:
    assert cover(at("2026-01-01T22:58:30Z"), at("2026-01-01T22:59:01Z")) == [
        BucketRange("minute", at("2026-01-01T22:58:00Z"), at("2026-01-01T23:00:00Z"))
    ]


@given(instants, instants)
def test_a_period_that_does_not_go_forward_has_no_buckets(one: datetime, other: datetime) -> None:
    assert cover(max(one, other), min(one, other)) == []


@given(instants, instants)
def test_ranges_join_without_gap_or_overlap_from_the_first_minute_to_the_last(one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    ranges = cover(start, end)

    edges = [bucket_start(start, "minute"), *(one.end for one in ranges)]
    assert [one.start for one in ranges] == edges[:-1]
    assert edges[-1] == (bucket_end(end, "minute") if start < end else edges[0])
    assert len(ranges) <= 5


@given(instants, instants)
def test_every_range_begins_and_ends_on_a_start_of_its_bucket(one: datetime, other: datetime) -> None:
    for bucket, start, end in cover(min(one, other), max(one, other)):
        assert bucket_start(start, bucket) == start < end == bucket_start(end, bucket)


@given(short_periods)
def test_no_other_choice_of_buckets_is_smaller(period: tuple[datetime, timedelta]) -> None:
    start, length = period
    ranges = cover(start, start + length)

    taken = sum((one.end - one.start) // BUCKET_LENGTHS[one.bucket] for one in ranges)
    assert taken == _count_greedily(start, start + length)


def _count_greedily(start: datetime, end: datetime) -> int:
    """From the left, always the longest bucket that starts here and still fits: minimal, as buckets nest."""
    if start == end:
        return 0
    here, last, count = bucket_start(start, "minute"), bucket_end(end, "minute"), 0
    while here < last:
        here += BUCKET_LENGTHS[_longest(here, last)]
        count += 1
    return count


def _longest(here: datetime, last: datetime) -> Bucket:
    return next(
        bucket
        for bucket in reversed(BUCKETS)
        if bucket_start(here, bucket) == here and here + BUCKET_LENGTHS[bucket] <= last
    )
