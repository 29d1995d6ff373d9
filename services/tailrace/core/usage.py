"""Usage and cost as senders write them: attributes and bodies flow in, `{usage key: units}` and `{cost key: USD}` flow out.

Whole numbers of units stay exact up to 10^12; money is Decimal, read from its text. What is no such number (negative, fractional,
NaN, boolean, too large, not a number at all) is left out and never an error: a span with junk in its usage is still a span. A JSON
number without a fraction, as 12.0, counts as whole. `total` is the given one, else the sum of the other keys.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple, cast, get_args

from tailrace.core.money import add_money

UsageUnit = Literal["CHARACTERS", "TOKENS", "SECONDS", "MILLISECONDS", "IMAGES", "REQUESTS"]

MAX_UNITS: Final = 10**12
"""More of a unit than any call uses, and so few that the sums of millions of calls fit into 64 bits."""

MAX_COST_USD: Final = Decimal(10) ** 18
COST_DECIMALS: Final = 30
"""A cost below 10^18 USD with at most 30 decimal places is kept to the digit; beyond them it is rounded half to even."""

_EXACT_JSON: Final = json.JSONDecoder(parse_float=Decimal)
_USAGE_UNITS: Final = frozenset(get_args(UsageUnit))
_WHOLE_NUMBER: Final = re.compile(r"\d{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"\+?(?:\d{1,40}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_OLD_USAGE_KEYS: Final = ("promptTokens", "completionTokens", "totalTokens")
_TOTAL_SPELLINGS: Final = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount")
_SHAPES: Final = (
    ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"),
    ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"),
)
_ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "input": ("prompt_tokens", "input_tokens", "prompt"),
    "output": ("completion_tokens", "output_tokens", "completion"),
    "total": ("total_tokens", "total"),
    "input_cached_tokens": (
        "cache_read.input_tokens",
        "cache_read_input_tokens",
        "cache_read_tokens",
        "details.cache_read_tokens",
        "details.cache_read_input_tokens",
        "prompt_details.cache_read",
        "input_cached_tokens",
        "details.cached_tokens",
    ),
    "input_cache_creation": (
        "cache_creation.input_tokens",
        "cache_creation_input_tokens",
        "cache_write_tokens",
        "details.cache_write_tokens",
        "details.cache_creation_input_tokens",
        "prompt_details.cache_write",
        "input_cache_creation",
    ),
    "output_reasoning_tokens": (
        "reasoning.output_tokens",
        "completion_details.reasoning",
        "reasoning_tokens",
        "details.reasoning_tokens",
    ),
    "output_audio_tokens": ("completion_details.audio",),
}
"""Our usage keys, and what they are called in attributes after the prefix; the first that is there counts."""

_CANONICAL: Final = frozenset(name.removeprefix("details.") for names in _ATTRIBUTES.values() for name in names)
_PARTS: Final = {
    "input": ("input_cached_tokens", "input_cache_creation"),
    "output": ("output_reasoning_tokens", "output_audio_tokens"),
}


class Usage(NamedTuple):
    """What a sender used: units by usage key with `total`, and what the units are if it said so."""

    details: dict[str, int]
    unit: UsageUnit | None


class Sums(NamedTuple):
    """Units of all keys that contain `input`, of all that contain `output`, and of `total`."""

    input: int
    output: int
    total: int


class CostSums(NamedTuple):
    """USD of all keys that contain `input`, of all that contain `output`, and of `total`; None where there is no such key."""

    input: Decimal | None
    output: Decimal | None
    total: Decimal | None


def normalise_usage(usage: object, usage_details: object) -> Usage:
    """The `usage` and `usageDetails` of a body of the batch ingestion API. A key of `usageDetails` beats the same key of `usage`."""
    old, unit = _old_usage(usage)
    return Usage(_with_total({**old, **_usage_details(usage_details)}), unit)


def parse_usage_details(value: object) -> dict[str, int]:
    """The usage details of an attribute: JSON text, or the mapping itself; `{}` if it is neither."""
    return _with_total(_usage_details(_json(value)))


def parse_cost_details(value: object, usage: object = None) -> dict[str, Decimal]:
    """The costs in USD that a sender gave: a mapping or its JSON text, over the `…Cost` keys of the old `usage`."""
    given: dict[str, Decimal] = {}
    if isinstance(usage, Mapping):
        old = cast("Mapping[object, object]", usage)
        given = _costs((name, old.get(f"{name}Cost")) for name in ("input", "output", "total"))
    details = _json(value)
    if isinstance(details, Mapping):
        given |= _costs(cast("Mapping[object, object]", details).items())
    return given


def usage_from_attributes(attributes: Mapping[str, object]) -> dict[str, int]:
    """The usage that a span's attributes tell: Langfuse's own, else `gen_ai.usage.*` and `llm.token_count.*`.

    Those count cached tokens within the input and reasoning within the output; here every key stands beside the others.
    """
    own = parse_usage_details(attributes.get("langfuse.observation.usage_details"))
    if own:
        return own
    given = _attribute_counts(attributes)
    usage: dict[str, int] = {}
    for key, spellings in _ATTRIBUTES.items():
        for spelling in spellings:
            if spelling in given:
                usage[key] = given[spelling]
                break
    for whole, parts in _PARTS.items():
        if whole in usage:
            usage[whole] = max(usage[whole] - sum(usage.get(part, 0) for part in parts), 0)
    for spelling in sorted(given, key=lambda spelling: spelling.startswith("details.")):
        name = spelling.removeprefix("details.")
        if name not in _CANONICAL:
            usage.setdefault(name, given[spelling])
    return _with_total(usage)


def costs_from_attributes(attributes: Mapping[str, object]) -> dict[str, Decimal]:
    """The costs in USD that a span's attributes give: Langfuse's own, else one total."""
    own = parse_cost_details(attributes.get("langfuse.observation.cost_details"))
    if own:
        return own
    for name in ("gen_ai.usage.cost", "llm.cost.total"):
        cost = read_cost(attributes.get(name))
        if cost is not None:
            return {"total": cost}
    return {}


def usage_sums(usage_details: Mapping[str, int]) -> Sums:
    """The three numbers that the API shows as `usage`."""
    given = output = 0
    for key, units in usage_details.items():
        if "input" in key:
            given += units
        if "output" in key:
            output += units
    return Sums(given, output, usage_details.get("total", 0))


def cost_sums(cost_details: Mapping[str, Decimal]) -> CostSums:
    """The three costs that the API shows as `calculated…Cost`."""
    return CostSums(
        _sum_of(cost for key, cost in cost_details.items() if "input" in key),
        _sum_of(cost for key, cost in cost_details.items() if "output" in key),
        cost_details.get("total"),
    )


def read_units(value: object) -> int | None:
    """A whole number of units from 0 to 10^12, or None."""
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    elif isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value <= MAX_UNITS and value == value.to_integral_value() else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_UNITS:
        return value
    return None


def read_cost(value: object) -> Decimal | None:
    """An amount of USD of at least 0, exact to 30 decimal places, or None. A float means the shortest decimal that reads as it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    text = value.strip() if isinstance(value, str) else _number_text(value)
    if not _NUMBER.fullmatch(text):
        return None
    cost = Decimal(text)
    if cost >= MAX_COST_USD:
        return None
    exponent = cost.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -COST_DECIMALS:
        cost = Decimal(f"{cost:.{COST_DECIMALS}f}")
    return cost


def _number_text(value: float | Decimal) -> str:
    """The number as text; an integer that is no money is not written out, since it may be too long to be."""
    if isinstance(value, int) and not 0 <= value < MAX_COST_USD:
        return "no amount"
    return str(value)


def _old_usage(usage: object) -> tuple[dict[str, int], UsageUnit | None]:
    if not isinstance(usage, Mapping):
        return {}, None
    given = cast("Mapping[object, object]", usage)
    if any(key in given for key in _OLD_USAGE_KEYS):
        names: tuple[str, ...] = _OLD_USAGE_KEYS
        unit: UsageUnit | None = "TOKENS"
    else:
        names = ("input", "output", "total")
        unit = _unit(given.get("unit"))
    counts = {key: read_units(given.get(name)) for key, name in zip(("input", "output", "total"), names, strict=True)}
    return {key: units for key, units in counts.items() if units is not None}, unit


def _unit(value: object) -> UsageUnit | None:
    return cast("UsageUnit", value) if isinstance(value, str) and value in _USAGE_UNITS else None


def _usage_details(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        return {}
    given = {key: item for key, item in cast("Mapping[object, object]", value).items() if isinstance(key, str)}
    for shape in _SHAPES:
        if set(shape[:2]) <= given.keys() and given.keys() <= {*shape, "total_tokens"} and "total_tokens" in given:
            return _openai_usage(given, shape)
    return _counts(given)


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        return {}
    given = cast("Mapping[object, object]", value)
    return {
        key: units for key, item in given.items() if isinstance(key, str) and (units := read_units(item)) is not None
    }


def _openai_usage(given: Mapping[str, object], shape: tuple[str, str, str, str]) -> dict[str, int]:
    """OpenAI counts the details (cached, reasoning, audio) within its input and output; here every key stands beside the others."""
    usage: dict[str, int] = {}
    for side, count_key, details_key in (("input", shape[0], shape[2]), ("output", shape[1], shape[3])):
        count = read_units(given[count_key])
        details = {f"{side}_{key}": units for key, units in _counts(given.get(details_key)).items()}
        if count is not None:
            usage[side] = max(count - sum(details.values()), 0)
        usage |= details
    total = read_units(given["total_tokens"])
    if total is not None:
        usage["total"] = total
    return usage


def _with_total(usage: dict[str, int]) -> dict[str, int]:
    if not usage or "total" in usage:
        return usage
    for spelling in _TOTAL_SPELLINGS:
        if spelling in usage:
            return {**usage, "total": usage[spelling]}
    total = sum(usage.values())
    return {**usage, "total": total} if total <= MAX_UNITS else usage


def _costs(items: Iterable[tuple[object, object]]) -> dict[str, Decimal]:
    return {key: cost for key, value in items if isinstance(key, str) and (cost := read_cost(value)) is not None}


def _attribute_counts(attributes: Mapping[str, object]) -> dict[str, int]:
    """The counts by attribute name without its prefix; `gen_ai.usage.*` beats `llm.token_count.*`."""
    counts: dict[str, int] = {}
    for prefix in ("llm.token_count.", "gen_ai.usage."):
        for name, value in attributes.items():
            if name.startswith(prefix) and "cost" not in name and (units := read_units(value)) is not None:
                counts[name.removeprefix(prefix)] = units
    return counts


def _sum_of(costs: Iterable[Decimal]) -> Decimal | None:
    amounts = list(costs)
    return add_money(amounts) if amounts else None


def _json(value: object) -> object:
    """The value of JSON text, with decimals kept exactly; anything else as it is, bad JSON as None."""
    if not isinstance(value, str):
        return value
    try:
        return _EXACT_JSON.decode(value)
    except (ValueError, ArithmeticError, RecursionError):
        return None
