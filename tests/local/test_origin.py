"""One origin: which of two applications behind it answers, by path and method."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tailrace.local.origin import one_origin


def app(name: str, *routes: tuple[str, str]) -> Starlette:
    async def answer(_: Request) -> Response:
        return PlainTextResponse(name)

    return Starlette(routes=[Route(path, answer, methods=[method]) for method, path in routes])


@pytest.mark.parametrize(
    ("method", "path", "answers"),
    [
        ("POST", "/otel", "edge"),
        ("GET", "/otel", "405"),
        ("POST", "/scores", "edge"),
        ("GET", "/scores", "query"),
        ("GET", "/scores/a/b", "query"),
        ("DELETE", "/scores/a/b", "edge"),
        ("DELETE", "/models/a", "query"),
        ("POST", "/models", "query"),
        ("DELETE", "/nowhere", "404"),
    ],
)
async def test_what_writes_events_goes_to_the_edge_and_all_else_to_query(method: str, path: str, answers: str) -> None:
    edge = app("edge", ("POST", "/otel"), ("POST", "/scores"), ("DELETE", "/scores/{id:path}"))
    query = app(
        "query", ("GET", "/scores"), ("GET", "/scores/{id:path}"), ("POST", "/models"), ("DELETE", "/models/{id:path}")
    )
    transport = httpx.ASGITransport(app=one_origin(edge, query))
    async with httpx.AsyncClient(transport=transport, base_url="http://origin") as client:
        response = await client.request(method, path)

    assert (response.text if response.status_code == 200 else str(response.status_code)) == answers
