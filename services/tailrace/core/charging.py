"""Charging a usage at a price: whichever price list found the price, keys and units flow in, exact USD flow out.

`pricing` finds the shipped price of a model and says the rules, `own_models` a project's own. Never a float, never rounded (`money`).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

import msgspec

from tailrace.core.money import MONEY, add_money
from tailrace.core.price_file import UsageType

_TOTALS: Final = frozenset({"total", "total_tokens", "totalTokens", "total_token_count", "totalTokenCount"})


class Charge(NamedTuple):
    """What one usage key is charged as. Of the keys with one `usage_type` the one with the lowest `rank` counts."""

    usage_type: str
    rank: int
    unit_price: Decimal


Charges = Mapping[str, Charge]
"""What each usage key that has a price is charged as."""

Attributes = Callable[[str, str], str | None]
"""The text that an observation has in an attribute, by source (`model_parameters` or `metadata`) and key; None if it has none."""


class AnyTier(Protocol):
    """One tier of a price, ready to charge: its name, its USD per unit by usage type, and what it charges."""

    @property
    def name(self) -> str: ...
    @property
    def prices(self) -> Mapping[str, Decimal]: ...
    @property
    def charges(self) -> Charges: ...


class AnyPrice(Protocol):
    """What one model costs at one time: of the shipped table (`Price`), or a project's own (`own_models.OwnPrice`)."""

    @property
    def model(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def default(self) -> AnyTier: ...

    def takes(self, unit: str | None) -> bool:
        """Whether a usage in this unit can be charged; None: the sender did not say."""
        ...

    def choose_tier(self, usage: Mapping[str, int], attributes: Attributes) -> AnyTier:
        """The tier that an observation falls into."""
        ...


def no_attributes(_: str, __: str) -> str | None:
    """The attributes of an observation that has none."""
    return None


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What a usage cost.

    `cost_details`: USD by usage key, with `total` if there is one. `model_id`: the model's name in the price list, None if the model is unknown.
    `price_version` and `tier`: what priced it; None if the sender did, or nobody. `input_price`, `output_price`,
    `total_price`: USD per unit. `unpriced`: keys with units but without a price, sorted; the total is too low by them.
    """

    cost_details: dict[str, Decimal]
    total_cost: Decimal | None
    model_id: str | None = None
    price_version: str | None = None
    tier: str | None = None
    input_price: Decimal | None = None
    output_price: Decimal | None = None
    total_price: Decimal | None = None
    unpriced: tuple[str, ...] = ()


def charge_usage(
    price: AnyPrice | None,
    usage_details: Mapping[str, int],
    ingested_cost: Mapping[str, Decimal | None],
    unit: str | None,
    attributes: Attributes = no_attributes,
) -> Priced:
    """What a usage costs at a price, by the rules of this module; None: the model is not known."""
    given = {key: cost for key, cost in ingested_cost.items() if cost is not None}
    if given:
        return _priced_by_sender(given, price)
    if price is None or not price.takes(unit):
        return Priced(cost_details={}, total_cost=None, model_id=None if price is None else price.model)
    tier = price.choose_tier(usage_details, attributes)
    counted = counted_keys(tier, usage_details)
    cost = {key: MONEY.multiply(charge.unit_price, usage_details[key]) for key, charge in counted.items()}
    if cost and "total" not in cost:
        cost["total"] = add_money(cost.values())
    return Priced(
        cost_details=cost,
        total_cost=cost.get("total"),
        model_id=price.model,
        price_version=price.version if cost else None,
        tier=tier.name if cost else None,
        input_price=tier.prices.get("input"),
        output_price=tier.prices.get("output"),
        total_price=tier.prices.get("total"),
        unpriced=_unpriced(tier, usage_details),
    )


def _priced_by_sender(given: dict[str, Decimal], price: AnyPrice | None) -> Priced:
    total = given.get("total")
    if total is None and given.keys() <= {"input", "output"}:
        total = add_money(given.values())
    prices: Mapping[str, Decimal] = {} if price is None else price.default.prices
    return Priced(
        cost_details=given if total is None else {**given, "total": total},
        total_cost=total,
        model_id=None if price is None else price.model,
        input_price=prices.get("input"),
        output_price=prices.get("output"),
        total_price=prices.get("total"),
    )


def make_charges(prices: Mapping[str, Decimal], usage_types: tuple[UsageType, ...]) -> Charges:
    """What is charged under these prices: their own keys, other spellings of these, and what falls back to them."""
    fallbacks = {usage_type.name: usage_type.fallback for usage_type in usage_types}
    charges = {key: Charge(key, 0, price) for key, price in prices.items()}
    for usage_type in usage_types:
        name: str | None = usage_type.name
        for _ in usage_types:  # as many steps as a chain without a circle can have
            if name is None or name in prices:
                break
            name = fallbacks[name]
        if name is not None and name in prices:
            for rank, spelling in enumerate((usage_type.name, *usage_type.aliases)):
                charges.setdefault(spelling, Charge(usage_type.name, rank, prices[name]))
    return charges


def counted_keys(tier: AnyTier, usage: Mapping[str, int]) -> dict[str, Charge]:
    """The usage keys that are charged: each usage type once, by its first spelling."""
    counted: dict[str, Charge] = {}
    keys: dict[str, str] = {}
    for key in usage:
        charge = tier.charges.get(key)
        if charge is None:
            continue
        other = keys.get(charge.usage_type)
        if other is not None:
            if counted[other].rank < charge.rank:
                continue
            del counted[other]
        keys[charge.usage_type] = key
        counted[key] = charge
    return counted


def _unpriced(tier: AnyTier, usage: Mapping[str, int]) -> tuple[str, ...]:
    charges = tier.charges
    missing = [key for key, units in usage.items() if units and key not in charges and key not in _TOTALS]
    return tuple(sorted(missing)) if missing else ()
