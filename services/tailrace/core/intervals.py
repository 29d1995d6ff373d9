"""How sure a mean or a rate is: 95 % confidence intervals. Counts and moments in, bounds out.

A mean has the interval of Student's t: mean ± t · s / √n, with n - 1 degrees of freedom. It is exact for normal values and near for others once n is in
the tens. A rate has Wilson's score interval (E. B. Wilson, JASA 22, 1927), which stays within 0 and 1 and holds for few events too. Both
take the values for independent of each other.
"""

from functools import lru_cache
from math import atan, cos, isfinite, pi, sin, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.95

_z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_closed_form_up_to: Final = 200


class Interval(NamedTuple):
    """From low to high."""

    low: float
    high: float


def mean_interval(n: int, mean: float, deviation: float | None) -> Interval | None:
    """Of a mean of n values with this sample standard deviation; None for fewer than two."""
    if n < 2 or deviation is None:
        return None
    half = student_t(n - 1) * deviation / sqrt(n)
    return Interval(mean - half, mean + half) if isfinite(half) else None


def rate_interval(n: int, events: float) -> Interval | None:
    """Of the rate at which `events` of n happened; None for none of none."""
    if n < 1:
        return None
    rate, square = events / n, _z * _z
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = _z * sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


@lru_cache(maxsize=_closed_form_up_to + 1)
def student_t(degrees: int) -> float:
    """The t that 95 % of Student's distribution of so many degrees of freedom lies within.

    By the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4 for few degrees, by the expansion 26.7.5 for many (to 10^-6).
    """
    if degrees > _closed_form_up_to:
        z = _z
        return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    low, high = 1.0, 13.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _within(t: float, degrees: int) -> float:
    """The share of Student's distribution that lies within ±t."""
    angle = atan(t / sqrt(degrees))
    odd = degrees % 2
    term = total = cos(angle) if odd else 1.0
    for factor in range(2 if odd else 1, degrees - 2, 2):
        term *= factor / (factor + 1) * cos(angle) ** 2
        total += term
    if not odd:
        return sin(angle) * total
    return 2 / pi * (angle + (sin(angle) * total if degrees > 1 else 0.0))
