"""What an observation and its trace add to the cost windows of a user, in exact figures that add up and can be taken back.

A contribution sits at a place, (model, minute): the minute is the observation's start, the model its normalised name, or the sender's
name where the price table does not know it, or None. The trace itself contributes 1 trace at (None, minute of its timestamp).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from tailrace.core.model import Bucket
from tailrace.core.money import MONEY

MOST: Final = 2**63 - 1
"""The largest figure that is stored. Tokens come near it after 9 million calls of the most that one call may count."""

MINUTE_US: Final = 60_000_000
_bucket_us: Final[Mapping[Bucket, int]] = {"minute": MINUTE_US, "hour": 60 * MINUTE_US, "day": 24 * 60 * MINUTE_US}

ZERO: Final = Decimal(0)


class Amounts(NamedTuple):
    """Figures of a place: cost in USD, tokens, and how many generations, erroneous observations and traces."""

    cost: Decimal = ZERO
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    generations: int = 0
    errors: int = 0
    traces: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(
            MONEY.normalize(MONEY.add(self.cost, other.cost)),
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.generations + other.generations,
            self.errors + other.errors,
            self.traces + other.traces,
        )

    def within_bounds(self) -> "Amounts":
        """The same with no figure above what can be stored: one at the bound means at least so many. The cost is exact at any size."""
        figures = self[1:]
        if max(figures) <= MOST and min(figures) >= -MOST:
            return self
        return Amounts(self.cost, *(max(-MOST, min(figure, MOST)) for figure in figures))

    def negated(self) -> "Amounts":
        return Amounts(MONEY.minus(self.cost), *(-figure for figure in self[1:]))

    def __bool__(self) -> bool:
        return any(self)


NOTHING: Final = Amounts()
ONE_TRACE: Final = Amounts(traces=1)


class Place(NamedTuple):
    """Where a contribution sits. `minute_us`: the minute's start in microseconds since 1970."""

    model: str | None
    minute_us: int


Contributions = dict[Place, Amounts]


class PartKey(NamedTuple):
    """A cost part of one raw partition. `start_us`: the bucket's start in microseconds since 1970."""

    project_id: str
    user_id: str | None
    model: str | None
    bucket: Bucket
    start_us: int


def minute_of(at_us: int) -> int:
    """The start of the minute that an instant lies in."""
    return at_us - at_us % MINUTE_US


def add_amounts(contributions: Contributions, place: Place, amounts: Amounts) -> None:
    """Add to a place; a place without figures leaves the dict."""
    before = contributions.get(place)
    total = amounts if before is None else before.plus(amounts).within_bounds()
    if total:
        contributions[place] = total
    else:
        contributions.pop(place, None)


def part_keys(project_id: str, user_id: str | None, place: Place) -> Iterator[PartKey]:
    """The three parts, minute, hour and day, that a contribution of a user counts in."""
    for bucket, width_us in _bucket_us.items():
        yield PartKey(project_id, user_id, place.model, bucket, place.minute_us - place.minute_us % width_us)
