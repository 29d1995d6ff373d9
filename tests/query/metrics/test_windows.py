"""What cost windows answer is what the observations themselves would answer, after the pipeline's own fold of any order of events."""

import json
import random
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest

from tailrace.query.metrics.request import read_request
from tailrace.query.metrics.windows import is_of_windows, windows_of
from tests.events import make_events
from tests.integration.partition import Partition, open_partition_pool
from tests.query.conftest import api_client
from tests.query.metrics.queries import ask
from tests.query.seed import Seed

pytestmark = pytest.mark.integration
SUMS = ["totalCost", "inputTokens", "outputTokens", "totalTokens"]


@pytest.fixture
async def stored(postgres_dsn: str) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a project into which two partitions have folded 60 traces each, out of order and with resends."""
    pool = await open_partition_pool(postgres_dsn)
    await pool.execute("insert into stream_progress (partition) values (1)")
    connection = await asyncpg.connect(postgres_dsn)
    seed = Seed(connection)
    await seed.project()
    for number in (0, 1):
        events = make_events(number + 5, traces=60)
        events += events[::3]
        random.Random(number).shuffle(events)
        partition = Partition(pool, number)
        for at in range(0, len(events), 20):
            partition.append(events[at : at + 20], project_id=seed.project_id)
        await partition.own()
        await partition.fold(0, len(partition.raw))
        await partition.apply()
    async with api_client(postgres_dsn, seed) as client:
        yield client
    await connection.close()
    await pool.close()


def query(**values: Any) -> dict[str, Any]:
    period = {"fromTimestamp": "2026-03-01T00:00:00Z", "toTimestamp": "2026-03-02T00:00:00Z"}
    metrics = [{"measure": measure, "aggregation": "sum"} for measure in SUMS]
    asked: dict[str, Any] = {"view": "observations", "metrics": metrics, "config": {}}
    return asked | period | values


def by(*fields: str) -> dict[str, Any]:
    return {"dimensions": [{"field": field} for field in fields]}


def _by_rows(*_: Any) -> None:
    """What `windows_of` says where windows do not fit."""


COUNTED: dict[str, Any] = {"view": "traces", "metrics": [{"measure": "count", "aggregation": "count"}]}
FEW = {
    "filters": [{"column": "userId", "operator": "any of", "type": "stringOptions", "value": ["user-1", "user-moved"]}]
}
NOBODY = {"filters": [{"column": "userId", "operator": "is null", "type": "null"}]}
RAGGED = {"fromTimestamp": "2026-03-01T12:17:00Z", "toTimestamp": "2026-03-01T15:03:00Z"}
TOP = {"orderBy": [{"field": "sum_totalCost", "direction": "desc"}], "config": {"row_limit": 3}}


@pytest.mark.parametrize("granularity", [None, "minute", "hour", "day", "week", "month"])
async def test_windows_answer_what_observations_answer(
    stored: httpx.AsyncClient, granularity: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = {"timeDimension": granularity and {"granularity": granularity}}
    forms = [{}, by("userId"), by("modelName"), by("modelName", "userId"), FEW, NOBODY, by("modelName") | FEW]
    asked = [query(**time, **form, **period) for form in forms for period in ({}, RAGGED)]
    asked += [query(**time, **by("userId"), **TOP)]
    asked += [query(**time, **COUNTED, **form, **period) for form in ({}, by("userId"), FEW) for period in ({}, RAGGED)]
    assert all(is_of_windows(read_request(json.dumps(each))) for each in asked)

    by_windows = [await ask(stored, each) for each in asked]
    monkeypatch.setattr("tailrace.query.metrics.handlers.windows_of", _by_rows)
    by_rows = [await ask(stored, each) for each in asked]

    assert by_windows == by_rows
    assert all(by_rows)


async def test_an_answer_by_windows_reads_no_observation(
    stored: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = windows_of(read_request(json.dumps(query(**by("userId")))), "day", "p")

    assert scope is not None
    assert scope.source.split().count("cost_parts") == 1
    assert "observations" not in scope.source


@pytest.mark.parametrize(
    "values",
    [
        by("providedModelName"),
        by("userId", "name"),
        {"filters": [{"column": "type", "operator": "=", "type": "string", "value": "GENERATION"}]},
        {"metrics": [{"measure": "totalCost", "aggregation": "avg"}]},
        {"metrics": [{"measure": "totalCost", "aggregation": "sum"}, {"measure": "count", "aggregation": "count"}]},
        {"view": "traces", "metrics": [{"measure": "totalCost", "aggregation": "sum"}]},
        COUNTED | by("name"),
    ],
)
async def test_what_windows_do_not_know_is_not_asked_of_them(values: dict[str, Any]) -> None:
    assert not is_of_windows(read_request(json.dumps(query(**values))))


@pytest.mark.parametrize(
    "values",
    [
        {"fromTimestamp": "2026-03-01T00:00:30Z"},
        {"toTimestamp": "2026-03-01T00:00:00.000001Z"},
        {"timeDimension": {"granularity": "day", "timeZone": "Europe/Berlin"}},
    ],
)
async def test_a_period_or_a_zone_that_cuts_through_windows_is_answered_by_rows(values: dict[str, Any]) -> None:
    request = read_request(json.dumps(query(**values)))

    assert is_of_windows(request)
    assert windows_of(request, "day" if request.time else None, "p") is None
