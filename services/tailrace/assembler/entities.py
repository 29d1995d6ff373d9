"""What the assembler holds of traces, observations and scores: the merged state and the figures derived from it. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from tailrace.assembler.attributes import attribute_text
from tailrace.assembler.estimates import Estimate, lacks_usage
from tailrace.assembler.price_list import PricesOfProject
from tailrace.core.charging import Priced, charge_usage
from tailrace.core.contributions import NOTHING, ZERO, Amounts, Contributions, Place, minute_of
from tailrace.core.merge import Folded
from tailrace.core.price_terms import ReadyTerms
from tailrace.core.repeats import Figures, Member
from tailrace.core.usage import Sums, usage_sums

_DAY_US: Final = 24 * 3600 * 1_000_000
_epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
NO_SUMS: Final = Sums(0, 0, 0)
_unpriced: Final = Priced(cost_details={}, total_cost=None)


@lru_cache(maxsize=1024)
def instant(at_us: int) -> datetime:
    """An aware UTC time from microseconds since 1970."""
    return _epoch + timedelta(microseconds=at_us)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - _epoch) // timedelta(microseconds=1)


def day_of(at_us: int) -> date:
    """The UTC day of an instant."""
    return _day(at_us // _DAY_US)


@lru_cache(maxsize=64)
def _day(number: int) -> date:
    return instant(number * _DAY_US).date()


class PricingInputs(NamedTuple):
    """What an observation's price depends on, besides the price lists. `attributes`: of those that tiers ask for. `terms`: those that hold."""

    model: str | None
    usage: Mapping[str, int]
    provided: Mapping[str, Decimal]
    start_us: int
    unit: str | None
    attributes: tuple[str | None, ...]
    terms: str | None


@dataclass(slots=True)
class ObservationState:
    """One observation. `day`, `created_us`: fixed at first sight. `is_repeat`: left out of sums. `last_origin`: the raw record that touched it last.

    `estimate`: what was last counted for want of a usage.
    """

    project_id: str
    trace_id: str
    id: str
    folded: Folded
    created_us: int
    updated_us: int
    day: date
    priced: Priced = _unpriced
    is_repeat: bool = False
    last_origin: int = -1
    estimate: Estimate | None = None

    @property
    def start_us(self) -> int:
        start: int | None = self.folded.values.get("start_time")
        return self.created_us if start is None else start

    @property
    def end_us(self) -> int | None:
        """The end, never before the start."""
        end: int | None = self.folded.values.get("end_time")
        return None if end is None else max(end, self.start_us)

    @property
    def is_root(self) -> bool:
        values = self.folded.values
        return bool(values.get("is_root")) or values.get("parent_observation_id") is None

    @property
    def has_ended_as_root(self) -> bool:
        values = self.folded.values
        return self.is_root and (values.get("end_time") is not None or values.get("type") == "EVENT")

    @property
    def is_declared_repeat(self) -> bool:
        """Whether its convention says that it repeats what is below it."""
        return bool(self.folded.values.get("uncounted"))

    @property
    def is_error(self) -> bool:
        return self.folded.values.get("level") == "ERROR"

    def price(self, prices: PricesOfProject) -> None:
        """Give it the price that holds now."""
        values = self.folded.values
        model: str | None = values.get("model")
        provided: Mapping[str, Decimal] | None = values.get("provided_cost_details")
        if model is None and not provided:
            self.priced = _unpriced
            return
        terms = self._terms(prices)
        if terms is not None:
            found = terms.price
        else:
            found = None if model is None else prices.match(model, instant(self.start_us))
        self.priced = charge_usage(found, self.usage, provided or {}, values.get("unit"), self.attribute)

    def inputs_of_price(self, prices: PricesOfProject) -> PricingInputs:
        """All that its price depends on. While these stay as they are, so do its price and its version."""
        values = self.folded.values
        provided: Mapping[str, Decimal] | None = values.get("provided_cost_details")
        terms = self._terms(prices)
        asked = prices.attribute_keys if terms is None else terms.attribute_keys
        return PricingInputs(
            values.get("model"),
            self.usage,
            provided or {},
            self.start_us,
            values.get("unit"),
            tuple(self.attribute(*key) for key in asked),
            None if terms is None else values["price_terms"],
        )

    def _terms(self, prices: PricesOfProject) -> ReadyTerms | None:
        """What a repricing has said of its price, while that holds for it."""
        text: str | None = self.folded.values.get("price_terms")
        if text is None:
            return None
        terms = prices.make_ready(text)
        return terms if terms.hold(self.folded.values.get("model"), instant(self.start_us)) else None

    def attribute(self, source: str, key: str) -> str | None:
        """The text of a top-level key of its model parameters or its metadata."""
        return attribute_text(self.folded, source, key)

    @property
    def is_of_unknown_model(self) -> bool:
        """Whether it names a model that nobody knows a price for, and brings no cost itself."""
        return (
            self.priced.model_id is None
            and self.folded.values.get("model") is not None
            and not self.priced.cost_details
        )

    @property
    def usage(self) -> dict[str, int]:
        """What was told, else what was estimated."""
        usage: dict[str, int] | None = self.folded.values.get("usage_details")
        return usage or ({} if self.estimate is None else self.estimate.usage)

    @property
    def shown_estimate(self) -> Estimate | None:
        """The estimate that its usage is; None if it was told, or there is none."""
        estimate = self.estimate
        return estimate if estimate and estimate.usage and not self.folded.values.get("usage_details") else None

    @property
    def may_need_estimate(self) -> bool:
        """Whether its estimate is to be looked at after a change."""
        return self.estimate is not None or lacks_usage(self.folded.values)

    @property
    def sums(self) -> Sums:
        """The tokens that are shown and summed."""
        return usage_sums(self.usage) if self.usage else NO_SUMS

    @property
    def place(self) -> Place:
        model = self.priced.model_id or self.folded.values.get("model")
        return Place(model, minute_of(self.start_us))

    def amounts(self) -> Amounts:
        """What it adds to its trace's contributions; a repeat adds its errors only."""
        errors = int(self.is_error)
        if self.is_repeat:
            return Amounts(errors=errors)
        sums = self.sums
        generations = int(self.folded.values.get("type") == "GENERATION")
        return Amounts(self.priced.total_cost or ZERO, sums.input, sums.output, sums.total, generations, errors)

    def as_member(self) -> Member:
        """What its trace must know of it to tell repeats."""
        values = self.folded.values
        given = self.priced.total_cost if values.get("provided_cost_details") else None
        figures = Figures(*self.sums, given or ZERO)
        return Member(
            values.get("parent_observation_id"),
            figures,
            self.is_declared_repeat,
            self.is_repeat,
            bool(self.shown_estimate),
        )


@dataclass(slots=True)
class TraceState:
    """One trace with its roll-up. `contributions`: what it adds to its user's windows, by (model, minute).

    `members`: its observations by id, as long as there are few enough to compare their figures; None of a larger one.
    """

    project_id: str
    id: str
    folded: Folded
    created_us: int
    updated_us: int
    last_received_us: int
    observation_count: int = 0
    ended_roots: int = 0
    first_start_us: int | None = None
    last_end_us: int | None = None
    amended: bool = False
    days: set[date] = field(default_factory=set[date])
    contributions: Contributions = field(default_factory=dict[Place, Amounts])
    members: dict[str, Member] | None = field(default_factory=dict[str, Member])
    last_origin: int = -1

    @property
    def timestamp_us(self) -> int:
        """The explicit timestamp, else the earliest start seen, else its first receipt."""
        values = self.folded.values
        for candidate in (values.get("timestamp"), values.get("earliest")):
            if candidate is not None:
                return candidate
        return self.created_us

    @property
    def user_id(self) -> str | None:
        return self.folded.values.get("user_id") or None

    @property
    def session_id(self) -> str | None:
        return self.folded.values.get("session_id") or None

    @property
    def environment(self) -> str:
        return self.folded.values.get("environment") or "default"

    def totals(self) -> Amounts:
        """The sum of its contributions."""
        total = NOTHING
        for amounts in self.contributions.values():
            total = total.plus(amounts)
        return total.within_bounds()


@dataclass(slots=True)
class ScoreState:
    """One score."""

    project_id: str
    id: str
    folded: Folded
    created_us: int
    updated_us: int
    last_origin: int = -1

    @property
    def is_deleted(self) -> bool:
        return bool(self.folded.values.get("deleted"))

    def forget(self) -> None:
        """Keep nothing of what was said of it but that it is deleted."""
        self.folded = Folded({"deleted": True}, {}, None)


class Seen(NamedTuple):
    """What one event says of a user or a session: from when to when, and in which environment."""

    first_us: int
    last_us: int
    environment: str


@dataclass(slots=True)
class Sighting:
    """When a user or a session was named first and last, by the events of one partition; any order of events gives the same."""

    first_us: int
    last_us: int
    environment: str = "default"
    last_origin: int = -1

    def extend(self, seen: Seen) -> bool:
        """Take in what another event says; returns whether anything changed. The earliest event tells the environment."""
        first_us, environment = min((self.first_us, self.environment), (seen.first_us, seen.environment))
        last_us = max(self.last_us, seen.last_us)
        changed = (first_us, last_us, environment) != (self.first_us, self.last_us, self.environment)
        self.first_us, self.last_us, self.environment = first_us, last_us, environment
        return changed
