"""Score configs as the SDKs read and write them."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tailrace.query import score_configs
from tests.query.conftest import api_client
from tests.query.seed import Seed

pytestmark = pytest.mark.integration

PATH = "/api/public/score-configs"
GOOD, BAD = {"label": "good", "value": 2}, {"label": "bad", "value": -1.5}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends scores in these tests: answers need not wait until a version holds."""

    async def no_wait(_: float) -> None:
        return None

    monkeypatch.setattr(score_configs, "_wait", no_wait)


async def create(client: httpx.AsyncClient, **values: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"name": "quality", "dataType": "NUMERIC"} | values)
    assert response.status_code == 200, response.text
    return response.json()


async def change(client: httpx.AsyncClient, config: dict[str, Any], **values: Any) -> dict[str, Any]:
    response = await client.patch(f"{PATH}/{config['id']}", json=values)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_config_is_read_as_it_was_made(client: httpx.AsyncClient, seed: Seed) -> None:
    made = await create(client, minValue=0, maxValue=1.5, description="how good")

    assert (await client.get(f"{PATH}/{made['id']}")).json() == made
    assert made.pop("createdAt") == made.pop("updatedAt")
    assert made.pop("id")
    assert made == {
        "name": "quality",
        "dataType": "NUMERIC",
        "minValue": 0,
        "maxValue": 1.5,
        "categories": None,
        "description": "how good",
        "isArchived": False,
        "projectId": seed.project_id,
    }


async def test_a_boolean_config_has_the_categories_true_and_false(client: httpx.AsyncClient) -> None:
    made = await create(client, dataType="BOOLEAN")

    assert made["categories"] == [{"label": "True", "value": 1}, {"label": "False", "value": 0}]


async def test_a_change_keeps_what_it_does_not_speak_of(client: httpx.AsyncClient) -> None:
    made = await create(client, dataType="CATEGORICAL", categories=[GOOD, BAD], description="tone of voice")

    archived = await change(client, made, isArchived=True)
    renamed = await change(client, made, name="Tone (v2)", categories=[GOOD], description=None)

    assert archived == made | {"isArchived": True, "updatedAt": archived["updatedAt"]}
    assert renamed == archived | {
        "name": "Tone (v2)",
        "categories": [GOOD],
        "description": None,
        "updatedAt": renamed["updatedAt"],
    }
    assert (await client.get(f"{PATH}/{made['id']}")).json() == renamed
    assert made["updatedAt"] <= archived["updatedAt"] <= renamed["updatedAt"]


async def test_a_null_bound_is_no_bound(client: httpx.AsyncClient) -> None:
    made = await create(client, minValue=0, maxValue=1)

    assert (await change(client, made, minValue=None))["minValue"] is None
    assert (await change(client, made, maxValue=None))["maxValue"] is None


async def test_configs_are_listed_by_page_the_newest_first_archived_ones_too(client: httpx.AsyncClient) -> None:
    made = [await create(client, name=f"c{number}") for number in range(3)]
    await change(client, made[0], isArchived=True)

    pages = [(await client.get(PATH, params={"page": page, "limit": 2})).json() for page in (1, 2, 3)]

    assert [[one["name"] for one in page["data"]] for page in pages] == [["c2", "c1"], ["c0"], []]
    assert pages[1]["meta"] == {"page": 2, "limit": 2, "totalItems": 3, "totalPages": 2}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "n" * 36}, ["name"]),
        ({"name": "a/b"}, ["name"]),
        ({"name": 5}, ["name"]),
        ({"dataType": "CORRECTION"}, ["dataType"]),
        ({"dataType": None}, ["dataType"]),
        ({"minValue": 1, "maxValue": 1}, ["maxValue"]),
        ({"minValue": "0"}, ["minValue"]),
        ({"maxValue": 10**400}, ["maxValue"]),
        ({"minValue": True}, ["minValue"]),
        ({"categories": [GOOD]}, ["categories"]),
        ({"dataType": "TEXT", "minValue": 0}, ["minValue"]),
        ({"dataType": "BOOLEAN", "categories": [GOOD]}, ["categories"]),
        ({"dataType": "CATEGORICAL"}, ["categories"]),
        ({"dataType": "CATEGORICAL", "categories": []}, ["categories"]),
        ({"dataType": "CATEGORICAL", "categories": "good"}, ["categories"]),
        ({"dataType": "CATEGORICAL", "categories": [GOOD, 5]}, ["categories", 1]),
        ({"dataType": "CATEGORICAL", "categories": [GOOD, {"label": "bad"}]}, ["categories", 1, "value"]),
        ({"dataType": "CATEGORICAL", "categories": [GOOD, {"label": "good", "value": 3}]}, ["categories"]),
        ({"dataType": "CATEGORICAL", "categories": [GOOD, {"label": "bad", "value": 2}]}, ["categories"]),
        ({"description": "x" * 5001}, ["description"]),
    ],
)
async def test_a_config_that_cannot_be_is_400_with_the_path_to_the_fault(
    client: httpx.AsyncClient, body: dict[str, Any], path: list[str | int]
) -> None:
    response = await client.post(PATH, json={"name": "quality", "dataType": "NUMERIC"} | body)

    assert response.status_code == 400
    assert response.json()["message"] == "Invalid request data"
    assert path in [issue["path"] for issue in response.json()["error"]]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"name"', b'"' + b"[" * 100_000])
async def test_what_is_no_object_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    for response in (await client.post(PATH, content=body), await client.patch(f"{PATH}/x", content=body)):
        assert response.status_code in (400, 404)
        assert isinstance(response.json()["error"], list | str)
    assert (await client.post(PATH, content=body)).status_code == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, []),
        ({"unknown": 1}, []),
        ({"dataType": "BOOLEAN"}, ["dataType"]),
        ({"minValue": 2}, ["maxValue"]),
        ({"isArchived": "yes"}, ["isArchived"]),
        ({"categories": [GOOD]}, ["categories"]),
    ],
)
async def test_a_change_that_cannot_be_is_400_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, Any], path: list[str]
) -> None:
    made = await create(client, minValue=0, maxValue=1)

    response = await client.patch(f"{PATH}/{made['id']}", json=body)

    assert (response.status_code, path in [issue["path"] for issue in response.json()["error"]]) == (400, True)
    assert (await client.get(f"{PATH}/{made['id']}")).json() == made


async def test_changes_at_the_same_time_are_all_kept(client: httpx.AsyncClient) -> None:
    made = await create(client)

    changes: list[dict[str, Any]] = [{"minValue": 0}, {"maxValue": 1}, {"description": "both"}]
    await asyncio.gather(*[change(client, made, **one) for one in changes])

    found = (await client.get(f"{PATH}/{made['id']}")).json()
    assert (found["minValue"], found["maxValue"], found["description"]) == (0, 1, "both")


async def test_a_config_of_another_project_is_neither_seen_nor_changed(
    client: httpx.AsyncClient, connection: "asyncpg.Connection[Any]", module_postgres_dsn: str
) -> None:
    made = await create(client)
    other = Seed(connection)
    await other.project()

    async with api_client(module_postgres_dsn, other) as theirs:
        for response in (
            await theirs.get(f"{PATH}/{made['id']}"),
            await theirs.patch(f"{PATH}/{made['id']}", json={"isArchived": True}),
        ):
            assert (response.status_code, response.json()) == (
                404,
                {"message": "Score config not found within authorized project", "error": "LangfuseNotFoundError"},
            )
        assert (await theirs.get(PATH)).json()["data"] == []


async def test_there_is_an_end_to_configs(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_configs, "MAX_CONFIGS", 1)
    made = await create(client)

    response = await client.post(PATH, json={"name": "more", "dataType": "TEXT"})

    assert (response.status_code, response.json()["error"][0]["path"]) == (400, ["name"])
    assert (await change(client, made, name="still"))["name"] == "still"
