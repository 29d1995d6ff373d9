"""The edge's HTTP application. Only composes."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace import __version__
from tailrace.edge.answers import error_body, json_answer
from tailrace.edge.endpoint import Edge
from tailrace.edge.ingestion import INGESTION
from tailrace.edge.otlp import METRICS, TRACES
from tailrace.edge.publisher import Publisher
from tailrace.edge.scores import DELETED_SCORE, SCORES
from tailrace.edge.traffic import Traffic
from tailrace.runtime.cors import AllowAnyOrigin
from tailrace.runtime.keys import KeyCache
from tailrace.runtime.metrics import LabelCap
from tailrace.runtime.routing import register_ids
from tailrace.runtime.settings import Settings

ENDPOINTS = (TRACES, METRICS, INGESTION, SCORES, DELETED_SCORE)


def make_edge(publisher: Publisher, keys: KeyCache, settings: Settings, traffic: Traffic) -> Edge:
    """What all ways into this process share. `traffic` is watched by who passes it."""
    return Edge(publisher, keys, settings, traffic, LabelCap(settings.processing.max_metric_projects))


def app_of(edge: Edge) -> Starlette:
    """The edge's HTTP alone: its routes, its health, any origin allowed, JSON for every error."""
    app = Starlette(
        routes=[*routes(edge), Route("/api/public/health", _health)],
        middleware=[
            Middleware(AllowAnyOrigin),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


def routes(edge: Edge) -> list[BaseRoute]:
    """The write endpoints. They take only POST, but for the one that deletes."""
    register_ids()
    return [endpoint.route(edge) for endpoint in ENDPOINTS]


async def _health(_: Request) -> Response:
    return json_answer({"status": "OK", "version": __version__})


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    message = f"there is no {request.method} {request.url.path}" if status in (404, 405) else "the request is refused"
    return json_answer(error_body(status, message), status, headers)
