"""Runs and experiments, told by calls, by spans, or by both: one run under one id, read by every route."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from tailrace.core.experiments import run_id
from tests.query.conftest import api_client
from tests.query.seed import NOON, Seed, after

pytestmark = pytest.mark.integration

LINK = "/api/public/dataset-run-items"
RUNS = "/api/public/datasets/capitals/runs"
EXPERIMENTS = "/api/public/experiments"
EXECUTIONS = "/api/public/experiment-items"
COMPARE = "/api/tailrace/v1/datasets/capitals/runs/compare"


@pytest.fixture
async def dataset(client: httpx.AsyncClient) -> str:
    """The id of a dataset with the items a, b and c."""
    made = (await client.post("/api/public/v2/datasets", json={"name": "capitals"})).json()
    for id_ in ("a", "b", "c"):
        item = {"datasetName": "capitals", "id": id_, "input": {"q": id_}, "expectedOutput": id_.upper()}
        await client.post("/api/public/dataset-items", json=item)
    return made["id"]


async def link(client: httpx.AsyncClient, item: str, trace: str, run: str = "first", **values: Any) -> dict[str, Any]:
    body = {"runName": run, "datasetItemId": item, "traceId": trace} | values
    response = await client.post(LINK, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def execute(seed: Seed, dataset_id: str | None, item: str, trace: str, run: str = "first", **values: Any) -> str:
    """An execution as spans tell it: an item's root observation in a trace; returns the id of the experiment."""
    id_ = values.pop("run_id", None) or run_id(seed.project_id, dataset_id or "", run)
    told = values.pop("told", {})
    at = values.pop("start_time", NOON)
    await seed.trace(trace, timestamp=at, total_cost=values.pop("cost", None))
    row = {
        "experiment_id": id_,
        "experiment_name": run,
        "experiment_dataset_id": dataset_id,
        "experiment_item_id": item,
        "experiment": told,
        "start_time": at,
        "end_time": at,
    }
    await seed.observation(f"root-{trace}", trace, **(row | values))
    return id_


async def data(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_a_link_makes_the_run_under_the_computed_id(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    first = await link(client, "a", "t1", runDescription="why", metadata={"k": 1}, observationId=None)
    await link(client, "b", "t2", runDescription="other", metadata={"k": 2})

    expected = run_id(seed.project_id, dataset, "first")
    assert first == {
        "id": first["id"],
        "datasetRunId": expected,
        "datasetRunName": "first",
        "datasetItemId": "a",
        "traceId": "t1",
        "observationId": None,
        "createdAt": first["createdAt"],
        "updatedAt": first["updatedAt"],
    }
    run = (await client.get(f"{RUNS}/first")).json()
    items = run.pop("datasetRunItems")
    assert run == {
        "id": expected,
        "name": "first",
        "description": "why",
        "metadata": {"k": 1},
        "datasetId": dataset,
        "datasetName": "capitals",
        "createdAt": run["createdAt"],
        "updatedAt": run["updatedAt"],
    }
    assert [(one["datasetItemId"], one["traceId"]) for one in items] == [("b", "t2"), ("a", "t1")]
    assert items[1]["id"] == first["id"]


async def test_a_link_that_is_sent_again_is_the_same_one(client: httpx.AsyncClient, dataset: str) -> None:
    made = await asyncio.gather(*(link(client, "a", "t1") for _ in range(8)))

    assert len({one["id"] for one in made}) == 1
    assert len((await client.get(f"{RUNS}/first")).json()["datasetRunItems"]) == 1


async def test_a_link_may_name_only_an_observation_that_is_there(
    client: httpx.AsyncClient, seed: Seed, dataset: str
) -> None:
    await seed.trace("t1")
    await seed.observation("o1", "t1")

    made = await link(client, "a", "", traceId=None, observationId="o1")
    missing = await client.post(LINK, json={"runName": "r", "datasetItemId": "a", "observationId": "none"})

    assert (made["traceId"], made["observationId"]) == ("t1", "o1")
    assert (missing.status_code, missing.json()["error"]) == (404, "LangfuseNotFoundError")


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"runName": "r", "datasetItemId": "a"}, 400, ["traceId"]),
        ({"runName": "", "datasetItemId": "a", "traceId": "t"}, 400, ["runName"]),
        ({"runName": "r", "datasetItemId": "a", "traceId": "t", "other": 1}, 400, ["other"]),
        ({"runName": "r", "datasetItemId": "a", "traceId": "t", "createdAt": "now"}, 400, ["createdAt"]),
        ({"runName": "r", "datasetItemId": "none", "traceId": "t"}, 404, None),
        ({"runName": "r", "datasetItemId": "a", "traceId": "t", "datasetVersion": "2020-01-01"}, 404, None),
    ],
)
async def test_a_bad_link_is_refused(
    client: httpx.AsyncClient, dataset: str, body: dict[str, Any], status: int, where: list[str] | None
) -> None:
    response = await client.post(LINK, json=body)

    assert response.status_code == status
    assert where is None or response.json()["error"][0]["path"] == where
    assert await data(client, RUNS) == []


async def test_a_run_arises_from_spans_alone(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    told = {"description": "why", "metadata": '{"k": 1}', "expectedOutput": '"A"'}
    id_ = await execute(seed, dataset, "a", "t1", "from spans", told=told)
    await execute(seed, dataset, "b", "t2", "from spans", start_time=after(seconds=1))

    [run] = await data(client, RUNS)
    alone = (await client.get(f"{RUNS}/from%20spans")).json()
    paged = await client.get(LINK, params={"datasetId": dataset, "runName": "from spans", "limit": 1, "page": 2})

    assert (run["id"], run["name"], run["description"], run["metadata"]) == (id_, "from spans", "why", {"k": 1})
    assert (run["createdAt"], run["updatedAt"]) == ("2026-11-21T12:00:00.000Z", "2026-11-21T12:00:01.000Z")
    items = alone.pop("datasetRunItems")
    assert alone == run
    assert [(one["datasetItemId"], one["traceId"], one["observationId"]) for one in items] == [
        ("b", "t2", "root-t2"),
        ("a", "t1", "root-t1"),
    ]
    assert paged.json() == {"data": items[1:], "meta": {"page": 2, "limit": 1, "totalItems": 2, "totalPages": 2}}
    assert (await client.get("/api/public/datasets/capitals")).json()["runs"] == ["from spans"]


async def test_what_calls_and_spans_tell_is_one_run(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    linked = await link(client, "a", "t1", runDescription="by call")
    await execute(seed, dataset, "a", "t1", told={"description": "by span", "metadata": {"k": "1"}})
    await execute(seed, dataset, "b", "t2")

    [run] = await data(client, RUNS)
    items = (await client.get(f"{RUNS}/first")).json()["datasetRunItems"]
    [experiment] = await data(client, EXPERIMENTS, fields="metadata")

    assert (run["description"], run["metadata"]) == ("by call", {"k": 1})
    assert sorted((one["datasetItemId"], one["traceId"]) for one in items) == [("a", "t1"), ("b", "t2")]
    assert linked["id"] in {one["id"] for one in items}
    assert (experiment["id"], experiment["name"], experiment["itemCount"]) == (run["id"], "first", 2)


async def test_a_page_behind_the_last_one_still_counts(client: httpx.AsyncClient, dataset: str) -> None:
    await link(client, "a", "t1")

    for path, params in ((RUNS, {}), (LINK, {"datasetId": dataset, "runName": "first"})):
        response = await client.get(path, params={"page": 9} | params)
        assert (response.json()["data"], response.json()["meta"]["totalItems"]) == ([], 1)


async def test_names_of_runs_may_hold_slashes(client: httpx.AsyncClient, dataset: str) -> None:
    await link(client, "a", "t1", "2026/11 a b")

    for path in ("2026%2F11%20a%20b", "2026/11%20a%20b"):
        assert (await client.get(f"{RUNS}/{path}")).json()["name"] == "2026/11 a b"
    found = await data(client, LINK, datasetId=dataset, runName="2026%2F11%20a%20b")
    assert [one["datasetItemId"] for one in found] == ["a"]


async def test_a_deleted_run_is_gone_and_can_come_again(
    client: httpx.AsyncClient, seed: Seed, dataset: str, connection: "asyncpg.Connection[Any]"
) -> None:
    await link(client, "a", "t1")
    await execute(seed, dataset, "b", "t2", created_at=await connection.fetchval("select now()"))

    deleted = await client.delete(f"{RUNS}/first")

    assert deleted.json() == {"message": "Dataset run successfully deleted"}
    assert (await client.get(f"{RUNS}/first")).json()["message"] == "Dataset run not found"
    assert (await client.delete(f"{RUNS}/first")).status_code == 404
    assert await data(client, RUNS) == await data(client, EXPERIMENTS) == await data(client, EXECUTIONS) == []
    assert (await client.get("/api/public/traces/t2")).status_code == 200

    later = await connection.fetchval("select now() + interval '1 hour'")
    await execute(seed, dataset, "c", "t3", created_at=later)
    items = (await client.get(f"{RUNS}/first")).json()["datasetRunItems"]
    assert [one["datasetItemId"] for one in items] == ["c"]


async def test_experiments_come_by_their_last_activity_page_by_page(
    client: httpx.AsyncClient, seed: Seed, dataset: str
) -> None:
    await execute(seed, dataset, "a", "t1", "old", end_time=after(minutes=10))
    await execute(seed, dataset, "a", "t2", "new", start_time=after(minutes=1), end_time=after(minutes=2))
    await execute(seed, None, "x", "t3", "loose", run_id="loose-id", end_time=after(minutes=5))
    await execute(seed, None, "y", "t4", "loose", run_id="loose-id", start_time=after(minutes=1))

    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": 1} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get(EXPERIMENTS, params=params)).json()
        found += page["data"]
        cursor = page["meta"].get("cursor")

    assert cursor is None
    assert [(one["name"], one["itemCount"]) for one in found] == [("old", 1), ("loose", 2), ("new", 1)]
    assert found[1] == {
        "id": "loose-id",
        "name": "loose",
        "description": None,
        "startTime": "2026-11-21T12:00:00.000Z",
        "endTime": "2026-11-21T12:05:00.000Z",
        "itemCount": 2,
        "datasetId": None,
    }
    assert (await client.get(EXPERIMENTS, params={"cursor": "?"})).status_code == 400
    assert (await client.get(EXPERIMENTS, params={"fields": "what"})).status_code == 400


async def test_experiments_are_found_by_id_name_dataset_and_time(
    client: httpx.AsyncClient, seed: Seed, dataset: str
) -> None:
    one = await execute(seed, dataset, "a", "t1", "one")
    await execute(seed, None, "b", "t2", "two", run_id="second", start_time=after(hours=1))

    async def names(**params: Any) -> list[str]:
        return [found["name"] for found in await data(client, EXPERIMENTS, **params)]

    assert await names(id=f"{one},none") == ["one"]
    assert await names(name="two,three") == ["two"]
    assert await names(datasetId=dataset) == ["one"]
    assert await names(fromStartTime=after(minutes=1).isoformat()) == ["two"]
    assert await names(toStartTime=after(minutes=1).isoformat()) == ["one"]
    by_name = '[{"type": "string", "column": "name", "operator": "starts with", "value": "tw"}]'
    assert await names(filter=by_name) == ["two"]


async def test_an_item_of_an_experiment_has_the_groups_that_are_asked_for(
    client: httpx.AsyncClient, seed: Seed, dataset: str
) -> None:
    told = {
        "description": "why",
        "metadata": {"model": "x", "n": "1"},
        "itemMetadata": '{"m": 1}',
        "itemVersion": "2026-01-01T00:00:00+00:00",
        "expectedOutput": '{"a": 1}',
    }
    id_ = await execute(
        seed, dataset, "a", "t1", told=told, level="ERROR", input='{"q": 1}', output="plain", metadata={"z": 1}
    )

    [short] = await data(client, EXECUTIONS)
    groups = "dataset,io,metadata,itemMetadata,experimentMetadata,scores"
    [full] = await data(client, EXECUTIONS, fields=groups, experimentId=id_, experimentItemId="a", datasetId=dataset)

    core = {
        "id": "root-t1",
        "traceId": "t1",
        "startTime": "2026-11-21T12:00:00.000Z",
        "endTime": "2026-11-21T12:00:00.000Z",
        "level": "ERROR",
        "environment": "default",
        "experimentId": id_,
        "experimentName": "first",
        "experimentItemId": "a",
        "experimentDatasetId": dataset,
        "experimentItemVersion": "2026-01-01T00:00:00.000Z",
    }
    assert short == core
    assert full == core | {
        "input": {"q": 1},
        "output": "plain",
        "expectedOutput": {"a": 1},
        "metadata": {"z": 1},
        "experimentItemMetadata": {"m": 1},
        "experimentMetadata": {"model": "x", "n": 1},
        "experimentDescription": "why",
        "scores": [],
    }


async def test_items_of_experiments_are_paged_by_cursor(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    for number in range(5):
        await execute(seed, dataset, f"i{number}", f"t{number}", start_time=after(seconds=number // 2))

    found: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": 2, "fromStartTime": NOON.isoformat()} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get(EXECUTIONS, params=params)).json()
        found += [one["experimentItemId"] for one in page["data"]]
        cursor = page["meta"].get("cursor")

    assert (found, cursor) == (["i4", "i3", "i2", "i1", "i0"], None)


async def test_scores_stand_where_they_belong(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    id_ = await execute(seed, dataset, "a", "t1")
    await seed.observation("other", "t1")
    await seed.score("of-run", dataset_run_id=id_)
    await seed.score("of-trace", trace_id="t1")
    await seed.score("of-root", trace_id="t1", observation_id="root-t1")
    await seed.score("of-other", trace_id="t1", observation_id="other")

    [experiment] = await data(client, EXPERIMENTS, fields="scores")
    [item] = await data(client, EXECUTIONS, fields="scores")

    assert [one["id"] for one in experiment["scores"]] == ["of-run"]
    assert sorted(one["id"] for one in item["scores"]) == ["of-root", "of-trace"]


async def test_an_execution_that_only_a_call_tells_has_the_root_of_its_trace(
    client: httpx.AsyncClient, seed: Seed, dataset: str
) -> None:
    await link(client, "a", "with-spans")
    await link(client, "b", "bare")
    await link(client, "c", "unknown")
    await seed.trace("with-spans")
    await seed.observation("child", "with-spans", parent_observation_id="root", start_time=NOON)
    await seed.observation("root", "with-spans", output="of root", start_time=after(seconds=1))
    await seed.trace("bare", output="of trace")

    found = await data(client, EXECUTIONS, fields="io")

    assert {(one["experimentItemId"], one["id"], one["output"]) for one in found} == {
        ("a", "root", "of root"),
        ("b", "bare", "of trace"),
        ("c", "unknown", None),
    }


async def test_two_runs_are_compared_item_by_item(client: httpx.AsyncClient, seed: Seed, dataset: str) -> None:
    await execute(seed, dataset, "a", "a1", "base", end_time=after(seconds=2), cost=Decimal("0.10"), output="one")
    await execute(seed, dataset, "a", "a2", "new", end_time=after(seconds=5), cost=Decimal("0.25"), output="two")
    await execute(seed, dataset, "b", "b1", "base")
    await execute(seed, dataset, "c", "c2", "new", start_time=NOON)
    await execute(seed, dataset, "c", "c3", "new", start_time=after(seconds=1))
    for trace, value, text in (("a1", 0.5, "bad"), ("a2", 0.75, "good"), ("b1", 1.0, "bad")):
        await seed.score(f"n-{trace}", trace_id=trace, observation_id=f"root-{trace}", name="accuracy", value=value)
        await seed.score(f"c-{trace}", trace_id=trace, name="tone", data_type="CATEGORICAL", value=0, string_value=text)

    answer = (await client.get(COMPARE, params={"base": "base", "with": "new"})).json()

    a, b, c = answer["data"]
    assert (a["itemId"], a["input"], a["expectedOutput"]) == ("a", {"q": "a"}, "A")
    assert (a["base"]["output"], a["with"]["output"]) == ("one", "two")
    assert (a["base"]["scores"], a["with"]["scores"]) == (
        {"accuracy": 0.5, "tone": "bad"},
        {"accuracy": 0.75, "tone": "good"},
    )
    assert a["differences"] == {"latency": 3.0, "totalCost": "0.15", "scores": {"accuracy": 0.25, "tone": True}}
    assert (b["with"], b["differences"]) == (None, None)
    assert (c["base"], c["with"]["traceId"], c["with"]["executions"]) == (None, "c3", 2)
    summary = answer["summary"]
    assert summary["items"] == {"both": 1, "onlyBase": 1, "onlyWith": 1}
    assert summary["totalCost"] == {"base": "0.1", "with": "0.25"}
    assert summary["scores"]["accuracy"] == {
        "compared": 1,
        "baseMean": 0.5,
        "withMean": 0.75,
        "difference": 0.25,
        "higher": 1,
        "lower": 0,
        "changed": 1,
        "onlyBase": 1,
        "onlyWith": 0,
    }
    assert (answer["base"]["name"], answer["with"]["name"]) == ("base", "new")
    assert answer["meta"] == {"page": 1, "limit": 50, "totalItems": 3, "totalPages": 1}
    second = (await client.get(COMPARE, params={"base": "base", "with": "new", "limit": 1, "page": 2})).json()
    assert (second["data"], second["summary"]) == ([b], summary)
    assert (await client.get(COMPARE, params={"base": "base"})).json()["error"][0]["path"] == ["with"]
    assert (await client.get(COMPARE, params={"base": "base", "with": "none"})).status_code == 404
    assert (await client.get("/api/tailrace/v1/datasets/capitals/what")).status_code == 404


async def test_projects_with_the_same_datasets_runs_and_traces_never_meet(
    client: httpx.AsyncClient, seed: Seed, dataset: str, module_postgres_dsn: str, connection: "asyncpg.Connection[Any]"
) -> None:
    other = Seed(connection)
    await other.project()
    await link(client, "a", "t1")
    ours = await execute(seed, dataset, "b", "t2")
    await other.insert("datasets", {"id": dataset, "name": "capitals", "created_at": NOON, "updated_at": NOON})
    theirs = await execute(other, dataset, "b", "t2", told={"description": "theirs"})
    await execute(other, dataset, "b", "t9", run_id=ours, run="stolen")
    async with api_client(module_postgres_dsn, other) as stranger:
        assert (
            await stranger.post(LINK, json={"runName": "first", "datasetItemId": "a", "traceId": "t1"})
        ).status_code == 404
        assert {one["id"] for one in await data(stranger, RUNS)} == {theirs, ours}
        assert len(await data(stranger, EXECUTIONS)) == 2
        assert (await stranger.delete(f"{RUNS}/stolen")).status_code == 200
        assert (await stranger.delete(f"{RUNS}/first")).status_code == 200

    [run] = await data(client, RUNS)
    assert (run["id"], run["description"], ours == theirs) == (ours, None, False)
    assert len((await client.get(f"{RUNS}/first")).json()["datasetRunItems"]) == 2
