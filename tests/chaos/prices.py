"""What models cost, by the vendors' price pages, and what a usage costs by them: a reference that knows nothing of the product's prices.

USD for one token. OpenAI: openai.com/api/pricing; Anthropic: anthropic.com/pricing. A test holds this table against `schemas/prices.json`.
Reasoning tokens are billed as output. Every kind of token that a usage here names is priced, or the model is not known at all.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

LONG_CONTEXT_TOKENS: Final = 200_000
"""Above so many input tokens, cached ones too, Anthropic charges the long-context price for the whole request."""


@dataclass(frozen=True)
class ModelPrice:
    """A model: the name it is known by, the names senders write, USD for one token by kind, and the same for a long context."""

    model: str
    names: tuple[str, ...]
    usd: Mapping[str, Decimal]
    long_usd: Mapping[str, Decimal] | None = None

    def for_usage(self, usage: Mapping[str, int]) -> Mapping[str, Decimal]:
        """The prices that hold for the whole of a usage."""
        read = sum(tokens for kind, tokens in usage.items() if kind.startswith("input"))
        return self.long_usd if self.long_usd is not None and read > LONG_CONTEXT_TOKENS else self.usd


class Cost(NamedTuple):
    """What an observation costs. `details`: USD by kind and `total`; `unit`: USD for one token of input and of output."""

    details: dict[str, Decimal]
    total: Decimal | None
    model_id: str | None
    unit: tuple[Decimal | None, Decimal | None]


def _per_million(**usd: str) -> dict[str, Decimal]:
    return {kind: Decimal(amount).scaleb(-6) for kind, amount in usd.items()}


MODELS: Final = (
    ModelPrice(
        "gpt-4o-mini",
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        _per_million(input="0.15", input_cached_tokens="0.075", output="0.6"),
    ),
    ModelPrice(
        "gpt-4o",
        ("gpt-4o", "gpt-4o-2024-08-06"),
        _per_million(input="2.5", input_cached_tokens="1.25", output="10"),
    ),
    ModelPrice(
        "o3-mini",
        ("o3-mini", "o3-mini-2025-01-31"),
        _per_million(input="1.1", input_cached_tokens="0.55", output="4.4"),
    ),
    ModelPrice(
        "claude-3-5-sonnet",
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
        _per_million(input="3", input_cached_tokens="0.3", input_cache_creation="3.75", output="15"),
    ),
    ModelPrice(
        "claude-sonnet-4-5",
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        _per_million(input="3", input_cached_tokens="0.3", input_cache_creation="3.75", output="15"),
        _per_million(input="6", input_cached_tokens="0.6", input_cache_creation="7.5", output="22.5"),
    ),
)
UNKNOWN_MODELS: Final = ("acme-house-llm-7b", "Our Own Modèl ✨")
"""Models that nobody sells: no cost, but their tokens count."""

BY_NAME: Final = {name: price for price in MODELS for name in price.names}
_PRICED_AS: Final = {"output_reasoning_tokens": "output"}


def cost_of(
    model: str | None, usage: Mapping[str, int], ingested: Mapping[str, Decimal] | None, *, changed: bool = False
) -> Cost:
    """What an observation costs; what its sender says it cost wins. `changed`: by the prices of `change_prices`."""
    price = BY_NAME.get(model or "")
    model_id = price and price.model
    if ingested:
        return Cost(*_as_ingested(ingested), model_id, _unit_prices(price and price.usd, changed=changed))
    if price is None:
        return Cost({}, None, None, (None, None))
    usd = price.for_usage(usage)
    details: dict[str, Decimal] = {}
    with localcontext(prec=60):
        for kind, tokens in usage.items():
            unit = usd.get(_PRICED_AS.get(kind, kind))
            if unit is not None:
                details[kind] = tokens * _changed(unit, changed=changed)
        if details:
            details["total"] = sum(details.values(), Decimal(0))
    return Cost(details, details.get("total"), model_id, _unit_prices(usd, changed=changed))


def change_prices(price_file: str | bytes) -> str:
    """A price file in which every price of the models above is another, for a run in which prices change in the middle."""
    file: dict[str, Any] = deepcopy(json.loads(price_file))
    known = {price.model for price in MODELS}
    file["version"] = f"{file['version']}-changed"
    for model in file["models"]:
        if model["model"] in known:
            for tier in (tier for dated in model["prices"] for tier in dated["tiers"]):
                tier["prices"] = {
                    kind: f"{_changed(Decimal(usd), changed=True):f}" for kind, usd in tier["prices"].items()
                }
    return json.dumps(file, indent=1, ensure_ascii=False) + "\n"


def _as_ingested(ingested: Mapping[str, Decimal]) -> tuple[dict[str, Decimal], Decimal | None]:
    total = ingested.get("total")
    if total is None and ingested.keys() <= {"input", "output"}:
        with localcontext(prec=60):
            total = sum(ingested.values(), Decimal(0))
    return {**ingested} if total is None else {**ingested, "total": total}, total


def _unit_prices(usd: Mapping[str, Decimal] | None, *, changed: bool) -> tuple[Decimal | None, Decimal | None]:
    if usd is None:
        return None, None
    return _changed(usd["input"], changed=changed), _changed(usd["output"], changed=changed)


def _changed(usd: Decimal, *, changed: bool) -> Decimal:
    return usd * Decimal("1.37") if changed else usd
