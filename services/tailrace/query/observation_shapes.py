"""Observations as JSON: rows in, the objects of the public API (v1, v2) and of our own out. No reads, no clock."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

import orjson

from tailrace.core.money import add_money
from tailrace.core.own_models import own_model_id
from tailrace.query.json_text import (
    embed_instant,
    embed_json,
    embed_money,
    embed_number,
    embed_numbers,
    embed_object,
    embed_text,
    load_decimals,
    load_object,
    seconds,
)
from tailrace.query.rows import ObservationBody, ObservationRead

V2_GROUPS = ("core", "basic", "time", "io", "metadata", "model", "usage", "prompt", "metrics", "trace_context")
V2_DEFAULT_GROUPS = ("core", "basic")
MAX_SHORT_VALUE: Final = 200
"""Characters that are left of a metadata value which nobody asked for in full."""

_largest_plain: Final = 2**63


def observation_v1(project_id: str, one: ObservationRead, body: ObservationBody | None) -> dict[str, Any]:
    """A v1 observation. Without a body the empty values that clients expect."""
    usage, costs = load_decimals(one.usage_details), load_decimals(one.cost_details)
    tokens = {part: int(_sum_of(usage, part) or 0) for part in ("input", "output")}
    total = int(usage.get("total", 0))
    return {
        **_core(project_id, one),
        **_basics(one),
        "completionStartTime": embed_instant(one.completion_start_time),
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
        "input": None if body is None else embed_text(body.input),
        "output": None if body is None else embed_text(body.output),
        "metadata": {} if body is None else embed_object(body.metadata),
        "model": one.model,
        "modelId": _model_id(one),
        "modelParameters": embed_json(one.model_parameters),
        **_prompt(one),
        "usage": {**tokens, "total": total, "unit": one.unit or "TOKENS"},
        "unit": one.unit or "TOKENS",
        "promptTokens": tokens["input"],
        "completionTokens": tokens["output"],
        "totalTokens": total,
        "usageDetails": _units(usage),
        "costDetails": embed_numbers(costs),
        "inputPrice": embed_number(one.input_price),
        "outputPrice": embed_number(one.output_price),
        "totalPrice": None,
        "calculatedInputCost": embed_number(_sum_of(costs, "input")),
        "calculatedOutputCost": embed_number(_sum_of(costs, "output")),
        "calculatedTotalCost": embed_number(one.total_cost),
        "usagePricingTierId": None,
        "usagePricingTierName": one.pricing_tier,
        **_metrics(one),
    }


def observation_v2(
    project_id: str, one: ObservationRead, body: ObservationBody, groups: frozenset[str], expanded: Collection[str]
) -> dict[str, Any]:
    """A v2 observation: the core and the asked groups. `expanded`: metadata keys that are not cut."""
    shape = _core(project_id, one)
    for group, make in _v2_groups.items():
        if group in groups:
            shape |= make(one)
    if "io" in groups:
        shape |= {"input": body.input, "output": body.output}
    if "metadata" in groups:
        flat = flatten_metadata(load_object(body.metadata))
        shape["metadata"] = flat if "io" in groups else shorten_values(flat, expanded)
    with_prices = "model" in groups
    shape |= {
        "modelId": _model_id(one) if with_prices else None,
        "inputPrice": embed_money(one.input_price) if with_prices else None,
        "outputPrice": embed_money(one.output_price) if with_prices else None,
        "totalPrice": None,
    }
    return shape


def observation_of_tree(project_id: str, one: ObservationRead, body: ObservationBody | None) -> dict[str, Any]:
    """An observation in a tree of our own API: money as strings, bodies only where asked for."""
    costs = load_decimals(one.cost_details)
    shape: dict[str, Any] = {
        **_core(project_id, one),
        "name": one.name,
        "level": one.level,
        "statusMessage": one.status_message,
        "version": one.version,
        "environment": one.environment,
        "completionStartTime": embed_instant(one.completion_start_time),
        "model": one.model,
        "modelParameters": embed_json(one.model_parameters),
        "usageDetails": _units(load_decimals(one.usage_details)),
        "costDetails": {name: embed_money(amount) for name, amount in costs.items()},
        **_prompt(one),
        "counted": one.counted,
        "warnings": one.warnings,
    }
    if body is not None:
        shape |= {
            "input": embed_text(body.input),
            "output": embed_text(body.output),
            "metadata": embed_object(body.metadata),
        }
    return shape


def flatten_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Nested objects as dotted keys of one object; a key that is there literally wins over one that is joined."""
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = list(reversed(list(metadata.items())))
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict) and value:
            inner = cast("dict[str, Any]", value)
            waiting.extend((f"{key}.{name}", deeper) for name, deeper in reversed(inner.items()))
        else:
            flat[key] = value
    literal = {key: value for key, value in metadata.items() if not isinstance(value, dict)}
    return flat | literal


def shorten_values(flat: Mapping[str, Any], expanded: Collection[str]) -> dict[str, Any]:
    """Values of more than MAX_SHORT_VALUE characters cut, but for `expanded` keys and what lies below them."""
    return {
        key: value if key in expanded or key.startswith(tuple(f"{one}." for one in expanded)) else _shortened(value)
        for key, value in flat.items()
    }


def _shortened(value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return value if len(text) <= MAX_SHORT_VALUE else text[:MAX_SHORT_VALUE]


def _core(project_id: str, one: ObservationRead) -> dict[str, Any]:
    return {
        "id": one.id,
        "traceId": one.trace_id,
        "startTime": embed_instant(one.start_time),
        "endTime": embed_instant(one.end_time),
        "projectId": project_id,
        "parentObservationId": one.parent_observation_id or None,
        "type": one.type,
    }


def _basics(one: ObservationRead) -> dict[str, Any]:
    return {
        "name": one.name,
        "level": one.level,
        "statusMessage": one.status_message,
        "version": one.version,
        "environment": one.environment,
    }


def _v2_basics(one: ObservationRead) -> dict[str, Any]:
    return {
        **_basics(one),
        "bookmarked": one.bookmarked,
        "public": one.public,
        "userId": one.user_id,
        "sessionId": one.session_id,
        "isRootObservation": not one.parent_observation_id or one.is_app_root,
    }


def _times(one: ObservationRead) -> dict[str, Any]:
    return {
        "completionStartTime": embed_instant(one.completion_start_time),
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }


def _model(one: ObservationRead) -> dict[str, Any]:
    return {
        "model": one.model,
        "providedModelName": one.model,
        "internalModelId": _model_id(one),
        "modelParameters": embed_json(one.model_parameters),
    }


def _model_id(one: ObservationRead) -> str | None:
    """What `GET /models/{id}` finds."""
    return own_model_id(one.price_version) or one.model_id


def _usage(one: ObservationRead) -> dict[str, Any]:
    return {
        "usageDetails": _units(load_decimals(one.usage_details)),
        "costDetails": embed_numbers(load_decimals(one.cost_details)),
        "totalCost": embed_number(one.total_cost),
        "usagePricingTierName": one.pricing_tier,
    }


def _prompt(one: ObservationRead) -> dict[str, Any]:
    return {"promptId": one.prompt_id, "promptName": one.prompt_name, "promptVersion": one.prompt_version}


def _metrics(one: ObservationRead) -> dict[str, Any]:
    return {
        "latency": _between(one.start_time, one.end_time),
        "timeToFirstToken": _between(one.start_time, one.completion_start_time),
    }


def _trace_context(one: ObservationRead) -> dict[str, Any]:
    return {"traceName": one.trace_name, "tags": one.tags or [], "release": one.release}


_v2_groups: Final = {
    "basic": _v2_basics,
    "time": _times,
    "model": _model,
    "usage": _usage,
    "prompt": _prompt,
    "metrics": _metrics,
    "trace_context": _trace_context,
}


def _between(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else seconds(end - start)


def _sum_of(details: Mapping[str, Decimal], part: str) -> Decimal | None:
    """The sum over the names that contain `part`, None without any."""
    amounts = [amount for name, amount in details.items() if part in name]
    return add_money(amounts) if amounts else None


def _units(usage: Mapping[str, Decimal]) -> dict[str, int | orjson.Fragment | None]:
    """Usage as whole JSON numbers."""
    return {
        name: int(amount)
        if amount == amount.to_integral_value() and abs(amount) < _largest_plain
        else embed_number(amount)
        for name, amount in usage.items()
    }
