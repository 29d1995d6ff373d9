"""The invoice of a billed call: its tokens by category, at the shipped prices of its model, worked out apart from the code that is tested.

Only the price table itself is shared with it. The stories' calls fall into no tier but the default one.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tailrace.core.money import add_money
from tests.frameworks.replay import prices

INVOICE_DIGITS: Final = 12

_RECORDED: Final = datetime(2026, 11, 22, tzinfo=UTC)
_KEYS: Final = {
    "input": ("input",),
    "input_cached": ("input_cached_tokens", "input"),
    "input_cache_creation": ("input_cache_creation", "input"),
    "input_cache_creation_1h": ("input_cache_creation_1h", "input_cache_creation", "input"),
    "input_audio": ("input_audio_tokens", "input"),
    "output": ("output",),
    "output_reasoning": ("output_reasoning_tokens", "output"),
    "output_audio": ("output_audio_tokens", "output"),
}
"""What each category is charged as: the first that the model has a price for."""


def invoice_of(call: Mapping[str, Any]) -> Decimal:
    """USD. Of what was written to a cache, a part may live for an hour, at another price. Raises LookupError for a model without a price."""
    price = prices().match(call["answered_model"], _RECORDED)
    if price is None:
        raise LookupError(f"expected a price of {call['answered_model']}")
    usage = dict(call["usage"])
    for_an_hour = _written_for_an_hour(call["said"])
    if for_an_hour:
        usage["input_cache_creation"] -= for_an_hour
        usage["input_cache_creation_1h"] = for_an_hour
    rates = price.default.prices
    return add_money(
        units * next(rates[key] for key in _KEYS[category] if key in rates) for category, units in usage.items()
    )


def _written_for_an_hour(said: Mapping[str, Any]) -> int:
    """As Anthropic nests it and as Bedrock lists it."""
    nested: Mapping[str, int] = said.get("cache_creation") or {}
    listed = [each["inputTokens"] for each in said.get("cacheDetails", ()) if each["ttl"] == "1h"]
    return nested.get("ephemeral_1h_input_tokens", 0) + sum(listed)
