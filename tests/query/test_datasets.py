"""Datasets and their items: made, changed, read as they are and as they were, by the rules that SDKs rely on."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import api_client
from tests.query.seed import NOON, Seed

pytestmark = pytest.mark.integration

V2 = "/api/public/v2/datasets"
V1 = "/api/public/datasets"
ITEMS = "/api/public/dataset-items"
SCHEMA: dict[str, Any] = {"type": "object", "required": ["q"], "properties": {"q": {"type": "string"}}}


async def make(client: httpx.AsyncClient, name: str = "capitals", **values: Any) -> dict[str, Any]:
    response = await client.post(V2, json={"name": name} | values)
    assert response.status_code == 200, response.text
    return response.json()


async def add(client: httpx.AsyncClient, dataset: str = "capitals", **values: Any) -> dict[str, Any]:
    response = await client.post(ITEMS, json={"datasetName": dataset} | values)
    assert response.status_code == 200, response.text
    return response.json()


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    response = await client.get(ITEMS, params=params)
    assert response.status_code == 200, response.text
    return [one["id"] for one in response.json()["data"]]


def issues(response: httpx.Response) -> list[tuple[list[str | int], str]]:
    assert response.status_code == 400, response.text
    assert response.json()["message"] == "Invalid request data"
    return [(one["path"], one["message"]) for one in response.json()["error"]]


async def test_a_dataset_has_every_key_and_a_second_post_changes_what_it_gives(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    made = await make(client, description="first", metadata={"a": [1, None]})
    changed = await make(client, description="second", inputSchema=SCHEMA)
    again = await make(client, description=None, metadata=None, inputSchema=None)

    assert list(made) == [
        "id",
        "name",
        "description",
        "metadata",
        "inputSchema",
        "expectedOutputSchema",
        "projectId",
        "createdAt",
        "updatedAt",
    ]
    assert (made["projectId"], made["metadata"], made["inputSchema"]) == (seed.project_id, {"a": [1, None]}, None)
    assert (changed["id"], changed["createdAt"]) == (made["id"], made["createdAt"])
    assert (changed["description"], changed["metadata"], changed["inputSchema"]) == (
        "second",
        {"a": [1, None]},
        SCHEMA,
    )
    assert {**again, "updatedAt": None} == {**changed, "updatedAt": None}


@pytest.mark.parametrize("path", ["evals%2Fgerman%20capitals", "evals/german%20capitals"])
async def test_a_name_with_a_slash_is_found_encoded_and_raw(client: httpx.AsyncClient, path: str) -> None:
    made = await make(client, "evals/german capitals")
    await add(client, "evals/german capitals", id="slash")

    for prefix in (V1, V2):
        found = await client.get(f"{prefix}/{path}")
        assert (found.status_code, found.json()["id"]) == (200, made["id"])
    assert (await client.get(f"{V1}/{path}/runs")).json()["data"] == []
    assert await listed(client, datasetName="evals/german%20capitals") == ["slash"]


async def test_a_name_may_look_like_a_path_of_runs(client: httpx.AsyncClient) -> None:
    made = await make(client, "a/runs")
    other = await make(client, "a%2Fb")

    assert (await client.get(f"{V2}/a%2Fruns")).json()["id"] == made["id"]
    assert (await client.get(f"{V1}/a%2Fruns")).json()["id"] == made["id"]
    assert (await client.get(f"{V1}/a%2Fruns/runs")).json()["data"] == []
    assert (await client.get(f"{V2}/a%252Fb")).json()["id"] == other["id"]


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in (f"{V2}/none", f"{V1}/none", f"{V1}/none/runs", f"{ITEMS}?datasetName=none"):
        response = await client.get(path)
        assert response.json() == {"message": "Dataset not found", "error": "LangfuseNotFoundError"}, path
        assert response.status_code == 404
    assert (await client.get(f"{ITEMS}/none")).json()["message"] == "Dataset item not found"
    assert (await client.delete(f"{ITEMS}/none")).status_code == 404
    assert (await client.post(ITEMS, json={"datasetName": "none"})).json()["message"] == "Dataset not found"


async def test_datasets_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await make(client, name)
    await add(client, "b", id="of-b")
    await add(client, "b", id="archived", status="ARCHIVED")

    first = (await client.get(V2, params={"limit": 2})).json()
    old = (await client.get(V1, params={"limit": 2, "page": 1})).json()

    assert [one["name"] for one in first["data"]] == ["c", "b"]
    assert first["meta"] == {"page": 1, "limit": 2, "totalItems": 3, "totalPages": 2}
    assert [(one["items"], one["runs"]) for one in old["data"]] == [([], []), (["of-b"], [])]


async def test_v1_gives_a_dataset_its_items_and_runs(client: httpx.AsyncClient) -> None:
    made = (await client.post(V1, json={"name": "old"})).json()
    item = await add(client, "old", input={"q": 1})
    await client.post(
        "/api/public/dataset-run-items", json={"runName": "r", "datasetItemId": item["id"], "traceId": "t"}
    )

    found = (await client.get(f"{V1}/old")).json()

    assert (made["items"], made["runs"]) == ([], [])
    assert (found["items"], found["runs"]) == ([item], ["r"])


async def test_an_item_has_every_key(client: httpx.AsyncClient) -> None:
    dataset = await make(client)

    made = await add(client, id="i", input={"q": "?"}, expectedOutput="!", sourceTraceId="t", sourceObservationId="o")

    times = {"createdAt": made["createdAt"], "updatedAt": made["createdAt"]}
    assert made == times | {
        "id": "i",
        "status": "ACTIVE",
        "input": {"q": "?"},
        "expectedOutput": "!",
        "metadata": None,
        "sourceTraceId": "t",
        "sourceObservationId": "o",
        "datasetId": dataset["id"],
        "datasetName": "capitals",
        "mediaReferences": [],
    }
    assert (await client.get(f"{ITEMS}/i")).json() == made
    assert await listed(client, sourceTraceId="t", sourceObservationId="o") == ["i"]
    assert await listed(client, sourceTraceId="t", sourceObservationId="other") == []


async def test_what_an_update_does_not_give_stays(client: httpx.AsyncClient) -> None:
    await make(client)
    made = await add(client, id="i", input=1, expectedOutput={"a": 1}, metadata={"b": 2})
    changed = await add(client, id="i", input=None, expectedOutput=[], status="ARCHIVED")
    same = await add(client, id="i", status="ARCHIVED")

    assert (changed["input"], changed["expectedOutput"], changed["metadata"]) == (1, [], {"b": 2})
    assert (changed["status"], changed["createdAt"]) == ("ARCHIVED", made["createdAt"])
    assert changed["updatedAt"] > made["updatedAt"]
    assert same == changed


async def test_an_archived_item_is_in_no_list_and_can_be_read_alone(client: httpx.AsyncClient) -> None:
    await make(client)
    await add(client, id="a")
    await add(client, id="b", status="ARCHIVED")

    assert await listed(client, datasetName="capitals") == ["a"]
    assert (await client.get(f"{ITEMS}/b")).json()["status"] == "ARCHIVED"


async def test_an_id_belongs_to_one_dataset(client: httpx.AsyncClient) -> None:
    await make(client)
    await make(client, "other")
    await add(client, id="i")

    response = await client.post(ITEMS, json={"datasetName": "other", "id": "i"})

    assert (response.status_code, response.json()["error"]) == (409, "LangfuseConflictError")


async def test_texts_are_kept_but_for_control_characters(client: httpx.AsyncClient) -> None:
    await make(client)
    given = {
        "z": "a\x00b\x07c\n\t",
        "a\x1f": [12345678901234567890, 1.5],
        "media": "@@@langfuseMedia:type=image/png|id=x|source=bytes@@@",
    }

    made = await add(client, id="i", input=given)

    assert made["input"] == {
        "z": "abc\n\t",
        "a": ["12345678901234567890", 1.5],
        "media": "@@@langfuseMedia:type=image/png|id=x|source=bytes@@@",
    }
    assert list(made["input"]) == ["z", "a", "media"]


async def test_a_version_is_the_dataset_as_it_was(client: httpx.AsyncClient) -> None:
    await make(client)
    first = await add(client, id="a", input=1)
    second = await add(client, id="b", input=1)
    await add(client, id="a", input=2)
    await add(client, id="c", input=1)
    archived = await add(client, id="b", status="ARCHIVED")
    await client.delete(f"{ITEMS}/c")

    async def at(version: str) -> dict[str, Any]:
        response = await client.get(ITEMS, params={"datasetName": "capitals", "version": version})
        return {one["id"]: one["input"] for one in response.json()["data"]}

    assert await at(first["updatedAt"]) == {"a": 1}
    assert await at(second["updatedAt"]) == {"a": 1, "b": 1}
    assert await at(archived["updatedAt"]) == {"a": 2, "c": 1}
    assert await at("2020-01-01T00:00:00Z") == {}
    assert await at("2120-01-01T00:00:00Z") == {"a": 2}
    assert issues(await client.get(ITEMS, params={"version": "2020-01-01"}))[0][0] == ["version"]


async def test_a_deleted_item_is_gone_and_its_id_can_be_used_again(client: httpx.AsyncClient) -> None:
    await make(client)
    await make(client, "other")
    made = await add(client, id="a/b", input=1)

    deleted = await client.delete(f"{ITEMS}/a%2Fb")
    again = await add(client, "other", id="a/b")

    assert deleted.json() == {"message": "Dataset item successfully deleted"}
    assert await listed(client, datasetName="capitals") == []
    assert (again["input"], again["createdAt"] > made["createdAt"]) == (None, True)
    past = await client.get(ITEMS, params={"datasetName": "capitals", "version": made["updatedAt"]})
    assert [one["id"] for one in past.json()["data"]] == ["a/b"]


async def test_items_must_fit_the_schemas_and_every_fault_is_told(client: httpx.AsyncClient) -> None:
    await make(client, inputSchema=SCHEMA, expectedOutputSchema={"type": "string"})
    await add(client, id="good", input={"q": "?"}, expectedOutput="!")

    bad = await client.post(ITEMS, json={"datasetName": "capitals", "input": {"q": 1}, "expectedOutput": 1})
    empty = await client.post(ITEMS, json={"datasetName": "capitals"})
    worse = await client.post(ITEMS, json={"datasetName": "capitals", "id": "good", "input": {}})

    assert issues(bad) == [
        (["input", "q"], 'input does not fit the dataset\'s inputSchema: 1 is not of type "string"'),
        (
            ["expectedOutput"],
            'expectedOutput does not fit the dataset\'s expectedOutputSchema: 1 is not of type "string"',
        ),
    ]
    assert [path for path, _ in issues(empty)] == [["input"], ["expectedOutput"]]
    assert [path for path, _ in issues(worse)] == [["input"]]
    assert (await client.get(f"{ITEMS}/good")).json()["input"] == {"q": "?"}


async def test_a_new_schema_must_fit_the_items_that_are_there(client: httpx.AsyncClient) -> None:
    await make(client)
    for number in range(205):
        await add(client, id=f"i{number:03}", input={"q": "?" if number < 204 else 1})

    refused = await client.post(V2, json={"name": "capitals", "inputSchema": SCHEMA})
    await client.delete(f"{ITEMS}/i204")
    taken = await make(client, inputSchema=SCHEMA)

    assert issues(refused)[0][0] == ["inputSchema"]
    assert "the input of the item 'i204'" in issues(refused)[0][1]
    assert taken["inputSchema"] == SCHEMA


@pytest.mark.parametrize(
    "schema",
    [{"type": "nope"}, {"$ref": "http://127.0.0.1:9/x"}, {"pattern": "("}, "object", [1], {"$ref": "#/none"}],
)
async def test_what_is_no_schema_is_refused(client: httpx.AsyncClient, schema: object) -> None:
    response = await client.post(V2, json={"name": "capitals", "expectedOutputSchema": schema})

    assert [path for path, _ in issues(response)] == [["expectedOutputSchema"]]
    assert (await client.get(f"{V2}/capitals")).status_code == 404


async def test_a_schema_that_never_ends_is_refused_and_harms_no_other(client: httpx.AsyncClient) -> None:
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    await make(client, "bomb", inputSchema={"$defs": steps | {"a40": {}}, "$ref": "#/$defs/a0"})
    await make(client, inputSchema=SCHEMA)

    slow = await client.post(ITEMS, json={"datasetName": "bomb", "input": 1})

    assert issues(slow) == [(["inputSchema"], "checking values against this schema takes too much time or memory")]
    await add(client, input={"q": "?"})


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (V2, {}, ["name"]),
        (V2, {"name": ""}, ["name"]),
        (V2, {"name": 1}, ["name"]),
        (V2, {"name": "x" * 501}, ["name"]),
        (V2, {"name": "x", "description": 1}, ["description"]),
        (V2, [], []),
        (ITEMS, {}, ["datasetName"]),
        (ITEMS, {"datasetName": "capitals", "id": "x" * 256}, ["id"]),
        (ITEMS, {"datasetName": "capitals", "id": {}}, ["id"]),
        (ITEMS, {"datasetName": "capitals", "status": "GONE"}, ["status"]),
        (ITEMS, {"datasetName": "capitals", "sourceTraceId": [1]}, ["sourceTraceId"]),
    ],
)
async def test_a_bad_body_is_refused_with_the_place_of_the_fault(
    client: httpx.AsyncClient, path: str, body: object, where: list[str]
) -> None:
    await make(client)

    assert [found for found, _ in issues(await client.post(path, json=body))] == [where]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 300_000, b"null"])
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    for path in (V2, V1, ITEMS, "/api/public/dataset-run-items", "/api/tailrace/v1/datasets/x/items/from-trace"):
        assert (await client.post(path, content=body)).status_code == 400, path


async def test_deep_and_odd_values_come_back(client: httpx.AsyncClient) -> None:
    await make(client)
    body = b'{"datasetName":"capitals","id":"deep","input":' + b"[" * 5000 + b"]" * 5000 + b',"expectedOutput":NaN}'

    response = await client.post(ITEMS, content=body)

    assert response.status_code == 200
    assert response.json()["expectedOutput"] == "NaN"
    assert (await client.get(f"{ITEMS}/deep")).json() == response.json()


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    await make(client)
    fits = await client.post(ITEMS, json={"datasetName": "capitals", "input": "x" * 4_000_000})
    too_large = await client.post(ITEMS, json={"datasetName": "capitals", "input": "x" * 4_600_000})

    assert (fits.status_code, too_large.status_code) == (200, 413)


async def test_those_who_make_a_dataset_at_the_same_time_get_the_same_one(module_postgres_dsn: str, seed: Seed) -> None:
    async with api_client(module_postgres_dsn, seed) as one, api_client(module_postgres_dsn, seed) as two:
        made = await asyncio.gather(*(make((one, two)[n % 2], description=str(n)) for n in range(12)))

    assert len({dataset["id"] for dataset in made}) == 1


async def test_writers_of_one_item_leave_one_history_without_gaps(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with api_client(module_postgres_dsn, seed) as one, api_client(module_postgres_dsn, seed) as two:
        await make(one)
        await asyncio.gather(*(add((one, two)[n % 2], id="i", input=n) for n in range(20)))

    rows = await connection.fetch(
        "select valid_from, valid_to from dataset_items where project_id = $1 order by valid_from", seed.project_id
    )
    assert len(rows) == 20
    assert [row["valid_to"] for row in rows] == [*(row["valid_from"] for row in rows[1:]), None]


async def test_one_id_in_two_datasets_at_the_same_time_is_a_conflict_for_one(
    module_postgres_dsn: str, seed: Seed
) -> None:
    async with api_client(module_postgres_dsn, seed) as one, api_client(module_postgres_dsn, seed) as two:
        await make(one)
        await make(one, "other")
        for number in range(10):
            bodies = [{"datasetName": name, "id": f"i{number}"} for name in ("capitals", "other")]
            answers = await asyncio.gather(one.post(ITEMS, json=bodies[0]), two.post(ITEMS, json=bodies[1]))
            assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_projects_with_the_same_names_and_ids_never_meet(
    client: httpx.AsyncClient, module_postgres_dsn: str, connection: "asyncpg.Connection[Any]"
) -> None:
    other = Seed(connection)
    await other.project()
    await make(client)
    await add(client, id="i", input="ours")
    async with api_client(module_postgres_dsn, other) as stranger:
        assert (await stranger.get(f"{V2}/capitals")).status_code == 404
        assert (await stranger.get(f"{ITEMS}/i")).status_code == 404
        assert (await stranger.delete(f"{ITEMS}/i")).status_code == 404
        theirs = await make(stranger)
        await add(stranger, id="i", input="theirs")
        assert await listed(stranger, datasetName="capitals") == ["i"]
        await stranger.delete(f"{ITEMS}/i")

    ours = (await client.get(f"{ITEMS}/i")).json()
    assert (ours["input"], ours["datasetId"] == theirs["id"]) == ("ours", False)


async def test_an_item_can_be_made_of_a_trace_and_of_an_observation(client: httpx.AsyncClient, seed: Seed) -> None:
    await make(client, "evals/a")
    metadata = {"tier": "gold", "resourceAttributes": {"host": "x"}, "scope": {"name": "s"}}
    await seed.trace("t", input='{"q": 1}', output="answer", metadata=metadata)
    await seed.observation("o", "t", input="plain", output='{"a": 2}', start_time=NOON)
    path = "/api/tailrace/v1/datasets/evals%2Fa/items/from-trace"

    of_trace = (await client.post(path, json={"traceId": "t"})).json()
    of_observation = (await client.post(path, json={"traceId": "t", "observationId": "o", "id": "mine"})).json()
    given = (await client.post(path, json={"traceId": "t", "expectedOutput": "better", "metadata": {"m": 1}})).json()

    assert (of_trace["input"], of_trace["expectedOutput"], of_trace["metadata"]) == (
        {"q": 1},
        "answer",
        {"tier": "gold"},
    )
    assert (of_trace["sourceTraceId"], of_trace["sourceObservationId"]) == ("t", None)
    assert (of_observation["id"], of_observation["input"], of_observation["expectedOutput"]) == (
        "mine",
        "plain",
        {"a": 2},
    )
    assert (of_observation["sourceTraceId"], of_observation["sourceObservationId"]) == ("t", "o")
    assert (given["expectedOutput"], given["metadata"]) == ("better", {"m": 1})
    for body in ({"traceId": "none"}, {"traceId": "t", "observationId": "none"}):
        assert (await client.post(path, json=body)).status_code == 404
    assert (await client.post(path.replace("evals%2Fa", "none"), json={"traceId": "t"})).status_code == 404
