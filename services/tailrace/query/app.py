"""The public API but for events, as one Starlette application: which path goes to which handler. It writes what projects configure, nothing else."""

from functools import cache
from typing import Any, Final

import asyncpg
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from tailrace.core.price_file import PricedModel, read_price_file
from tailrace.query.annotation_queues import annotation_queue_handlers
from tailrace.query.comments import comment_handlers
from tailrace.query.database import Database
from tailrace.query.dataset_routes import dataset_routes
from tailrace.query.endpoint import Clock, Endpoints, unrouted
from tailrace.query.metrics.handlers import Metrics
from tailrace.query.models import Models
from tailrace.query.observations import get_observation, list_observations, list_observations_v2
from tailrace.query.projects import health, list_projects
from tailrace.query.prompt_cache import PromptCache
from tailrace.query.prompt_line import PromptLine
from tailrace.query.prompt_metrics import measure_prompt
from tailrace.query.prompts import Prompts
from tailrace.query.score_configs import score_config_handlers
from tailrace.query.scores import get_score_v1, get_score_v2, list_scores_v1, list_scores_v2, list_scores_v3
from tailrace.query.sessions import get_session, list_sessions
from tailrace.query.traces import get_trace, list_traces
from tailrace.query.trees import get_tree
from tailrace.query.unknown_models import list_unknown_models
from tailrace.query.users import list_users, list_windows
from tailrace.runtime.cors import AllowAnyOrigin
from tailrace.runtime.keys import KeyCache
from tailrace.runtime.resources import schemas
from tailrace.runtime.routing import register_ids
from tailrace.runtime.settings import Settings

REQUESTS_PER_CONNECTION: Final = 8
"""Requests that may be under way for each database connection; more are answered 503 rather than queued."""

_handlers: Final = {
    "/api/public/projects": list_projects,
    "/api/public/traces": list_traces,
    "/api/public/traces/{id:id}": get_trace,
    "/api/public/observations": list_observations,
    "/api/public/observations/{id:id}": get_observation,
    "/api/public/v2/observations": list_observations_v2,
    "/api/public/sessions": list_sessions,
    "/api/public/sessions/{id:id}": get_session,
    "/api/public/scores": list_scores_v1,
    "/api/public/scores/{id:id}": get_score_v1,
    "/api/public/v2/scores": list_scores_v2,
    "/api/public/v2/scores/{id:id}": get_score_v2,
    "/api/public/v3/scores": list_scores_v3,
    "/api/tailrace/v1/users": list_users,
    "/api/tailrace/v1/users/{id:id}/windows": list_windows,
    "/api/tailrace/v1/traces/{id:id}/tree": get_tree,
    "/api/tailrace/v1/unknown-models": list_unknown_models,
    "/api/tailrace/v1/prompts/{id:id}/metrics": measure_prompt,
}
"""Ids may hold slashes, raw or encoded, and any other character; what follows an id is found from the right end."""


def create_app(
    pool: "asyncpg.Pool[Any]",
    keys: KeyCache,
    settings: Settings,
    *,
    prompt_line: PromptLine | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The application over `pool`, `keys` and `prompt_line`, which their owner opens, watches and closes.

    Without a line prompts are always read from the database.
    """
    register_ids()
    most = settings.postgres.pool_size * REQUESTS_PER_CONNECTION
    endpoints = Endpoints(Database(pool), keys, max_requests=most, clock=clock)
    models = Models(_shipped_models(), kept_days=settings.kafka.retention_days + 1)
    prompts = Prompts(prompt_line or PromptLine(PromptCache()))
    routes = [endpoints.route(path, handler) for path, handler in _handlers.items()]
    written = [
        *models.handlers(),
        *prompts.handlers(),
        *score_config_handlers(),
        *annotation_queue_handlers(),
        *comment_handlers(),
    ]
    routes += [endpoints.route(path, handler, method=method) for method, path, handler in written]
    routes += dataset_routes(endpoints)
    routes += [endpoints.route(path, handler) for path, handler in Metrics(settings.postgres).handlers()]
    app = Starlette(
        routes=[Route("/api/public/health", health, methods=["GET"]), *routes],
        middleware=[Middleware(AllowAnyOrigin)],
        exception_handlers={404: unrouted, 405: unrouted},
    )
    app.router.redirect_slashes = False
    return app


@cache
def _shipped_models() -> tuple[PricedModel, ...]:
    return read_price_file((schemas() / "prices.json").read_bytes()).models
