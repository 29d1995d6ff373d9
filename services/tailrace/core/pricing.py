"""What a generation cost: a model name, its usage and its start flow in, cost details in exact USD flow out.

Rules (each has its test):

- A cost that the sender ingested wins: if any key of it is non-null, nothing is computed.
- Else `cost[key] = usage[key] * price[key]`, by exact equality of keys; the table's usage types say which other spellings
  (`cache_read_input_tokens`, `cached_tokens`) mean a priced key, and of several spellings of one usage type only one is charged.
- Keys of one usage are disjoint: `input` is without cached tokens, `output` without reasoning tokens (`usage` subtracts
  them). So a usage type that a model has no own price for is charged at the one that it falls back to, along the chain:
  `output_reasoning_tokens` as `output`, `input_cached_tokens` as `input`, audio, image and text tokens as the plain tokens of their
  direction, `input_cache_creation_1h` as `input_cache_creation` and that as `input`.
- A price holds from its first day (UTC) on; an observation is priced by its start.
- A tier (`gt 200000` of the keys that `^input` is found in) holds for the whole usage, each usage type counted once.
- A tier for a service tier (`batch`, `flex`, `priority`) holds for what was served so, as the model parameter or the metadata
  `service_tier` says. Served otherwise, or nobody knows how: the other tiers.
- The total is the price of `total` if the model has one, else the sum. An unknown model, or a usage without any priced key,
  costs None: never 0, never a guess. So does a usage in other units than the model is priced in.

Never a float, never rounded (`money`).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import Final, Literal, NamedTuple

import msgspec

from tailrace.core.charging import Attributes, Charges, Priced, charge_usage, counted_keys, make_charges
from tailrace.core.model_names import MAX_NAME_CHARACTERS, ModelNames
from tailrace.core.price_file import (
    Operator,
    PricedModel,
    PriceFile,
    PriceFileError,
    PriceTier,
    Unit,
    UsageType,
    read_price_file,
)

MAX_CACHED_NAMES: Final = 10_000
SERVED_AS: Final[tuple[tuple[Literal["model_parameters", "metadata"], str], ...]] = (
    ("model_parameters", "service_tier"),
    ("metadata", "service_tier"),
)
"""Where an observation says how it was served; the first that it has counts."""

COMPARE: Final[dict[Operator, Callable[[int | Decimal, int | Decimal], bool]]] = {
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "eq": eq,
    "neq": ne,
}


class ShippedTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="shipped"):
    """A price of the shipped table, written down: all that charging by it takes. `version`: the table's."""

    model: str
    provider: str
    unit: Unit
    source: str
    version: str
    tiers: tuple[PriceTier, ...]


class Tier:
    """One tier of a shipped price, ready to charge."""

    def __init__(self, tier: PriceTier, usage_types: tuple[UsageType, ...]) -> None:
        self.definition = tier
        self.name = tier.name
        self.priority = tier.priority
        self.service_tiers = frozenset(tier.service_tiers)
        self.prices: Mapping[str, Decimal] = tier.prices
        self.charges: Charges = make_charges(tier.prices, usage_types)
        self._conditions = [
            (re.compile(condition.usage_detail_pattern, re.IGNORECASE), COMPARE[condition.operator], condition.value)
            for condition in tier.conditions
        ]

    @property
    def asks_for_usage(self) -> bool:
        """Whether it has conditions of the usage."""
        return bool(self._conditions)

    def holds(self, usage: Mapping[str, int]) -> bool:
        """Whether all conditions hold for a usage whose keys are usage types."""
        return all(
            compare(sum(units for key, units in usage.items() if pattern.search(key)), value)
            for pattern, compare, value in self._conditions
        )


class Price(NamedTuple):
    """The price of one model on one day."""

    model: str
    provider: str
    unit: Unit
    source: str
    version: str
    default: Tier
    conditional: tuple[Tier, ...]
    has_service_tiers: bool

    @property
    def terms(self) -> ShippedTerms:
        """The same, written down."""
        return ShippedTerms(
            model=self.model,
            provider=self.provider,
            unit=self.unit,
            source=self.source,
            version=self.version,
            tiers=tuple(tier.definition for tier in (self.default, *self.conditional)),
        )

    def takes(self, unit: str | None) -> bool:
        return self.unit == (unit or "TOKENS")

    def choose_tier(self, usage: Mapping[str, int], attributes: Attributes) -> Tier:
        """The tier that the usage falls into, and the way in which it was served."""
        served_as = _served_as(attributes) if self.has_service_tiers else None
        whole: Mapping[str, int] | None = None
        for tier in self.conditional:
            if tier.service_tiers and served_as not in tier.service_tiers:
                continue
            if not tier.asks_for_usage:
                return tier
            whole = self._by_usage_type(usage) if whole is None else whole
            if tier.holds(whole):
                return tier
        return self.default

    def _by_usage_type(self, usage: Mapping[str, int]) -> Mapping[str, int]:
        counted = {charge.usage_type: usage[key] for key, charge in counted_keys(self.default, usage).items()}
        return {**{key: units for key, units in usage.items() if key not in self.default.charges}, **counted}


def make_price(terms: ShippedTerms, usage_types: tuple[UsageType, ...]) -> Price:
    """The price that these terms describe. `usage_types`: how their usage keys may be spelt."""
    default, *others = (Tier(tier, usage_types) for tier in sorted(terms.tiers, key=lambda tier: tier.priority))
    is_served = any(tier.service_tiers for tier in terms.tiers)
    return Price(
        terms.model, terms.provider, terms.unit, terms.source, terms.version, default, tuple(others), is_served
    )


class PriceTable:
    """All prices of one version; knows each model by all its names. Not for several threads."""

    def __init__(self, file: PriceFile) -> None:
        self.version = file.version
        self.models = file.models
        self.usage_types = file.usage_types
        self._names = _model_names(file)
        self._compiled: dict[str, list[tuple[datetime, datetime | None, Price]]] = {}
        self._cache: dict[str, list[tuple[datetime, datetime | None, Price]] | None] = {}

    def match(self, model: str, at: datetime) -> Price | None:
        """The price of the model, named as its sender did, at an aware time; None if it is not known."""
        dated = self._dated(model)
        if dated is not None:
            for start, end, price in reversed(dated):
                if start <= at:
                    return price if end is None or at < end else None
        return None

    def turns(self, model: str) -> set[datetime]:
        """When the model's price begins to be another, or ends."""
        dated = self._dated(model) or ()
        return {at for start, end, _ in dated for at in (start, end) if at is not None and at != _beginning}

    def _dated(self, model: str) -> list[tuple[datetime, datetime | None, Price]] | None:
        try:
            return self._cache[model]
        except KeyError:
            return self._find(model)

    def _find(self, model: str) -> list[tuple[datetime, datetime | None, Price]] | None:
        found = self._names.find(model)
        dated = None if found is None else self._compile(found)
        if len(model) <= MAX_NAME_CHARACTERS:
            if len(self._cache) >= MAX_CACHED_NAMES:
                self._cache.clear()
            self._cache[model] = dated
        return dated

    def _compile(self, model: PricedModel) -> list[tuple[datetime, datetime | None, Price]]:
        if model.model not in self._compiled:
            self._compiled[model.model] = [
                (_midnight(dated.valid_from or date.min), dated.valid_to and _midnight(dated.valid_to), price)
                for dated in model.prices
                for price in [self._price(model, dated.source, dated.tiers)]
            ]
        return self._compiled[model.model]

    def _price(self, model: PricedModel, source: str, tiers: tuple[PriceTier, ...]) -> Price:
        terms = ShippedTerms(
            model=model.model,
            provider=model.provider,
            unit=model.unit,
            source=source,
            version=self.version,
            tiers=tiers,
        )
        return make_price(terms, self.usage_types)


def load_price_table(data: bytes | Mapping[str, object]) -> PriceTable:
    """The price table from the contents of `prices.json`. Raises PriceFileError, which names what is wrong."""
    try:
        return PriceTable(read_price_file(data))
    except ValueError as error:
        raise PriceFileError(str(error)) from None


def price_usage(
    table: PriceTable,
    model: str | None,
    usage_details: Mapping[str, int],
    at: datetime,
    ingested_cost: Mapping[str, Decimal | None],
    unit: str = "TOKENS",
) -> Priced:
    """What the usage of an observation that starts at `at` cost, by the rules of this module. `unit`: what the usage counts."""
    return charge_usage(None if model is None else table.match(model, at), usage_details, ingested_cost, unit)


def _served_as(attributes: Attributes) -> str | None:
    for source, key in SERVED_AS:
        text = attributes(source, key)
        if text:
            return text.lower()
    return None


def _model_names(file: PriceFile) -> ModelNames[PricedModel]:
    routes: dict[str, tuple[str, ...]] = {}
    for provider in file.providers:
        for route in provider.routes:
            routes[route] = (*routes.get(route, ()), provider.id)
    names: ModelNames[PricedModel] = ModelNames(routes)
    for model in file.models:
        names.add(model, model.provider, (model.exact, model.versioned), bare=not model.routed_only)
    return names


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


_beginning: Final = _midnight(date.min)
