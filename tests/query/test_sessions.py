from typing import Any

import httpx
import pytest

from tests.query.seed import Seed, after

pytestmark = pytest.mark.integration


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """The JSON of a good answer."""
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


async def seed_sessions(seed: Seed) -> None:
    """`old` was seen by three partitions, first an hour before noon by partition 2; `new` by one."""
    await seed.session("old", partition=0, created_at=after(hours=2), environment="late")
    await seed.session("old", partition=2, created_at=after(hours=-1), environment="first")
    await seed.session("old", partition=1, created_at=after(hours=3))
    await seed.session("new", created_at=after(hours=1))


async def test_a_session_of_several_partitions_is_one_since_it_was_first_seen(
    client: httpx.AsyncClient, seed: Seed
) -> None:
    await seed_sessions(seed)

    body = await get(client, "/api/public/sessions")

    assert body["meta"] == {"page": 1, "limit": 50, "totalItems": 2, "totalPages": 1}
    assert body["data"] == [
        {
            "id": "new",
            "createdAt": "2026-11-21T13:00:00.000Z",
            "projectId": seed.project_id,
            "environment": "default",
        },
        {
            "id": "old",
            "createdAt": "2026-11-21T11:00:00.000Z",
            "projectId": seed.project_id,
            "environment": "first",
        },
    ]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"limit": 1, "page": 2}, ["old"]),
        ({"fromTimestamp": "2026-11-21T12:00:00Z"}, ["new"]),
        ({"toTimestamp": "2026-11-21T12:00:00Z"}, ["old"]),
        ({"environment": "late"}, []),
        ({"environment": ["first", "default"]}, ["new", "old"]),
    ],
)
async def test_sessions_are_listed_by_their_parameters(
    client: httpx.AsyncClient, seed: Seed, params: dict[str, Any], found: list[str]
) -> None:
    await seed_sessions(seed)

    body = await get(client, "/api/public/sessions", **params)

    assert [session["id"] for session in body["data"]] == found


async def test_a_single_session_has_its_traces(client: httpx.AsyncClient, seed: Seed) -> None:
    await seed.session("a/b")
    await seed.trace("t2", session_id="a/b", timestamp=after(minutes=1), input="{}")
    await seed.trace("t1", session_id="a/b", tags=["x"])
    await seed.trace("t3", session_id="other")

    session = await get(client, "/api/public/sessions/a%2Fb")

    assert (session["id"], session["environment"]) == ("a/b", "default")
    assert [trace["id"] for trace in session["traces"]] == ["t1", "t2"]
    assert session["traces"][0]["tags"] == ["x"]
    assert session["traces"][1]["input"] == {}
    assert "observations" not in session["traces"][0]


async def test_an_unknown_session_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/public/sessions/nobody")

    assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")


async def test_a_session_of_too_many_traces_says_where_to_read_them(
    client: httpx.AsyncClient, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.sessions.MAX_SESSION_TRACES", 1)
    await seed.session("s")
    await seed.trace("t1", session_id="s")
    await seed.trace("t2", session_id="s")

    response = await client.get("/api/public/sessions/s")

    assert response.status_code == 400
    assert "/traces" in response.json()["message"]
