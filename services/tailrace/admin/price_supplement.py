"""The hand-kept `schemas/prices.supplement.toml`: its text flows in, its checked records and its table entries flow out."""

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Context, Decimal, Inexact
from typing import Final

import msgspec

from tailrace.core.price_file import Condition, DatedPrice, PricedModel, PriceTier, UsageType

MILLION: Final = 1_000_000
_EXACT_DIVISION: Final = Context(prec=60, traps=[Inexact])


class PriceSourceError(ValueError):
    """A source of prices says something that the table has no words for; the message names the model."""


class ProviderSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of the supplement. `bare`, `bare_names` and `drop` are explained there."""

    id: str
    name: str
    page: str
    routes: tuple[str, ...]
    bare: bool
    bare_names: str | None = None
    drop: str | None = None


class ExtraNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names to add to a model, and names of genai-prices to take away."""

    provider: str
    model: str
    exact: tuple[str, ...] = ()
    versioned: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class SupplementTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of a usage with more input than so many tokens."""

    input_above: int
    per_million: dict[str, Decimal]


class SupplementPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str
    per_million: dict[str, Decimal]
    tiers: tuple[SupplementTier, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None


class SupplementModel(ExtraNames, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prices: tuple[SupplementPrice, ...]


class Supplement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hand-kept `prices.supplement.toml`."""

    providers: tuple[ProviderSource, ...]
    usage_types: tuple[UsageType, ...]
    names: tuple[ExtraNames, ...] = ()
    models: tuple[SupplementModel, ...] = ()


def read_supplement(text: str) -> Supplement:
    """The checked supplement. Raises ValueError, which names the place."""
    return msgspec.convert(tomllib.loads(text), Supplement)


def entry_of(model: SupplementModel) -> PricedModel:
    rows: list[DatedPrice] = []
    for price in model.prices:
        steps = [(tier.input_above, tier.per_million) for tier in price.tiers]
        tiers = [(0, price.per_million), *sorted(steps, reverse=True, key=lambda step: step[0])]
        rows.append(
            DatedPrice(
                source=price.source,
                tiers=tuple(tier(place, start, _exact(prices, model)) for place, (start, prices) in enumerate(tiers)),
                valid_from=price.valid_from,
                valid_to=price.valid_to,
            )
        )
    return PricedModel(
        model=model.model,
        provider=model.provider,
        exact=tuple(sorted({*model.exact, model.model} - set(model.versioned))),
        versioned=tuple(sorted(model.versioned)),
        prices=tuple(rows),
    )


def _exact(per_million: Mapping[str, Decimal], model: SupplementModel) -> dict[str, Decimal]:
    prices = {key: per_unit(value, MILLION) for key, value in per_million.items()}
    if None in prices.values():
        raise PriceSourceError(f"a price of {model.model} has too many digits")
    return {key: price for key, price in prices.items() if price is not None}


def tier(priority: int, start: int, prices: dict[str, Decimal]) -> PriceTier:
    above = Condition(usage_detail_pattern="^input", operator="gt", value=start)
    return PriceTier(
        name=f"Above {start:,} input tokens" if priority else "Standard",
        is_default=not priority,
        priority=priority,
        conditions=(above,) if priority else (),
        prices=prices,
    )


def per_unit(value: Decimal, per: int) -> Decimal | None:
    try:
        return _EXACT_DIVISION.divide(value, Decimal(per))
    except Inexact:
        return None
