"""Prompts: versions, labels, tags, lists and deletion, as the SDKs write and read them."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import api_client
from tests.query.prompts import PATH, add, create, prompt_process, read
from tests.query.seed import Seed

pytestmark = pytest.mark.integration

CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "You answer {{who}}."},
    {"type": "placeholder", "name": "history"},
    {"type": "chatmessage", "role": "user", "content": "{{question}}", "name": "Ann", "extra": {"deep": [1, None]}},
]


async def test_a_first_version_has_number_1_and_the_label_latest(client: httpx.AsyncClient, seed: Seed) -> None:
    made = await create(client, prompt="Hello {{name}}", config=None, tags=None, commitMessage=None, labels=[])

    assert len(made.pop("id")) == 32
    assert made.pop("createdAt") == made.pop("updatedAt")
    assert made == {
        "name": "greet",
        "version": 1,
        "type": "text",
        "prompt": "Hello {{name}}",
        "config": {},
        "labels": ["latest"],
        "tags": [],
        "commitMessage": None,
        "resolutionGraph": None,
        "isActive": False,
        "projectId": seed.project_id,
        "createdBy": "API",
    }


async def test_a_chat_keeps_its_messages_with_all_their_keys(client: httpx.AsyncClient) -> None:
    config = {"model": "gpt-4o", "z": 1, "a": {"temperature": 0.30}, "big": 2**60}
    made = await create(client, prompt=CHAT, type="chat", labels=["production"], config=config, commitMessage="first")

    found = await read(client)

    assert made["prompt"] == found["prompt"] == CHAT
    assert list(found["config"]) == ["model", "z", "a", "big"]
    assert found["config"] == config | {"big": str(2**60)}
    assert (found["type"], found["commitMessage"], found["isActive"]) == ("chat", "first", True)
    assert found["labels"] == ["production", "latest"]


async def test_latest_is_with_the_newest_version_and_production_stays_where_it_is(client: httpx.AsyncClient) -> None:
    await create(client, prompt="one", labels=["production", "staging"])
    await create(client, prompt="two", labels=["staging"])

    assert (await read(client))["prompt"] == "one"
    assert (await read(client, label="production"))["labels"] == ["production"]
    assert (await read(client, label="staging"))["version"] == 2
    assert (await read(client, label="latest"))["labels"] == ["staging", "latest"]
    assert (await read(client, version=1))["prompt"] == "one"


async def test_tags_are_those_of_all_versions(client: httpx.AsyncClient) -> None:
    await create(client, tags=["a", "b", "a"])
    inherited = await create(client)
    null = await create(client, tags=None)
    changed = await create(client, tags=["c"])

    assert [one["tags"] for one in (inherited, null, changed)] == [["a", "b"], ["a", "b"], ["c"]]
    assert (await read(client, version=1))["tags"] == ["c"]
    assert (await create(client, tags=[]))["tags"] == []
    assert (await read(client, version=1))["tags"] == []


async def test_a_name_has_one_type(client: httpx.AsyncClient) -> None:
    await create(client)

    response = await client.post(PATH, json={"name": "greet", "type": "chat", "prompt": CHAT})

    assert response.status_code == 400
    assert response.json()["error"][0]["path"] == ["type"]
    assert (await read(client, label="latest"))["version"] == 1


async def test_is_active_stands_for_the_label_production(client: httpx.AsyncClient) -> None:
    assert (await create(client, isActive=True))["labels"] == ["production", "latest"]
    assert (await create(client, isActive=False))["labels"] == ["latest"]


async def test_latest_may_be_said_of_what_has_it_anyway(client: httpx.AsyncClient) -> None:
    assert (await create(client, labels=["latest", "a", "a"]))["labels"] == ["a", "latest"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "Prompt not found: 'greet' with label 'production'"),
        ({"label": "staging"}, "Prompt not found: 'greet' with label 'staging'"),
        ({"version": 7}, "Prompt not found: 'greet' with version 7"),
        ({"version": 0}, "Prompt not found: 'greet' with version 0"),
        ({"label": "x" * 5000}, f"Prompt not found: 'greet' with label '{'x' * 5000}'"),
    ],
)
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, asked: dict[str, Any], message: str) -> None:
    await create(client)

    response = await client.get(f"{PATH}/greet", params=asked)

    assert response.status_code == 404
    assert response.json() == {"message": message, "error": "LangfuseNotFoundError"}


@pytest.mark.parametrize(
    "asked", [{"version": 1, "label": "a"}, {"version": "x"}, {"version": 2**31}, {"resolve": "maybe"}]
)
async def test_questions_that_cannot_be_meant_are_400(client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    await create(client)

    assert (await client.get(f"{PATH}/greet", params=asked)).status_code == 400


@pytest.mark.parametrize(
    "name", ["a/b/c", "a b", "ä/ö?#%&+", "versions/1/versions/2", "x/versions/1", "a%2Fb", "metrics/new", "\U0001f600"]
)
async def test_names_with_slashes_and_any_characters_are_found_encoded_and_raw(
    client: httpx.AsyncClient, name: str
) -> None:
    await create(client, name=name, labels=["production"])
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    raw = "/".join("".join(f"%{byte:02X}" for byte in part.encode()) for part in name.split("/"))

    for path in (encoded, raw):
        assert (await read(client, path))["name"] == name
        patched = await add(client, path, 1, f"l{len(path)}")
        assert (patched.status_code, patched.json()["name"]) == (200, name)
    assert (await client.delete(f"{PATH}/{encoded}")).status_code == 204
    assert (await client.get(f"{PATH}/{raw}")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "x" * 900_000}, ["name"]),
        ({"name": "a|b"}, ["name"]),
        ({"name": "a<b>c"}, ["name"]),
        ({"name": "/a"}, ["name"]),
        ({"name": "a/"}, ["name"]),
        ({"name": "a//b"}, ["name"]),
        ({"name": "new"}, ["name"]),
        ({"name": "metrics"}, ["name"]),
        ({"name": "prompt-detail"}, ["name"]),
        ({"type": "image"}, ["type"]),
        ({"type": ["chat"]}, ["type"]),
        ({"prompt": None}, ["prompt"]),
        ({"prompt": 5}, ["prompt"]),
        ({"prompt": [{"role": "user", "content": "x"}]}, ["prompt"]),
        ({"type": "chat"}, ["prompt"]),
        ({"type": "chat", "prompt": [5]}, ["prompt", 0]),
        ({"type": "chat", "prompt": [{"role": "user"}]}, ["prompt", 0, "content"]),
        ({"type": "chat", "prompt": [{"content": "x"}]}, ["prompt", 0, "role"]),
        ({"type": "chat", "prompt": [{"type": "placeholder"}]}, ["prompt", 0, "name"]),
        ({"type": "chat", "prompt": [{"type": "placeholder", "name": ""}]}, ["prompt", 0, "name"]),
        (
            {
                "type": "chat",
                "prompt": [{"role": "user", "content": "{{ who }}"}, {"type": "placeholder", "name": "who"}],
            },
            ["prompt", 1, "name"],
        ),
        ({"labels": "production"}, ["labels"]),
        ({"labels": ["Production"]}, ["labels", 0]),
        ({"labels": ["a", 5]}, ["labels", 1]),
        ({"labels": ["x" * 37]}, ["labels", 0]),
        ({"labels": ["ok\n"]}, ["labels", 0]),
        ({"labels": ["a"] * 101}, ["labels"]),
        ({"tags": "a"}, ["tags"]),
        ({"tags": [1]}, ["tags", 0]),
        ({"tags": ["x" * 201]}, ["tags", 0]),
        ({"commitMessage": "x" * 501}, ["commitMessage"]),
        ({"commitMessage": {"a": 1}}, ["commitMessage"]),
    ],
)
async def test_a_body_that_cannot_be_used_is_400_and_says_where(
    client: httpx.AsyncClient, changes: dict[str, Any], path: list[str | int]
) -> None:
    response = await client.post(PATH, json={"name": "greet", "prompt": "Hello"} | changes)

    assert response.status_code == 400, response.text
    assert response.json()["message"] == "Invalid request data"
    assert path in [issue["path"] for issue in response.json()["error"]]
    assert len(response.content) < 2000


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"[" * 100_000, b"\xff", b'{"name": "a"}'])
async def test_a_body_that_is_no_prompt_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post(PATH, content=body)).status_code == 400
    await create(client)
    assert (await client.patch(f"{PATH}/greet/versions/1", content=body)).status_code == 400


async def test_all_faults_of_a_body_are_told_at_once(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json={"name": "a|b", "prompt": 1, "labels": ["A", "b", "C"], "tags": 5})

    assert sorted(str(issue["path"]) for issue in response.json()["error"]) == [
        "['labels', 0]",
        "['labels', 2]",
        "['name']",
        "['prompt']",
        "['tags']",
    ]


async def test_a_body_of_more_than_a_mebibyte_is_413(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, json={"name": "big", "prompt": "x" * 2**20})).status_code == 413


async def test_what_the_database_cannot_hold_is_taken_out_or_replaced(client: httpx.AsyncClient) -> None:
    body = rb'{"name": "odd\u0000", "prompt": "a\u0000b\ud800c", "config": {"k\u0000": "\u0000", "n": 1e999, "d": %s}}'
    deep = b"[" * 1500 + b"]" * 1500

    response = await client.post(PATH, content=body % deep)

    assert response.status_code == 201, response.text
    found = await read(client, "odd", version=1)
    assert found["prompt"] == "ab\ufffdc"
    assert found["config"]["k"] == ""
    assert found["config"]["n"] == "1e999"


async def test_labels_are_added_and_taken_from_other_versions(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await create(client, labels=["a", "b"])
    first = await add(client, "greet", 1, "a", "c")

    assert first.status_code == 200
    assert first.json()["labels"] == ["a", "c"]
    assert (await read(client, version=2))["labels"] == ["b", "latest"]
    assert first.json()["updatedAt"] > first.json()["createdAt"]
    assert (await read(client, version=2))["updatedAt"] == first.json()["updatedAt"]
    body = {"name": "greet", "version": 1, "newLabels": ["d"]}
    assert (await client.patch(f"{PATH}/greet/versions/1", json=body)).json()["labels"] == ["a", "c", "d"]
    assert (await add(client, "greet", 1)).json()["labels"] == ["a", "c", "d"]


async def test_the_label_latest_and_unknown_versions_cannot_be_labelled(client: httpx.AsyncClient) -> None:
    await create(client)

    assert (await add(client, "greet", 1, "latest")).status_code == 400
    assert (await add(client, "greet", 1, "No")).status_code == 400
    assert (await client.patch(f"{PATH}/greet/versions/1", json={})).status_code == 400
    for name, version in (("greet", 2), ("other", 1), ("greet", 0)):
        missing = await add(client, name, version, "x")
        assert (missing.status_code, missing.json()["error"]) == (404, "LangfuseNotFoundError")
    for path in ("greet/versions/x", f"greet/versions/{2**31}", "greet/versions/-1", "greet/versions/\u0661"):
        assert (await client.patch(f"{PATH}/{path}", json={"newLabels": []})).status_code == 400
    assert (await client.patch(f"{PATH}/greet", json={"newLabels": []})).status_code == 404


async def test_deleting_a_version_moves_latest_to_the_highest_that_remains(client: httpx.AsyncClient) -> None:
    for labels in (["a"], ["b"], ["c"]):
        await create(client, labels=labels)

    assert (await client.delete(f"{PATH}/greet", params={"version": 3})).status_code == 204
    assert (await read(client, label="latest"))["version"] == 2
    deleted = await client.delete(f"{PATH}/greet", params={"label": "a"})
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.get(f"{PATH}/greet", params={"version": 1})).status_code == 404
    assert (await client.delete(f"{PATH}/greet", params={"label": "latest"})).status_code == 204
    assert (await client.get(PATH, params={"name": "greet"})).json()["data"] == []


async def test_deleting_a_name_deletes_all_of_it_and_it_can_begin_anew_as_another_type(
    client: httpx.AsyncClient,
) -> None:
    await create(client, labels=["production"], tags=["t"])
    await create(client)

    assert (await client.delete(f"{PATH}/greet")).status_code == 204

    assert (await client.get(f"{PATH}/greet")).status_code == 404
    again = await create(client, prompt=CHAT, type="chat")
    assert (again["version"], again["labels"], again["tags"]) == (1, ["latest"], [])


async def test_what_is_not_there_cannot_be_deleted(client: httpx.AsyncClient) -> None:
    await create(client)

    for path, asked in (("other", {}), ("greet", {"version": 2}), ("greet", {"label": "production"}), ("x" * 3000, {})):
        response = await client.delete(f"{PATH}/{path}", params=asked)
        assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")
    assert (await client.delete(f"{PATH}/greet", params={"label": "a", "version": 1})).status_code == 400


async def create_at_last(client: httpx.AsyncClient, n: int) -> dict[str, Any]:
    """A version; who is told to come back does."""
    body = {"name": "met", "prompt": f"{n}", "labels": ["production", f"l{n % 3}"]}
    while (response := await client.post(PATH, json=body)).status_code == 503:  # noqa: ASYNC110 - others write too
        await asyncio.sleep(0.1)
    assert response.status_code == 201, response.text
    return response.json()


async def test_many_writers_at_once_number_their_versions_without_a_gap_or_a_double(
    client: httpx.AsyncClient, module_postgres_dsn: str, seed: Seed
) -> None:
    async with (
        prompt_process(module_postgres_dsn, seed) as (one, _),
        prompt_process(module_postgres_dsn, seed) as (two, _),
    ):
        made = await asyncio.gather(*(create_at_last((one, two)[n % 2], n) for n in range(60)))

    assert sorted(each["version"] for each in made) == list(range(1, 61))
    listed = [await read(client, "met", version=n) for n in range(1, 61)]
    assert sorted(int(each["prompt"]) for each in listed) == list(range(60))
    labels = [label for each in listed for label in each["labels"]]
    assert sorted(labels) == ["l0", "l1", "l2", "latest", "production"]
    assert listed[-1]["labels"][-2:] == ["production", "latest"]
    assert [each["createdAt"] for each in listed] == sorted(each["createdAt"] for each in listed)


async def test_writers_that_wait_for_each_other_leave_room_for_readers(
    module_postgres_dsn: str, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    async with prompt_process(module_postgres_dsn, seed) as (client, _):
        await create(client, labels=["production"])
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(1886547824, hashtext($1))", seed.project_id)
            writing = [asyncio.create_task(create_at_last(client, n)) for n in range(10)]
            await asyncio.sleep(0.2)
            assert (await read(client))["version"] == 1
            assert (await client.get(PATH)).status_code == 200
            assert not any(each.done() for each in writing)
        await asyncio.gather(*writing)


async def test_a_label_that_moves_is_always_on_exactly_one_version(client: httpx.AsyncClient) -> None:
    for n in (1, 2):
        await create(client, prompt=str(n), labels=["production"])
    seen: set[int] = set()

    async def move() -> None:
        for n in range(20):
            assert (await add(client, "greet", 1 + n % 2, "production")).status_code == 200

    async def look() -> None:
        while not moving.done():
            seen.add((await read(client))["version"])

    moving = asyncio.create_task(move())
    await asyncio.gather(moving, look())
    assert seen == {1, 2}


async def test_the_list_tells_names_with_their_versions_labels_and_latest_config(client: httpx.AsyncClient) -> None:
    await create(client, "b/two", labels=["production"], tags=["x"], config={"n": 1})
    await create(client, "b/two", labels=["staging"], config={"n": 2})
    await create(client, "a", prompt=CHAT, type="chat", config=[1])

    found = (await client.get(PATH)).json()

    meta = {"page": 1, "limit": 10, "totalItems": 2, "totalPages": 1}
    assert (found["meta"], found["pagination"]) == (meta, meta)
    times = [one.pop("lastUpdatedAt") for one in found["data"]]
    assert times[0] > times[1]
    assert found["data"] == [
        {"name": "a", "type": "chat", "versions": [1], "labels": ["latest"], "tags": [], "lastConfig": [1]},
        {
            "name": "b/two",
            "type": "text",
            "versions": [1, 2],
            "labels": ["production", "staging", "latest"],
            "tags": ["x"],
            "lastConfig": {"n": 2},
        },
    ]


async def test_lists_are_filtered_before_versions_are_put_together(client: httpx.AsyncClient) -> None:
    await create(client, "one", labels=["production"], config={"n": 1}, tags=["x", "y"])
    await create(client, "one", config={"n": 2})
    await asyncio.sleep(0.002)
    last = (await create(client, "two", tags=["y"]))["createdAt"]

    async def listed(**asked: Any) -> list[tuple[str, list[int]]]:
        response = await client.get(PATH, params=asked)
        assert response.status_code == 200, response.text
        return [(one["name"], one["versions"]) for one in response.json()["data"]]

    assert await listed(name="one") == [("one", [1, 2])]
    assert await listed(label="production") == [("one", [1])]
    assert (await client.get(PATH, params={"label": "production"})).json()["data"][0]["lastConfig"] == {"n": 1}
    assert await listed(tag="y") == [("one", [1, 2]), ("two", [1])]
    assert await listed(tag="x", name="two") == []
    assert await listed(fromUpdatedAt=last) == [("two", [1])]
    assert await listed(toUpdatedAt=last) == [("one", [1, 2])]
    assert await listed(toUpdatedAt="2020-01-01T00:00:00Z") == []
    assert await listed(limit=1) == [("one", [1, 2])]
    assert await listed(limit=1, page=2) == [("two", [1])]
    assert await listed(limit=1, page=3) == []
    for bad in ({"limit": 0}, {"limit": 101}, {"page": 0}, {"fromUpdatedAt": "soon"}, {"filter": "{"}):
        assert (await client.get(PATH, params=bad)).status_code == 400, bad


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"type": "string", "column": "name", "operator": "=", "value": "Tools/a"}, {"Tools/a": [1, 2]}),
        ({"type": "string", "column": "name", "operator": "=", "value": "tools/a"}, {}),
        ({"type": "string", "column": "name", "operator": "starts with", "value": "tools/"}, {"Tools/a": [1, 2]}),
        ({"type": "string", "column": "name", "operator": "ends with", "value": "_A"}, {"Tools/a": [1, 2]}),
        ({"type": "string", "column": "name", "operator": "contains", "value": "t%l"}, {"Tools/a": [1, 2]}),
        ({"type": "string", "column": "name", "operator": "contains", "value": "\\%"}, {"50%": [1]}),
        ({"type": "string", "column": "name", "operator": "contains", "value": "*"}, {}),
        ({"type": "string", "column": "name", "operator": "does not contain", "value": "OO"}, {"50%": [1]}),
        (
            {"type": "string", "column": "name", "operator": "is not empty", "value": ""},
            {"50%": [1], "Tools/a": [1, 2]},
        ),
        ({"type": "stringOptions", "column": "type", "operator": "any of", "value": ["chat"]}, {"50%": [1]}),
        ({"type": "stringOptions", "column": "name", "operator": "none of", "value": ["50%"]}, {"Tools/a": [1, 2]}),
        ({"type": "number", "column": "version", "operator": ">=", "value": 2}, {"Tools/a": [2]}),
        ({"type": "datetime", "column": "createdAt", "operator": "<", "value": "2020-01-01T00:00:00Z"}, {}),
        ({"type": "arrayOptions", "column": "labels", "operator": "any of", "value": ["production"]}, {"Tools/a": [1]}),
        ({"type": "arrayOptions", "column": "tags", "operator": "all of", "value": ["x", "y"]}, {"Tools/a": [1, 2]}),
        ({"type": "arrayOptions", "column": "tags", "operator": "none of", "value": ["x"]}, {"50%": [1]}),
        (
            {"type": "stringObject", "column": "config", "key": "model", "operator": "contains", "value": "GPT"},
            {"Tools/a": [1]},
        ),
        (
            {"type": "stringObject", "column": "config", "key": "model", "operator": "is set", "value": ""},
            {"Tools/a": [1]},
        ),
        (
            {"type": "stringObject", "column": "config", "key": "model", "operator": "is not set", "value": ""},
            {"50%": [1], "Tools/a": [2]},
        ),
        (
            {"type": "stringObject", "column": "config", "key": "model", "operator": "starts with", "value": ""},
            {"Tools/a": [1]},
        ),
    ],
)
async def test_the_filter_takes_the_place_of_the_other_parameters(
    client: httpx.AsyncClient, condition: dict[str, Any], found: dict[str, list[int]]
) -> None:
    await create(client, "Tools/a", labels=["production"], tags=["x", "y"], config={"model": "gpt-4o"})
    await create(client, "Tools/a", config=["model"])
    await create(client, "50%", CHAT, type="chat")

    response = await client.get(PATH, params={"name": "no", "filter": json.dumps([condition])})

    assert response.status_code == 200, response.text
    assert {one["name"]: one["versions"] for one in response.json()["data"]} == found
    assert len((await client.get(PATH, params={"name": "no", "filter": "[]"})).json()["data"]) == 2


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "string", "column": "prompt", "operator": "=", "value": "x"},
        {"type": "string", "column": "name", "operator": "contains", "value": "a\\"},
        {"type": "string", "column": "name", "operator": "like", "value": "a"},
        {"type": "string", "column": "name", "operator": "=", "value": 5},
        {"type": "number", "column": "version", "operator": "=", "value": "1"},
        {"type": "stringObject", "column": "config", "operator": "=", "value": "1"},
    ],
)
async def test_a_filter_that_cannot_be_used_is_400(client: httpx.AsyncClient, condition: dict[str, Any]) -> None:
    assert (await client.get(PATH, params={"filter": json.dumps([condition])})).status_code == 400


async def test_the_first_routes_of_prompts_answer_too(client: httpx.AsyncClient) -> None:
    body = {"name": "a/b", "prompt": "Hi", "isActive": True}
    made = await client.post("/api/public/prompts", json=body)

    assert made.status_code == 201
    for asked in ({"name": "a/b"}, {"name": "a/b", "version": 1}):
        found = await client.get("/api/public/prompts", params=asked)
        assert (found.json()["prompt"], found.json()["isActive"]) == ("Hi", True)
    assert (await client.get("/api/public/prompts")).status_code == 400
    assert (await client.get("/api/public/prompts", params={"name": "c"})).status_code == 404


async def test_a_project_sees_and_changes_its_own_prompts_only(
    client: httpx.AsyncClient, module_postgres_dsn: str, connection: "asyncpg.Connection[Any]"
) -> None:
    await create(client, prompt="ours", labels=["production"], tags=["t"])
    other = Seed(connection)
    await other.project()
    async with api_client(module_postgres_dsn, other) as stranger:
        assert (await stranger.get(f"{PATH}/greet")).status_code == 404
        assert (await stranger.get(PATH)).json()["meta"]["totalItems"] == 0
        assert (await add(stranger, "greet", 1, "x")).status_code == 404
        assert (await stranger.delete(f"{PATH}/greet")).status_code == 404
        include = {"name": "thief", "prompt": "@@@langfusePrompt:name=greet|label=production@@@"}
        assert (await stranger.post(PATH, json=include)).status_code == 400
        theirs = await create(stranger, prompt="theirs", labels=["production"], projectId="anything")
        assert (theirs["version"], theirs["tags"]) == (1, [])
        assert (await stranger.delete(f"{PATH}/greet")).status_code == 204

    found = await read(client)
    assert (found["prompt"], found["version"], found["tags"]) == ("ours", 1, ["t"])


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_prompts_need_both_keys(client: httpx.AsyncClient, seed: Seed, method: str) -> None:
    path = PATH if method == "POST" else f"{PATH}/greet/versions/1"

    limited = await client.request(method, path, headers={"Authorization": f"Bearer {seed.public_key}"})
    nobody = await client.request(method, path, headers={"Authorization": ""})

    assert (limited.status_code, limited.json()["error"]) == (403, "ForbiddenError")
    assert (nobody.status_code, nobody.json()) == (401, {"message": "No authorization header"})


async def test_an_observation_names_the_version_that_it_was_made_by(client: httpx.AsyncClient, seed: Seed) -> None:
    made = await create(client, "a/b")
    await seed.trace("t")
    await seed.observation("known", "t", type="GENERATION", prompt_name="a/b", prompt_version=1)
    await seed.observation("unknown", "t", type="GENERATION", prompt_name="a/b", prompt_version=9)
    await seed.observation("none", "t", type="GENERATION")

    expected = {"known": (made["id"], "a/b", 1), "unknown": (None, "a/b", 9), "none": (None, None, None)}
    for path in ("/api/public/observations", "/api/public/v2/observations?fields=prompt"):
        found = (await client.get(path)).json()["data"]
        assert {one["id"]: (one["promptId"], one["promptName"], one["promptVersion"]) for one in found} == expected
