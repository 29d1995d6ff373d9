"""What an answer costs at most, and who sees what: row limits, time-outs, places, projects, and tables that are not read whole."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import Statement, api_client
from tests.query.metrics.queries import ask
from tests.query.seed import NOON, Seed, basic
from tests.query.test_plans import fill, sequential_scans

pytestmark = pytest.mark.integration
COUNT = [{"measure": "count", "aggregation": "count"}]
DAY = {"fromTimestamp": "2026-11-21T00:00:00Z", "toTimestamp": "2026-11-22T00:00:00Z"}


def query(view: str = "observations", **values: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"view": view, "metrics": COUNT, "config": {}}
    return asked | DAY | values


BY_ID: dict[str, Any] = {"dimensions": [{"field": "id"}]}


async def test_an_empty_project_has_a_row_without_groups_and_none_with(client: httpx.AsyncClient) -> None:
    metrics = [
        {"measure": "totalCost", "aggregation": each} for each in ("sum", "avg", "max", "p95", "histogram", "uniq")
    ]

    assert await ask(client, query(metrics=metrics)) == [
        {
            "sum_totalCost": 0,
            "avg_totalCost": None,
            "max_totalCost": None,
            "p95_totalCost": None,
            "histogram_totalCost": [],
            "uniq_totalCost": 0,
        }
    ]
    assert await ask(client, query(**BY_ID)) == []
    assert await ask(client, query(timeDimension={"granularity": "hour"})) == []


async def test_sums_beyond_what_a_double_holds_are_texts(client: httpx.AsyncClient, seed: Seed) -> None:
    for number in range(2):
        usage = {"usage_details": {"total": 1}, "total_tokens": 2**62, "input_tokens": 2**52}
        await seed.observation(f"o{number}", "t1", **usage)
    metrics = [{"measure": f"{each}Tokens", "aggregation": "sum"} for each in ("total", "input")]

    [row] = await ask(client, query(metrics=[*metrics, {"measure": "count", "aggregation": "count"}]))

    assert row == {"sum_totalTokens": str(2**63), "sum_inputTokens": 2**53, "count_count": 2}


async def test_without_a_limit_too_many_rows_are_a_400_that_says_what_to_do(
    client: httpx.AsyncClient, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.metrics.handlers.MAX_ROWS", 2)
    for number in range(3):
        await seed.observation(f"o{number}", "t1")

    response = await client.get("/api/public/metrics", params={"query": json.dumps(query(**BY_ID))})

    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequestError")
    assert "row_limit" in response.json()["message"]
    assert len(await ask(client, query(**BY_ID, config={"row_limit": 2}))) == 2


async def test_v2_answers_100_rows_unless_told(client: httpx.AsyncClient, seed: Seed) -> None:
    for number in range(101):
        await seed.observation(f"o{number}", "t1", name=f"name-{number:03}")
    asked = {"query": json.dumps(query(dimensions=[{"field": "name"}]))}

    rows = (await client.get("/api/public/v2/metrics", params=asked)).json()["data"]

    assert [row["name"] for row in rows] == [f"name-{number:03}" for number in range(100)]
    assert len(await ask(client, query(dimensions=[{"field": "name"}]))) == 101


async def test_a_query_that_takes_too_long_is_given_up_and_says_what_to_ask_instead(
    client: httpx.AsyncClient, seed: Seed, connection: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tailrace.query.database._limit_time", "select set_config('statement_timeout', '100', true), $1::text"
    )
    await seed.observation("o1", "t1")
    async with connection.transaction():
        await connection.execute("lock table observations in access exclusive mode")

        response = await client.get("/api/public/metrics", params={"query": json.dumps(query())})

    assert (response.status_code, response.json()["error"]) == (400, "InvalidRequestError")
    assert "shorter period" in response.json()["message"]
    assert (await ask(client, query()))[0]["count_count"] == 1


async def test_metrics_leave_connections_to_others_and_wait_for_each_other(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    await seed.observation("o1", "t1")
    async with api_client(module_postgres_dsn, seed) as client:  # of two connections
        async with connection.transaction():
            await connection.execute("lock table observations in access exclusive mode")
            slow = [asyncio.create_task(ask(client, query())) for _ in range(3)]
            await asyncio.sleep(0.3)
            others = await client.get("/api/public/traces")
            assert not any(task.done() for task in slow)

        assert others.status_code == 200
        assert [rows[0]["count_count"] for rows in await asyncio.gather(*slow)] == [1, 1, 1]


async def test_projects_see_their_own_rows_only(
    client: httpx.AsyncClient, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    other = Seed(connection)
    await other.project()
    for each, number in ((seed, 1), (other, 3)):
        await each.trace("t1", user_id="ada", name=each.project_id)
        for one in range(number):
            await each.observation(f"o{one}", "t1", total_cost=number, cost_details={"input": str(number)})
            await each.score(f"c{one}", trace_id="t1", observation_id=f"o{one}")
        await each.cost("ada", NOON, cost=number * number, traces=1)
    asked = [
        query(metrics=[{"measure": "totalCost", "aggregation": "sum"}], dimensions=[{"field": "userId"}]),
        query(metrics=[{"measure": each, "aggregation": "sum"} for each in ("totalCost", "countScores", "inputCost")]),
        query("traces", metrics=[{"measure": each, "aggregation": "sum"} for each in ("scoresCount", "inputCost")]),
        query("scores-numeric", dimensions=[{"field": "traceName"}, {"field": "observationName"}]),
        query("traces"),
    ]

    found: list[list[list[Any]]] = []
    for each in (seed, other):
        client.headers.update(basic(each.public_key))
        days = (await client.get("/api/public/metrics/daily")).json()["data"]
        figures = [[day["countTraces"], day["countObservations"], day["totalCost"]] for day in days]
        found.append([list(row.values()) for one in asked for row in await ask(client, one)] + figures)

    assert found == [
        [["ada", 1], [1, 1, 1], [1, 1], [seed.project_id, None, 1], [1], [1, 1, 1]],
        [["ada", 9], [9, 3, 9], [3, 9], [other.project_id, None, 3], [1], [1, 3, 9]],
    ]


async def test_no_usual_query_reads_a_whole_table(
    client: httpx.AsyncClient,
    seed: Seed,
    connection: "asyncpg.Connection[Any]",
    ran: list[Statement],
) -> None:
    await fill(connection, seed.project_id)
    recent: dict[str, Any] = {"fromTimestamp": (NOON - timedelta(days=2)).isoformat(), "toTimestamp": NOON.isoformat()}
    latency = [{"measure": "latency", "aggregation": "p95"}, {"measure": "totalCost", "aggregation": "sum"}]
    by_hour: dict[str, Any] = {"timeDimension": {"granularity": "hour"}}
    asked: list[dict[str, Any]] = [
        query(**recent),
        query(**recent, **by_hour, metrics=latency, dimensions=[{"field": "providedModelName"}]),
        query(**recent, metrics=latency, dimensions=[{"field": "traceName"}, {"field": "userId"}]),
        query(**recent, **by_hour, metrics=latency[1:], dimensions=[{"field": "userId"}]),
        query(**recent, metrics=[{"measure": "countScores", "aggregation": "sum"}]),
        query(**recent, view="traces", metrics=latency, dimensions=[{"field": "name"}]),
        query(**recent, view="traces", metrics=[{"measure": "scoresCount", "aggregation": "sum"}]),
        query(**recent, view="traces", **by_hour),
        query(**recent, view="scores-numeric", **by_hour, dimensions=[{"field": "name"}]),
        query(**recent, view="scores-numeric", dimensions=[{"field": "traceName"}]),
    ]

    for each in asked:
        ran.clear()
        assert await ask(client, each), each
        assert await sequential_scans(connection, ran) == [], each
