"""Random queries of every view that fit it, and a comparison of an answer with the reference's."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import httpx
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tailrace.query.columns import Column
from tailrace.query.metrics.figures import aggregations_of
from tailrace.query.metrics.request import ViewName
from tailrace.query.metrics.views import VIEWS, View
from tests.query.metrics.reference import Query
from tests.query.metrics.worlds import DAYS, World, times

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Lord_Howe",
    "Etc/GMT+12",
]
ROUNDED = {"outputTokensPerSecond", "tokensPerSecond"}
"""Quotients, which the database rounds: compared as such, and neither binned nor told apart."""

_divided = {"costType": "costByType", "usageType": "usageByType"}
_comparisons = st.sampled_from(["=", ">", "<", ">=", "<="])
_texts = st.sampled_from(["a", "B", "ä", "default", "prod", "t0", "o1", "known", "SPAN", "2026-10", "%", "input"])
_conditions: Mapping[str, SearchStrategy[dict[str, Any]]] = {
    "text": st.one_of(
        st.fixed_dictionaries(
            {
                "type": st.just("string"),
                "operator": st.sampled_from(["=", "contains", "does not contain", "starts with", "ends with"]),
                "value": _texts,
            }
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("stringOptions"),
                "operator": st.sampled_from(["any of", "none of"]),
                "value": st.lists(_texts, max_size=3),
            }
        ),
    ),
    "number": st.fixed_dictionaries(
        {"type": st.just("number"), "operator": _comparisons, "value": st.sampled_from([0, 1, 0.5, 7, 3_600_000])}
    ),
    "boolean": st.fixed_dictionaries(
        {"type": st.just("boolean"), "operator": st.sampled_from(["=", "<>"]), "value": st.booleans()}
    ),
    "array": st.fixed_dictionaries(
        {
            "type": st.just("arrayOptions"),
            "operator": st.sampled_from(["any of", "all of", "none of"]),
            "value": st.lists(st.sampled_from(["x", "y", "Z"]), max_size=2),
        }
    ),
}
_presence = st.fixed_dictionaries({"type": st.just("null"), "operator": st.sampled_from(["is null", "is not null"])})


@st.composite
def queries(draw: DrawFn, world: World) -> Query:
    """A query that a view can answer, over a part of the world's time."""
    name = draw(st.sampled_from(list(VIEWS)))
    view = VIEWS[name]
    divided = draw(st.sampled_from([None, None, None, "costType", "usageType"])) if name == "observations" else None
    dimensions, metrics = draw(_windows(name) if draw(st.booleans()) and name in _of_windows else _any(view, divided))
    granularity = draw(st.none() | st.sampled_from(["auto", "minute", "hour", "day", "week", "month"]))
    zone = draw(st.sampled_from(ZONES))
    first, last = draw(_periods(world.start))
    answered = [*dimensions, *(["time_dimension"] if granularity else [])]
    answered += [f"{one['aggregation']}_{one['measure']}" for one in metrics if one["aggregation"] != "histogram"]
    orders = draw(st.none() | st.lists(_orders(answered), max_size=2)) if answered else None
    return {
        "view": name,
        "dimensions": [{"field": field} for field in dimensions],
        "metrics": metrics,
        "filters": draw(st.one_of(st.just([]), st.just([]), st.lists(_filters(view), max_size=2))),
        "timeDimension": {"granularity": granularity, "timeZone": zone} if granularity else None,
        "fromTimestamp": first.isoformat(),
        "toTimestamp": last.isoformat(),
        "orderBy": orders,
        "config": {"bins": draw(st.sampled_from([1, 3, 10]))} | draw(_limits),
    }


_limits = st.sampled_from([{}, {}, {"row_limit": 1}, {"row_limit": 5}])
_of_windows: Mapping[str, tuple[list[str], list[str], str]] = {
    "observations": (["userId", "modelName"], ["totalCost", "inputTokens", "outputTokens", "totalTokens"], "sum"),
    "traces": (["userId"], ["count"], "count"),
}


def _windows(name: ViewName) -> SearchStrategy[tuple[list[str], list[dict[str, str]]]]:
    """Dimensions and metrics that cost windows answer, if the filters fit."""
    dimensions, measures, aggregation = _of_windows[name]
    metrics = st.lists(st.sampled_from(measures), min_size=1, unique=True).map(
        lambda chosen: [{"measure": measure, "aggregation": aggregation} for measure in chosen]
    )
    return st.tuples(st.lists(st.sampled_from(dimensions), unique=True), metrics)


@st.composite
def _any(draw: DrawFn, view: View, divided: str | None) -> tuple[list[str], list[dict[str, str]]]:
    plain = [field for field in view.dimensions if field not in _divided]
    dimensions = draw(st.lists(st.sampled_from(plain), unique=True, max_size=2))
    measures = [measure for measure in view.measures if measure not in _divided.values()]
    if divided is not None:
        dimensions = [divided, *dimensions] if draw(st.booleans()) else dimensions
        measures = [_divided[divided]]
    chosen = draw(st.lists(st.sampled_from(measures), min_size=1, max_size=3))
    return dimensions, draw(_metrics(view, chosen))


@st.composite
def _metrics(draw: DrawFn, view: View, measures: list[str]) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    histograms = 0
    for measure in measures:
        fitting = [*aggregations_of(view.measures[measure])]
        if measure in ROUNDED:
            fitting = ["sum", "avg", "count", "min", "max"]
        aggregation = draw(st.sampled_from(fitting))
        histograms += aggregation == "histogram"
        if histograms <= 2:
            found[f"{aggregation}_{measure}"] = {"measure": measure, "aggregation": aggregation}
    return list(found.values())


@st.composite
def _filters(draw: DrawFn, view: View) -> dict[str, Any]:
    columns: dict[str, Column] = {
        name: column
        for name, column in view.filterable().items()
        if column.kind in _conditions and name not in {*view.others, *ROUNDED, *view.only_with}
    }
    name = draw(st.sampled_from(list(columns)))
    return {"column": name} | draw(_conditions[columns[name].kind] | _presence)


def _orders(answered: list[str]) -> SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({"field": st.sampled_from(answered), "direction": st.sampled_from(["asc", "desc"])})


@st.composite
def _periods(draw: DrawFn, start: datetime) -> tuple[datetime, datetime]:
    """Most see all of the world; others begin or end within it, on a whole minute or not."""
    whole = (start - timedelta(hours=1), start + timedelta(days=DAYS))
    if draw(st.sampled_from([True, True, False])):
        return whole
    first, last = sorted([draw(times(start)), draw(times(start))])
    return (first, last) if first < last else whole


async def ask(client: httpx.AsyncClient, query: Query, **params: Any) -> Any:
    """The rows of the answer, every number as it stands there."""
    response = await client.get("/api/public/metrics", params={"query": json.dumps(query), **params})
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)["data"]


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """All rows in their order: exactly equal, but for quotients, which agree in 14 digits."""
    assert [list(row) for row in found] == [list(row) for row in expected]
    for answered, row in zip(found, expected, strict=True):
        for name, value in row.items():
            assert _agree(name, answered[name], value), (name, answered[name], value)


def _agree(name: str, found: Any, expected: Any) -> bool:
    aggregation, _, measure = name.partition("_")
    if expected is None or isinstance(expected, bool | str):
        return found == expected
    if isinstance(expected, tuple):
        return found == [*cast("tuple[str, ...]", expected)]
    if aggregation == "histogram":
        flat = [
            (one, two)
            for mine, theirs in zip(found, expected, strict=True)
            for one, two in zip(mine, theirs, strict=False)
        ]
        return all(_near(one, two) for one, two in flat)
    if isinstance(expected, float):
        return float(found) == expected
    if aggregation == "avg" or measure in ROUNDED:
        return _near(found, expected)
    return Fraction(found) == expected


def _near(found: Any, expected: Fraction) -> bool:
    return abs(Fraction(found) - expected) <= abs(expected) * Fraction(1, 10**14)
