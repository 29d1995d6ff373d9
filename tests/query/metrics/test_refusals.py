"""Any query that cannot be answered is a 400 that names what is wrong with it; none is a 500. No database here but where told."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.query.errors import InvalidRequestError
from tailrace.query.metrics.request import read_request
from tailrace.query.metrics.views import VIEWS
from tests.strategies import anything_json

pytestmark = pytest.mark.integration

GOOD: dict[str, Any] = {
    "view": "observations",
    "metrics": [{"measure": "count", "aggregation": "count"}],
    "fromTimestamp": "2026-11-21T00:00:00Z",
    "toTimestamp": "2026-11-22T00:00:00Z",
}
HOSTILE = "'; drop table traces; -- $1 {k0}"


def metric(measure: str, aggregation: str) -> dict[str, Any]:
    return {"metrics": [{"measure": measure, "aggregation": aggregation}]}


def condition(**values: Any) -> dict[str, Any]:
    return {"filters": [{"type": "string", "column": "name", "operator": "=", "value": "x"} | values]}


def by_time(granularity: str, **values: Any) -> dict[str, Any]:
    return {"timeDimension": {"granularity": granularity, **values}}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"view": "spans"}, ["query"]),
        ({"view": None}, ["query"]),
        ({"metrics": []}, ["query"]),
        ({"metrics": None}, ["query"]),
        (metric("count", "median"), ["query"]),
        (metric("joy", "sum"), ["query", "metrics", 0, "measure"]),
        (metric("count", "p95"), ["query", "metrics", 0, "aggregation"]),
        (metric("uniqueUserIds", "sum"), ["query", "metrics", 0, "aggregation"]),
        (metric("costByType", "sum") | {"dimensions": [{"field": "usageType"}]}, ["query", "metrics"]),
        ({"dimensions": [{"field": "costType"}]}, ["query", "metrics"]),
        (condition(column="costType"), ["query", "metrics"]),
        ({"dimensions": [{"field": HOSTILE}]}, ["query", "dimensions", 0, "field"]),
        ({"dimensions": [{"field": "input"}]}, ["query", "dimensions", 0, "field"]),
        ({"dimensions": [{"field": "metadata"}]}, ["query", "dimensions", 0, "field"]),
        ({"dimensions": [{"name": "name"}]}, ["query"]),
        ({"dimensions": [{"field": "name"}] * 11}, ["query"]),
        ({"metrics": GOOD["metrics"] * 21}, ["query"]),
        (condition(column="output"), ["query", "filters", 0, "column"]),
        (condition(type="number"), ["query", "filters", 0]),
        (condition(operator="~"), ["query", "filters", 0]),
        (condition(value=7), ["query", "filters", 0]),
        (condition(type="stringObject", column="metadata"), ["query", "filters", 0]),
        ({"filters": condition()["filters"] * 51}, ["query"]),
        ({"fromTimestamp": "yesterday"}, ["query", "fromTimestamp"]),
        ({"fromTimestamp": "2026-11-21T00:00:00"}, ["query", "fromTimestamp"]),
        ({"fromTimestamp": 1}, ["query"]),
        ({"toTimestamp": GOOD["fromTimestamp"]}, ["query", "toTimestamp"]),
        ({"toTimestamp": "2026-01-01"}, ["query", "toTimestamp"]),
        (by_time("year"), ["query"]),
        (by_time("minute") | {"fromTimestamp": "2026-01-01"}, ["query", "timeDimension"]),
        (by_time("month") | {"fromTimestamp": "0001-01-01", "toTimestamp": "9999-01-01"}, ["query", "timeDimension"]),
        (by_time("day", timeZone="Europe/Atlantis"), ["query", "timeDimension", "timeZone"]),
        (by_time("day", timeZone="UTC+3"), ["query", "timeDimension", "timeZone"]),
        (by_time("day", timeZone=HOSTILE), ["query", "timeDimension", "timeZone"]),
        (by_time("day", timeZone=""), ["query", "timeDimension", "timeZone"]),
        ({"orderBy": [{"field": "name", "direction": "asc"}]}, ["query", "orderBy", 0, "field"]),
        ({"orderBy": [{"field": "count_count", "direction": "up"}]}, ["query"]),
        (
            metric("latency", "histogram") | {"orderBy": [{"field": "histogram_latency", "direction": "asc"}]},
            ["query", "orderBy", 0, "field"],
        ),
        (
            {"metrics": [metric(m, "histogram")["metrics"][0] for m in ("latency", "totalCost", "inputCost")]},
            ["query", "metrics"],
        ),
        ({"config": {"bins": 0}}, ["query"]),
        ({"config": {"bins": 101}}, ["query"]),
        ({"config": {"row_limit": 0}}, ["query"]),
        ({"config": {"row_limit": 1001}}, ["query"]),
        ({"config": {"row_limit": "10"}}, ["query"]),
    ],
)
async def test_a_query_that_cannot_be_answered_is_a_400_that_says_where(
    client: httpx.AsyncClient, change: dict[str, Any], path: list[str | int]
) -> None:
    response = await client.get("/api/public/metrics", params={"query": json.dumps(GOOD | change)})

    body = response.json()
    assert (response.status_code, body["message"]) == (400, "Invalid request data"), response.text
    assert body["error"][0]["path"] == path, response.text


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '"x"', "[" * 5000, '{"view": "\\ud800"}', "{\x00"])
@pytest.mark.parametrize("path", ["/api/public/metrics", "/api/public/v2/metrics"])
async def test_what_is_no_query_is_a_400(client: httpx.AsyncClient, path: str, text: str | None) -> None:
    response = await client.get(path, params={} if text is None else {"query": text})

    assert (response.status_code, response.json()["error"][0]["path"]) == (400, ["query"])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.sampled_from(["view", "metrics", "dimensions", "filters", "orderBy", "config", "timeDimension"]), anything_json()
)
async def test_whatever_stands_in_a_field_is_answered_or_refused(
    client: httpx.AsyncClient, field: str, value: Any
) -> None:
    text = json.dumps(GOOD | {field: value})

    response = await client.get("/api/public/metrics", params={"query": text})

    assert response.status_code in (200, 400), response.text


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.sampled_from(list(VIEWS)), st.data())
async def test_whatever_a_filter_compares_with_is_answered_or_refused(
    client: httpx.AsyncClient, view: Any, data: st.DataObject
) -> None:
    one = {
        "type": data.draw(
            st.sampled_from(["number", "string", "stringOptions", "arrayOptions", "datetime", "boolean"])
        ),
        "column": data.draw(st.sampled_from(sorted(VIEWS[view].filterable()))),
        "operator": data.draw(st.sampled_from(["=", ">", "any of", "contains", "<>"])),
        "value": data.draw(
            anything_json() | st.sampled_from([10**400, -(10**30), 1e308, HOSTILE, "9999-12-31", "0001-01-01"])
        ),
        "key": data.draw(st.none() | st.sampled_from(["a", HOSTILE, "\x00"])),
    }

    response = await client.get(
        "/api/public/metrics", params={"query": json.dumps(GOOD | {"view": view, "filters": [one]})}
    )

    assert response.status_code in (200, 400), response.text


@pytest.mark.parametrize("name", ["id", "traceId", "userId", "sessionId", "parentObservationId"])
async def test_v2_groups_by_what_has_many_values_only_for_the_first_rows_of_an_order(
    client: httpx.AsyncClient, name: str
) -> None:
    query = GOOD | {"dimensions": [{"field": name}]}
    limit, order = {"config": {"row_limit": 5}}, {"orderBy": [{"field": "count_count", "direction": "desc"}]}
    asked = [query, query | limit, query | order, query | limit | order]

    answers = [await client.get("/api/public/v2/metrics", params={"query": json.dumps(each)}) for each in asked]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 200]
    assert answers[0].json()["error"][0]["path"] == ["query", "dimensions"]


async def test_v2_has_no_view_of_traces(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/public/v2/metrics", params={"query": json.dumps(GOOD | {"view": "traces"})})

    assert (response.status_code, response.json()["error"][0]["path"]) == (400, ["query", "view"])


def test_null_stands_for_absent() -> None:
    absent = dict.fromkeys(("dimensions", "filters", "timeDimension", "orderBy", "config"))

    request = read_request(orjson.dumps(GOOD | absent).decode())

    assert request == read_request(orjson.dumps(GOOD | {"somethingNewer": 1}).decode())
    assert (request.start, request.end) == (datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_request(f"{text}!")
