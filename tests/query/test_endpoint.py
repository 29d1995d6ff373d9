"""What every request has in common: who may ask, what an unknown path answers, how an error leaves. No database here."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from structlog.testing import capture_logs

import tailrace
from tailrace.core.model import ProjectId
from tailrace.query.app import create_app
from tailrace.query.database import Database
from tailrace.query.endpoint import Answer, Call, Endpoints
from tailrace.query.errors import InvalidRequestError
from tailrace.runtime.keys import KeyCache, KeysUnavailableError, Principal, StoredKey, hash_secret
from tailrace.runtime.settings import Settings
from tests.query.seed import SECRET_KEY, basic

PRINCIPAL = Principal(ProjectId("p1"), "Project", "o1", "Orga", "full", suspended=False, metadata='{"team": "x"}')
NO_POOL = cast("asyncpg.Pool[Any]", None)


class OneKey:
    """Keeps one key, `pk-lf-known`; cannot be asked for `pk-lf-away`."""

    def __init__(self, principal: Principal = PRINCIPAL) -> None:
        self._principal = principal

    async def find(self, public_key: str) -> StoredKey | None:
        if public_key == "pk-lf-away":
            raise KeysUnavailableError("no line")
        if public_key != "pk-lf-known":
            return None
        return StoredKey(public_key, b"salt", hash_secret(SECRET_KEY, b"salt"), self._principal)


def client_of(app: Starlette, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api", headers=headers)


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    """The whole API without a database, asked with the known key."""
    async with client_of(create_app(NO_POOL, KeyCache(OneKey()), Settings()), **basic("pk-lf-known")) as client:
        yield client


def handled_by(handler: Callable[[Call], Awaitable[Answer]], *, max_requests: int = 8) -> httpx.AsyncClient:
    """A client of one route, `/thing/{id}`, that this handler answers."""
    endpoints = Endpoints(Database(NO_POOL), KeyCache(OneKey()), max_requests=max_requests)
    return client_of(Starlette(routes=[endpoints.route("/thing/{id:path}", handler)]), **basic("pk-lf-known"))


def raising(error: Exception) -> Callable[[Call], Awaitable[Answer]]:
    async def handler(_: Call) -> Answer:
        raise error

    return handler


async def test_health_needs_no_key(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/public/health", headers={"Authorization": ""})

    assert (response.status_code, response.json()) == (200, {"status": "OK", "version": tailrace.__version__})


async def test_projects_are_the_one_of_the_key(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/public/projects")

    organization = {"id": "o1", "name": "Orga"}
    project = {"id": "p1", "name": "Project", "organization": organization, "metadata": {"team": "x"}}
    assert (response.status_code, response.json()) == (200, {"data": [project]})


async def test_a_retention_stands_with_the_project() -> None:
    keys = KeyCache(OneKey(PRINCIPAL._replace(retention_days=30)))
    async with client_of(create_app(NO_POOL, keys, Settings()), **basic("pk-lf-known")) as client:
        assert (await client.get("/api/public/projects")).json()["data"][0]["retentionDays"] == 30


@pytest.mark.parametrize(
    ("header", "status", "message"),
    [
        (None, 401, "No authorization header"),
        ("Basic ???", 401, "Invalid authorization header"),
        (
            basic("pk-lf-unknown")["Authorization"],
            401,
            "Invalid credentials. Confirm that you've configured the correct host.",
        ),
        ("Bearer pk-lf-known", 403, "this needs the public and the secret key as Basic authorization"),
        ("Bearer pk-lf-unknown", 401, "Invalid credentials. Confirm that you've configured the correct host."),
    ],
)
async def test_only_both_keys_read(client: httpx.AsyncClient, header: str | None, status: int, message: str) -> None:
    headers = client.headers.copy()
    del headers["authorization"]
    client.headers = headers

    response = await client.get("/api/public/traces", headers={} if header is None else {"Authorization": header})

    assert (response.status_code, response.json()["message"]) == (status, message)


async def test_a_key_that_nobody_can_look_up_is_a_503_with_retry_after(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/public/projects", headers=basic("pk-lf-away"))

    assert (response.status_code, response.json()["error"]) == (503, "ServiceUnavailableError")
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", ["/", "/api/public/nothing", "/api/public/v2/traces", "/api/tailrace/v1/users/x"])
async def test_an_unknown_route_is_a_json_404(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)

    assert (response.status_code, response.json()["error"]) == (404, "LangfuseNotFoundError")
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_wrong_method_is_a_json_405(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/api/public/observations/o1")

    assert (response.status_code, response.json()["error"]) == (405, "MethodNotAllowedError")
    assert "GET" in response.headers["allow"]


async def test_browsers_are_let_in_with_the_headers_they_ask_for(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "authorization, x-langfuse-sdk-name"}

    preflight = await client.options("/api/public/scores", headers=asked)
    answer = await client.get("/api/public/projects", headers={"Origin": "https://shop.example"})

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "authorization, x-langfuse-sdk-name"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (TimeoutError(), 503, "ServiceUnavailableError"),
        (ConnectionRefusedError("refused"), 503, "ServiceUnavailableError"),
        (asyncpg.ConnectionDoesNotExistError("gone"), 503, "ServiceUnavailableError"),
        (asyncpg.QueryCanceledError("statement timeout"), 503, "ServiceUnavailableError"),
        (asyncpg.TooManyConnectionsError("full"), 503, "ServiceUnavailableError"),
        (RuntimeError("secret detail"), 500, "InternalServerError"),
    ],
)
async def test_an_outage_is_a_503_and_a_bug_a_500_that_says_nothing(error: Exception, status: int, name: str) -> None:
    async with handled_by(raising(error)) as client:
        response = await client.get("/thing/x")

    assert (response.status_code, response.json()["error"]) == (status, name)
    assert ("retry-after" in response.headers) == (status == 503)
    assert "secret" not in response.text


@pytest.mark.parametrize("error", [asyncpg.CharacterNotInRepertoireError("\x00"), InvalidRequestError("bad", "x")])
async def test_what_the_database_cannot_use_is_the_sender_s_400(error: Exception) -> None:
    async with handled_by(raising(error)) as client:
        response = await client.get("/thing/x")

    assert (response.status_code, response.json()["message"]) == (400, "Invalid request data")


async def test_more_requests_than_the_bound_are_told_to_come_back() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_: Call) -> Answer:
        entered.set()
        await leave.wait()
        return Answer(dict)

    async with handled_by(slow, max_requests=1) as client:
        first = asyncio.create_task(client.get("/thing/x"))
        await entered.wait()
        second = await client.get("/thing/x")
        leave.set()

        assert (second.status_code, second.headers["retry-after"]) == (503, "5")
        assert (await first).status_code == 200
        assert (await client.get("/thing/x")).status_code == 200


async def test_each_request_leaves_one_line_without_values_and_one_sample() -> None:
    async def two_rows(call: Call) -> Answer:
        return Answer(lambda: {"id": call.id, "at": call.now.isoformat()}, 2)

    def count() -> float:
        return (
            REGISTRY.get_sample_value("tailrace_query_requests_total", {"route": "/thing/{id:path}", "status": "200"})
            or 0
        )

    before = count()
    async with handled_by(two_rows) as client:
        with capture_logs() as lines:
            response = await client.get("/thing/private?userId=ada")

    assert response.json()["id"] == "private"
    assert datetime.fromisoformat(response.json()["at"]).tzinfo == UTC
    [line] = lines
    assert line.pop("ms") >= 0
    assert line == {
        "event": "query.request.done",
        "log_level": "info",
        "route": "/thing/{id:path}",
        "status": 200,
        "rows": 2,
        "project": "p1",
    }
    assert count() == before + 1
