"""Confidence intervals: against published tables, and against what they promise of samples."""

import random
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.intervals import mean_interval, rate_interval, student_t


@pytest.mark.parametrize(
    ("degrees", "t"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (10, 2.228),
        (29, 2.045),
        (30, 2.042),
        (60, 2.000),
        (120, 1.980),
    ],
)
def test_t_is_that_of_the_table_of_student(degrees: int, t: float) -> None:
    assert student_t(degrees) == pytest.approx(t, abs=0.0006)


def test_t_falls_with_the_degrees_without_a_step_where_the_method_changes() -> None:
    values = [student_t(degrees) for degrees in range(1, 400)]

    assert values == sorted(values, reverse=True)
    assert values[199] - values[200] < 2 * (values[198] - values[199])
    assert student_t(10**9) == pytest.approx(1.959964, abs=1e-6)


def test_the_interval_of_a_mean_by_hand() -> None:
    low, high = mean_interval(4, 10.0, 2.0) or (0, 0)

    assert (low, high) == pytest.approx((10 - 3.1824, 10 + 3.1824), abs=0.001)
    assert mean_interval(1, 10.0, None) is None
    assert mean_interval(2, 0.0, float("inf")) is None


def test_the_interval_of_a_rate_by_hand() -> None:
    """The example of 10 of 20: centre 1/2, half width 1.96 sqrt(1/80 + 3.8416/1600) / (1 + 3.8416/20)."""
    assert rate_interval(20, 10) == pytest.approx((0.2993, 0.7007), abs=0.0001)
    assert rate_interval(10, 0) == pytest.approx((0.0, 0.2775), abs=0.0001)
    assert rate_interval(0, 0) is None


@given(st.integers(1, 10**9), st.data())
def test_the_interval_of_a_rate_holds_the_rate_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    interval = rate_interval(n, events)

    assert interval is not None
    assert 0 <= interval.low <= events / n + 1e-12
    assert events / n - 1e-12 <= interval.high <= 1


def test_95_of_100_intervals_hold_the_true_mean() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(2000):
        values = [chance.gauss(3, 2) for _ in range(6)]
        interval = mean_interval(6, mean(values), stdev(values))
        held += interval is not None and interval.low <= 3 <= interval.high

    assert 0.935 < held / 2000 < 0.965
