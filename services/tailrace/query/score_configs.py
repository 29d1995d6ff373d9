"""`/api/public/score-configs`: what a project lays down for its scores.

A write is one statement in Postgres that adds a version; assemblers judge scores by it. The answer is given once it holds for whatever is sent.
"""

import asyncio
import uuid
from typing import Any, Final

import asyncpg

from tailrace.core.score_configs import CONFIG_EFFECTIVE_AFTER_US, CONFIG_LOCK
from tailrace.query.database import Database
from tailrace.query.endpoint import Answer, Call, Handler
from tailrace.query.errors import ConflictError, InvalidRequestError, NotFoundError
from tailrace.query.json_text import embed_instant, embed_json
from tailrace.query.listing import page_meta
from tailrace.query.parameters import page
from tailrace.query.rows import ScoreConfigRead
from tailrace.query.score_config_requests import NewConfig, read_changes, read_config
from tailrace.query.sql import statement

MAX_CONFIGS: Final = 1_000
_TRIES: Final = 5
_SETTLED_SECONDS: Final = 2 * CONFIG_EFFECTIVE_AFTER_US / 1_000_000
"""Until an edge whose clock is late by that much again takes scores for later than the version."""

_wait: Final = asyncio.sleep


def score_config_handlers() -> list[tuple[str, str, Handler]]:
    """Method, path and handler of each route."""
    return [
        ("GET", "/api/public/score-configs", list_score_configs),
        ("POST", "/api/public/score-configs", create_score_config),
        ("GET", "/api/public/score-configs/{id:id}", get_score_config),
        ("PATCH", "/api/public/score-configs/{id:id}", update_score_config),
    ]


async def list_score_configs(call: Call) -> Answer:
    """A counted page, the newest first."""
    asked = page(call.query)
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_score_configs"), (call.project_id,))
        values = (call.project_id, asked.limit, asked.offset)
        found = await reader.rows(ScoreConfigRead, statement("list_score_configs"), values)

    def build() -> dict[str, Any]:
        return {"data": [_shape(call.project_id, one) for one in found], "meta": page_meta(asked, total)}

    return Answer(build, len(found))


async def get_score_config(call: Call) -> Answer:
    """One config. Raises NotFoundError."""
    return _answer(call, await _find(call))


async def create_score_config(call: Call) -> Answer:
    """A new config."""
    config = read_config(call.body)
    async with call.database.snapshot() as reader:
        total = await reader.whole_number(statement("count_score_configs"), (call.project_id,))
    if total >= MAX_CONFIGS:
        raise InvalidRequestError(f"expected at most {MAX_CONFIGS} score configs", "name")
    written = await _write(call.database, call.project_id, uuid.uuid4().hex, None, config)
    if written is None:
        raise ConflictError("the score config could not be written; try again")
    return await _settled(call, written)


async def update_score_config(call: Call) -> Answer:
    """A config with what the body changes. Raises NotFoundError, and ConflictError while others change it again and again."""
    for _ in range(_TRIES):
        old = await _find(call)
        changed = read_changes(call.body, old)
        written = await _write(call.database, call.project_id, old.id, old.version, changed)
        if written is not None:
            return await _settled(call, written)
    raise ConflictError("the score config is being changed by others; try again")


async def _find(call: Call) -> ScoreConfigRead:
    async with call.database.snapshot() as reader:
        found = await reader.row(ScoreConfigRead, statement("get_score_config"), (call.project_id, call.id))
    if found is None:
        raise NotFoundError("Score config not found within authorized project")
    return found


async def _write(
    database: Database, project_id: str, id_: str, after_version: int | None, config: NewConfig
) -> ScoreConfigRead | None:
    """The written version; None if the one before it is not the latest any more."""
    values = (
        project_id,
        id_,
        after_version,
        config.name,
        config.data_type,
        config.min_value,
        config.max_value,
        config.stored_categories(),
        config.description,
        config.is_archived,
        CONFIG_LOCK,
        CONFIG_EFFECTIVE_AFTER_US,
    )
    try:
        return await database.write(ScoreConfigRead, statement("write_score_config"), values)
    except asyncpg.UniqueViolationError:
        return None  # somebody else wrote a version between this statement's look and its lock


async def _settled(call: Call, written: ScoreConfigRead) -> Answer:
    """The answer, once what is sent after it is judged by this version."""
    await _wait(_SETTLED_SECONDS)
    return _answer(call, written)


def _answer(call: Call, one: ScoreConfigRead) -> Answer:
    return Answer(lambda: _shape(call.project_id, one))


def _shape(project_id: str, one: ScoreConfigRead) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "dataType": one.data_type,
        "minValue": one.min_value,
        "maxValue": one.max_value,
        "categories": embed_json(one.categories),
        "description": one.description,
        "isArchived": one.is_archived,
        "projectId": project_id,
        "createdAt": embed_instant(one.created_at),
        "updatedAt": embed_instant(one.updated_at),
    }
