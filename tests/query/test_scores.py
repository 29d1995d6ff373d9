import json
from typing import Any

import httpx
import pytest

from tests.query.seed import Seed, after

pytestmark = pytest.mark.integration
V1, V2, V3 = "/api/public/scores", "/api/public/v2/scores", "/api/public/v3/scores"


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def ids(client: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    return [one["id"] for one in (await get(client, path, **params))["data"]]


async def seed_scores(seed: Seed) -> None:
    """One score of each data type and each subject, a second apart; `numeric` is the oldest."""
    await seed.trace("t1", user_id="ada", session_id="s1", tags=["a", "b"], environment="staging")
    rows: list[tuple[str, dict[str, Any]]] = [
        ("numeric", {"trace_id": "t1", "value": 0.5, "comment": "so so", "metadata": {"k": "v"}, "config_id": "cfg"}),
        ("boolean", {"trace_id": "t1", "observation_id": "o1", "data_type": "BOOLEAN", "string_value": "True"}),
        (
            "category",
            {"trace_id": "t2", "data_type": "CATEGORICAL", "value": 0.0, "string_value": "good", "name": "tone"},
        ),
        ("text", {"session_id": "s1", "data_type": "TEXT", "value": 0.0, "string_value": "words", "queue_id": "q"}),
        (
            "correction",
            {
                "trace_id": "t1",
                "data_type": "CORRECTION",
                "value": 0.0,
                "long_string_value": "better",
                "name": "output",
            },
        ),
        (
            "experiment",
            {"dataset_run_id": "r1", "value": 3.0, "source": "EVAL", "environment": "lab", "author_user_id": "eve"},
        ),
    ]
    for number, (id_, values) in enumerate(rows):
        await seed.score(id_, timestamp=after(seconds=number), **values)


async def test_a_score_in_a_list_carries_what_it_takes_from_its_trace(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    body = await get(client, V2, scoreIds="numeric")

    assert body["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    assert body["data"] == [
        {
            "id": "numeric",
            "traceId": "t1",
            "sessionId": None,
            "observationId": None,
            "datasetRunId": None,
            "name": "quality",
            "value": 0.5,
            "dataType": "NUMERIC",
            "source": "API",
            "timestamp": "2026-11-21T12:00:00.000Z",
            "createdAt": "2026-11-21T12:00:00.000Z",
            "updatedAt": "2026-11-21T12:00:00.000Z",
            "authorUserId": None,
            "comment": "so so",
            "metadata": {"k": "v"},
            "configId": "cfg",
            "queueId": None,
            "environment": "default",
            "trace": {"userId": "ada", "tags": ["a", "b"], "environment": "staging", "sessionId": "s1"},
        }
    ]


async def test_text_values_stand_beside_the_number(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    found = {one["id"]: one for one in (await get(client, V2))["data"]}

    assert (found["boolean"]["value"], found["boolean"]["stringValue"]) == (1, "True")
    assert (found["category"]["value"], found["category"]["stringValue"]) == (0, "good")
    assert found["correction"]["stringValue"] == "better"
    assert "stringValue" not in found["numeric"]
    assert found["category"]["trace"] is None


async def test_a_v1_list_has_a_trace_for_each_score_also_where_that_is_on_its_way(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    """A Python 2 client fails to parse a whole page with one null in it."""
    await seed_scores(seed)

    found = {one["id"]: one["trace"] for one in (await get(client, V1))["data"]}

    assert found["category"] == {"userId": None, "tags": [], "environment": None, "sessionId": None}
    assert found["numeric"]["userId"] == "ada"


async def test_v1_knows_only_scores_of_traces_and_no_corrections(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    assert await ids(client, V1) == ["category", "boolean", "numeric"]
    assert (await get(client, f"{V1}/numeric"))["value"] == 0.5
    assert (await client.get(f"{V1}/correction")).status_code == 404
    assert (await get(client, f"{V2}/correction"))["stringValue"] == "better"
    assert (await client.get(f"{V2}/nobody")).json()["error"] == "LangfuseNotFoundError"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"userId": "ada"}, ["correction", "boolean", "numeric"]),
        ({"name": "tone"}, ["category"]),
        ({"fromTimestamp": "2026-11-21T12:00:01Z", "toTimestamp": "2026-11-21T12:00:03Z"}, ["category", "boolean"]),
        ({"environment": ["lab", "moon"]}, ["experiment"]),
        ({"source": "EVAL"}, ["experiment"]),
        ({"operator": ">=", "value": "0.5", "dataType": "NUMERIC"}, ["experiment", "numeric"]),
        ({"operator": "!=", "value": "0"}, ["experiment", "boolean", "numeric"]),
        ({"scoreIds": "text, numeric"}, ["text", "numeric"]),
        ({"configId": "cfg"}, ["numeric"]),
        ({"sessionId": "s1"}, ["text"]),
        ({"datasetRunId": "r1"}, ["experiment"]),
        ({"traceId": "t1", "observationId": "o1,o2"}, ["boolean"]),
        ({"queueId": "q"}, ["text"]),
        ({"dataType": "BOOLEAN"}, ["boolean"]),
        ({"traceTags": ["a", "b"], "limit": 1, "page": 2}, ["boolean"]),
        ({"fields": "score", "name": "tone"}, ["category"]),
        (
            {"filter": '[{"type":"stringObject","column":"metadata","key":"k","operator":"=","value":"v"}]'},
            ["numeric"],
        ),
    ],
)
async def test_v2_scores_are_listed_by_their_parameters(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_scores(seed)

    assert await ids(client, V2, **params) == found


async def test_v2_leaves_the_trace_out_where_only_the_score_is_asked_for(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    assert "trace" not in (await get(client, V2, fields="score"))["data"][0]


async def test_v3_values_have_the_type_that_the_data_type_says(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    body = await get(client, V3)

    values = {one["id"]: one["value"] for one in body["data"]}
    assert values == {
        "experiment": 3.0,
        "correction": "better",
        "text": "words",
        "category": "good",
        "boolean": True,
        "numeric": 0.5,
    }
    assert body["meta"] == {"limit": 50}
    assert body["data"][-1] == {
        "id": "numeric",
        "projectId": seed.project_id,
        "name": "quality",
        "value": 0.5,
        "dataType": "NUMERIC",
        "source": "API",
        "timestamp": "2026-11-21T12:00:00.000Z",
        "environment": "default",
        "createdAt": "2026-11-21T12:00:00.000Z",
        "updatedAt": "2026-11-21T12:00:00.000Z",
    }


async def test_v3_adds_the_groups_that_are_asked_for(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)

    found = {one["id"]: one for one in (await get(client, V3, fields="details,subject,annotation"))["data"]}

    assert {id_: one["subject"] for id_, one in found.items()} == {
        "numeric": {"kind": "trace", "id": "t1"},
        "boolean": {"kind": "observation", "id": "o1", "traceId": "t1"},
        "category": {"kind": "trace", "id": "t2"},
        "text": {"kind": "session", "id": "s1"},
        "correction": {"kind": "trace", "id": "t1"},
        "experiment": {"kind": "experiment", "id": "r1"},
    }
    numeric, experiment = found["numeric"], found["experiment"]
    assert (numeric["comment"], numeric["configId"], numeric["metadata"]) == ("so so", "cfg", {"k": "v"})
    assert (experiment["authorUserId"], experiment["queueId"], experiment["metadata"]) == ("eve", None, {})


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"id": "numeric,text"}, ["text", "numeric"]),
        ({"name": "tone,output"}, ["correction", "category"]),
        ({"source": "eval"}, ["experiment"]),
        ({"dataType": "text,boolean"}, ["text", "boolean"]),
        ({"environment": "lab"}, ["experiment"]),
        ({"configId": "cfg"}, ["numeric"]),
        ({"queueId": "q"}, ["text"]),
        ({"authorUserId": "eve"}, ["experiment"]),
        ({"dataType": "NUMERIC", "value": "3,7"}, ["experiment"]),
        ({"dataType": "boolean", "value": "true"}, ["boolean"]),
        ({"dataType": "CATEGORICAL", "value": "good,bad"}, ["category"]),
        ({"dataType": "NUMERIC", "valueMin": "1"}, ["experiment"]),
        ({"dataType": "NUMERIC", "valueMax": "0.5"}, ["numeric"]),
        ({"traceId": "t1,t2", "observationId": "o1"}, ["boolean"]),
        ({"sessionId": "s1"}, ["text"]),
        ({"experimentId": "r1"}, ["experiment"]),
        ({"fromTimestamp": "2026-11-21T12:00:04Z", "toTimestamp": "2026-11-21T12:00:05Z"}, ["correction"]),
    ],
)
async def test_v3_scores_are_listed_by_their_parameters(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_scores(seed)

    assert await ids(client, V3, **params) == found


async def test_v3_cursors_meet_every_score_once(client: httpx.AsyncClient, seed: Seed) -> None:
    for number in range(7):
        await seed.score(f"c{number}", timestamp=after(seconds=number // 3), trace_id="t1")
    found: list[str] = []
    params: dict[str, Any] = {"limit": 2}

    while True:
        body = await get(client, V3, **params)
        found += [one["id"] for one in body["data"]]
        if "cursor" not in body["meta"]:
            break
        params["cursor"] = body["meta"]["cursor"]

    assert found == ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (V2, {"dataType": "NUMBER"}),
        (V1, {"source": "eval"}),
        (V2, {"operator": "~", "value": "1"}),
        (V2, {"value": "NaN", "operator": "="}),
        (V2, {"fields": "score", "userId": "ada"}),
        (V2, {"filter": json.dumps([{"type": "string", "column": "nope", "operator": "=", "value": ""}])}),
        (V3, {"page": "1"}),
        (V3, {"filter": "[]"}),
        (V3, {"limit": "101"}),
        (V3, {"fields": "details,nope"}),
        (V3, {"cursor": "W10"}),
        (V3, {"dataType": "NUMBER"}),
        (V3, {"source": "API,NOBODY"}),
        (V3, {"sessionId": "s1", "traceId": "t1"}),
        (V3, {"observationId": "o1"}),
        (V3, {"value": "1"}),
        (V3, {"value": "1", "dataType": "TEXT"}),
        (V3, {"value": "1", "dataType": "NUMERIC,BOOLEAN"}),
        (V3, {"value": "yes", "dataType": "BOOLEAN"}),
        (V3, {"value": "many", "dataType": "NUMERIC"}),
        (V3, {"valueMin": "1", "dataType": "BOOLEAN"}),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_a_400_with_its_name(
    client: httpx.AsyncClient, path: str, params: dict[str, Any]
) -> None:
    response = await client.get(path, params=params)

    assert response.status_code == 400, response.text
    assert response.json()["error"][0]["path"][0] in params


async def test_a_deleted_score_is_not_there(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed_scores(seed)
    await seed.score("gone", trace_id="t1", deleted=True)

    for path in (V1, V2, V3):
        assert "gone" not in await ids(client, path)
        assert await ids(client, path, **{"id" if path == V3 else "scoreIds": "gone"}) == []
    assert (await get(client, V2))["meta"]["totalItems"] == 6
    for path in (V1, V2):
        assert (await client.get(f"{path}/gone")).status_code == 404
    assert "gone" not in [one["id"] for one in (await get(client, "/api/public/traces/t1"))["scores"]]
