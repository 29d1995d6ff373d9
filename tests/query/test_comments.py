"""Comments as the SDKs read and write them."""

from typing import Any

import asyncpg
import httpx
import pytest

from tests.query.conftest import api_client
from tests.query.seed import Seed

pytestmark = pytest.mark.integration

PATH = "/api/public/comments"
COMMENT: dict[str, Any] = {"objectType": "TRACE", "objectId": "t1", "content": "Look *here*."}


async def create(client: httpx.AsyncClient, **values: Any) -> str:
    response = await client.post(PATH, json=COMMENT | values)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"id"}
    return response.json()["id"]


async def contents(client: httpx.AsyncClient, **params: Any) -> list[str]:
    response = await client.get(PATH, params=params)
    assert response.status_code == 200, response.text
    return [one["content"] for one in response.json()["data"]]


async def test_a_comment_is_read_as_it_was_made(client: httpx.AsyncClient, seed: Seed) -> None:
    id_ = await create(client, projectId=seed.project_id, authorUserId="ada")

    found = (await client.get(f"{PATH}/{id_}")).json()

    assert found.pop("createdAt") == found.pop("updatedAt")
    assert found == COMMENT | {"id": id_, "projectId": seed.project_id, "authorUserId": "ada"}


async def test_comments_are_listed_by_object_and_author_the_newest_first(client: httpx.AsyncClient) -> None:
    await create(client, content="one")
    await create(client, content="two", objectType="SESSION", authorUserId="ada")
    await create(client, content="three", objectId="t2", authorUserId="ada")
    await create(client, content="four", objectType="PROMPT", objectId="p/1")

    assert await contents(client) == ["four", "three", "two", "one"]
    assert await contents(client, objectType="TRACE") == ["three", "one"]
    assert await contents(client, objectType="TRACE", objectId="t1") == ["one"]
    assert await contents(client, objectType="PROMPT", objectId="p/1") == ["four"]
    assert await contents(client, authorUserId="ada") == ["three", "two"]
    page = (await client.get(PATH, params={"page": 2, "limit": 3})).json()
    assert ([one["content"] for one in page["data"]], page["meta"]) == (
        ["one"],
        {"page": 2, "limit": 3, "totalItems": 4, "totalPages": 2},
    )


@pytest.mark.parametrize("params", [{"objectType": "trace"}, {"objectId": "t1"}, {"limit": "0"}, {"page": "x"}])
async def test_a_list_that_cannot_be_is_400(client: httpx.AsyncClient, params: dict[str, str]) -> None:
    response = await client.get(PATH, params=params)

    assert (response.status_code, response.json()["message"]) == (400, "Invalid request data")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"projectId": "somebody-else"}, ["projectId"]),
        ({"objectType": "SCORE"}, ["objectType"]),
        ({"objectType": None}, ["objectType"]),
        ({"objectId": ""}, ["objectId"]),
        ({"objectId": "ü" * 401}, ["objectId"]),
        ({"content": ""}, ["content"]),
        ({"content": "x" * 5001}, ["content"]),
        ({"content": {"a": 1}}, ["content"]),
        ({"authorUserId": 7}, ["authorUserId"]),
    ],
)
async def test_a_comment_that_cannot_be_is_400(client: httpx.AsyncClient, body: Any, path: list[str]) -> None:
    response = await client.post(PATH, json=COMMENT | body)

    assert (response.status_code, [issue["path"] for issue in response.json()["error"]]) == (400, [path])


async def test_what_postgres_cannot_hold_of_a_text_is_left_out(client: httpx.AsyncClient) -> None:
    body = b'{"objectType":"TRACE","objectId":"t\\u00001","content":"a\\u0000b\\ud800"}'

    made = await client.post(PATH, content=body)

    found = (await client.get(f"{PATH}/{made.json()['id']}")).json()
    assert (found["objectId"], found["content"]) == ("t1", "ab\ufffd")


async def test_a_comment_of_another_project_is_404(
    client: httpx.AsyncClient, connection: "asyncpg.Connection[Any]", module_postgres_dsn: str
) -> None:
    id_ = await create(client)
    other = Seed(connection)
    await other.project()

    async with api_client(module_postgres_dsn, other) as theirs:
        response = await theirs.get(f"{PATH}/{id_}")
        assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")
        assert await contents(theirs) == []
