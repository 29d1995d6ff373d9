"""A project's own models: the versions that it wrote flow in, the price of a model name at a start comes out.

Rules (each has its test):

- A version holds for the events that an edge received at its `effective_us` or later, until the next version of the same model does.
  So the same events find the same versions whenever they are folded: versions are only ever added.
- Of the models that hold, those whose pattern is found in the name, and whose start date is not after the observation's start, are
  looked at; the newest start date wins, one without a start date comes last, and of equals the one that was made last. Rows of one
  name with different start dates are its price history.
- A tier's conditions must all hold; tiers are tried by ascending priority, the default one is left. Without usage there is no other.
  A usage condition compares the sum of the keys that its pattern is found in, as they were sent; an attribute condition wants one of its
  texts exactly, where numbers and booleans are their JSON.
- What a tier names is charged at its price, what it does not name as the type that it is a part of (`charging.make_charges`).

No pattern is evaluated here: whoever makes an `OwnPrices` brings the engine, which must take linear time (`runtime.patterns`).
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal, NamedTuple

import msgspec

from tailrace.core.charging import Attributes, Charges, make_charges
from tailrace.core.price_file import Operator, UsageType
from tailrace.core.pricing import COMPARE
from tailrace.core.usage import UsageUnit

MAX_NAME_CHARACTERS: Final = 200
"""A longer model name, or usage key, is found by no pattern: what one look-up may take is bounded."""

MAX_USAGE_KEYS: Final = 100
"""A usage of more keys falls into the default tier, for the same reason."""

EFFECTIVE_AFTER_US: Final = 500_000
"""A version holds for what an edge receives this long after it was written: until then everybody who prices has learnt of it."""

MODEL_LOCK: Final = 0x7461696C_0017
"""The advisory lock of Postgres that a writer of versions has alone, and readers have together."""

_MAX_CACHED_NAMES: Final = 1_000
_MAX_SETS: Final = 8
_beginning: Final = datetime.min.replace(tzinfo=UTC)

Source = Literal["model_parameters", "metadata"]
Finds = Callable[[str], bool]
"""A pattern, ready: whether it is found in a text."""

Compile = Callable[[str], Finds]
"""What makes a pattern ready. One that cannot be used is found nowhere."""


class UsageCondition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="usage"):
    """Compares the sum of the usage keys that the pattern is found in with a number of units."""

    usage_detail_pattern: str
    operator: Operator
    value: Decimal
    case_sensitive: bool = False


class AttributeCondition(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="attribute"):
    """Wants one of the values in a top-level key of the model parameters or the metadata."""

    source: Source
    key: str
    values: tuple[str, ...]


Condition = UsageCondition | AttributeCondition


class OwnTier(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Prices in USD per unit, by usage type, that hold for the whole usage if all conditions do."""

    name: str
    is_default: bool
    priority: int
    conditions: tuple[Condition, ...]
    prices: dict[str, Decimal]


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a project wrote of a model at one time. `start`: from which start of an observation on its prices hold; None: always.

    `unit`: what it prices; None: any. `deleted`: from here on the model is gone.
    """

    project_id: str
    id: str
    version: int
    effective_us: int
    created_us: int
    deleted: bool
    model_name: str
    match_pattern: str
    start: datetime | None
    unit: UsageUnit | None
    tiers: tuple[OwnTier, ...]

    @property
    def label(self) -> str:
        """What is stored on the rows that it priced."""
        return f"{OWN_PREFIX}{self.id}@{self.version}"


class OwnTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="own"):
    """The price of an own model, written down: all that charging by it takes. `version`: what is stored on the rows that it priced."""

    model: str
    version: str
    unit: UsageUnit | None
    tiers: tuple[OwnTier, ...]


OWN_PREFIX: Final = "own:"


def own_model_id(price_version: str | None) -> str | None:
    """The id of the own model that priced a row; None if none did."""
    if price_version is None or not price_version.startswith(OWN_PREFIX):
        return None
    return price_version.removeprefix(OWN_PREFIX).rpartition("@")[0]


class AttributeKey(NamedTuple):
    """An attribute that a tier asks for."""

    source: Source
    key: str


class ReadyTier:
    """One tier, ready to charge."""

    def __init__(self, tier: OwnTier, usage_types: tuple[UsageType, ...], compile_pattern: Compile) -> None:
        self.name = tier.name
        self.prices: Mapping[str, Decimal] = tier.prices
        self.charges: Charges = make_charges(tier.prices, usage_types)
        self.attributes = [one for one in tier.conditions if isinstance(one, AttributeCondition)]
        self._usage = [
            (compile_pattern(_pattern_of(one)), COMPARE[one.operator], one.value)
            for one in tier.conditions
            if isinstance(one, UsageCondition)
        ]

    def holds(self, usage: Mapping[str, int], attributes: Attributes) -> bool:
        """Whether all its conditions hold."""
        return all(attributes(one.source, one.key) in one.values for one in self.attributes) and all(
            compare(sum(units for key, units in usage.items() if len(key) <= MAX_NAME_CHARACTERS and finds(key)), value)
            for finds, compare, value in self._usage
        )


class OwnPrice:
    """The price of an own model, ready to charge. `start`: from which start of an observation on it holds; None: always."""

    def __init__(
        self, terms: OwnTerms, usage_types: tuple[UsageType, ...], compile_pattern: Compile, start: datetime | None
    ) -> None:
        self.terms = terms
        self.model = terms.model
        self.version = terms.version
        self.start = start
        self._unit = terms.unit
        ready = {tier.priority: ReadyTier(tier, usage_types, compile_pattern) for tier in terms.tiers}
        default = next(tier.priority for tier in terms.tiers if tier.is_default)
        self.default = ready.pop(default)
        self._conditional = [tier for _, tier in sorted(ready.items())]

    def takes(self, unit: str | None) -> bool:
        """Many senders cannot say a unit: none is any."""
        return unit is None or self._unit is None or self._unit == unit

    def choose_tier(self, usage: Mapping[str, int], attributes: Attributes) -> ReadyTier:
        """The tier that an observation falls into."""
        if usage and len(usage) <= MAX_USAGE_KEYS:
            for tier in self._conditional:
                if tier.holds(usage, attributes):
                    return tier
        return self.default

    @property
    def attribute_keys(self) -> list[AttributeKey]:
        """What its tiers ask for."""
        return [AttributeKey(one.source, one.key) for tier in self._conditional for one in tier.attributes]


class OwnSet:
    """The own models of a project that hold for events of one time."""

    def __init__(self, models: Sequence[tuple[Finds, OwnPrice]]) -> None:
        """`models`: the one that wins first."""
        self._models = models
        self._cache: dict[str, tuple[OwnPrice, ...]] = {}
        self.attribute_keys = tuple(dict.fromkeys(key for _, price in models for key in price.attribute_keys))

    def match(self, model: str, at: datetime) -> OwnPrice | None:
        """The price of a model, named as its sender did, for an observation that starts at an aware time."""
        return next((price for price in self._find(model) if price.start is None or price.start <= at), None)

    def turns(self, model: str) -> set[datetime]:
        """When the model's price begins to be another."""
        return {price.start for price in self._find(model) if price.start is not None}

    def _find(self, model: str) -> tuple[OwnPrice, ...]:
        if not self._models or len(model) > MAX_NAME_CHARACTERS:
            return ()
        found = self._cache.get(model)
        if found is None:
            if len(self._cache) >= _MAX_CACHED_NAMES:
                self._cache.clear()
            found = self._cache[model] = tuple(price for finds, price in self._models if finds(model))
        return found


class OwnPrices:
    """All versions of one project's own models."""

    def __init__(
        self, versions: Sequence[ModelVersion], usage_types: tuple[UsageType, ...], compile_pattern: Compile
    ) -> None:
        self._versions = sorted(versions, key=lambda one: (one.effective_us, one.version))
        self._usage_types = usage_types
        self._compile = compile_pattern
        self._ready: dict[int, tuple[Finds, OwnPrice]] = {}
        self._sets: dict[int, OwnSet] = {}

    def as_of(self, received_us: int) -> OwnSet:
        """Those that hold for events received at that time."""
        count = bisect_right(self._moments, received_us)
        found = self._sets.get(count)
        if found is None:
            if len(self._sets) >= _MAX_SETS:
                self._sets.clear()
            found = self._sets[count] = self._make_set(self._versions[:count])
        return found

    @cached_property
    def _moments(self) -> list[int]:
        return [one.effective_us for one in self._versions]

    def _make_set(self, versions: Sequence[ModelVersion]) -> OwnSet:
        latest = {one.id: one for one in versions}
        held = sorted((one for one in latest.values() if not one.deleted), key=_rank, reverse=True)
        return OwnSet([self._make_ready(one) for one in held])

    def _make_ready(self, version: ModelVersion) -> tuple[Finds, OwnPrice]:
        ready = self._ready.get(version.version)
        if ready is None:
            terms = OwnTerms(model=version.model_name, version=version.label, unit=version.unit, tiers=version.tiers)
            price = OwnPrice(terms, self._usage_types, self._compile, version.start)
            ready = self._ready[version.version] = (self._compile(version.match_pattern), price)
        return ready


def _rank(version: ModelVersion) -> tuple[bool, datetime, int, str]:
    return version.start is not None, version.start or _beginning, version.created_us, version.id


def _pattern_of(condition: UsageCondition) -> str:
    return condition.usage_detail_pattern if condition.case_sensitive else f"(?i){condition.usage_detail_pattern}"
