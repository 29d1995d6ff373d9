"""The metrics API once more, in plain Python over lists of rows: what the SQL must answer. Slow, and simple enough to be read."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any, cast
from zoneinfo import ZoneInfo

from tests.query.metrics.worlds import Row, World, exact

Query = dict[str, Any]
Getter = Callable[[Row], Any]
_NOTHING: Row = {}
WINDOWS = {
    "observations": ({"userId", "modelName"}, {"totalCost", "inputTokens", "outputTokens", "totalTokens"}, "sum"),
    "traces": ({"userId"}, {"count"}, "count"),
}
PERCENTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def answer(world: World, query: Query, granularity: str | None) -> list[Row]:
    """The rows of the answer, in order, with exact fractions; `granularity` is the one that `auto` stands for."""
    rows = [row for row in _view(world, query["view"]) if _matches(row, query)]
    time: Row = query["timeDimension"] or {}
    zone = ZoneInfo(time.get("timeZone", "UTC"))
    rows = _divide(rows, query)
    groups: dict[tuple[Any, ...], list[Row]] = {}
    keys = [one["field"] for one in query["dimensions"]]
    for row in rows:
        key = tuple(_hashable(row[name]) for name in keys)
        key += (bucket(row["at"], granularity, zone),) if granularity else ()
        groups.setdefault(key, []).append(row)
    names = keys + (["time_dimension"] if granularity else [])
    if not names:
        groups = {(): rows}
    bins = query["config"]["bins"]
    figures = {f"{m['aggregation']}_{m['measure']}": m for m in query["metrics"]}
    found = [
        dict(zip(names, key, strict=True)) | {name: _figure(m, members, bins) for name, m in figures.items()}
        for key, members in groups.items()
    ]
    if names and _is_of_windows(query):
        found = [row for row in found if any(row[name] for name in figures)]
    limit = query["config"].get("row_limit")
    return _sorted(found, query, names, list(figures))[:limit]


def bucket(at: datetime, granularity: str, zone: ZoneInfo) -> str:
    """What a moment's bucket is called."""
    local = at.astimezone(zone)
    if granularity in ("minute", "hour"):
        offset = local.utcoffset() or timedelta(0)
        start = local.replace(tzinfo=None, second=0, microsecond=0)
        start = start if granularity == "minute" else start.replace(minute=0)
        return f"{(start - offset).isoformat(timespec='milliseconds')}Z"
    day = local.date()
    if granularity == "week":
        day -= timedelta(days=day.weekday())
    return (day if granularity != "month" else day.replace(day=1)).isoformat()


def _hashable(value: Any) -> Any:
    return tuple(cast("list[str]", value)) if isinstance(value, list) else value


def _is_of_windows(query: Query) -> bool:
    if query["view"] not in WINDOWS:
        return False
    dimensions, measures, aggregation = WINDOWS[query["view"]]
    groups = {one["field"] for one in query["dimensions"]} | {one["column"] for one in query["filters"]}
    return groups <= dimensions and all(
        metric["measure"] in measures and metric["aggregation"] == aggregation for metric in query["metrics"]
    )


# Views: each row with all of its dimensions and measures, under their names.


def _view(world: World, view: str) -> list[Row]:
    if view == "traces":
        return [_trace(world, row) for row in world.traces]
    if view == "observations":
        return [_observation(world, row) for row in world.observations]
    kinds = {"scores-numeric": ("NUMERIC", "BOOLEAN"), "scores-boolean": ("BOOLEAN",)}.get(view, ("CATEGORICAL",))
    return [_score(world, row) for row in world.scores if row["data_type"] in kinds]


def _trace(world: World, row: Row) -> Row:
    mine = [one for one in world.observations if one["trace_id"] == row["id"]]
    costs = [_costs(one) for one in mine if one["counted"]]
    return {
        "at": row["timestamp"],
        "timestamp": row["timestamp"],
        **{name: row[name] for name in ("id", "name", "release", "version", "environment", "tags")},
        "userId": row["user_id"],
        "sessionId": row["session_id"],
        "timestampMonth": _month(row["timestamp"]),
        "count": 1,
        "observationsCount": len(mine),
        "scoresCount": sum(score["trace_id"] == row["id"] for score in world.scores),
        "uniqueUserIds": row["user_id"],
        "uniqueSessionIds": row["session_id"],
        "latency": _milliseconds(row["first_start"], row["last_end"]),
        "inputTokens": row["input_tokens"],
        "outputTokens": row["output_tokens"],
        "totalTokens": row["total_tokens"],
        "inputCost": _sum_of("input", costs),
        "outputCost": _sum_of("output", costs),
        "totalCost": row["total_cost"],
    }


def _observation(world: World, row: Row) -> Row:
    trace = _trace_of(world, row["trace_id"])
    used = row["counted"] and bool(row["usage_details"])
    seconds = (_milliseconds(row["start_time"], row["end_time"]) or Fraction(0)) / 1000
    costs = [_costs(row)] if row["counted"] else []
    return {
        "at": row["start_time"],
        "startTime": row["start_time"],
        **{name: row[name] for name in ("id", "environment", "type", "name", "level", "version")},
        "traceId": row["trace_id"],
        "parentObservationId": row["parent_observation_id"],
        "isRootObservation": row["parent_observation_id"] is None or row["is_app_root"],
        "providedModelName": row["model"],
        "modelName": row["model_id"] or row["model"],
        "promptName": row["prompt_name"],
        "promptVersion": row["prompt_version"],
        "startTimeMonth": _month(row["start_time"]),
        **_of_trace(trace),
        "sessionId": trace.get("session_id"),
        "release": trace.get("release"),
        "count": 1,
        "latency": _milliseconds(row["start_time"], row["end_time"]),
        "streamingLatency": _milliseconds(row["completion_start_time"], row["end_time"]),
        "timeToFirstToken": _milliseconds(row["start_time"], row["completion_start_time"]),
        "inputTokens": row["input_tokens"] if used else None,
        "outputTokens": row["output_tokens"] if used else None,
        "totalTokens": row["total_tokens"] if used else None,
        "outputTokensPerSecond": row["output_tokens"] / seconds if used and seconds else None,
        "tokensPerSecond": row["total_tokens"] / seconds if used and seconds else None,
        "inputCost": _sum_of("input", costs),
        "outputCost": _sum_of("output", costs),
        "totalCost": row["total_cost"] if row["counted"] else None,
        "countScores": sum(
            (score["trace_id"], score["observation_id"]) == (row["trace_id"], row["id"]) for score in world.scores
        ),
        "uniqueUserIds": trace.get("user_id"),
        "uniqueSessionIds": trace.get("session_id"),
        "_details": {"cost": _costs(row), "usage": row["usage_details"]} if row["counted"] else {},
    }


def _score(world: World, row: Row) -> Row:
    trace = _trace_of(world, row["trace_id"])
    target = (row["trace_id"], row["observation_id"])
    one = next((each for each in world.observations if trace and (each["trace_id"], each["id"]) == target), _NOTHING)
    return {
        "at": row["timestamp"],
        "timestamp": row["timestamp"],
        **{name: row[name] for name in ("id", "name", "environment", "source")},
        "dataType": row["data_type"],
        "configId": row["config_id"],
        "traceId": row["trace_id"],
        "observationId": row["observation_id"],
        "timestampMonth": _month(row["timestamp"]),
        "timestampDay": row["timestamp"].astimezone(UTC).strftime("%Y-%m-%d"),
        **_of_trace(trace),
        "sessionId": row["session_id"] if row["session_id"] is not None else trace.get("session_id"),
        "observationName": one.get("name"),
        "observationModelName": one.get("model"),
        "observationPromptName": one.get("prompt_name"),
        "observationPromptVersion": one.get("prompt_version"),
        "count": 1,
        "value": exact(row["value"]),
        "booleanValue": row["value"] == 1,
        "stringValue": row["string_value"],
    }


def _trace_of(world: World, trace_id: str | None) -> Row:
    return next((trace for trace in world.traces if trace["id"] == trace_id), _NOTHING)


def _of_trace(trace: Row) -> Row:
    return {
        "userId": trace.get("user_id"),
        "tags": trace.get("tags", []),
        "traceName": trace.get("name"),
        "traceRelease": trace.get("release"),
        "traceVersion": trace.get("version"),
    }


def _costs(observation: Row) -> dict[str, Decimal]:
    return {key: Decimal(value) for key, value in observation["cost_details"].items()}


def _sum_of(part: str, costs: Iterable[dict[str, Decimal]]) -> Decimal | None:
    found = [value for details in costs for key, value in details.items() if part in key]
    return sum(found, Decimal(0)) if found else None


def _milliseconds(start: datetime | None, end: datetime | None) -> Fraction | None:
    return None if start is None or end is None else Fraction((end - start) // timedelta(microseconds=1), 1000)


def _month(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m")


def _divide(rows: list[Row], query: Query) -> list[Row]:
    """A row for each key of the details, where these are asked for."""
    measures = {metric["measure"] for metric in query["metrics"]}
    for kind in ("cost", "usage"):
        if f"{kind}ByType" in measures:
            return [
                row | {f"{kind}Type": key, f"{kind}ByType": Fraction(value)}
                for row in rows
                for key, value in row["_details"].get(kind, {}).items()
                if key != "total" or len(row["_details"][kind]) == 1
            ]
    return rows


# Filters.


def _matches(row: Row, query: Query) -> bool:
    start, end = (datetime.fromisoformat(query[name]) for name in ("fromTimestamp", "toTimestamp"))
    return start <= row["at"] < end and all(_holds(row[one["column"]], one) for one in query["filters"])


def _holds(found: Any, one: Row) -> bool:
    operator: str = one["operator"]
    wanted: Any = one.get("value")
    if one["type"] == "null":
        return (found is None) == (operator == "is null")
    if operator in ("none of", "does not contain", "<>"):
        opposite = {"none of": "any of", "does not contain": "contains", "<>": "="}[operator]
        return not _holds(found, one | {"operator": opposite})
    if found is None:
        return False
    if one["type"] == "datetime":
        wanted = datetime.fromisoformat(wanted)
    elif one["type"] == "number":
        wanted = Fraction(str(wanted))
    elif one["type"] == "arrayOptions":
        return bool({*wanted} & {*found}) if operator == "any of" else {*wanted} <= {*found}
    tests: dict[str, Callable[[], bool]] = {
        "=": lambda: found == wanted,
        ">": lambda: found > wanted,
        "<": lambda: found < wanted,
        ">=": lambda: found >= wanted,
        "<=": lambda: found <= wanted,
        "contains": lambda: wanted in found,
        "starts with": lambda: found.startswith(wanted),
        "ends with": lambda: found.endswith(wanted),
        "any of": lambda: found in wanted,
    }
    return tests[operator]()


# Aggregations.


def _figure(metric: Row, rows: list[Row], bins: int) -> Any:
    values = [row[metric["measure"]] for row in rows if row[metric["measure"]] is not None]
    aggregation = metric["aggregation"]
    if aggregation in ("count", "uniq"):
        return len(values if aggregation == "count" else set(values))
    numbers = sorted(Fraction(value) for value in values)
    if aggregation == "histogram":
        return histogram(numbers, bins)
    if aggregation == "sum" or not numbers:
        return sum(numbers, Fraction(0)) if aggregation == "sum" else None
    if aggregation in PERCENTILES:
        return percentile([float(number) for number in numbers], PERCENTILES[aggregation])
    return {"min": numbers[0], "max": numbers[-1], "avg": sum(numbers, Fraction(0)) / len(numbers)}[aggregation]


def percentile(numbers: list[float], share: float) -> float:
    """Interpolated between the two nearest, in doubles."""
    place = share * (len(numbers) - 1)
    low, high = numbers[floor(place)], numbers[ceil(place)]
    return low if floor(place) == ceil(place) else low + (place - floor(place)) * (high - low)


def histogram(numbers: list[Fraction], bins: int) -> list[list[Fraction | int]]:
    """Bins of equal width; one of none, if there is one value only."""
    if not numbers:
        return []
    least, most = numbers[0], numbers[-1]
    if least == most:
        return [[least, most, len(numbers)]]
    width = (most - least) / bins
    heights = [0] * bins
    for number in numbers:
        heights[min(floor((number - least) / width), bins - 1)] += 1
    return [[least + width * place, least + width * (place + 1), height] for place, height in enumerate(heights)]


# Order.


def _sorted(rows: list[Row], query: Query, keys: list[str], figures: list[str]) -> list[Row]:
    orders: list[Row] = query["orderBy"] or []
    asked: list[tuple[str, str]] = [(one["field"], one["direction"]) for one in orders]
    if not asked:
        plain = [figure for figure in figures if not re.match("histogram_", figure)]
        asked = [("time_dimension", "asc")] * ("time_dimension" in keys) + [(figure, "desc") for figure in plain[:1]]
    for name, direction in reversed([*asked, *((key, "asc") for key in keys)]):
        there = [row for row in rows if row[name] is not None]
        there.sort(key=lambda row: row[name], reverse=direction == "desc")
        rows = there + [row for row in rows if row[name] is None]
    return rows
