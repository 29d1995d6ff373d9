"""The shape of the price table `schemas/prices.json`: bytes flow in, a checked `PriceFile` flows out.

It says what the file may hold, never how a name is matched (`model_names`) or a usage charged (`pricing`).
`schemas/prices.schema.json` is generated from these records.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import msgspec

Unit = Literal["TOKENS", "CHARACTERS", "SECONDS"]
Operator = Literal["gt", "gte", "lt", "lte", "eq", "neq"]


class PriceFileError(ValueError):
    """The price table cannot be used; the message names the entry and what is wrong with it."""


class UsageType(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One thing that is charged for, and the spellings that senders use for it.

    All keys of one usage are disjoint. Of several spellings of one usage type only one is charged: the name, else the
    first alias present. `fallback` is the usage type whose price holds where a model has no price for this one.
    """

    name: str
    aliases: tuple[str, ...] = ()
    fallback: str | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Who sells the models. `routes` are the words before the first `/` or `:` of a model name that lead to it."""

    id: str
    name: str
    routes: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Compares the sum of the usage keys that the pattern is found in with a number of units."""

    usage_detail_pattern: str
    operator: Operator
    value: int


class PriceTier(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Prices in USD per one unit, by usage type, that hold for the whole usage if all conditions do.

    Exactly one tier of a price is the default: priority 0, no conditions and no service tiers. The others are tried by ascending priority. One with
    service tiers only holds for what was served so (`batch`, `flex`, `priority`; lower case).
    """

    name: str
    is_default: bool
    priority: int
    conditions: tuple[Condition, ...]
    prices: dict[str, Decimal]
    service_tiers: tuple[str, ...] = ()


class DatedPrice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A price for observations that start in `[valid_from, valid_to)`, days in UTC; an absent bound is none.

    Of a model's prices the last begun one holds; past its end nothing is known of the price.
    """

    source: str
    tiers: tuple[PriceTier, ...]
    valid_from: date | None = None
    valid_to: date | None = None


class PricedModel(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One model at one provider.

    `model` is the normalised name, a metric label. `exact` names match whole; a `versioned` name matches whole or
    followed by a version suffix (`model_names.is_version_suffix`). `routed_only` models match only through a route of
    their provider, because their bare name is sold elsewhere at another price. All names are lower case.
    """

    model: str
    provider: str
    prices: tuple[DatedPrice, ...]
    unit: Unit = "TOKENS"
    exact: tuple[str, ...] = ()
    versioned: tuple[str, ...] = ()
    routed_only: bool = False


class PriceFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole table. `version` changes exactly when the rest does, and is stored on each row that it priced."""

    version: str
    providers: tuple[Provider, ...]
    usage_types: tuple[UsageType, ...]
    models: tuple[PricedModel, ...]


def read_price_file(data: bytes | Mapping[str, object]) -> PriceFile:
    """The checked contents of the price table. Raises PriceFileError, which names the place."""
    try:
        file = (
            msgspec.json.decode(data, type=PriceFile)
            if isinstance(data, bytes)
            else msgspec.convert(data, PriceFile, strict=True)
        )
    except msgspec.MsgspecError as error:
        message = f"the price table does not have its shape: {error}"
        raise PriceFileError(message) from None
    _check(file)
    return file


def _check(file: PriceFile) -> None:
    providers = {provider.id for provider in file.providers}
    names = [usage_type.name for usage_type in file.usage_types]
    spellings = names + [alias for usage_type in file.usage_types for alias in usage_type.aliases]
    if len(spellings) != len(set(spellings)):
        raise PriceFileError("a usage key is spelt twice in the usage types")
    for usage_type in file.usage_types:
        if usage_type.fallback is not None and usage_type.fallback not in names:
            raise PriceFileError(f"usage type {usage_type.name} falls back to the unknown {usage_type.fallback}")
    for model in file.models:
        if model.provider not in providers:
            raise PriceFileError(f"model {model.model} has the unknown provider {model.provider}")
        check_prices(model)


def check_prices(model: PricedModel) -> None:
    """Whether its prices can be used. Raises PriceFileError, which names what is wrong."""
    if not model.prices:
        raise PriceFileError(f"model {model.model} has no price")
    starts = [price.valid_from or date.min for price in model.prices]
    if any(later <= earlier for earlier, later in pairwise(starts)):
        raise PriceFileError(f"the prices of model {model.model} are not in the order of their first days")
    for start, price in zip(starts, model.prices, strict=True):
        if price.valid_to is not None and price.valid_to <= start:
            raise PriceFileError(f"a price of model {model.model} ends on {price.valid_to}, before it begins")
        _check_tiers(model, price)


def _check_tiers(model: PricedModel, price: DatedPrice) -> None:
    defaults = [tier for tier in price.tiers if tier.is_default]
    if len(defaults) != 1 or defaults[0].priority != 0 or defaults[0].conditions or defaults[0].service_tiers:
        raise PriceFileError(
            f"model {model.model} needs exactly one default tier, of priority 0 and without conditions"
        )
    priorities = {tier.priority for tier in price.tiers}
    if len(priorities) != len(price.tiers) or min(priorities) < 0:
        raise PriceFileError(f"the tiers of model {model.model} need priorities of their own, of at least 0")
    for tier in price.tiers:
        _check_patterns(model, tier)
        if not tier.prices or not all(value.is_finite() and value >= 0 for value in tier.prices.values()):
            raise PriceFileError(f"tier {tier.name} of model {model.model} needs prices that are numbers of at least 0")


def _check_patterns(model: PricedModel, tier: PriceTier) -> None:
    for condition in tier.conditions:
        try:
            re.compile(condition.usage_detail_pattern)
        except re.error as error:
            raise PriceFileError(f"tier {tier.name} of model {model.model} has a bad pattern: {error}") from None
