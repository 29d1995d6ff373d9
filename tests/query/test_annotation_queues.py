"""Annotation queues, their items and who works on them, as the SDKs read and write them."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import api_client
from tests.query.seed import NOON, Seed

pytestmark = pytest.mark.integration

PATH = "/api/public/annotation-queues"
NO_QUEUE = {"message": "Annotation queue not found", "error": "LangfuseNotFoundError"}
NO_ITEM = {"message": "Annotation queue item not found", "error": "LangfuseNotFoundError"}


@pytest.fixture
async def config_id(seed: Seed) -> str:
    """A score config of the project."""
    times = {"created_at": NOON, "updated_at": NOON, "effective_at": NOON}
    await seed.insert("score_config_versions", {"id": "c1", "name": "quality", "data_type": "NUMERIC"} | times)
    return "c1"


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.request(method, f"{PATH}{path}", json=body, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def make_queue(client: httpx.AsyncClient, name: str = "review", **values: Any) -> str:
    return (await ask(client, "POST", "", {"name": name, "scoreConfigIds": []} | values))["id"]


async def make_item(client: httpx.AsyncClient, queue: str, object_id: str = "t1", **values: Any) -> dict[str, Any]:
    return await ask(client, "POST", f"/{queue}/items", {"objectId": object_id, "objectType": "TRACE"} | values)


async def test_a_queue_is_read_as_it_was_made(client: httpx.AsyncClient, config_id: str) -> None:
    made = await ask(
        client, "POST", "", {"name": "review", "description": "look", "scoreConfigIds": [config_id, config_id]}
    )

    assert await ask(client, "GET", f"/{made['id']}") == made
    assert made.pop("createdAt") == made.pop("updatedAt")
    assert made.pop("id")
    assert made == {"name": "review", "description": "look", "scoreConfigIds": [config_id, config_id]}


async def test_queues_are_listed_by_page_the_newest_first(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await make_queue(client, f"q{number}")

    pages = [await ask(client, "GET", "", page=page, limit=2) for page in (1, 2)]

    assert [[one["name"] for one in page["data"]] for page in pages] == [["q2", "q1"], ["q0"]]
    assert pages[0]["meta"] == {"page": 1, "limit": 2, "totalItems": 3, "totalPages": 2}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"scoreConfigIds": []}, ["name"]),
        ({"name": "", "scoreConfigIds": []}, ["name"]),
        ({"name": "n"}, ["scoreConfigIds"]),
        ({"name": "n", "scoreConfigIds": "c1"}, ["scoreConfigIds"]),
        ({"name": "n", "scoreConfigIds": [5]}, ["scoreConfigIds", 0]),
        ({"name": "n", "scoreConfigIds": [], "description": 5}, ["description"]),
    ],
)
async def test_a_queue_that_cannot_be_is_400(client: httpx.AsyncClient, body: Any, path: list[str | int]) -> None:
    response = await client.post(PATH, json=body)

    assert (response.status_code, [issue["path"] for issue in response.json()["error"]]) == (400, [path])


async def test_a_second_queue_of_a_name_is_409_and_an_unknown_score_config_404(
    client: httpx.AsyncClient, config_id: str
) -> None:
    await make_queue(client)

    again = await client.post(PATH, json={"name": "review", "scoreConfigIds": []})
    unknown = await client.post(PATH, json={"name": "other", "scoreConfigIds": [config_id, "c2"]})

    assert (again.status_code, again.json()["error"]) == (409, "LangfuseConflictError")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "LangfuseNotFoundError")
    assert [one["name"] for one in (await ask(client, "GET", ""))["data"]] == ["review"]


async def test_an_item_waits_until_it_is_completed(client: httpx.AsyncClient) -> None:
    queue = await make_queue(client)
    made = await make_item(client, queue)
    path = f"/{queue}/items/{made['id']}"

    assert await ask(client, "GET", path) == made
    assert made == made | {
        "queueId": queue,
        "objectId": "t1",
        "objectType": "TRACE",
        "status": "PENDING",
        "completedAt": None,
    }
    done = await ask(client, "PATCH", path, {"status": "COMPLETED"})
    again = await ask(client, "PATCH", path, {"status": "COMPLETED"})
    same = await ask(client, "PATCH", path, {})
    assert (done["status"], done["completedAt"] is not None) == ("COMPLETED", True)
    assert done["completedAt"] == again["completedAt"] == same["completedAt"]
    back = await ask(client, "PATCH", path, {"status": "PENDING"})
    assert (back["status"], back["completedAt"], back["createdAt"]) == ("PENDING", None, made["createdAt"])


async def test_an_item_may_be_completed_from_the_start(client: httpx.AsyncClient) -> None:
    queue = await make_queue(client)

    made = await make_item(client, queue, "s1", objectType="SESSION", status="COMPLETED")

    assert (made["objectType"], made["completedAt"]) == ("SESSION", made["createdAt"])


async def test_items_are_listed_by_page_and_status(client: httpx.AsyncClient) -> None:
    queue, other = await make_queue(client), await make_queue(client, "other")
    for number in range(3):
        await make_item(client, queue, f"t{number}", status="COMPLETED" if number == 1 else None)
    await make_item(client, other)

    listed = await ask(client, "GET", f"/{queue}/items", limit=2)
    pending = await ask(client, "GET", f"/{queue}/items", status="PENDING")

    assert [one["objectId"] for one in listed["data"]] == ["t2", "t1"]
    assert listed["meta"] == {"page": 1, "limit": 2, "totalItems": 3, "totalPages": 2}
    assert [one["objectId"] for one in pending["data"]] == ["t2", "t0"]
    assert (await client.get(f"{PATH}/{queue}/items", params={"status": "DONE"})).status_code == 400


async def test_a_deleted_item_is_gone(client: httpx.AsyncClient) -> None:
    queue = await make_queue(client)
    path = f"/{queue}/items/{(await make_item(client, queue))['id']}"

    deleted = await ask(client, "DELETE", path)

    assert deleted == {"success": True, "message": "Annotation queue item successfully deleted"}
    for method in ("GET", "PATCH", "DELETE"):
        response = await client.request(method, f"{PATH}{path}", json={})
        assert (response.status_code, response.json()) == (404, NO_ITEM)


@pytest.mark.parametrize(
    "body",
    [
        {"objectType": "TRACE"},
        {"objectId": "t1", "objectType": "PROMPT"},
        {"objectId": "", "objectType": "TRACE"},
        {"objectId": "t1", "objectType": ["TRACE"]},
        {"objectId": "t1", "objectType": "TRACE", "status": "DONE"},
    ],
)
async def test_an_item_that_cannot_be_is_400(client: httpx.AsyncClient, body: Any) -> None:
    response = await client.post(f"{PATH}/{await make_queue(client)}/items", json=body)

    assert (response.status_code, response.json()["message"]) == (400, "Invalid request data")


async def test_a_person_is_assigned_and_taken_off_as_often_as_one_likes(
    client: httpx.AsyncClient, seed: Seed, connection: "asyncpg.Connection[Any]"
) -> None:
    queue = await make_queue(client)
    count = "select count(*) from annotation_queue_assignments where project_id = $1"

    for _ in range(2):
        assigned = await ask(client, "POST", f"/{queue}/assignments", {"userId": "ada"})
        assert assigned == {"userId": "ada", "queueId": queue, "projectId": seed.project_id}
    assert await connection.fetchval(count, seed.project_id) == 1
    for _ in range(2):
        assert await ask(client, "DELETE", f"/{queue}/assignments", {"userId": "ada"}) == {"success": True}
    assert await connection.fetchval(count, seed.project_id) == 0
    assert (await client.post(f"{PATH}/{queue}/assignments", json={})).status_code == 400


async def test_what_is_asked_of_a_queue_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    item = {"objectId": "t1", "objectType": "TRACE"}
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/none", None),
        ("GET", "/none/items", None),
        ("POST", "/none/items", item),
        ("POST", "/none/assignments", {"userId": "ada"}),
        ("DELETE", "/none/assignments", {"userId": "ada"}),
    ]
    for method, path, body in asked:
        response = await client.request(method, f"{PATH}{path}", json=body)
        assert (response.status_code, response.json()) == (404, NO_QUEUE), path


async def test_another_project_sees_and_changes_nothing_of_a_queue(
    client: httpx.AsyncClient, connection: "asyncpg.Connection[Any]", module_postgres_dsn: str, config_id: str
) -> None:
    queue = await make_queue(client)
    item = await make_item(client, queue)
    other = Seed(connection)
    await other.project()

    async with api_client(module_postgres_dsn, other) as theirs:
        asked: list[tuple[str, str, Any]] = [
            ("GET", f"/{queue}", None),
            ("GET", f"/{queue}/items", None),
            ("POST", f"/{queue}/items", {"objectId": "t1", "objectType": "TRACE"}),
            ("PATCH", f"/{queue}/items/{item['id']}", {"status": "COMPLETED"}),
            ("DELETE", f"/{queue}/items/{item['id']}", None),
            ("POST", f"/{queue}/assignments", {"userId": "eve"}),
            ("POST", "", {"name": "mine", "scoreConfigIds": [config_id]}),
        ]
        for method, path, body in asked:
            response = await theirs.request(method, f"{PATH}{path}", json=body)
            assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError"), path
        assert await make_queue(theirs)
    assert await ask(client, "GET", f"/{queue}/items/{item['id']}") == item
