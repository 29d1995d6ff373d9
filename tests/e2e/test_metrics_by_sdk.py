"""Each SDK asks by its own metrics API for the figures of what it wrote, and its parser accepts the answers and the refusals."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.expected import ExpectedTrace
from tests.e2e.facts import TOTAL_COST
from tests.e2e.read import load
from tests.e2e.stack import Stack
from tests.e2e.stories import Stories, Written

pytestmark = pytest.mark.e2e

V2 = {"observations", "scores"}
ANSWERS = {
    "python-5": V2,
    "python-4": V2 | {"traces"},
    "python-3": V2 | {"traces"},
    "js-5": V2 | {"traces"},
    "js-4": V2 | {"traces"},
    "js-3": V2 | {"traces"},
}
"""What each SDK can ask for; `traces` is a view of v1 only."""

Query = dict[str, Any]


@pytest.mark.parametrize("client", ANSWERS)
def test_an_sdk_asks_for_the_figures_of_what_it_wrote(client: str, stories: Stories, stack: Stack) -> None:
    written = stories.of(client)

    found = load(written.environment.read([_asked(written)], *stack.credentials.sender, script="metrics"))

    status, body = found.pop("refused")
    assert (status, body["message"], body["error"][0]["path"]) == (
        400,
        "Invalid request data",
        ["query", "metrics", 0, "measure"],
    )
    assert set(found) == ANSWERS[client]
    expected = _expected(written.expected)
    assert _without_latency(found) == {name: expected[name] for name in ANSWERS[client]}
    assert all(row["p95_latency"] is None or row["p95_latency"] >= 0 for row in found["observations"])


def test_python_2_asks_for_days(stories: Stories, stack: Stack) -> None:
    written = stories.of("python-2")

    found = load(written.environment.read([_asked(written)], *stack.credentials.sender, script="metrics"))

    status, body = found["refused"]
    assert (status, body["error"][0]["path"]) == (400, ["limit"])
    days = found["daily"]["data"]
    assert sum(day["countTraces"] for day in days) == 1
    assert sum(day["countObservations"] for day in days) == len(written.expected.observations)
    assert sum(day["totalCost"] for day in days) == TOTAL_COST
    (model,) = [usage for day in days for usage in day["usage"]]
    assert (model["inputUsage"], model["outputUsage"], model["totalUsage"]) == (1200, 340, 1540)
    assert model["model"] == "gpt-4o-mini-2024-07-18"
    assert found["daily"]["meta"]["totalItems"] == len(days)


def _asked(written: Written) -> str:
    """The queries for one user's part of the project, by name, each as the text that the SDKs take."""
    user = written.expected.user_id
    observations = _query(
        user, "observations", ["type"], count="count", totalCost="sum", totalTokens="sum", latency="p95"
    )
    asked: dict[str, Any] = {
        "observations": observations,
        "scores": _query(user, "scores-numeric", ["name"], count="count", value="avg"),
        "traces": _query(user, "traces", ["userId"], count="count", totalCost="sum", totalTokens="histogram"),
        "bad": {**observations, "metrics": [{"measure": "joy", "aggregation": "sum"}]},
    }
    return json.dumps({name: json.dumps(query) for name, query in asked.items()} | {"userId": user})


def _query(user: str, view: str, dimensions: list[str], **metrics: str) -> Query:
    from_ = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    return {
        "view": view,
        "dimensions": [{"field": name} for name in dimensions],
        "metrics": [{"measure": measure, "aggregation": aggregation} for measure, aggregation in metrics.items()],
        "filters": [{"column": "userId", "operator": "=", "value": user, "type": "string"}],
        "fromTimestamp": from_,
        "toTimestamp": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "orderBy": [{"field": dimensions[0], "direction": "asc"}],
    }


def _without_latency(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{key: value for key, value in row.items() if key != "p95_latency"} for row in rows]
        for name, rows in found.items()
    }


def _expected(expected: ExpectedTrace) -> dict[str, list[dict[str, Any]]]:
    types = Counter(each.type for each in expected.observations.values())
    figures = {"GENERATION": (TOTAL_COST, 1540), "SPAN": (0, 0)}
    numeric = [each for each in expected.scores.values() if each.data_type == "NUMERIC"]
    return {
        "observations": [
            {"type": kind, "count_count": types[kind], "sum_totalCost": cost, "sum_totalTokens": tokens}
            for kind, (cost, tokens) in figures.items()
        ],
        "scores": [{"name": each.name, "count_count": 1, "avg_value": Decimal(str(each.value))} for each in numeric],
        "traces": [
            {
                "userId": expected.user_id,
                "count_count": 1,
                "sum_totalCost": TOTAL_COST,
                "histogram_totalTokens": [[1540, 1540, 1]],
            }
        ],
    }
