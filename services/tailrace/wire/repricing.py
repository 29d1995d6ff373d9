"""A repricing on its way: the raw record by which an operator's command gives observations of one trace another price.

It goes the way of the events, on its trace's partition, and counts as one event of its project. It carries the prices themselves, so that
folding the log again gives the same costs whatever the price lists say by then.
"""

from typing import Final
from uuid import UUID

from tailrace.core.price_terms import Instant, PriceTerms
from tailrace.wire.records import Record

MOST_OBSERVATIONS: Final = 1_000
"""Observations of one record; a larger trace takes several."""


class RepricedObservation(Record, frozen=True, kw_only=True):
    """Which observation, and which of the record's terms hold for it from now on."""

    id: str
    terms: int


class Repricing(Record, frozen=True, kw_only=True):
    """Of several commands for an observation the one with the greatest (`commanded_at`, `command`) counts, in whatever order they come."""

    command: UUID
    commanded_at: Instant
    trace_id: str
    terms: list[PriceTerms]
    observations: list[RepricedObservation]
