"""Usage and cost as senders write them: attributes and bodies flow in, `{usage key: units}` and `{cost key: USD}` flow out.

Keys are disjoint, and `total` is their sum: input without what was cached, output without reasoning. Whole numbers of units stay exact
up to 10^12; money is Decimal, read from its text. What is no such number (negative, fractional, NaN, boolean, too large, not a number
at all) is left out and never an error: a span with junk in its usage is still a span. A JSON number without a fraction, as 12.0,
counts as whole. What contradicts itself is kept as it was told, with a warning. `docs/usage.md` says what each source means.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, cast, get_args

from tailrace.core.money import add_money
from tailrace.core.units import mapping_of, read_units
from tailrace.core.usage_maps import NO_USAGE, Usage, UsageUnit, has_total, read_map, spoilt_warnings
from tailrace.core.usage_parts import settle, with_total
from tailrace.core.usage_spans import read_span
from tailrace.core.usage_texts import json_object, told_in
from tailrace.core.usage_words import LITELLM_LANGFUSE_USAGE, UsagePlan, plan_usage

MAX_COST_USD: Final = Decimal(10) ** 18
COST_DECIMALS: Final = 30
"""A cost below 10^18 USD with at most 30 decimal places is kept to the digit; beyond them it is rounded half to even."""

_OWN: Final = "langfuse.observation.usage_details"
TOTAL_COSTS: Final = ("gen_ai.usage.cost", "llm.cost.total", "gen_ai.cost.total_cost", "operation.cost")
"""What instrumentations have worked out by price lists of their own: OpenLIT, OpenInference, LiteLLM, Pydantic AI. A 0 means that the list
does not have the model, or that the call failed; taken for a cost it would hide the price that we know."""
_EXACT_JSON: Final = json.JSONDecoder(parse_float=Decimal)
_USAGE_UNITS: Final = frozenset(get_args(UsageUnit))
_NUMBER: Final = re.compile(r"\+?(?:\d{1,40}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_USAGE_KEYS: Final = ("input", "output", "total")
_OLD_USAGE_KEYS: Final = ("promptTokens", "completionTokens", "totalTokens")


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
    read = read_map(mapping_of(usage_details))
    old = _old_usage(mapping_of(usage))
    unit, warnings = read.unit or old.unit, old.warnings + read.warnings
    if old.details.keys() <= read.details.keys():
        return Usage(read.details, unit, warnings, read.service_tier)
    details = {key: units for key, units in (old.details | read.details).items() if key != "total"}
    total = read.details.get("total") if has_total(mapping_of(usage_details)) else old.details.get("total")
    settled = with_total(details, total)
    return Usage(settled.details, unit, warnings + settled.warnings, read.service_tier)


def parse_usage_details(value: object) -> Usage:
    """The usage details of an attribute: JSON text, or the mapping itself; no usage if it is neither."""
    return read_map(mapping_of(_json(value)))


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


def usage_from_attributes(attributes: Mapping[str, object], scope: str = "") -> Usage:
    """The usage that a span's attributes tell: Langfuse's own, else what `usage_spans` knows. `scope`: of the instrumentation."""
    return read_usage(attributes, plan_usage(attributes), scope)


def read_usage(attributes: Mapping[str, object], plan: UsagePlan | None, scope: str) -> Usage:
    """`usage_from_attributes` for a known plan."""
    own = attributes.get(_OWN)
    read = NO_USAGE if own is None else parse_usage_details(own)
    if plan is None:
        return read
    if read.details:
        return _in_full(read, attributes, plan)
    settled, tier = read_span(attributes, plan, scope)
    return Usage(settled.details, None, read.warnings + settled.warnings, tier)


def costs_from_attributes(attributes: Mapping[str, object]) -> dict[str, Decimal]:
    """The costs in USD that a span's attributes give: Langfuse's own, also of 0, else one total that is more than 0."""
    own = parse_cost_details(attributes.get("langfuse.observation.cost_details"))
    if own:
        return own
    for name in TOTAL_COSTS:
        cost = read_cost(attributes.get(name))
        if cost:
            return {"total": cost}
    return {}


def _in_full(read: Usage, attributes: Mapping[str, object], plan: UsagePlan) -> Usage:
    """LiteLLM's callback for Langfuse tells less than the usage that it puts into the metadata; that counts, if it has the same total."""
    if LITELLM_LANGFUSE_USAGE not in plan.texts:
        return read
    told = told_in(json_object(attributes[LITELLM_LANGFUSE_USAGE]))
    if told is None:
        return read
    settled = settle(*told.shaped)
    if settled.warnings or settled.details.get("total") != read.details.get("total"):
        return read
    return Usage(settled.details, read.unit, (), read.service_tier or told.tier)


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


def _old_usage(given: Mapping[object, object]) -> Usage:
    """`{input, output, total, unit}`, or OpenAI's names, which count tokens and hide the former. Without a total if there is none."""
    if not given:
        return NO_USAGE
    if any(key in given for key in _OLD_USAGE_KEYS):
        names: tuple[str, ...] = _OLD_USAGE_KEYS
        unit: UsageUnit | None = "TOKENS"
    else:
        names = _USAGE_KEYS
        unit = _unit(given.get("unit"))
    counts = {key: read_units(given.get(name)) for key, name in zip(_USAGE_KEYS, names, strict=True)}
    told = {key: units for key, units in counts.items() if units is not None}
    return Usage(told, unit, spoilt_warnings(given, names))


def _unit(value: object) -> UsageUnit | None:
    return cast("UsageUnit", value) if isinstance(value, str) and value in _USAGE_UNITS else None


def _costs(items: Iterable[tuple[object, object]]) -> dict[str, Decimal]:
    return {key: cost for key, value in items if isinstance(key, str) and (cost := read_cost(value)) is not None}


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
