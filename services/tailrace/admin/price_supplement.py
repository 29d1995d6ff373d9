"""The hand-kept `schemas/prices.supplement.toml`: its text flows in, its checked records and its table entries flow out."""

import tomllib
from collections.abc import Iterator, Mapping
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


class ServiceTierSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What models cost that are served in another way: every price times `factor`, or the last one replaced by `per_million`."""

    provider: str
    models: tuple[str, ...]
    name: str
    served: tuple[str, ...]
    source: str
    factor: Decimal | None = None
    per_million: dict[str, Decimal] = {}


class Supplement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hand-kept `prices.supplement.toml`."""

    providers: tuple[ProviderSource, ...]
    usage_types: tuple[UsageType, ...]
    names: tuple[ExtraNames, ...] = ()
    models: tuple[SupplementModel, ...] = ()
    service_tiers: tuple[ServiceTierSource, ...] = ()


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
                tiers=tuple(
                    tier(place, start, _exact(prices, model.model)) for place, (start, prices) in enumerate(tiers)
                ),
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


def with_service_tier(entry: PricedModel, served: ServiceTierSource) -> PricedModel:
    """The entry with tiers for what is served so. Raises PriceSourceError if they do not price what its own tiers do."""
    rows = list(entry.prices)
    for place, price in enumerate(rows):
        if served.factor is None and place < len(rows) - 1:
            continue
        tiers = tuple(_with_served_tiers(entry.model, price, served))
        source = f"{price.source}; {served.name}: {served.source}"
        rows[place] = msgspec.structs.replace(price, source=source, tiers=tiers)
    return msgspec.structs.replace(entry, prices=tuple(rows))


def _with_served_tiers(model: str, price: DatedPrice, served: ServiceTierSource) -> Iterator[PriceTier]:
    """The tiers, with one of the service tier for each that asks for none; those are tried before what asks for the usage alone."""
    default, *others = sorted(price.tiers, key=lambda one: one.priority)
    yield default
    own = [one for one in others if not one.service_tiers]
    added = [_served_tier(model, one, served) for one in (*own, default)]
    if served.factor is None and own:
        raise PriceSourceError(f"the {served.name} price of {model} does not say what a long context costs")
    for priority, one in enumerate([*added, *others], start=1):
        yield msgspec.structs.replace(one, priority=priority)


def _served_tier(model: str, one: PriceTier, served: ServiceTierSource) -> PriceTier:
    factor = served.factor
    prices = _exact(served.per_million, model) if factor is None else {k: v * factor for k, v in one.prices.items()}
    if prices.keys() != one.prices.keys():
        raise PriceSourceError(f"the {served.name} prices of {model} are not of what its other prices are of")
    name = served.name if one.is_default else f"{served.name}, {one.name[:1].lower()}{one.name[1:]}"
    return msgspec.structs.replace(one, name=name, is_default=False, prices=prices, service_tiers=served.served)


def _exact(per_million: Mapping[str, Decimal], model: str) -> dict[str, Decimal]:
    prices = {key: per_unit(value, MILLION) for key, value in per_million.items()}
    if None in prices.values():
        raise PriceSourceError(f"a price of {model} has too many digits")
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
