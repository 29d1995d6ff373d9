"""GET /health and /projects: is this the API, and whose key is this."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

import tailrace
from tailrace.query.endpoint import Answer, Call, json_response
from tailrace.query.json_text import embed_object


async def health(_: Request) -> Response:
    """The API answers. Whether all behind it does is what the probes say."""
    return json_response(orjson.dumps({"status": "OK", "version": tailrace.__version__}))


async def list_projects(call: Call) -> Answer:
    """The one project that the key speaks for; known from the key alone, so it is answered while Postgres is away."""
    principal = call.principal
    project: dict[str, Any] = {
        "id": principal.project_id,
        "name": principal.project_name,
        "organization": {"id": principal.organization_id, "name": principal.organization_name},
        "metadata": embed_object(principal.metadata),
    }
    if principal.retention_days is not None:
        project["retentionDays"] = principal.retention_days
    return Answer(lambda: {"data": [project]})
