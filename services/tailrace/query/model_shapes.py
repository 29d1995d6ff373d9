"""Models as the public API shows them: an own one or a shipped one in, the same JSON out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec

from tailrace.core.own_models import Condition, OwnTier, UsageCondition
from tailrace.core.price_file import DatedPrice, PricedModel, PriceTier
from tailrace.core.pricing import SERVED_AS
from tailrace.query.json_text import embed_instant, embed_json, embed_number, embed_numbers
from tailrace.query.rows import OwnModelRead

_tiers: Final = msgspec.json.Decoder(tuple[OwnTier, ...])
_beginning: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AnyTier(Protocol):
    """What own tiers and shipped ones have in common."""

    @property
    def name(self) -> str: ...
    @property
    def is_default(self) -> bool: ...
    @property
    def priority(self) -> int: ...
    @property
    def prices(self) -> dict[str, Decimal]: ...


def own_model(one: OwnModelRead) -> dict[str, Any]:
    """A project's own model."""
    tiers = _tiers.decode(one.tiers)
    return {
        "id": one.id,
        "modelName": one.model_name,
        "matchPattern": one.match_pattern,
        "startDate": embed_instant(one.start_date),
        "unit": one.unit,
        **_flat_prices(tiers),
        "tokenizerId": one.tokenizer_id,
        "tokenizerConfig": embed_json(one.tokenizer_config),
        "isLangfuseManaged": False,
        "createdAt": embed_instant(one.created_at),
        "pricingTiers": [_tier(one.id, tier, [_condition(each) for each in tier.conditions]) for tier in tiers],
    }


def shipped_model(model: PricedModel, now: datetime) -> dict[str, Any]:
    """A model of the shipped table, with the price that holds now, or held last. Its pattern tells the names that it is found by."""
    price = _price_at(model, now)
    start = None if price.valid_from is None else datetime.combine(price.valid_from, time(), UTC)
    return {
        "id": model.model,
        "modelName": model.model,
        "matchPattern": _pattern(model),
        "startDate": embed_instant(start),
        "unit": model.unit,
        **_flat_prices(price.tiers),
        "tokenizerId": None,
        "tokenizerConfig": None,
        "isLangfuseManaged": True,
        "createdAt": embed_instant(start or _beginning),
        "pricingTiers": [_tier(model.model, tier, _shipped_conditions(tier)) for tier in price.tiers],
    }


def _flat_prices(tiers: Sequence[AnyTier]) -> dict[str, Any]:
    prices = next(tier.prices for tier in tiers if tier.is_default)
    return {
        "inputPrice": embed_number(prices.get("input")),
        "outputPrice": embed_number(prices.get("output")),
        "totalPrice": embed_number(prices.get("total")),
        "prices": {key: {"price": embed_number(price)} for key, price in prices.items()},
    }


def _tier(model_id: str, tier: AnyTier, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"{model_id}:{tier.priority}",
        "name": tier.name,
        "isDefault": tier.is_default,
        "priority": tier.priority,
        "conditions": conditions,
        "prices": embed_numbers(tier.prices),
    }


def _condition(one: Condition) -> dict[str, Any]:
    if isinstance(one, UsageCondition):
        return _usage_condition(one.usage_detail_pattern, one.operator, one.value, case_sensitive=one.case_sensitive)
    return {"source": one.source, "key": one.key, "operator": "in", "values": list(one.values)}


def _shipped_conditions(tier: PriceTier) -> list[dict[str, Any]]:
    asked = [
        _usage_condition(one.usage_detail_pattern, one.operator, Decimal(one.value), case_sensitive=False)
        for one in tier.conditions
    ]
    if tier.service_tiers:
        source, key = SERVED_AS[0]
        asked.append({"source": source, "key": key, "operator": "in", "values": list(tier.service_tiers)})
    return asked


def _usage_condition(pattern: str, operator: str, value: Decimal, *, case_sensitive: bool) -> dict[str, Any]:
    return {
        "usageDetailPattern": pattern,
        "operator": operator,
        "value": embed_number(value),
        "caseSensitive": case_sensitive,
    }


def _price_at(model: PricedModel, now: datetime) -> DatedPrice:
    begun = [one for one in model.prices if one.valid_from is None or one.valid_from <= now.date()]
    return begun[-1] if begun else model.prices[0]


def _pattern(model: PricedModel) -> str:
    versioned = [f"{re.escape(name)}([-@:].+)?" for name in model.versioned]
    return f"(?i)^({'|'.join([*map(re.escape, model.exact), *versioned])})$"
