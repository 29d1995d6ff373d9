"""A token bucket: what it grants in the long run, and what it owes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.edge.bucket import BURST_SECONDS, Bucket


def test_it_begins_full_and_is_never_fuller() -> None:
    bucket = Bucket(5, now=0)

    assert bucket.left(0) == bucket.left(1000) == 5 * BURST_SECONDS == bucket.capacity


def test_what_is_larger_than_the_bucket_is_granted_once_and_paid_for_afterwards() -> None:
    bucket = Bucket(5, now=0)
    bucket.take(500, 0)

    assert bucket.left(0) == -450
    assert bucket.wait_seconds(0) == pytest.approx(90.2)
    assert bucket.left(89) < 0 < bucket.left(90.2)


@given(
    rate=st.floats(0.1, 1000),
    wants=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 10_000)), min_size=1, max_size=50),
)
def test_in_any_time_no_more_is_granted_than_rate_and_burst_and_one_request(
    rate: float, wants: list[tuple[float, int]]
) -> None:
    bucket, now, granted = Bucket(rate, now=0), 0.0, 0.0
    for pause, amount in wants:
        now += pause
        if bucket.left(now) > 0:
            bucket.take(amount, now)
            granted += amount

    assert granted <= rate * (now + BURST_SECONDS) + max(amount for _, amount in wants) + 1e-6


@given(debt=st.integers(1, 10_000), rate=st.floats(0.1, 1000))
def test_who_waits_as_long_as_told_is_granted(debt: int, rate: float) -> None:
    bucket = Bucket(rate, now=0)
    bucket.take(bucket.capacity + debt, 0)

    assert bucket.left(bucket.wait_seconds(0)) > 0


def test_a_new_rate_keeps_a_debt_and_no_more_than_it_holds() -> None:
    bucket, owing = Bucket(100, now=0), Bucket(100, now=0)
    owing.take(1500, 0)
    bucket.set_rate(1, 0)
    owing.set_rate(1, 0)

    assert (bucket.left(0), owing.left(0)) == (10, -500)


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    bucket = Bucket(1, now=100)
    bucket.take(8, 100)

    assert (bucket.left(50), bucket.left(51)) == (2, 3)


def test_what_is_given_back_was_never_taken() -> None:
    bucket = Bucket(1, now=0)
    bucket.take(15, 0)
    bucket.take(-15, 0)

    assert bucket.left(0) == bucket.capacity
